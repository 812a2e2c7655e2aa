"""The one file that knows ASGI: from scope to `Head`, and from an answer to messages.

Only `scope["raw_path"]` is read, never the decoded path: two keys may decode alike. Bodies go out as `bytes`, up
to 1 MiB in one message (measured best under Granian, which converts a memoryview element by element), and have
exactly the length that the head announced; when that cannot be kept, the connection is cut by ending the call
with the body unfinished. The first bytes of an object are read before the head is sent, so that a damaged or
missing object is still answered with an error. A server that can send objects by itself (`BodySender`) does, and
one that can take a body in by itself (`HeldBody`, `nimbus.body` among the extensions of the scope).

What counts as sent is what the server has written to the peer's socket, as near as ASGI lets anybody know (`_Pieces`).

Must always hold: no exception leaves `__call__`; a request that was refused leaves its connection usable, or
closed after the client could read why.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from nimbus.auth.api import Head
from nimbus.base.limits import READ_SIZE_BYTES
from nimbus.s3.access import RELAYED, AccessRecorder
from nimbus.s3.api import BodySender, Message, ObjectBody, Send, Sending, Settings
from nimbus.s3.app import Answer, App, Exchange
from nimbus.s3.body import WHOLE_SIZE_BYTES_MAX
from nimbus.s3.errors import S3Error
from nimbus.s3.heads import refusal_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

# Messages that Granian accepts before its connection has taken them, and the one that the connection is writing.
_MESSAGES_AHEAD: Final = 5
# A client gives up after some time; before that nobody asks whether it is there, since asking takes a moment.
_LONG_NS: Final = 100_000_000
_ASKING_S: Final = 0.005
# Bodies that are read and thrown away at once: Granian holds up to its receive buffer for each. Those that have to wait
# for their turn stay open as well, so that their clients can read why.
_DRAINS_MAX: Final = 64
_CLOSE: Final = (b"connection", b"close")
_INVITED: Final = "100-continue"


class S3Asgi:
    """The ASGI application."""

    def __init__(self, app: App, access: AccessRecorder | None = None) -> None:
        self._app = app
        self._access = access
        self._store = app.services.store
        self._settings = app.services.settings
        self._meter = app.meter
        self._drains = asyncio.Semaphore(_DRAINS_MAX)
        self._upload_bytes = 0  # of the bodies that come this way, as `_held_bytes` has them

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # no websockets, and nothing to do at start or stop
        self._meter.in_flight += 1
        try:
            exchange = await self._serve(scope, receive, send)
        finally:
            self._meter.in_flight -= 1
        if _is_unread(exchange):
            await self._drain(exchange)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> Exchange:
        began_ns = time.perf_counter_ns()
        raw_headers: list[tuple[bytes, bytes]] = scope["headers"]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw_headers}
        client = scope.get("client")
        head = Head(scope["method"], scope["raw_path"], scope["query_string"], raw_headers, client[0] if client else "")
        extensions: Mapping[str, Any] = scope.get("extensions", {})
        exchange = self._app.exchange(head, headers, receive, extensions.get("nimbus.body"))  # type: ignore[arg-type]
        exchange.began_ns, exchange.is_relayed = began_ns, RELAYED in scope
        exchange.is_last = scope.get("http_version", "1.1") != "1.1"  # as in the native plane
        held_bytes = _held_bytes(exchange)
        self._upload_bytes += held_bytes
        try:
            refusal = self._refusal(exchange)
            if refusal is None:
                answer = await self._app.answer(exchange)
            else:
                answer = self._app.refuse(exchange, refusal)
            await self._send(exchange, answer, send, extensions.get("nimbus.send"))
        finally:
            self._upload_bytes -= held_bytes
            received_bytes = 0 if exchange.body is None else exchange.body.received_bytes
            took_ns = time.perf_counter_ns() - began_ns
            self._meter.count(exchange.operation, exchange.status, took_ns, received_bytes, exchange.sent_bytes)
            if self._access is not None and not exchange.is_relayed:
                self._access.record(exchange, took_ns)
        return exchange

    def _refusal(self, exchange: Exchange) -> S3Error | None:
        """What is wrong with a head before anybody asks what it wants."""
        if self._is_overloaded() or self._has_no_room(_held_bytes(exchange)):
            return S3Error("SlowDown")
        refusal = refusal_of(exchange.head, exchange.headers, exchange.is_relayed)
        if refusal is None:
            return None
        exchange.is_last = exchange.is_last or refusal.is_last
        return refusal.error

    def _has_no_room(self, held_bytes: int) -> bool:
        """Whether the body of a request, which is counted already, is one too much; one alone never is."""
        return self._settings.upload_bytes_max < self._upload_bytes != held_bytes

    def _is_overloaded(self) -> bool:
        return self._meter.in_flight > self._settings.requests_max

    # --- answers ---

    async def _send(self, exchange: Exchange, answer: Answer, send: Send, sender: BodySender | None) -> None:
        body = answer.body
        size = body.span.size if isinstance(body, ObjectBody) else None
        sending = None
        if exchange.head.method == "HEAD":
            body = b""
        elif body.__class__ is not bytes:
            try:
                if sender is not None and isinstance(body, ObjectBody):
                    sending = await sender.open(body)
                if sending is None:
                    answer, body = await self._opened(answer)
            except Exception as error:
                answer = self._app.refuse(exchange, error)
                body = answer.body
        if await self._has_left(exchange):
            return await _close(body)
        if self._is_last(exchange):
            answer.headers.append(_CLOSE)
        exchange.status = answer.status
        exchange.first_byte_ns = time.perf_counter_ns() - exchange.began_ns
        if self._access is not None and exchange.is_relayed:
            self._access.tell(exchange, answer.headers)
        start: Message = {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
        if sending is not None:
            await self._hand_over(exchange, start, sending, send)
        elif isinstance(body, bytes):
            await send(start)
            exchange.sent_bytes = len(body)
            await send({"type": "http.response.body", "body": body})
        else:
            assert not isinstance(body, ObjectBody | None), "_opened leaves neither"
            await send(start)
            await self._stream(exchange, body, size, send)

    async def _opened(self, answer: Answer) -> tuple[Answer, bytes | AsyncIterator[bytes]]:
        """The bytes of a body, or a stream of which the first piece has been read."""
        body = answer.body
        if body is None:
            return answer, b""
        if isinstance(body, ObjectBody):
            span = body.span
            if span.size <= READ_SIZE_BYTES:
                data = self._store.read_now(body.record, span)
                if data is None:
                    data = b"".join([piece async for piece in self._store.read(body.record, span)])
                assert len(data) == span.size, f"{len(data)} bytes read for {span}"
                return answer, data
            body = self._store.read(body.record, span)
        assert not isinstance(body, bytes)
        return answer, _Peeked(await anext(body, b""), body)

    async def _hand_over(self, exchange: Exchange, start: Message, sending: Sending, send: Send) -> None:
        """Have the server send a body by itself; the connection is cut when it cannot."""
        try:
            await sending.send(start, send)
        except Exception as error:
            self._app.refuse(exchange, error)
        finally:
            exchange.sent_bytes = sending.sent_bytes
            await sending.aclose()

    async def _stream(self, exchange: Exchange, body: AsyncIterator[bytes], size: int | None, send: Send) -> None:
        """Send a long body piece by piece; give up, unfinished, when the reader is gone or too slow."""
        gone = asyncio.ensure_future(_until_gone(exchange))
        pieces = _Pieces(exchange, send, self._settings)
        try:
            async for piece in body:
                if pieces.handed_bytes + len(piece) == size:
                    await pieces.settle(gone)
                await asyncio.sleep(0)  # pieces that need not be waited for would leave no turn to who hears of the end
                if gone.done():
                    return
                await pieces.hand(piece)
            await send({"type": "http.response.body", "body": b""})
            exchange.sent_bytes = pieces.handed_bytes
        except (TimeoutError, ConnectionError):
            return
        except Exception as error:
            self._app.refuse(exchange, error)  # too late to tell the client, but not the operator
        finally:
            gone.cancel()
            await _close(body)

    async def _has_left(self, exchange: Exchange) -> bool:
        """Whether the client is gone before its answer; asked where making that took so long that it may have given up.

        Granian takes an answer to nobody without a word. Of a body that came broken or in part `receive` says that the
        client is gone, though it may well wait for the answer.
        """
        was_cut = exchange.body is not None and exchange.body.was_cut
        if time.perf_counter_ns() - exchange.began_ns < _LONG_NS or _is_unread(exchange) or was_cut:
            return False
        gone = asyncio.ensure_future(_until_gone(exchange))
        done, _ = await asyncio.wait({gone}, timeout=_ASKING_S)
        gone.cancel()
        return bool(done)

    # --- bodies that nobody wanted ---

    def _is_last(self, exchange: Exchange) -> bool:
        """Whether the connection ends with this answer, as far as we have a say in it."""
        if exchange.is_last or _is_never_invited(exchange) or (exchange.body is not None and exchange.body.was_cut):
            return True
        return _is_unread(exchange) and not self._can_drain(exchange)

    def _can_drain(self, exchange: Exchange) -> bool:
        """Whether reading the rest of the body is cheaper than a new connection."""
        if self._is_overloaded():
            return False
        headers = exchange.headers
        size = headers.get("content-length", "")
        is_small = size.isdigit() and int(size) <= self._settings.drain_size_bytes_max
        return is_small and headers.get("expect", "").lower() != _INVITED

    async def _drain(self, exchange: Exchange) -> None:
        """Read what the client still sends, up to a bound, so that it reads our answer instead of a reset."""
        if "expect" in exchange.headers and not (exchange.body is not None and exchange.body.invited):
            return  # it waits for an invitation that it does not get
        left = self._settings.drain_size_bytes_max
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_s), self._drains:
                while left > 0:
                    message = await exchange.receive()
                    if message["type"] != "http.request" or not message.get("more_body", False):
                        return
                    left -= len(message.get("body", b""))


class _Pieces:
    """Hands a body to the server and keeps count of what the peer's socket has taken of it.

    ASGI tells nobody what was sent. But Granian keeps at most four messages that its connection has not taken, and the
    connection takes one only when less than the receive buffer (256 KiB, listener.py) of all before it is unwritten. So
    when a message is accepted, everything up to the fifth before it is on its way; empty ones, which hyper drops, push
    the others through. What the kernel holds for a slow peer counts as sent, as with every server.
    """

    def __init__(self, exchange: Exchange, send: Send, settings: Settings) -> None:
        self.handed_bytes = 0
        self._exchange = exchange
        self._send = send
        self._settings = settings
        self._ahead: deque[int] = deque()

    async def hand(self, piece: bytes) -> None:
        """Hand over a piece of an unfinished body; raises `TimeoutError` when the peer is too slow, and a
        `ConnectionError` when it is gone and the server says so."""
        rate = max(self._settings.body_rate_bytes_per_s, 1)
        async with asyncio.timeout(self._settings.body_grace_s + (len(piece) or READ_SIZE_BYTES) / rate):
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        self.handed_bytes += len(piece)
        self._ahead.append(len(piece))
        if len(self._ahead) > _MESSAGES_AHEAD:
            self._exchange.sent_bytes += self._ahead.popleft()

    async def settle(self, gone: asyncio.Future[None]) -> None:
        """Wait until what was handed over has been taken; to be called before the last piece, while the server still
        waits for more."""
        for _ in range(_MESSAGES_AHEAD):
            if not gone.done():
                await self.hand(b"")


class _Peeked:
    """A stream whose first piece was read ahead."""

    def __init__(self, first: bytes, rest: AsyncIterator[bytes]) -> None:
        self._first: bytes | None = first
        self._rest = rest

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return await anext(self._rest)

    async def aclose(self) -> None:
        await _close(self._rest)


async def _close(stream: Any) -> None:
    """Release what a stream holds; generators have `aclose`, plain iterators need none."""
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()


def _held_bytes(exchange: Exchange) -> int:
    """What the body of a request may hold of our memory; nothing when somebody else takes it in."""
    if exchange.held is not None or not _has_body(exchange.headers):
        return 0
    size = exchange.headers.get("content-length", "")
    return min(int(size), WHOLE_SIZE_BYTES_MAX) if size.isdigit() else WHOLE_SIZE_BYTES_MAX


def _is_unread(exchange: Exchange) -> bool:
    """Whether the client may still be sending a body."""
    if exchange.body is not None:
        return not exchange.body.ended
    return _has_body(exchange.headers)


def _is_never_invited(exchange: Exchange) -> bool:
    """Whether the client waits for 100 Continue and nobody sends it, because there is nothing to invite.

    botocore, for one up to 1.35, keeps the status line of the answer that came instead, takes the next answer of such
    a connection apart wrongly and waits for its end; a new connection starts afresh. The native plane does the same.
    """
    return exchange.headers.get("expect", "").lower() == _INVITED and not _has_body(exchange.headers)


def _has_body(headers: Mapping[str, str]) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


async def _until_gone(exchange: Exchange) -> None:
    """Returns when the client has closed the connection."""
    while (await exchange.receive())["type"] == "http.request":
        pass
