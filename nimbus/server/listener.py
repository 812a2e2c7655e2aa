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
from collections.abc import Awaitable, Callable, MutableMapping
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
    "filters": {"errors": {"()": "nimbus.server.listener.NotCancelled"}},
    "handlers": {
        name: {"class": "nimbus.server.notices.StandardError", "filters": ["errors"]} for name in ("console", "access")
    },
}


class NotCancelled(logging.Filter):
    """Lets everything through but the cancellation of a request."""

    def filter(self, record: logging.LogRecord) -> bool:
        # Granian logs a traceback as text; its last line names the exception.
        return not record.getMessage().rstrip().rpartition("\n")[2].startswith("CancelledError")


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
        options = _options(app, limits, connections)
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
        assert self._serving is not None, "not started"
        self._server.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait({self._serving}, timeout=timeout_s)
        if self._serving.done():
            return 0
        return await self._cut(self._serving)

    async def _cut(self, serving: asyncio.Task[None]) -> int:
        """Cancel the requests that still run, and the tasks they began; Granian ends once they have."""
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
