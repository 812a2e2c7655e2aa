"""What the native plane asks of Python: which object is this, and where do its bytes lie?

The native threads answer what they know. What they do not know comes here in batches: a thread reads the rows, renders
the headers with the S3 room's own codec, and fills the cache.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

import msgspec

from nimbus._native.plane import Lookup, Plane
from nimbus.base.errors import NimbusError
from nimbus.data.api import Descriptor
from nimbus.meta import keys
from nimbus.s3 import codec, model
from nimbus.s3.operations.attributes import checksum_fields, part_checksums, record_fields
from nimbus.server.coherence import CoherentMap
from nimbus.store.records import Bucket, Object, unpack
from nimbus.store.records import Extent as StoredExtent
from nimbus.store.records import Part as StoredPart

LOOKUPS_PER_BATCH_MAX: Final = 64
LOOKUP_WAIT_MS: Final = 60_000
HEADERS_SIZE_BYTES_MAX: Final = 12 << 10  # head and a small body share one buffer of the plane
_GET: Final = next(wire for wire in model.WIRES if wire.name == "GetObject")


class Extent(msgspec.Struct, frozen=True):
    """A run of an object's bytes in a file; see nimbus/_native/plane_values.py."""

    path: str
    is_blob: bool
    offset: int
    length: int
    hash: int


class Part(msgspec.Struct, frozen=True):
    """A part of an object; see nimbus/_native/plane_values.py."""

    number: int
    size: int
    checksum_headers: bytes


class Found(msgspec.Struct, frozen=True):
    """An object as the plane wants to know it; see nimbus/_native/plane_values.py."""

    owner_id: str
    etag: str
    size: int
    modified_s: int
    modified_http: str
    headers: bytes
    headers_304: bytes
    checksum_headers: bytes
    extents: tuple[Extent, ...]
    parts: tuple[Part, ...] = ()


class LocalFiles(Protocol):
    """What the plane needs of a data engine that keeps local files."""

    def descriptor(self, location: bytes) -> Descriptor: ...

    def tell(self, on_damage: Callable[[str], None]) -> None: ...


# Whether a location is a blob, and the hash that its bytes are checked against.
Checks = Callable[[bytes], tuple[bool, int]]


def plane_extents(extents: Iterable[StoredExtent], files: LocalFiles, checks: Checks) -> tuple[Extent, ...]:
    """The runs of an object's bytes as the plane reads them; empty ones are left out."""
    found = []
    for extent in extents:
        if extent.size:
            lies = files.descriptor(extent.location)
            is_blob, hash = checks(extent.location)
            found.append(Extent(lies.path, is_blob, lies.offset, lies.size, hash))
    return tuple(found)


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
            self._look_up(lookup)
        except (NimbusError, UnicodeError):
            lookup.decline()  # the S3 room says what is wrong

    def _look_up(self, lookup: Lookup) -> None:
        value = self._map.get(keys.BUCKETS + lookup.bucket)
        if value is None:
            lookup.decline()
            return
        bucket = unpack(Bucket, value)
        self._map.will_read(bucket.bucket_id, lookup.bucket)
        value = self._map.get(keys.object(bucket.bucket_id, lookup.key))
        if value is None:
            lookup.key.decode()  # what is no text is no key, and has another answer
            lookup.miss(bucket.owner_id)
            return
        found = self._described(bucket, unpack(Object, value))
        if found is None:
            lookup.decline()
        else:
            lookup.fill(found)

    def _described(self, bucket: Bucket, record: Object) -> Found | None:
        if record.manifest_pages:
            return None  # more parts than the record holds: read by way of the store
        headers = _headers(record_fields(record))
        found = Found(
            owner_id=bucket.owner_id,
            etag=record.etag,
            size=record.size,
            modified_s=record.modified_ms // 1000,
            modified_http=record.modified_http,
            headers=_lines(headers),
            headers_304=_lines(header for header in headers if header[0] != b"content-type"),
            checksum_headers=_lines(_headers(checksum_fields(record.checksums, record.checksum_type))),
            extents=plane_extents(record.extents, self._files, self._checks),
            parts=tuple(Part(part.number, part.size, _part_lines(record, part)) for part in record.parts),
        )
        return found if len(found.headers) + len(found.checksum_headers) <= HEADERS_SIZE_BYTES_MAX else None


def _part_lines(record: Object, part: StoredPart) -> bytes:
    checksums = part_checksums(record, part)
    return _lines(_headers(checksum_fields(checksums, record.checksum_type))) if checksums else b""


def _headers(fields: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    return codec.encode(_GET, model.GetObjectOutput(**fields)).headers


def _lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])
