"""The Python side of the native plane: who asks it, who tells it of changes, and the listener made of both.

The native threads answer what they know. What they do not know comes here in batches (`Lookups`): a thread reads
the rows, renders the headers with the S3 room's own codec, and fills the cache. `CoherentMap` stands around the
metadata map and tells the plane of every object row that is about to change; it works on the commit thread, so it
holds whatever becomes of the task that asked for the change.

Must always hold: between the first moment at which a reader could see a change and its acknowledgement nothing old
is filled; only the plane, which knows the token of this start, is believed about who is at the other end.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
import socket
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from nimbus._native.plane import OPERATIONS, Lookup, Plane
from nimbus.base.config import Config
from nimbus.base.errors import NimbusError
from nimbus.base.ids import ID_SIZE_BYTES
from nimbus.data.api import Descriptor
from nimbus.meta import keys
from nimbus.meta.api import Capabilities, OwnedMap
from nimbus.metrics.plane import PlaneSource
from nimbus.s3 import codec, model
from nimbus.s3.operations.attributes import checksum_fields, record_fields
from nimbus.server.listener import Application, Bound, Listener, Message, Scope, bind_unix
from nimbus.server.plane_uploads import PlaneUploads
from nimbus.store.records import Bucket, Object, unpack

# Native readers hold no lease. They send a frame from its file for a second at most after its entry left the cache,
# and copy and verify it from then on; what already lies in a socket's queue are pages of memory, which stay as they are
# when whole pages are punched out of the file. The rest of the grace is for a worker that got no processor.
GARBAGE_GRACE_S: Final = 15.0
LOOKUPS_PER_BATCH_MAX: Final = 64
LOOKUP_WAIT_MS: Final = 60_000
CACHE_SIZE_BYTES: Final = 256 << 20
CACHE_FILES_MAX: Final = 4096
DISK_THREADS: Final = 4
HEADERS_SIZE_BYTES_MAX: Final = 12 << 10  # head and a small body share one buffer of the plane
POLL_S: Final = 0.02
_GET: Final = next(wire for wire in model.WIRES if wire.name == "GetObject")
_OURS: Final = b"x-nimbus-"
_OBJECTS: Final = keys.objects(b"")


class PlaneSettings(msgspec.Struct, frozen=True):
    """See nimbus/_native/plane.pyi."""

    listeners: tuple[int, ...]
    upstream_path: str
    token: str
    threads: int
    connections_max: int
    requests_max: int
    header_timeout_ms: int
    body_rate_bytes_per_s: int
    body_grace_ms: int
    serves_objects: bool
    takes_uploads: bool
    domains: tuple[str, ...]
    common_headers: bytes
    disk_threads: int = DISK_THREADS
    cache_size_bytes: int = CACHE_SIZE_BYTES
    cache_files_max: int = CACHE_FILES_MAX


class Key(msgspec.Struct, frozen=True):
    """An access key and whose it is; see nimbus/_native/plane.pyi."""

    access_key: str
    secret: str
    user_id: str

    def __repr__(self) -> str:
        return f"Key(access_key={self.access_key!r})"


class Extent(msgspec.Struct, frozen=True):
    """A run of an object's bytes in a file; see nimbus/_native/plane.pyi."""

    path: str
    is_blob: bool
    offset: int
    length: int
    hash: int


class Found(msgspec.Struct, frozen=True):
    """An object as the plane wants to know it; see nimbus/_native/plane.pyi."""

    owner_id: str
    etag: str
    size: int
    modified_s: int
    modified_http: str
    headers: bytes
    headers_304: bytes
    checksum_headers: bytes
    extents: tuple[Extent, ...]


class LocalFiles(Protocol):
    """What the plane needs of a data engine that keeps local files."""

    def descriptor(self, location: bytes) -> Descriptor: ...


# Whether a location is a blob, and the hash that its bytes are checked against.
Checks = Callable[[bytes], tuple[bool, int]]


class CoherentMap:
    """A metadata map that tells the plane of every change of an object's row."""

    def __init__(self, map: OwnedMap) -> None:
        self._map = map
        self._names: dict[bytes, bytes] = {}  # bucket id -> name, of the buckets that were ever looked up
        self._plane: Plane | None = None
        self.get = map.get
        self.range = map.range
        self.sync = map.sync
        self.close = map.close

    @property
    def capabilities(self) -> Capabilities:
        return self._map.capabilities

    def tell(self, plane: Plane) -> None:
        """Tell this plane from now on. Before it accepts its first connection."""
        self._plane = plane

    def will_read(self, bucket_id: bytes, name: bytes) -> None:
        """An object of this bucket is about to be read for the cache."""
        self._names[bucket_id] = name

    def write(self, ops: Mapping[bytes, bytes | None]) -> None:
        with _Changes(self._plane, self._names, ops):
            self._map.write(ops)

    def txn(self, checks: Mapping[bytes, bytes | None], ops: Mapping[bytes, bytes | None]) -> bool:
        with _Changes(self._plane, self._names, ops):
            return self._map.txn(checks, ops)


class _Changes:
    """The changes of one write, announced before it and ended after it."""

    __slots__ = ("_begun", "_names", "_ops", "_plane")

    def __init__(self, plane: Plane | None, names: Mapping[bytes, bytes], ops: Iterable[bytes]) -> None:
        self._plane = plane
        self._names = names
        self._ops = ops
        self._begun: set[tuple[bytes, bytes]] = set()

    def __enter__(self) -> None:
        if self._plane is None:
            return
        self._begun = self._objects()
        for bucket, key in self._begun:
            self._plane.begin_change(bucket, key)

    def __exit__(self, *_: object) -> None:
        if self._plane is None:
            return
        for bucket, key in self._begun:
            self._plane.end_change(bucket, key)
        # A bucket that was first looked up while we wrote: whoever read the row before our write must not fill it.
        for bucket, key in self._objects() - self._begun:
            self._plane.begin_change(bucket, key)
            self._plane.end_change(bucket, key)

    def _objects(self) -> set[tuple[bytes, bytes]]:
        """Bucket and key of the rows that are objects of buckets known to the cache."""
        found = set()
        for row in self._ops:
            if row.startswith(_OBJECTS):
                name = self._names.get(row[len(_OBJECTS) : len(_OBJECTS) + ID_SIZE_BYTES])
                if name is not None:
                    found.add((name, keys.object_key(row)))
        return found


class Lookups:
    """The thread that answers the plane's questions."""

    def __init__(self, plane: Plane, map: CoherentMap, files: LocalFiles, checks: Checks) -> None:
        self._plane = plane
        self._map = map
        self._files = files
        self._checks = checks
        self._thread = threading.Thread(target=self._run, name="plane look-ups", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """REQUIRES: the plane has stopped."""
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while (lookups := self._plane.take_lookups(LOOKUPS_PER_BATCH_MAX, LOOKUP_WAIT_MS)) is not None:
            for lookup in lookups:
                self._answer(lookup)

    def _answer(self, lookup: Lookup) -> None:
        try:
            found = self._find(lookup.bucket, lookup.key)
        except (NimbusError, UnicodeError):
            found = None  # the S3 room says what is wrong
        if found is None:
            lookup.decline()
        else:
            lookup.fill(found)

    def _find(self, name: bytes, key: bytes) -> Found | None:
        value = self._map.get(keys.bucket(name.decode()))
        if value is None:
            return None
        bucket = unpack(Bucket, value)
        self._map.will_read(bucket.bucket_id, name)
        value = self._map.get(keys.object(bucket.bucket_id, key))
        return None if value is None else self._described(bucket, unpack(Object, value))

    def _described(self, bucket: Bucket, record: Object) -> Found | None:
        if record.manifest_pages:
            return None  # more parts than the record holds: read by way of the store
        fields = record_fields(record)
        headers = _lines(fields)
        del fields["content_type"]
        found = Found(
            owner_id=bucket.owner_id,
            etag=record.etag,
            size=record.size,
            modified_s=record.modified_ms // 1000,
            modified_http=record.modified_http,
            headers=headers,
            headers_304=_lines(fields),
            checksum_headers=_lines(checksum_fields(record.checksums, record.checksum_type)),
            extents=tuple(self._extent(extent.location) for extent in record.extents if extent.size),
        )
        return found if len(found.headers) + len(found.checksum_headers) <= HEADERS_SIZE_BYTES_MAX else None

    def _extent(self, location: bytes) -> Extent:
        lies = self._files.descriptor(location)
        is_blob, hash = self._checks(location)
        return Extent(lies.path, is_blob, lies.offset, lies.size, hash)


def _lines(fields: dict[str, Any]) -> bytes:
    headers = codec.encode(_GET, model.GetObjectOutput(**fields)).headers
    return b"".join(b"%b: %b\r\n" % header for header in headers)


class TrustedFront:
    """An ASGI application that believes the plane about the peer, and nobody else about anything."""

    def __init__(self, app: Application, token: str) -> None:
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
            scope["headers"] = [header for header in scope["headers"] if not header[0].startswith(_OURS)]
            scope["client"] = (ours.get(b"x-nimbus-peer", b"").decode("latin-1"), 0)
        await self._app(scope, receive, send)


class PlaneListener:
    """The native plane on the bound socket, with the embedded server behind it; in the shape of `Listener`."""

    def __init__(
        self,
        bound: Bound,
        app: Application,
        config: Config,
        connections: int,
        users: Iterable[Key],
        map: CoherentMap | None,
        files: LocalFiles | None,
        checks: Checks,
        uploads: Callable[[Plane], PlaneUploads] | None = None,
    ) -> None:
        self._bound = bound
        self._folder = tempfile.TemporaryDirectory(prefix="nimbus-")  # 0700: nobody else reaches the socket
        path = str(Path(self._folder.name) / "behind.sock")
        token = secrets.token_hex(32)
        self._behind = Listener(bind_unix(path), TrustedFront(app, token), config.limits, connections)
        serves_objects = map is not None and files is not None
        self._plane = Plane(
            _settings(config, connections, bound.socket.fileno(), path, token, serves_objects, uploads is not None)
        )
        self._plane.set_keys(users, config.region)
        self._lookups = None
        if map is not None and files is not None:
            map.tell(self._plane)
            self._lookups = Lookups(self._plane, map, files, checks)
        self._uploads = uploads(self._plane) if uploads is not None else None

    @property
    def source(self) -> PlaneSource:
        """What the plane's threads have counted."""
        return PlaneSource(self._plane.counters, OPERATIONS)

    def start(self) -> None:
        """Accept connections."""
        self._behind.start()
        self._bound.socket.listen(socket.SOMAXCONN)
        self._bound.socket.setblocking(False)
        if self._lookups is not None:
            self._lookups.start()
        if self._uploads is not None:
            self._uploads.start()
        self._plane.start()

    async def ended(self) -> None:
        """Returns when the server behind has stopped; a native thread that cannot go on ends the process."""
        await self._behind.ended()

    async def drain(self, timeout_s: float) -> int:
        """Accept nothing more and wait for running requests; returns how many had to be cut off."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        self._plane.drain()
        while self._plane.counters()["in_flight"] and loop.time() < deadline:  # noqa: ASYNC110 native threads set no event
            await asyncio.sleep(POLL_S)
        running = self._plane.counters()["in_flight"]
        await loop.run_in_executor(None, self._plane.stop)
        if self._lookups is not None:
            await loop.run_in_executor(None, self._lookups.join)
        if self._uploads is not None:
            await loop.run_in_executor(None, self._uploads.join)
        await self._behind.drain(max(deadline - loop.time(), 0.1))
        self._folder.cleanup()
        assert isinstance(running, int)
        return running


def _settings(
    config: Config, connections: int, listener: int, path: str, token: str, serves_objects: bool, takes_uploads: bool
) -> PlaneSettings:
    limits = config.limits
    return PlaneSettings(
        listeners=(listener,),
        upstream_path=path,
        token=token,
        threads=min(len(os.sched_getaffinity(0)), 64),
        connections_max=connections,
        requests_max=limits.requests,
        header_timeout_ms=round(limits.header_timeout_s * 1000),
        body_rate_bytes_per_s=limits.body_rate_bytes_per_s,
        body_grace_ms=round(limits.body_grace_s * 1000),
        serves_objects=serves_objects,
        takes_uploads=takes_uploads,
        domains=config.domains,
        common_headers=b"x-amz-id-2: %b\r\nserver: NimbusStore\r\n" % secrets.token_hex(16).encode(),
    )
