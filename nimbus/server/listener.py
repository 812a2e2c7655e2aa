"""The HTTP/1.1 listener: Granian, embedded in this process's event loop. The one file that knows Granian.

The socket is bound by us (sockets.py), before anything else starts; Granian adopts it. HTTP/1 only and no websockets;
never the Rust task implementation (it keeps every request body) and never a reload or respawn (the old worker would
hold the metadata's lock).

Granian counts idle connections against its `backpressure` and stops accepting at the bound, has one timer for
the head of a request and for an idle connection, and none for bodies: those are the application's to enforce.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, Final

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server

from nimbus.base.config import Limits
from nimbus.base.limits import KIB
from nimbus.server.sockets import Bound
from nimbus.server.tls import Certificate

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Application = Callable[[Scope, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

# The kernel caps the backlog at net.core.somaxconn anyway.
BACKLOG_MAX: Final = 20_000
# Older versions are forbidden (RFC 8996); rustls knows none of them.
TLS_MIN: Final = SSLProtocols.tls12
# What Granian receives into, for each connection, and the largest piece of a body that it hands over. Its own 408 KiB
# make uploads hold half again the memory and save no time; below 256 KiB a large upload costs a fifth more CPU.
RECEIVE_BUFFER_SIZE_BYTES: Final = 256 * KIB
# What a receiver that was full has to free before it says that there is room again: a segment, at its largest.
SEGMENT_SIZE_BYTES_MAX: Final = 64 * KIB
# A limit of no rate at all still ends a connection at some time.
RATE_BYTES_PER_S_MIN: Final = 256
# How long cancelled requests, and the listener after them, may take to end.
CANCEL_S: Final = 0.5

# A request that was cancelled because the server stops is no error of the application.
LOGGING: Final[dict[str, Any]] = {
    "filters": {
        "errors": {"()": "nimbus.server.listener.NotCancelled"},
        "inside": {"()": "nimbus.server.listener.OfItsOwnLife"},
    },
    "handlers": {
        "console": {"class": "nimbus.server.notices.StandardError", "filters": ["errors", "inside"]},
        "refused": {"class": "nimbus.server.listener.RefusedPieces"},
    },
    "loggers": {
        "_granian": {"handlers": ["console"], "propagate": False},
        "_granian.asgi.io": {"handlers": ["refused"], "level": "INFO", "propagate": False},
    },
}


class NotCancelled(logging.Filter):
    """Lets everything through but the cancellation of a request."""

    def filter(self, record: logging.LogRecord) -> bool:
        # Granian logs a traceback as text; its last line names the exception.
        return not record.getMessage().rstrip().rpartition("\n")[2].startswith("CancelledError")


class OfItsOwnLife(logging.Filter):
    """What Granian tells of its own life is for the finest level only, under its name."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.ERROR:
            record.levelno, record.levelname = logging.DEBUG, "DEBUG"
            record.msg = f"granian: {record.msg}"
        # The address is that of its options, which are not asked: it serves on our socket.
        return not record.getMessage().startswith("granian: Listening at")


class RefusedPieces(logging.Handler):
    """Hears that a piece of a body was taken by nobody, while it is being sent.

    `send` of Granian never fails: once its connection is gone it drops what it is given and logs a line, at once and on
    the thread that sends; the message that `receive` gives comes up to ten milliseconds later, which are tens of pieces
    when they come from memory. The line is the only word of it, so we listen to that.
    """

    heard = False  # between the call of a `send` and its return

    def emit(self, record: logging.LogRecord) -> None:
        # Granian's own threads say the same of a piece that waited for room when the connection went.
        is_sender = threading.get_ident() == threading.main_thread().ident
        if is_sender and record.getMessage().startswith("ASGI transport error"):
            RefusedPieces.heard = True


def telling_of_refusal(app: Application) -> Application:
    """The application with a `send` that raises `ConnectionResetError` when nobody takes a body any more."""

    async def told(
        scope: Scope, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        def sending(message: Message) -> Awaitable[None]:
            RefusedPieces.heard = False
            sent = send(message)
            if RefusedPieces.heard:
                raise ConnectionResetError("the peer has left")
            return sent

        await app(scope, receive, sending)

    return told


def _bound_silence(listening: socket.socket, limits: Limits) -> None:
    """Let the kernel end connections whose peer has taken nothing for as long as the slowest allowed reader needs
    to make room for one segment. Granian waits for such a peer for ever, with the body in memory, even when the
    application has given the request up. Accepted sockets inherit this."""
    if listening.family == socket.AF_UNIX:
        return
    silence_s = limits.body_grace_s + SEGMENT_SIZE_BYTES_MAX / max(limits.body_rate_bytes_per_s, RATE_BYTES_PER_S_MIN)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(silence_s * 1000))


class Listener:
    """Answers requests from a bound socket with an ASGI application, over TLS when there is a certificate."""

    def __init__(
        self,
        bound: Bound,
        app: Application,
        limits: Limits,
        connections: int,
        certificate: Certificate | None = None,
    ) -> None:
        self._bound = bound
        _bound_silence(bound.socket, limits)
        options = _options(telling_of_refusal(app), limits, connections)
        if certificate is not None:
            options |= {"ssl_cert": certificate.cert, "ssl_key": certificate.key, "ssl_protocol_min": TLS_MIN}
        self._server = _AdoptingServer(bound.socket, options)
        self._serving: asyncio.Task[None] | None = None
        self._before: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        """Accept connections. Raises `AddressRefused` when another program came first."""
        self._bound.listen(min(self._server.backlog, BACKLOG_MAX))
        self._before = asyncio.all_tasks()
        self._serving = asyncio.create_task(self._server.serve())

    async def ended(self) -> None:
        """Returns when the listener has stopped, by `drain` or because it failed."""
        assert self._serving is not None, "not started"
        await asyncio.wait({self._serving})

    async def drain(self, timeout_s: float) -> int:
        """Accept nothing more and wait for running requests; returns how many had to be cut off."""
        return 0 if await self.settle(timeout_s) else await self.cut()

    async def settle(self, timeout_s: float, hurry: asyncio.Event | None = None) -> bool:
        """Accept nothing more; whether running requests ended before the time was over or `hurry` was set."""
        assert self._serving is not None, "not started"
        if not self._serving.done():
            self._server.stop()  # type: ignore[no-untyped-call]
        async with hurried(hurry) as ordered:
            await asyncio.wait({self._serving, *ordered}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        return self._serving.done()

    async def cut(self) -> int:
        """Cancel the requests that still run, and the tasks they began; Granian ends once they have."""
        serving = self._serving
        assert serving is not None, "not started"
        if serving.done():
            return 0
        mine = {asyncio.current_task(), serving}
        running = {
            task
            for task in asyncio.all_tasks() - self._before - mine
            if not getattr(task.get_coro(), "__qualname__", "").startswith(_KEPT_TASKS) and not task.cancelling()
        }
        for task in running:
            task.cancel()
        await asyncio.wait({*running, serving}, timeout=CANCEL_S)
        return len(running)


@asynccontextmanager
async def hurried(hurry: asyncio.Event | None) -> AsyncIterator[set[asyncio.Task[Any]]]:
    """A task that ends when `hurry` is set, to wait for beside others."""
    waits = set() if hurry is None else {asyncio.create_task(hurry.wait())}
    try:
        yield waits
    finally:
        for wait in waits:
            wait.cancel()


# Granian's own tasks end by themselves once the last request has, and so do the drains of other listeners.
_KEPT_TASKS: Final = ("AsyncWorker.", "Server.", "Listener.", "PlaneListener.")


def _options(app: Application, limits: Limits, connections: int) -> dict[str, Any]:
    return {
        "target": app,
        "interface": Interfaces.ASGINL,
        "http": HTTPModes.http1,
        "http1_settings": HTTP1Settings(
            header_read_timeout=round(limits.header_timeout_s * 1000), max_buffer_size=RECEIVE_BUFFER_SIZE_BYTES
        ),
        "websockets": False,
        "backlog": min(connections, BACKLOG_MAX),
        "backpressure": connections,
        # What Granian tells of its own life is told by us already; its errors are not.
        "log_level": LogLevels.debug if logging.getLogger().isEnabledFor(logging.DEBUG) else LogLevels.error,
        "log_dictconfig": LOGGING,
    }


class _AdoptingServer(Server):
    """Granian's embedded server on a socket that is already bound."""

    def __init__(self, bound: socket.socket, options: dict[str, Any]) -> None:
        super().__init__(**options)
        self._adopted = bound

    def _init_shared_socket(self) -> None:
        # Granian owns and closes the descriptor from here on.
        is_unix = self._adopted.family == socket.AF_UNIX
        self._shd: Any = SocketHolder(self._adopted.detach(), is_unix, self.backlog)  # type: ignore[call-arg]
        self._ssp = None
