"""The admin endpoints as an ASGI application of their own, on a listener of their own.

    GET /metrics        every metric as Prometheus reads it
    GET /health/live    200 as long as the process answers at all; else restart it
    GET /health/ready   200 when reads and writes work; else 503, and the reason in one line

There is no authentication, so it belongs on loopback or on a network of the operator's. It tells no secret, no name
of a bucket or an object, and no address of a client; it changes nothing and takes no bodies.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final

import msgspec

from nimbus.admin.readiness import Readiness
from nimbus.metrics.api import Source
from nimbus.metrics.exposition import CONTENT_TYPE, scrape

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_TEXT: Final = "text/plain; charset=utf-8"
_METHODS: Final = ("GET", "HEAD")


class Page(msgspec.Struct, frozen=True):
    """An answer."""

    status: int
    body: bytes
    content_type: str = _TEXT


class AdminAsgi:
    """The ASGI application."""

    def __init__(self, sources: Sequence[Source], readiness: Readiness) -> None:
        self._sources = sources
        self._readiness = readiness
        self._pages: dict[bytes, Callable[[], Awaitable[Page]]] = {
            b"/metrics": self._metrics,
            b"/health/live": self._live,
            b"/health/ready": self._ready,
        }

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        page = await self._page(scope["method"], scope["raw_path"])
        headers = [
            (b"content-type", page.content_type.encode()),
            (b"content-length", b"%d" % len(page.body)),
            (b"cache-control", b"no-store"),
            (b"server", b"NimbusStore"),
            # What a client may be sending is not read, so the connection ends with the answer.
            (b"connection", b"close"),
        ]
        if page.status == 405:
            headers.append((b"allow", ", ".join(_METHODS).encode()))
        body = b"" if scope["method"] == "HEAD" else page.body
        await send({"type": "http.response.start", "status": page.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _page(self, method: str, path: bytes) -> Page:
        render = self._pages.get(path)
        if render is None:
            return Page(404, b"There are /metrics, /health/live and /health/ready.\n")
        if method not in _METHODS:
            return Page(405, b"Only GET and HEAD.\n")
        return await render()

    async def _metrics(self) -> Page:
        return Page(200, scrape(self._sources), CONTENT_TYPE)

    async def _live(self) -> Page:
        return Page(200, b"live\n")

    async def _ready(self) -> Page:
        obstacle = await self._readiness.obstacle()
        return Page(200, b"ready\n") if obstacle is None else Page(503, f"{obstacle}\n".encode())
