"""The Python side of the plane's uploads by itself: orders for held bodies, and what no server would let happen."""

from __future__ import annotations

import asyncio
import os
import resource
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from nimbus._native.plane import UPLOAD_WANTS, Upload, succeed_uploads, take_uploads
from nimbus.auth.api import BodyForm, Verified
from nimbus.base.errors import FileTooLarge, SpaceExhausted, StoreReadOnly
from nimbus.data.disk import Disk
from nimbus.data.local import LocalDataStore
from nimbus.metrics.storage import DataMeter
from nimbus.s3.body import Declared, Taken
from nimbus.s3.errors import S3Error
from nimbus.server.plane import Key
from nimbus.server.plane_blobs import Blobs
from nimbus.server.plane_bodies import HeldBodies
from nimbus.server.plane_uploads import PlaneUploads
from nimbus.store.reclaiming import collector
from nimbus.store.reclaiming.room import Room
from tests.wire.plane_front import Front, Peer, front
from tests.wire.plane_inside import inside
from tests.wire.plane_node import OWNER
from tests.wire.plane_pair import Node

SIZE = 700_000
BODY = os.urandom(SIZE)


async def _nothing_to_free(_seconds: float) -> bool:
    return False


class Bench:
    """A plane whose server answers only when the test lets it, and a store to put bodies into."""

    def __init__(self, running: Front, root: Path) -> None:
        self.front = running
        self.data = LocalDataStore(root)
        self.root = root
        self.blobs = Blobs(self.data, DataMeter())
        self.bodies = HeldBodies(running.plane, self.blobs, Room(_nothing_to_free))
        self._thread = threading.Thread(target=self._settle)
        self._thread.start()

    def _settle(self) -> None:
        while (uploads := take_uploads(self.front.plane, 16, 60_000)) is not None:
            for upload in uploads:
                self.bodies.settle(upload)

    def offer(self, *headers: str) -> tuple[Peer, int]:
        """A client whose body is held back, and the ticket."""
        peer = self.front.connect()
        peer.send("\r\n".join(["PUT /wait HTTP/1.1", "Host: h", *headers, "", ""]).encode())
        assert self.front.behind.arrived.acquire(timeout=20)
        offer = self.front.behind.requests[-1].header("x-nimbus-body")
        assert offer is not None
        assert offer.endswith(";uninvited")
        return peer, int(offer.split(";")[0])

    async def take(self, ticket: int, size: int | None = SIZE, size_max: int = 5 << 30) -> Taken:
        declared = Declared(size, size, Verified(None, BodyForm.UNSIGNED))
        return await self.bodies.offer(ticket).take(declared, size_max, ("CRC32",))

    def files(self) -> list[Path]:
        return list(self.root.rglob("*.blob"))

    def stop(self) -> None:
        self.front.plane.stop()
        self._thread.join()
        self.bodies.end()
        self.blobs.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with front(takes_uploads=True) as running:
        bench = Bench(running, tmp_path / "data")
        try:
            yield bench
        finally:
            running.behind.gate.set()
            bench.stop()
            bench.data.close()
    assert bench.files() == []


def run(wanted: Callable[[], Awaitable[Taken]]) -> Taken:
    async def whole() -> Taken:
        async with asyncio.timeout(20):
            return await wanted()

    return asyncio.run(whole())


def code_of(taken: Taken) -> str:
    assert isinstance(taken.failure, S3Error)
    assert (taken.received, taken.payload, taken.extents) == (None, b"", ())
    return taken.failure.code


def test_a_ticket_is_good_for_one_order(bench: Bench) -> None:
    peer, ticket = bench.offer(f"Content-Length: {SIZE}")
    peer.send(BODY)
    taken = run(lambda: bench.take(ticket))
    assert (taken.wire_size, taken.ended, len(taken.extents)) == (SIZE, True, 1)
    assert code_of(run(lambda: bench.take(ticket))) == "IncompleteBody"
    bench.front.behind.gate.set()
    assert peer.response()[2] == b"at last"
    bench.blobs.drop(taken.extents)


@pytest.mark.parametrize("ticket", [0, 1, 64, 1 << 63])
def test_a_ticket_that_nobody_made_is_answered_at_once(bench: Bench, ticket: int) -> None:
    async def wanted() -> Taken:
        try:
            return await bench.take(ticket)
        except MemoryError:  # no worker has such tickets
            return Taken(0, True, failure=S3Error("IncompleteBody"))

    assert code_of(run(wanted)) == "IncompleteBody"


def test_an_order_for_a_client_that_has_gone_is_answered(bench: Bench) -> None:
    peer, ticket = bench.offer(f"Content-Length: {SIZE}")
    peer.close()
    assert code_of(run(lambda: bench.take(ticket))) == "IncompleteBody"


def test_more_than_the_bound_of_a_body_without_a_size_is_refused(bench: Bench) -> None:
    peer, ticket = bench.offer("Transfer-Encoding: chunked")
    peer.send(b"%x\r\n%b\r\n0\r\n\r\n" % (SIZE, BODY))
    assert code_of(run(lambda: bench.take(ticket, None, SIZE - 1))) == "EntityTooLarge"


def test_a_body_without_a_size_may_be_as_large_as_the_bound(bench: Bench) -> None:
    peer, ticket = bench.offer("Transfer-Encoding: chunked")
    peer.send(b"%x\r\n%b\r\n0\r\n\r\n" % (SIZE, BODY))
    taken = run(lambda: bench.take(ticket, None, SIZE))
    assert [extent.size for extent in taken.extents] == [SIZE]
    bench.blobs.drop(taken.extents)


def test_a_full_disk_is_said_before_the_body_moves(bench: Bench) -> None:
    peer, ticket = bench.offer(f"Content-Length: {SIZE}")
    peer.send(BODY)
    bench.data.disk = Disk(bench.data.health, 1 << 60)
    with pytest.raises(SpaceExhausted):
        run(lambda: bench.take(ticket))
    assert bench.bodies._waiting == {}
    bench.front.behind.gate.set()
    assert peer.response()[2] == b"at last"


def test_a_file_that_may_not_grow_so_large_is_told_and_forgotten(bench: Bench) -> None:
    peer, ticket = bench.offer(f"Content-Length: {SIZE}")
    peer.send(BODY)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        taken = run(lambda: bench.take(ticket))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert isinstance(taken.failure, FileTooLarge)
    peer, ticket = bench.offer(f"Content-Length: {SIZE}")
    peer.send(BODY)
    taken = run(lambda: bench.take(ticket))
    assert [extent.size for extent in taken.extents] == [SIZE]
    bench.blobs.drop(taken.extents)


def test_a_write_that_fails_is_told_and_remembered(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = bench.blobs.begin

    def begin_unwritable(size: int) -> int:
        fd, read_only = begin(size), os.open(os.devnull, os.O_RDONLY)
        os.dup2(read_only, fd, inheritable=False)
        os.close(read_only)
        return fd

    monkeypatch.setattr(bench.blobs, "begin", begin_unwritable)
    peer, ticket = bench.offer(f"Content-Length: {SIZE}")
    peer.send(BODY)
    assert isinstance(run(lambda: bench.take(ticket)).failure, StoreReadOnly)
    with pytest.raises(StoreReadOnly):
        run(lambda: bench.take(ticket))


def test_a_waiter_that_is_cancelled_in_mid_body_leaves_nothing(bench: Bench) -> None:
    peer, ticket = bench.offer(f"Content-Length: {SIZE}")
    peer.send(BODY[:-1])

    async def cancelled() -> Taken:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await bench.take(ticket)
        assert len(bench.files()) == 1
        peer.send(BODY[-1:])
        while bench.files():  # noqa: ASYNC110 another thread removes it
            await asyncio.sleep(0.005)
        return Taken(0, True)

    run(cancelled)
    bench.front.behind.gate.set()
    assert peer.response()[2] == b"at last"


def test_a_waiter_that_is_cancelled_when_all_is_done_leaves_nothing(bench: Bench) -> None:
    peer, ticket = bench.offer(f"Content-Length: {SIZE}")

    async def cancelled() -> Taken:
        task = asyncio.ensure_future(bench.take(ticket))
        resolve = bench.bodies._resolve

        def resolve_and_cancel(outcome: asyncio.Future[Taken], taken: Taken) -> None:
            assert taken.extents
            resolve(outcome, taken)
            task.cancel()

        bench.bodies._resolve = resolve_and_cancel  # type: ignore[method-assign]
        peer.send(BODY)
        with pytest.raises(asyncio.CancelledError):
            await task
        while bench.files():  # noqa: ASYNC110 another thread removes it
            await asyncio.sleep(0.005)
        return Taken(0, True)

    run(cancelled)


def test_who_waits_is_told_when_the_plane_stops(bench: Bench) -> None:
    peer, ticket = bench.offer(f"Content-Length: {SIZE}")
    peer.send(BODY[:400_000])

    async def stopped() -> Taken:
        task = asyncio.ensure_future(bench.take(ticket))
        await asyncio.sleep(0.05)
        await asyncio.get_running_loop().run_in_executor(None, bench.stop)
        taken = await task
        assert code_of(await bench.take(ticket)) == "IncompleteBody"
        return taken

    assert code_of(run(stopped)) == "IncompleteBody"


def test_who_waited_for_room_beyond_the_stop_leaves_nothing(bench: Bench) -> None:
    _, ticket = bench.offer(f"Content-Length: {SIZE}")
    full, bench.data.disk = bench.data.disk, Disk(bench.data.health, 1 << 60)

    async def stop_meanwhile(_seconds: float) -> bool:
        bench.stop()
        bench.data.disk = full
        return True

    bench.bodies._room = Room(stop_meanwhile)
    assert code_of(run(lambda: bench.take(ticket))) == "IncompleteBody"


def test_a_server_that_asks_for_the_bytes_gets_them(bench: Bench) -> None:
    peer = bench.front.connect()
    peer.send(b"PUT /echo HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % SIZE + BODY)
    assert peer.response()[2] == BODY
    assert bench.front.counter("relayed_body_bytes") == SIZE


def test_an_upload_that_fails_unforeseen_is_the_servers_to_judge(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def find_bucket(name: str) -> Any:
        raise RuntimeError("nobody has foreseen this")

    handover: Any = SimpleNamespace(
        check_pace=lambda: None,
        find_bucket=find_bucket,
        submit=lambda: None,
        join=lambda: None,
        on_answers=None,
        room=None,
    )
    data = LocalDataStore(tmp_path)
    with front(takes_uploads=True) as running:
        running.plane.set_keys([Key(*OWNER)], "us-east-1")
        uploads = PlaneUploads(running.plane, handover, data, None, DataMeter())  # type: ignore[arg-type]
        uploads.start()
        node = Node(*running.address, tmp_path, 0)
        for _ in range(2):
            head, _ = node.sign("/echo/key", {"Content-Length": "5"}, "UNSIGNED-PAYLOAD")
            peer = running.connect()
            peer.send(head + b"hello")
            assert peer.response()[2] == b"hello"
        running.plane.stop()
        uploads.join()
    data.close()
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


def test_a_file_that_cannot_be_finished_goes_at_once(tmp_path: Path) -> None:
    data = LocalDataStore(tmp_path)
    blobs = Blobs(data, DataMeter())
    fd = blobs.begin(SIZE)
    upload: Any = SimpleNamespace(fd=fd, size=SIZE, table_hash=1)
    os.close(fd)  # what `finish` does first fails
    with pytest.raises(OSError, match="Bad file descriptor"):
        blobs.finish(upload)
    blobs.close()
    assert list(tmp_path.rglob("*.blob")) == []
    data.close()


def test_writers_who_were_answered_together_are_taken_together_when_they_come_back(tmp_path: Path) -> None:
    window_us = 600_000_000
    with front(takes_uploads=True) as running, ThreadPoolExecutor(1) as taker:
        running.plane.set_keys([Key(*OWNER)], "us-east-1")
        head, _ = Node(*running.address, tmp_path, 0).sign("/bucket/key", {"Content-Length": "5"}, "UNSIGNED-PAYLOAD")
        peers = [running.connect(), running.connect()]

        def taken_of(senders: list[Peer]) -> list[Upload]:
            """What is taken at once while these send."""
            taking = taker.submit(take_uploads, running.plane, 16, 60_000)
            for peer in senders:
                peer.send(head + b"hello")
            return taking.result(30) or []

        ready: list[Upload] = []
        uploads = taken_of(peers)
        while len(ready) < 2:
            for upload in uploads:
                if UPLOAD_WANTS[upload.want] == "admission":
                    upload.admit(-1, None)
                else:
                    ready.append(upload)
            uploads = taken_of([]) if len(ready) < 2 else []
        succeed_uploads(ready, window_us)
        together = taken_of(peers)
        assert len(together) == 2
        for upload in together:
            succeed_uploads([upload], window_us)
        assert len(taken_of(peers[:1])) == 1  # nobody waits for more than came before


def test_uploads_are_refused_alike_while_refused_bytes_cannot_be_freed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = b"small", bytes(300_000)  # the first goes without admission, once its bucket is known
    with inside(tmp_path) as node:
        native, plain = (node.client(port, "s3v4") for port in (node.port, node.plain_port))

        def puts() -> list[int]:
            """The answers of the plane's own; a large upload is declined, and the server says why."""
            return list(cast(dict[int, int], node.plane.counters()["requests_put"]))

        native.put_object(Bucket="bucket", Key="before", Body=small)
        monkeypatch.setattr(collector, "DISCARDED_MAX", 0)
        for body in (small, large):
            refusals = []
            for client in (native, plain):
                with pytest.raises(ClientError) as refusal:
                    client.put_object(Bucket="bucket", Key="key", Body=body)
                answer = refusal.value.response
                status, error = answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]
                refusals.append((status, error["Code"], error["Message"]))
            assert refusals[0] == refusals[1]
            assert refusals[0][:2] == (503, "SlowDown")
        assert puts() == [200, 503]
        monkeypatch.undo()
        native.put_object(Bucket="bucket", Key="key", Body=small)
        assert plain.get_object(Bucket="bucket", Key="key")["Body"].read() == small
        assert list(tmp_path.rglob("*.blob")) == []
