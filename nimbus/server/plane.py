"""The native plane as a listener: made of the configuration, with the embedded server behind it.

Its threads ask `plane_lookups` for objects, hear of changes from `coherence`, and give uploads to `plane_uploads`;
whatever they do not answer themselves they relay, but for the bytes of objects, which `plane_sends` has them send.

Must always hold: only the plane, which knows the token of this start, is believed about who is at the other end.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec

from nimbus._native.plane import OPERATIONS, AccessLog, Plane
from nimbus.base.config import Config
from nimbus.base.descriptors import descriptors_granted, shares
from nimbus.metrics.plane import PlaneSource
from nimbus.s3.access import RELAYED
from nimbus.server.coherence import CoherentMap
from nimbus.server.listener import Application, Listener, Message, Scope
from nimbus.server.plane_bodies import HeldBodies
from nimbus.server.plane_lookups import Checks, LocalFiles, Lookups
from nimbus.server.plane_readers import PlaneReaders
from nimbus.server.plane_sends import PlaneSends
from nimbus.server.plane_uploads import PlaneUploads
from nimbus.server.sockets import Bound, bind_private

CACHE_SIZE_BYTES: Final = 256 << 20
DISK_THREADS: Final = 4
POLL_S: Final = 0.02
BEHIND_S: Final = 0.1  # for the server behind to see that its requests are gone
_OURS: Final = b"x-nimbus-"
_HOP: Final = b"x-nimbus-hop-"  # headers that ended at the plane, which a signature may cover
_INVITE_ME: Final = (b"expect", b"100-continue")


class PlaneSettings(msgspec.Struct, frozen=True):
    """See nimbus/_native/plane_values.py."""

    listener: int
    upstream_path: str
    token: str
    threads: int
    connections_max: int
    requests_max: int
    header_timeout_ms: int
    body_rate_bytes_per_s: int
    body_grace_ms: int
    upload_memory_bytes_max: int
    serves_objects: bool
    takes_uploads: bool
    domains: tuple[str, ...]
    common_headers: bytes
    cache_files_max: int
    disk_threads: int = DISK_THREADS
    cache_size_bytes: int = CACHE_SIZE_BYTES


class Key(msgspec.Struct, frozen=True):
    """An access key and whose it is; see nimbus/_native/plane_values.py."""

    access_key: str
    secret: str
    user_id: str

    def __repr__(self) -> str:
        return f"Key(access_key={self.access_key!r})"


class TrustedFront:
    """An ASGI application that believes the plane about the peer, and nobody else about anything.

    Requests that came through the plane may use its `extensions`, by the names that nimbus/s3/api.py gives them.
    """

    def __init__(self, app: Application, token: str) -> None:
        self.extensions: dict[str, object] = {}
        self.bodies: HeldBodies | None = None
        self._app = app
        self._token = token.encode()

    async def __call__(
        self,
        scope: Scope,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] == "http":
            ours = {name: value for name, value in scope["headers"] if name.startswith(_OURS)}
            if not hmac.compare_digest(ours.get(b"x-nimbus-token", b""), self._token):
                await send({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]})
                await send({"type": "http.response.body", "body": b""})
                return
            hop = [(name[len(_HOP) :], value) for name, value in scope["headers"] if name.startswith(_HOP)]
            scope["headers"] = [header for header in scope["headers"] if not header[0].startswith(_OURS)] + hop
            scope[RELAYED] = True
            scope["client"] = (ours.get(b"x-nimbus-peer", b"").decode("latin-1"), 0)
            scope["extensions"] = self.extensions | self._offered(scope, ours.get(b"x-nimbus-body"))
        await self._app(scope, receive, send)

    def _offered(self, scope: Scope, offer: bytes | None) -> dict[str, object]:
        """A body that the plane holds back, and the head as the client sent it."""
        if offer is None or self.bodies is None:
            return {}
        ticket, _, uninvited = offer.partition(b";")
        if uninvited:  # the client sends without an invitation, it is the plane that waits for one
            scope["headers"] = [header for header in scope["headers"] if header != _INVITE_ME]
        return {"nimbus.body": self.bodies.offer(int(ticket))}


class PlaneListener:
    """The native plane on the bound socket, with the embedded server behind it; in the shape of `Listener`."""

    def __init__(
        self,
        bound: Bound,
        app: Application,
        config: Config,
        connections: int,
        users: Iterable[Key],
        host_id: str,
        map: CoherentMap | None,
        files: LocalFiles | None,
        checks: Checks,
        uploads: Callable[[Plane], PlaneUploads] | None = None,
        sends: Callable[[Plane], PlaneSends] | None = None,
        readers: PlaneReaders | None = None,
        log: AccessLog | None = None,
    ) -> None:
        self._bound = bound
        self._folder = tempfile.TemporaryDirectory(prefix="nimbus-")  # 0700: nobody else reaches the socket
        path = str(Path(self._folder.name) / "behind.sock")
        token = secrets.token_hex(32)
        front = TrustedFront(app, token)
        self._behind = Listener(bind_private(path), front, config.limits, connections)
        serves_objects = map is not None and files is not None
        self._plane = Plane(
            _settings(
                config, connections, bound.socket.fileno(), path, token, host_id, serves_objects, uploads is not None
            ),
            log,
        )
        self._plane.set_keys(users, config.region)
        self._lookups = None
        if map is not None and files is not None:
            map.tell(self._plane)
            files.tell(self._plane.suspect)
            if readers is not None:
                readers.tell(self._plane)
            self._lookups = Lookups(self._plane, map, files, checks)
        self._uploads = uploads(self._plane) if uploads is not None else None
        if self._uploads is not None:
            front.bodies = self._uploads.bodies
        self._sends = sends(self._plane) if sends is not None else None
        if self._sends is not None:
            front.extensions["nimbus.send"] = self._sends

    @property
    def source(self) -> PlaneSource:
        """What the plane's threads have counted."""
        return PlaneSource(self._plane.counters, OPERATIONS)

    def trim(self) -> None:
        """Free what is kept for the next requests. Any thread."""
        self._plane.trim()

    def start(self) -> None:
        """Accept connections."""
        self._behind.start()
        self._bound.listen(socket.SOMAXCONN)
        self._bound.socket.setblocking(False)
        if self._lookups is not None:
            self._lookups.start()
        if self._uploads is not None:
            self._uploads.start()
        if self._sends is not None:
            self._sends.start()
        self._plane.start()

    async def ended(self) -> None:
        """Returns when the server behind has stopped; a native thread that cannot go on ends the process."""
        await self._behind.ended()

    async def drain(self, timeout_s: float) -> int:
        """Accept nothing more and wait for running requests; returns how many had to be cut off."""
        await self.settle(timeout_s)
        return await self.cut()

    async def settle(self, timeout_s: float, hurry: asyncio.Event | None = None) -> bool:
        """Accept nothing more; whether running requests ended before the time was over or `hurry` was set."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        self._plane.drain()
        while self._plane.counters()["in_flight"] and loop.time() < deadline:  # native threads set no event
            if hurry is not None and hurry.is_set():
                break
            await asyncio.sleep(POLL_S)
        return not self._plane.counters()["in_flight"]

    async def cut(self) -> int:
        """End everything that still runs; returns how many requests that were."""
        loop = asyncio.get_running_loop()
        running = self._plane.counters()["in_flight"]
        await loop.run_in_executor(None, self._plane.stop)
        if self._lookups is not None:
            await loop.run_in_executor(None, self._lookups.join)
        if self._uploads is not None:
            await loop.run_in_executor(None, self._uploads.join)
        if self._sends is not None:
            self._sends.abandon()
        await self._behind.drain(BEHIND_S)
        if self._sends is not None:
            self._sends.close()
        self._folder.cleanup()
        assert isinstance(running, int)
        return running


def _settings(
    config: Config,
    connections: int,
    listener: int,
    path: str,
    token: str,
    host_id: str,
    serves_objects: bool,
    takes_uploads: bool,
) -> PlaneSettings:
    limits = config.limits
    return PlaneSettings(
        listener=listener,
        upstream_path=path,
        token=token,
        threads=config.plane_threads_now,
        connections_max=connections,
        requests_max=limits.requests,
        header_timeout_ms=round(limits.header_timeout_s * 1000),
        body_rate_bytes_per_s=limits.body_rate_bytes_per_s,
        body_grace_ms=round(limits.body_grace_s * 1000),
        upload_memory_bytes_max=limits.upload_bytes,
        serves_objects=serves_objects,
        takes_uploads=takes_uploads,
        domains=config.domains,
        cache_files_max=shares(descriptors_granted()).native_files,
        common_headers=b"x-amz-id-2: %b\r\nserver: NimbusStore\r\n" % host_id.encode(),
    )
