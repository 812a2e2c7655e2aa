"""What the store keeps in metadata: one Struct for each kind of row, as msgpack arrays after a version byte.

Fields are only ever appended, each with a default, so that older rows stay readable; a change that cannot
be an appended field takes the next version byte. Times are kept as milliseconds and, where a listing shows
them by the thousand, also as wire-ready text.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from nimbus.base.errors import DataDamaged

VERSION = b"\x01"


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Anything that is kept in a metadata row. Cannot be part of a cycle, so the collector need not look at it."""


class Extent(Record, frozen=True):
    """A run of bytes of an object: `size` bytes at an opaque `location` of the data engine."""

    location: bytes
    size: int


class Bucket(Record, frozen=True):
    """A bucket. `bucket_id` is new for each creation, so that rows of a deleted namesake never show."""

    bucket_id: bytes
    owner_id: str
    created_ms: int
    region: str = ""
    deleting_until_ms: int = 0  # while a DeleteBucket looks for objects; void once passed


class Part(Record, frozen=True):
    """What is known of one part of a completed multipart object, for `partNumber` reads."""

    number: int
    size: int
    checksum: str = ""  # base64 of the upload's algorithm, "" when none was kept


class Object(Record, frozen=True):
    """The current version of an object. 200-350 bytes packed."""

    size: int
    etag: str  # without quotes; "<md5 hex>" or "<md5 hex>-<parts>"
    modified_ms: int
    modified_iso: str  # 2026-01-31T12:34:56.000Z, as listings show it
    modified_http: str  # Sat, 31 Jan 2026 12:34:56 GMT, as headers show it
    owner_id: str
    content_type: str
    extents: tuple[Extent, ...]  # in order; empty for a zero-byte object or when manifest_pages > 0
    headers: dict[str, str] = {}  # lower-case standard headers kept with it: cache-control, content-encoding...
    metadata: dict[str, str] = {}  # x-amz-meta-* without the prefix, lower-case
    checksums: dict[str, str] = {}  # "CRC32" -> base64 (composite ones end in "-<parts>")
    checksum_type: str = ""  # "FULL_OBJECT" or "COMPOSITE" when checksums is not empty
    parts: tuple[Part, ...] = ()  # of a multipart object with inline extents
    manifest_id: bytes = b""  # names the manifest pages of an object of many parts
    manifest_pages: tuple[int, ...] = ()  # byte offset in the object at which each page begins
    part_count: int = 0  # 0: not a multipart object
    upload_id: str = ""  # the multipart upload that made it, so that a repeated completion answers alike


class ManifestPage(Record, frozen=True):
    """A run of the parts of an object of many parts: parts[i] has its bytes at extents[i].

    An empty part has an extent of size 0 without a location.
    """

    first_part: int  # index (from 0) of parts[0] among all parts
    parts: tuple[Part, ...]
    extents: tuple[Extent, ...]


class Upload(Record, frozen=True):
    """An open multipart upload."""

    initiated_ms: int
    owner_id: str
    content_type: str
    headers: dict[str, str] = {}
    metadata: dict[str, str] = {}
    checksum_algorithm: str = ""
    checksum_type: str = ""
    revision: int = 0  # counts what happened to the upload, so that a completion notices a part that changed
    pages: int = 0  # manifest pages that attempts to complete it have written so far


class UploadedPart(Record, frozen=True):
    """One part of an open upload; uploading the number again replaces it. No extent: it is empty."""

    size: int
    etag: str
    modified_ms: int
    extents: tuple[Extent, ...]
    checksums: dict[str, str] = {}


class Garbage(Record, frozen=True):
    """Something to be freed: data locations, the rows of a finished upload, pages of a manifest, or several of them.

    Locations that one reader may hold together stand in one record, the first extent's location first.
    """

    locations: tuple[bytes, ...] = ()
    upload_rows: bytes = b""  # key prefix of part rows: drop rows and, unless kept, their locations
    kept_parts: bytes = b""  # bitmap over part numbers whose locations an object took over
    manifest_rows: bytes = b""  # key prefix of manifest pages: drop rows and their locations


class Pairing(Record, frozen=True):
    """Which start of the store the metadata and a data directory had in common last."""

    nonce: bytes
    starts: int  # and clean stops, so that the older one of two copies is known
    is_volatile: bool = False  # of a data engine that forgets


class Stamp(Record, frozen=True):
    """The same in the data directory, whose bytes it says to be of the store `store_id`. Not a row: a file."""

    store_id: bytes
    data_id: bytes
    current: bytes  # nonce of the row; empty until the first start was complete
    pending: bytes  # or this one, when a start or stop was cut off; empty otherwise
    starts: int
    metadata: str  # name of the engine, for a message
    is_volatile: bool  # the metadata forgets
    doubt: str = ""  # see store/recovery/identity.py


class Quarantined(Record, frozen=True):
    """Bytes that nothing names, waiting to be dropped."""

    since_ms: int
    size_bytes: int
    is_held: bool  # until the operator says so, whatever the time


R = TypeVar("R", bound=Record)
_encoder = msgspec.msgpack.Encoder()
_decoders: dict[type[Record], msgspec.msgpack.Decoder[Any]] = {}


def pack(record: Record) -> bytes:
    """The row value of a record."""
    return VERSION + _encoder.encode(record)


def unpack(kind: type[R], value: bytes) -> R:
    """The record in a row value. Raises `DataDamaged`. An unknown version is an assertion: newer code wrote it."""
    assert value[:1] == VERSION, f"row of unknown version {value[:1]!r} for {kind.__name__}"
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders.setdefault(kind, msgspec.msgpack.Decoder(kind))
    try:
        return decoder.decode(value[1:])  # type: ignore[no-any-return]  # copying a row is faster than a view of it
    except msgspec.DecodeError as error:
        raise DataDamaged(f"A {kind.__name__} row is not readable: {error}") from error
