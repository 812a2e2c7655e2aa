"""Bodies that the native plane sends for the application: no byte of them crosses the relay.

The S3 room hands a span of a stored object over (`nimbus.send` in the ASGI scope, see nimbus/s3/api.py) and sends a
head without a body. The bytes are offered to the plane in windows of a few extents, each of which gives a ticket. The
first one goes into the head as `x-nimbus-send`, further ones are the body; the plane asks for no ticket before the
bytes of the one before are out. nimbus/_native/plane/tickets.h has the other side.

Must always hold: as long as native code may read an object's bytes they are held, whatever becomes of the request; a
ticket that nobody takes is withdrawn after TAKE_S_MAX; one answer has at most two windows open.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, Protocol

import msgspec

from nimbus._native.plane import Plane, offer_bytes, settled_fd, take_settled, withdraw_offer
from nimbus.base.errors import DataDamaged
from nimbus.base.limits import KIB
from nimbus.base.span import Span
from nimbus.s3.api import Message, ObjectBody, Send
from nimbus.server.plane_lookups import Checks, LocalFiles, plane_extents
from nimbus.store.records import Extent, Object

SENT_SIZE_BYTES_MIN: Final = 256 * KIB  # below it the bytes in the answer cost less than a ticket (measured)
EXTENTS_PER_WINDOW: Final = 4  # each may be a file; parts are 5 MiB at least, so this is enough for some milliseconds
OPENING_THREADS: Final = 4
TAKE_S_MAX: Final = 10.0  # a ticket is taken as soon as the answer before it is out


class HeldObjects(Protocol):
    """What is needed of the store; see nimbus/store/reading.py."""

    def hold(self, record: Object) -> Callable[[], None]: ...

    def extents(self, record: Object, span: Span) -> AsyncIterator[tuple[Extent, int, int]]: ...


class _Window(msgspec.Struct, frozen=True):
    """Bytes [start, end) of what the extents hold together."""

    extents: tuple[Extent, ...]
    start: int
    end: int


class _Ticket:
    """Bytes that were offered. `sent` tells how many went out once the plane is done with them, `is_unreadable` whether
    it ended there because the next ones are damaged."""

    __slots__ = ("is_unreadable", "name", "sent", "size")

    def __init__(self, name: bytes, size: int) -> None:
        self.name = name
        self.size = size
        self.is_unreadable = False
        self.sent: asyncio.Future[int] = asyncio.get_running_loop().create_future()


class PlaneSends:
    """A `BodySender` of nimbus/s3/api.py. Belongs to the event loop."""

    def __init__(self, plane: Plane, store: HeldObjects, files: LocalFiles, checks: Checks) -> None:
        self._plane = plane
        self._store = store
        self._files = files
        self._checks = checks
        self._threads = ThreadPoolExecutor(OPENING_THREADS, "plane sends")
        self._open: dict[bytes, tuple[_Ticket, Callable[[], None]]] = {}  # with what lets go of the object

    def start(self) -> None:
        asyncio.get_running_loop().add_reader(settled_fd(self._plane), self._on_settled)

    def abandon(self) -> None:
        """Nobody takes tickets any more. REQUIRES: the plane has stopped."""
        self._on_settled()
        for ticket, _ in tuple(self._open.values()):
            self.withdraw(ticket)

    def close(self) -> None:
        """REQUIRES: nothing is sent any more. Blocks for as long as it takes to open a file."""
        asyncio.get_running_loop().remove_reader(settled_fd(self._plane))
        self._threads.shutdown()

    async def open(self, body: ObjectBody) -> PlaneSending | None:
        if body.span.size < SENT_SIZE_BYTES_MIN:
            return None
        sending = PlaneSending(self, body, self._store.hold(body.record))
        try:
            if await sending.begin():
                return sending
        except BaseException:
            await sending.aclose()
            raise
        await sending.aclose()
        return None

    async def windows(self, body: ObjectBody) -> AsyncGenerator[_Window, None]:
        """The span in runs of a few extents."""
        extents: list[Extent] = []
        first = size = 0
        async for extent, start, end in self._store.extents(body.record, body.span):
            if not extents:
                first, size = start, 0
            extents.append(extent)
            if len(extents) == EXTENTS_PER_WINDOW:
                yield _Window(tuple(extents), first, size + end)
                extents = []
            last, size = size + end, size + extent.size
        if extents:
            yield _Window(tuple(extents), first, last)

    async def offer(self, body: ObjectBody, window: _Window) -> _Ticket | None:
        """A ticket for the window, whose first bytes were verified; None when the plane cannot send it."""
        release = self._store.hold(body.record)
        name = None
        try:
            extents = plane_extents(window.extents, self._files, self._checks)
            offer = partial(offer_bytes, self._plane, extents, window.start, window.end, body.span.size)
            try:
                name = offer(False)  # what is at hand needs no thread, which would cost more than all the rest
            except BlockingIOError:
                name = await asyncio.get_running_loop().run_in_executor(self._threads, offer, True)
        finally:
            if name is None:
                release()
        if name is None:
            return None
        ticket = _Ticket(name, window.end - window.start)
        self._open[name] = ticket, release
        return ticket

    def withdraw(self, ticket: _Ticket) -> bool:
        """Whether nobody has taken it, or will."""
        if not withdraw_offer(self._plane, ticket.name):
            return False
        self._settle(ticket.name, 0)
        return True

    def _on_settled(self) -> None:
        while settled := take_settled(self._plane):
            for name, sent_bytes, is_unreadable in settled:
                self._settle(name, sent_bytes, is_unreadable)

    def _settle(self, name: bytes, sent_bytes: int, is_unreadable: bool = False) -> None:
        ticket, release = self._open.pop(name)
        release()
        ticket.is_unreadable = is_unreadable
        if not ticket.sent.cancelled():
            ticket.sent.set_result(sent_bytes)


class PlaneSending:
    """A `Sending` of nimbus/s3/api.py. Takes over a hold on the object."""

    def __init__(self, sends: PlaneSends, body: ObjectBody, release: Callable[[], None]) -> None:
        self.sent_bytes = 0
        self._sends = sends
        self._body = body
        self._release = release
        self._windows = sends.windows(body)
        self._tickets: list[_Ticket] = []  # at most two

    async def begin(self) -> bool:
        """Offer the first window; whether the plane can send it."""
        return await self._offer(await anext(self._windows))

    async def send(self, start: Message, send: Send) -> None:
        ticket = self._tickets[0]
        is_alone = ticket.size == self._body.span.size
        ours = b"x-nimbus-send", ticket.name  # in the place of the length, which the plane puts there again
        headers = [ours if header[0] == b"content-length" else header for header in start["headers"]]
        if is_alone:
            headers.append((b"content-length", b"0"))
        await send({**start, "headers": headers})
        if is_alone or await self._send_more(send):
            await send({"type": "http.response.body", "body": b""})
            await self._is_sent()

    async def _send_more(self, send: Send) -> bool:
        """Send the tickets after the first, each while the bytes before it go out. False: the client is gone."""
        await send({"type": "http.response.body", "body": b"", "more_body": True})  # Granian keeps a head back for this
        async for window in self._windows:
            if not await self._offer(window):
                await self._is_sent()  # what was promised before is sent before the connection is cut
                raise self._damage()
            await send({"type": "http.response.body", "body": self._tickets[-1].name, "more_body": True})
            if not await self._is_sent():
                return False
        return True

    async def _offer(self, window: _Window) -> bool:
        ticket = await self._sends.offer(self._body, window)
        if ticket is not None:
            self._tickets.append(ticket)
        return ticket is not None

    async def _is_sent(self) -> bool:
        """Waits until the bytes of the oldest ticket are out, or will not go out; whether they all are."""
        ticket = self._tickets[0]
        done, _ = await asyncio.wait((ticket.sent,), timeout=TAKE_S_MAX)
        if not done:
            self._sends.withdraw(ticket)
        sent_bytes = await ticket.sent
        self._tickets.remove(ticket)
        self.sent_bytes += sent_bytes
        if ticket.is_unreadable:
            raise self._damage()
        return sent_bytes == ticket.size

    def _damage(self) -> DataDamaged:
        """What the operator is told when the body ends here."""
        record, position = self._body.record, self._body.span.start + self.sent_bytes
        return DataDamaged(f"From byte {position} on, of an object of {record.size} bytes from {record.modified_iso}.")

    async def aclose(self) -> None:
        for ticket in self._tickets:
            self._sends.withdraw(ticket)
        await self._windows.aclose()
        self._release()
