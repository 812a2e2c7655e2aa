"""A server that sends objects by itself: what the adapter hands over, and what it keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from nimbus.base.errors import DataDamaged
from nimbus.s3.api import Message, ObjectBody, Send
from tests.unit.s3.front import Front, open_front

DATA = bytes(range(256)) * 16_384


class Sender:
    """A `BodySender` that keeps what it was given."""

    def __init__(self) -> None:
        self.bodies: list[ObjectBody] = []
        self.closed = 0
        self.refuses: Exception | bool = False
        self.breaks_at: int | None = None

    async def open(self, body: ObjectBody) -> Sending | None:
        if isinstance(self.refuses, Exception):
            raise self.refuses
        self.bodies.append(body)
        return None if self.refuses else Sending(self, body)


class Sending:
    """Sends the bytes itself, so that the driver sees a whole answer."""

    def __init__(self, sender: Sender, body: ObjectBody) -> None:
        self.sent_bytes = 0
        self._sender = sender
        self._body = body

    async def send(self, start: Message, send: Send) -> None:
        await send(start)
        span, end = self._body.span, self._sender.breaks_at
        for at in range(span.start, span.end, 1 << 20):
            if end is not None and at >= end:
                raise DataDamaged
            piece = DATA[at : min(at + (1 << 20), span.end)]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            self.sent_bytes += len(piece)
        await send({"type": "http.response.body", "body": b""})

    async def aclose(self) -> None:
        self._sender.closed += 1


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    async with open_front(drain_s=0.01) as opened:
        assert (await opened("PUT", "/bucket")).status == 200
        assert (await opened("PUT", "/bucket/key", DATA)).status == 200
        yield opened


@pytest.fixture
def sender(front: Front) -> Sender:
    offered = Sender()
    front.extensions["nimbus.send"] = offered
    return offered


def sent_bytes(front: Front) -> float:
    """What the meter has counted."""
    readings: Any = front.asgi._meter.read()
    return sum(reading.value for reading in readings if reading.metric.name == "nimbus_s3_sent_bytes_total")


async def test_spans_of_objects_are_handed_over_with_the_head_of_every_other_answer(
    front: Front, sender: Sender
) -> None:
    before = sent_bytes(front)
    answered = await front("GET", "/bucket/key", headers={"range": "bytes=7-3000006"})
    front.extensions.clear()
    usual = await front("GET", "/bucket/key", headers={"range": "bytes=7-3000006"})
    assert (answered.status, answered.body) == (206, DATA[7:3_000_007])
    assert answered.headers | {"x-amz-request-id": ""} == usual.headers | {"x-amz-request-id": ""}
    assert [(body.span.start, body.span.end) for body in sender.bodies] == [(7, 3_000_007)]
    assert sender.closed == 1
    assert sent_bytes(front) - before == 6_000_000


async def test_nothing_else_is_handed_over(front: Front, sender: Sender) -> None:
    for method, target in [("HEAD", "/bucket/key"), ("GET", "/bucket"), ("GET", "/bucket/none"), ("GET", "/")]:
        await front(method, target)
    assert (await front("GET", "/bucket/key", headers={"if-match": '"other"'})).status == 412
    assert sender.bodies == []


async def test_what_the_server_does_not_take_is_sent_as_usual(front: Front, sender: Sender) -> None:
    sender.refuses = True
    assert (await front("GET", "/bucket/key")).body == DATA
    assert (len(sender.bodies), sender.closed) == (1, 0)


async def test_what_fails_before_the_head_is_refused(front: Front, sender: Sender) -> None:
    sender.refuses = DataDamaged()
    answered = await front("GET", "/bucket/key")
    assert (answered.status, answered.code) == (500, "InternalError")


async def test_what_fails_later_ends_unfinished_and_is_closed(front: Front, sender: Sender) -> None:
    before, sender.breaks_at = sent_bytes(front), 2 << 20
    answered = await front("GET", "/bucket/key")
    assert (answered.is_cut, answered.body) == (True, DATA[: 2 << 20])
    assert (sender.closed, sent_bytes(front) - before) == (1, 2 << 20)
