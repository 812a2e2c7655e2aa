"""The adapter: what goes out when all is well, and what a client and the operator see when it is not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from nimbus.base.errors import DataDamaged, SpaceExhausted, StoreReadOnly
from nimbus.base.limits import READ_SIZE_BYTES
from nimbus.metrics import names
from nimbus.s3.asgi import S3Asgi
from tests.unit.s3.front import Front, open_front

MIB = 1 << 20


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    async with open_front(drain_s=0.01) as opened:
        assert (await opened("PUT", "/bucket")).status == 200
        yield opened


@pytest.fixture
async def large(front: Front) -> bytes:
    data = bytes(range(256)) * (4 * MIB // 256) + b"tail"
    assert (await front("PUT", "/bucket/large", [data[:MIB], data[MIB:]])).status == 200
    return data


async def test_object_up_to_one_mebibyte_is_one_message(front: Front) -> None:
    data = b"x" * READ_SIZE_BYTES
    await front("PUT", "/bucket/key", data)
    sent = await messages(front, "/bucket/key")
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[1]["body"] == data


async def test_larger_object_is_streamed_whole(front: Front, large: bytes) -> None:
    answered = await front("GET", "/bucket/large")
    assert (answered.status, answered.body) == (200, large)


async def test_every_answer_names_the_request_and_the_server(front: Front) -> None:
    seen = set()
    for method, target in [("GET", "/"), ("HEAD", "/bucket"), ("GET", "/bucket/none"), ("PUT", "/x/%zz")]:
        answered = await front(method, target)
        seen.add(answered.headers["x-amz-request-id"])
        assert answered.headers["server"] == "NimbusStore"
        assert answered.headers["x-amz-id-2"]
    assert len(seen) == 4


async def test_head_has_the_headers_of_get_and_no_body(front: Front) -> None:
    await front("PUT", "/bucket/key", b"data", headers={"content-type": "text/x", "x-amz-meta-a": "b"})
    got, head = await front("GET", "/bucket/key"), await front("HEAD", "/bucket/key")
    del got.headers["x-amz-request-id"], head.headers["x-amz-request-id"]
    assert (head.status, head.headers, head.body) == (200, got.headers, b"")


async def test_request_over_the_limit_is_told_to_slow_down() -> None:
    async with open_front(requests_max=0) as front:
        answered = await front("PUT", "/bucket/key", b"x" * 100)
    assert (answered.status, answered.code, answered.headers["retry-after"]) == (503, "SlowDown", "1")
    assert answered.headers["connection"] == "close"
    assert front.received > 0  # what it still sends is read off: a reset would take the answer with it


async def test_unexpected_failure_is_an_internal_error_and_only_the_log_knows_why(
    front: Front, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*arguments: Any) -> None:
        raise ZeroDivisionError("the inside story")

    monkeypatch.setattr(front.store, "find_bucket", fail)
    with caplog.at_level(logging.ERROR):
        answered = await front("GET", "/bucket")
    assert (answered.status, answered.code) == (500, "InternalError")
    assert b"inside" not in answered.body
    assert answered.headers["x-amz-request-id"] in caplog.text
    assert "the inside story" in caplog.text


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        (SpaceExhausted("/secret/path"), 507, "InsufficientStorage"),
        (StoreReadOnly(), 503, "ServiceUnavailable"),
    ],
)
async def test_state_of_the_engines_becomes_an_error_of_s3(
    state: Exception, status: int, code: str, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(size: int | None) -> None:
        raise state

    monkeypatch.setattr(front.store, "ingest", fail)
    answered = await front("PUT", "/bucket/key", b"x")
    assert (answered.status, answered.code) == (status, code)
    assert b"secret" not in answered.body


@pytest.mark.parametrize("name", ["small", "large"])
async def test_object_whose_first_bytes_are_damaged_is_an_error_not_a_cut(
    name: str, front: Front, large: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    await front("PUT", "/bucket/small", b"x")

    async def damaged(record: Any, span: Any) -> AsyncIterator[bytes]:
        raise DataDamaged
        yield b""

    monkeypatch.setattr(front.asgi, "_store", Reads(damaged))
    answered = await front("GET", f"/bucket/{name}")
    assert (answered.status, answered.code) == (500, "InternalError")


async def test_failure_after_the_head_cuts_the_connection(
    front: Front, large: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def torn(record: Any, span: Any) -> AsyncIterator[bytes]:
        yield large[:MIB]
        raise DataDamaged("block 4")

    monkeypatch.setattr(front.asgi, "_store", Reads(torn))
    with caplog.at_level(logging.ERROR):
        answered = await front("GET", "/bucket/large")
    assert (answered.status, answered.is_cut, answered.body) == (200, True, large[:MIB])
    assert "block 4" in caplog.text


async def test_iterator_is_closed_when_the_reader_is_gone(
    front: Front, large: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    async def endless(record: Any, span: Any) -> AsyncIterator[bytes]:
        try:
            while True:
                await asyncio.sleep(0)
                yield large[:MIB]
        finally:
            events.append("closed")

    monkeypatch.setattr(front.asgi, "_store", Reads(endless))
    answered = await front("GET", "/bucket/large", leaves=True)
    assert answered.is_cut
    assert events == ["closed"]


async def test_reader_that_takes_nothing_is_cut_off() -> None:
    async with open_front(body_grace_s=0.001, body_rate_bytes_per_s=10**9) as front:
        await front("PUT", "/bucket")
        await front("PUT", "/bucket/large", b"x" * (2 * MIB))
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)
            if len(sent) > 1:
                await asyncio.Event().wait()

        await front.asgi(scope_of("/bucket/large"), waiting, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[1]["more_body"]


@pytest.mark.parametrize(
    "headers",
    [
        [("host", "a"), ("host", "b")],
        [("host", "")],
        [("host", "a"), ("content-length", "1"), ("content-length", "1")],
        [("host", "a"), ("range", "bytes=0-1"), ("range", "bytes=1-2")],
    ],
)
async def test_head_with_a_doubled_or_missing_header_is_refused(headers: list[tuple[str, str]], front: Front) -> None:
    answered = await front("GET", "/bucket/key", headers=headers)
    assert (answered.status, answered.code) == (400, "InvalidRequest")


async def test_small_unread_body_is_drained_and_the_connection_kept(front: Front) -> None:
    answered = await front("PUT", "/bucket/key", [b"x" * 1000] * 5, user="")
    assert (answered.status, front.received) == (403, 6)
    assert "connection" not in answered.headers


async def test_unread_body_that_waits_for_an_invitation_closes_the_connection(front: Front) -> None:
    answered = await front("PUT", "/bucket/key", b"x" * 1000, user="", headers={"expect": "100-continue"})
    assert (answered.status, front.received, answered.headers["connection"]) == (403, 0, "close")


async def test_an_empty_body_is_never_invited_so_a_client_that_waits_gets_a_new_connection(front: Front) -> None:
    await front("PUT", "/bucket")
    answered = await front("PUT", "/bucket/empty", headers={"expect": "100-continue"})
    assert (answered.status, answered.headers["connection"]) == (200, "close")
    answered = await front("PUT", "/bucket/full", b"x", headers={"expect": "100-continue"})
    assert (answered.status, "connection" in answered.headers) == (200, False)


async def test_large_unread_body_is_drained_to_a_bound_and_the_connection_closed() -> None:
    async with open_front(drain_size_bytes_max=10_000) as front:
        answered = await front("PUT", "/bucket/key", [b"x" * 4000] * 100, user="")
    assert (answered.headers["connection"], front.received) == ("close", 3)


async def test_what_is_not_http_is_left_alone(front: Front) -> None:
    async def never(message: Any = None) -> Any:
        raise AssertionError

    await front.asgi({"type": "websocket"}, never, never)


# --- the driver's other half ---


class Reads:
    """A store of which only `read` is left, and nothing is at hand."""

    def __init__(self, read: Any) -> None:
        self.read = read

    def read_now(self, record: Any, span: Any) -> bytes | None:
        return None


def scope_of(path: str) -> dict[str, Any]:
    headers = [(b"host", b"localhost"), (b"authorization", b"test owner")]
    return {"type": "http", "method": "GET", "raw_path": path.encode(), "query_string": b"", "headers": headers}


async def waiting() -> dict[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError


async def messages(front: Front, path: str) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asgi: S3Asgi = front.asgi
    await asgi(scope_of(path), waiting, send)
    return sent


@pytest.mark.parametrize("leaves", [False, True])
async def test_an_answer_that_took_long_is_given_only_to_who_is_still_there(
    front: Front, leaves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that gave up waiting for a long listing is not counted as having got it."""
    monkeypatch.setattr("nimbus.s3.asgi._LONG_NS", 0)
    sent: list[Any] = []
    gone = asyncio.Event()
    incoming = [{"type": "http.request", "body": b""}]
    if leaves:
        gone.set()

    async def receive() -> Any:
        if not incoming:
            await gone.wait()
        return incoming.pop() if incoming else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    meter = front.asgi._meter
    await front.asgi(scope_of("/bucket") | {"query_string": b"list-type=2"}, receive, send)
    counted = {reading.labels: reading.value for reading in meter.read() if reading.metric is names.REQUESTS}
    assert bool(sent) != leaves
    assert counted["ListObjectsV2", "0" if leaves else "200"] == 1


async def test_who_sent_half_a_body_is_answered_however_long_that_took(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`receive` says that the client is gone, and it may still read."""
    monkeypatch.setattr("nimbus.s3.asgi._LONG_NS", 0)
    answered = await front("PUT", "/bucket/half", b"abc", headers={"content-length": "5"}, cut=True)
    assert (answered.status, b"IncompleteBody" in answered.body) == (400, True)
    answered = await front("POST", "/bucket?delete", b"<Delete>", headers={"content-length": "50"}, cut=True)
    assert answered.status == 400
