"""What the application answers with bytes of an object is sent by the native plane: whole, held, and never relayed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import secrets
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nimbus.base.span import Span
from nimbus.s3.api import Message, ObjectBody
from nimbus.server import plane_sends
from tests.wire.page_cache import evict
from tests.wire.plane_front import Peer, open_descriptors
from tests.wire.plane_inside import Inside, inside, signed
from tests.wire.plane_pair import eventually

MIB = 1 << 20
UNLIKE = {"date", "x-amz-request-id"}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    with inside(tmp_path_factory.mktemp("inside")) as running:
        yield running


@pytest.fixture(scope="module")
def large(node: Inside) -> bytes:
    content = secrets.token_bytes(12 * MIB + 5)
    node.client().put_object(Bucket="bucket", Key="large", Body=content, ContentType="text/x", CacheControl="a")
    return content


@pytest.fixture(scope="module", params=[40, 700])
def parts(node: Inside, request: pytest.FixtureRequest) -> list[bytes]:
    """Of the object `parts-N`: frames and blobs by turns."""
    chance = random.Random(request.param)
    cut = [chance.randbytes(chance.choice([1, 5_000, 60_000, 300_000])) for _ in range(request.param)]
    node.put_parts(f"parts-{request.param}", cut)
    return cut


def relayed_bytes(node: Inside, ask: Callable[[], None]) -> int:
    """How many bytes cross the relay for it, heads included."""
    before = node.counter("relayed_bytes")
    ask()
    return node.counter("relayed_bytes") - before


def alike(node: Inside, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """What is answered with the plane and without."""
    answers = []
    for port in (node.port, node.plain_port):
        status, named, body = node.ask(path, port, **headers)
        if status >= 400:
            body = re.sub(rb"<RequestId>\w+<", b"<RequestId><", body)
        answers.append((status, {name: value for name, value in named.items() if name not in UNLIKE}, body))
    assert answers[0] == answers[1]
    return answers[0]


def is_at_rest(node: Inside) -> bool:
    """Whether no ticket is open and no object held."""
    return not node.listener._sends._open and node.held() == 0  # type: ignore[union-attr]


# --- what is answered ---------------------------------------------------------------------------------------


def test_the_bytes_of_an_object_do_not_cross_the_relay(node: Inside, large: bytes) -> None:
    def ask() -> None:
        status, headers, body = node.ask("/bucket/large")
        assert (status, body == large, headers["content-length"]) == (200, True, str(len(large)))
        assert not [name for name in headers if name.startswith("x-nimbus")]

    assert relayed_bytes(node, ask) < 4096
    assert relayed_bytes(node, lambda: node.client().get_object(Bucket="bucket", Key="large")["Body"].read()) < 4096
    assert eventually(lambda: is_at_rest(node))


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {}),
        ("", {"Range": "bytes=0-"}),
        ("", {"Range": "bytes=1000001-9000000"}),
        ("", {"Range": "bytes=-2000000"}),
        ("", {"Range": "bytes=5-9"}),
        ("", {"Range": "bytes=99999999-"}),
        ("", {"If-None-Match": "*"}),
        ("", {"If-Match": '"other"'}),
        ("", {"x-amz-checksum-mode": "ENABLED"}),
        ("?partNumber=1", {}),
        ("?partNumber=2", {}),
        ("?response-content-type=a/b&response-expires=never", {}),
        ("?response-content-disposition=x", {"Range": "bytes=1-3000000"}),
    ],
)
def test_every_read_is_answered_as_without_the_plane(
    node: Inside, large: bytes, query: str, headers: dict[str, str]
) -> None:
    named = {name.replace("-", "_"): value for name, value in headers.items()}
    assert alike(node, f"/bucket/large{query}", **named)[0] in (200, 206, 304, 404, 412, 416)


def test_a_head_has_no_ticket(node: Inside, large: bytes) -> None:
    peer = node.connect()
    for _ in range(2):
        peer.send(signed("/bucket/large", "HEAD"))
        assert peer.response(has_body=False)[1]["content-length"] == str(len(large))
    peer.send(signed("/bucket/large"))
    assert peer.response()[2] == large
    peer.close()


def test_a_connection_goes_on_after_a_sent_body(node: Inside, large: bytes) -> None:
    peer = node.connect()
    peer.send(signed("/bucket/large") + signed("/bucket/large", Range="bytes=0-1999999") + signed("/bucket/none"))
    assert peer.response()[2] == large
    assert peer.response()[2] == large[:2_000_000]
    assert peer.response()[0] == 404
    peer.close()


def test_http_1_0_gets_the_length_and_the_end(node: Inside, large: bytes) -> None:
    peer = node.connect()
    peer.send(signed("/bucket/large").replace(b"HTTP/1.1", b"HTTP/1.0"))
    answered = peer.rest()
    assert b"\r\nconnection: close\r\n" in answered
    assert answered.endswith(b"\r\n\r\n" + large)
    peer.close()


def test_nobody_but_the_plane_is_answered_behind_it(node: Inside) -> None:
    folder = Path(node.listener._folder.name)
    assert folder.stat().st_mode & 0o777 == 0o700
    (behind,) = folder.iterdir()
    assert behind.stat().st_mode & 0o777 == 0o600
    for lines in (b"", b"x-nimbus-token: %b\r\n" % (b"0" * 64), b"x-nimbus-peer: 127.0.0.1\r\n"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(behind))
            peer = Peer(connection)
            peer.send(signed("/bucket/large").replace(b"\r\n\r\n", b"\r\n" + lines + b"\r\n"))
            assert peer.response()[0] == 403


# --- objects of many parts ----------------------------------------------------------------------------------


def test_an_object_of_many_parts_is_sent_whole_and_part_by_part(node: Inside, parts: list[bytes]) -> None:
    whole, path = b"".join(parts), f"/bucket/parts-{len(parts)}"
    assert relayed_bytes(node, lambda: check(node.ask(path)[2] == whole)) < 64 << 10
    assert alike(node, path)[2] == whole
    assert alike(node, f"{path}?partNumber=17")[2] == parts[16]
    chance = random.Random(7)
    for _ in range(12):
        start, end = sorted(chance.sample(range(len(whole)), 2))
        assert node.ask(path, Range=f"bytes={start}-{end}")[2] == whole[start : end + 1]
    assert eventually(lambda: is_at_rest(node))


def check(holds: bool) -> None:
    assert holds


def test_an_object_of_many_parts_opens_few_files_at_a_time(node: Inside) -> None:
    whole = node.put_parts("files", [secrets.token_bytes(300_000) for _ in range(60)])
    node.plane.clear_cache()
    before = open_descriptors()
    peer = node.connect()
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    peer.send(signed("/bucket/files"))
    peer.until(b"\r\n\r\n")
    most, taken = 0, len(peer.held)
    while taken < len(whole):
        peer.held = b""
        peer._more()
        taken += len(peer.held)
        most = max(most, open_descriptors() - before)
    # Both ends of two sockets, and of each window its files; Python has the first one open as well.
    assert 2 <= most <= 2 * plane_sends.EXTENTS_PER_WINDOW + 8
    peer.close()


def test_what_is_not_in_the_page_cache_is_sent_all_the_same(node: Inside) -> None:
    whole = node.put_parts("cold", [secrets.token_bytes(400_000) for _ in range(50)])
    for path in node._folder.rglob("*.blob"):
        evict(path)
    assert node.ask("/bucket/cold")[2] == whole


# --- readers that stay, and readers that go -----------------------------------------------------------------


def begin_slowly(node: Inside, key: str) -> tuple[Peer, bytes]:
    peer = node.connect()
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    peer.send(signed(f"/bucket/{key}"))
    peer.until(b"\r\n\r\n")
    return peer, peer.exactly(100_000)


@pytest.mark.parametrize("size", [60_000, 300_000])
def test_a_deleted_object_is_sent_to_its_end_and_freed_after_it(node: Inside, size: int) -> None:
    whole = node.put_parts("deleted", [secrets.token_bytes(size) for _ in range(20_000_000 // size)])
    peer, first = begin_slowly(node, "deleted")
    before = stored_bytes(node)
    node.client().delete_object(Bucket="bucket", Key="deleted")
    node.call(node.store.collect_garbage())
    assert node.held() == 1
    assert stored_bytes(node) == before
    assert first + peer.exactly(len(whole) - len(first)) == whole
    assert eventually(lambda: is_at_rest(node))
    node.call(node.store.collect_garbage())
    assert stored_bytes(node) < before - len(whole) // 2
    peer.close()


def stored_bytes(node: Inside) -> int:
    """What the data engine takes on the disk."""
    return sum(path.stat().st_blocks * 512 for path in node._folder.rglob("data/**/*") if path.is_file())


@pytest.mark.parametrize("key", ["large", "many"])
def test_a_client_that_goes_leaves_nothing_behind(node: Inside, large: bytes, key: str) -> None:
    if key == "many":
        node.put_parts("many", [bytes(100_000) for _ in range(200)])
    node.ask("/bucket/large", Range="bytes=0-1")
    assert eventually(lambda: node.counter("connections") == 0)
    before = open_descriptors()
    for _ in range(10):
        peer, _ = begin_slowly(node, key)
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
    assert eventually(lambda: node.counter("in_flight") == 0)
    assert eventually(lambda: is_at_rest(node))
    assert eventually(lambda: open_descriptors() <= before)


def test_a_client_that_does_not_read_is_cut_off_and_its_object_let_go(node: Inside) -> None:
    node.client().put_object(Bucket="bucket", Key="huge", Body=bytes(64 * MIB))
    before = node.counter("timed_out")
    peer, _ = begin_slowly(node, "huge")
    assert eventually(lambda: node.counter("timed_out") == before + 1)
    assert eventually(lambda: is_at_rest(node))
    assert len(peer.rest()) < 60 * MIB


def files_open(folder: Path) -> list[str]:
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the one that lists them
            found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return [path for path in found if path.startswith(str(folder))]


def test_a_stop_ends_what_is_being_sent(tmp_path: Path) -> None:
    one = Inside(tmp_path)
    one.start()
    one.put_parts("many", [bytes(100_000) for _ in range(200)])
    one.client().put_object(Bucket="bucket", Key="one", Body=bytes(32 * MIB))
    peers = [begin_slowly(one, key)[0] for key in ("many", "one")]
    assert one.held() == 2
    one.stop()
    assert one.held() == 0
    assert files_open(tmp_path) == []
    assert [len(peer.rest()) < 19 * MIB for peer in peers] == [True, True]
    one.close()


# --- damage -------------------------------------------------------------------------------------------------


def damage(node: Inside, key: str, position: int) -> None:
    """Change the byte of the object at this position, on the disk."""

    async def find() -> tuple[str, int]:
        record = await node.store.find_object("bucket", key)
        at = 0
        async for extent, _, end in node.store.extents(record, Span(0, record.size)):
            if position < at + end:
                lies = node.data.descriptor(extent.location)
                return lies.path, lies.offset + position - at
            at += end
        raise AssertionError(position)

    path, offset = node.call(find())
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = os.pread(file.fileno(), 1, offset)
        file.write(bytes([byte[0] ^ 1]))


def test_a_body_whose_first_block_is_damaged_is_refused_in_the_same_words(
    node: Inside, caplog: pytest.LogCaptureFixture
) -> None:
    node.client().put_object(Bucket="bucket", Key="bad", Body=bytes(3 * MIB))
    damage(node, "bad", 70_000)
    answers = [node.ask("/bucket/bad", port) for port in (node.port, node.plain_port)]
    assert [(status, body.count(b"<Code>InternalError</Code>")) for status, _, body in answers] == [(500, 1)] * 2
    assert node.ask("/bucket/bad", Range="bytes=1048576-")[2] == bytes(2 * MIB)
    assert eventually(lambda: is_at_rest(node))


@pytest.mark.parametrize("position", [7_000_000, 11_100_000, 16_000_000])  # the second one begins a window
def test_later_damage_cuts_the_connection_before_its_block_and_is_told_the_operator(
    node: Inside, position: int, caplog: pytest.LogCaptureFixture
) -> None:
    whole = node.put_parts("rotten", [secrets.token_bytes(8 * MIB), *[secrets.token_bytes(900_000)] * 12])
    damage(node, "rotten", position)
    before = node.counter("unreadable")
    peer = node.connect()
    peer.send(signed("/bucket/rotten"))
    peer.until(b"\r\n\r\n")
    got = peer.rest()
    assert 6_000_000 < len(got) < position
    assert whole.startswith(got)
    assert eventually(lambda: is_at_rest(node))
    assert eventually(lambda: re.search(r"From byte \d+ on, of an object of 19188608 bytes", caplog.text) is not None)
    assert node.counter("unreadable") - before == (position != 11_100_000)
    peer.close()


# --- tickets that nobody takes --------------------------------------------------------------------------------


async def nowhere(message: Message) -> None:
    """Where an answer goes that never reaches the plane."""


@pytest.mark.parametrize("key", ["large", "untaken"])
def test_a_ticket_that_nobody_takes_is_withdrawn_and_its_object_let_go(
    node: Inside, large: bytes, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if key == "untaken":
        node.put_parts("untaken", [bytes(100_000) for _ in range(50)])
    monkeypatch.setattr(plane_sends, "TAKE_S_MAX", 0.05)

    async def answer() -> tuple[int, int]:
        sends = node.listener._sends
        assert sends is not None
        record = await node.store.find_object("bucket", key)
        sending = await sends.open(ObjectBody(record, Span(0, record.size)))
        assert sending is not None
        held = node.held()
        await sending.send({"type": "http.response.start", "headers": []}, nowhere)
        await sending.aclose()
        return held, sending.sent_bytes

    assert node.call(answer()) == (1, 0)
    assert is_at_rest(node)


def test_a_request_that_is_cancelled_lets_its_object_go(node: Inside, large: bytes) -> None:
    async def answer() -> None:
        sends = node.listener._sends
        assert sends is not None
        record = await node.store.find_object("bucket", "large")
        sending = await sends.open(ObjectBody(record, Span(0, record.size)))
        assert sending is not None
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await sending.send({"type": "http.response.start", "headers": []}, nowhere)
        await sending.aclose()

    node.call(answer())
    assert is_at_rest(node)
