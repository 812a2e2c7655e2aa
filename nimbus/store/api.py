"""The contract of the store: buckets, objects, multipart uploads and listings, in plain words.

The fronts (S3, later FUSE and training reads) call this and nothing below it. Everything is asynchronous
and belongs to one event loop. Names of buckets and keys of objects arrive checked by the front: a bucket is
text, a key is 1 to 1,024 bytes of UTF-8. Errors are the states of `nimbus.base.errors`.

Must always hold: an acknowledged change survives a power cut; a reader sees an object whole, as it was at one
moment; of two racing conditional writers exactly one wins.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol

import msgspec

from nimbus.base.errors import BucketExists
from nimbus.base.span import Span
from nimbus.store.records import Bucket, Extent, Object, Part, Upload, UploadedPart


class BucketTaken(BucketExists):
    """A bucket of this name exists already."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__()
        self.bucket = bucket


# Decides on the object as it is when the write is decided (None: there is none); raises to refuse the write.
Condition = Callable[[Object | None], None]


class NewObject(msgspec.Struct, frozen=True):
    """What a writer says of an object besides its bytes."""

    owner_id: str
    content_type: str
    headers: dict[str, str] = {}
    metadata: dict[str, str] = {}
    checksum_algorithm: str = ""  # for multipart uploads
    checksum_type: str = ""


class Digests(msgspec.Struct, frozen=True):
    """What was computed over the bytes while they came in."""

    etag: str
    checksums: dict[str, str] = {}  # "CRC32" -> base64


class Ingest(Protocol):
    """Bytes on their way into the store; not visible before `ObjectStore.put_object` or `put_part`.

    Whoever opened it either hands it over to one of those or calls `abort`.
    """

    async def write(self, chunk: bytes) -> None: ...

    def adopt(self, extents: tuple[Extent, ...]) -> None:
        """Take over bytes that lie in the data engine already, finished and synced, instead of any `write`."""
        ...

    async def abort(self) -> None: ...


class Found(msgspec.Struct, frozen=True):
    """An object at one moment, ready to be read even if it is overwritten meanwhile."""

    record: Object


class Listing(msgspec.Struct, frozen=True):
    """A page of a listing: entries and common prefixes in key order, each counted once against the limit."""

    objects: list[tuple[str, Object]]
    prefixes: list[str]
    truncated: bool
    next_after: str  # where the next page starts after: the last key or prefix of this page, "" at the end


class UploadListing(msgspec.Struct, frozen=True):
    """A page of open uploads, in order of key and then of upload id."""

    uploads: list[tuple[str, str, Upload]]  # key, upload id, record
    prefixes: list[str]
    truncated: bool
    next_key: str
    next_upload_id: str


class PartListing(msgspec.Struct, frozen=True):
    """A page of the parts of an open upload, in order of number."""

    upload: Upload
    parts: list[tuple[int, UploadedPart]]
    truncated: bool
    next_number: int


class CompletedPart(msgspec.Struct, frozen=True):
    """One part as a completer names it."""

    number: int
    etag: str


class ObjectStore(Protocol):
    """Everything that can be done with buckets and objects."""

    # --- buckets ---
    async def create_bucket(self, name: str, owner_id: str, region: str) -> Bucket:
        """Raises `BucketTaken`, a `BucketExists` with the record in its `bucket` attribute, whoever owns it."""
        ...

    async def delete_bucket(self, name: str) -> None:
        """Raises `BucketMissing`, `BucketNotEmpty`. Open uploads in it are aborted."""
        ...

    async def find_bucket(self, name: str) -> Bucket: ...

    async def list_buckets(
        self, owner_id: str, prefix: str, after: str, limit: int
    ) -> tuple[list[tuple[str, Bucket]], bool]:
        """The owner's buckets in order of name, and whether there are more."""
        ...

    # --- objects ---
    def ingest(self, size_hint: int | None) -> Ingest:
        """Begin to take in bytes."""
        ...

    async def put_object(
        self, bucket: str, key: str, new: NewObject, ingest: Ingest, digests: Digests, condition: Condition | None
    ) -> Object:
        """Make the ingested bytes the object `key`; frees what it replaces. Aborts the ingest on any error."""
        ...

    async def find_object(self, bucket: str, key: str) -> Object:
        """Raises `BucketMissing`, `ObjectMissing`."""
        ...

    async def part_span(self, record: Object, number: int) -> tuple[Span, Part | None]:
        """The bytes of part `number` of an object (the whole object is part 1 of one without parts).

        Raises `PartInvalid` when it has no such part.
        """
        ...

    async def list_object_parts(self, record: Object, after: int, limit: int) -> tuple[list[Part], bool]:
        """The parts of a multipart object with numbers above `after`, and whether there are more."""
        ...

    def read_now(self, record: Object, span: Span) -> bytes | None:
        """The bytes of the span when they are at hand without waiting; see `DataStore.read_now`."""
        ...

    def read(self, record: Object, span: Span) -> AsyncIterator[bytes]:
        """The bytes of the span, verified. The object's data outlives its deletion while this iterator is open."""
        ...

    async def delete_object(self, bucket: str, key: str, condition: Condition | None) -> None:
        """Deleting what is not there succeeds. Raises `BucketMissing` or what the condition raises."""
        ...

    async def replace_metadata(self, bucket: str, key: str, new: NewObject, condition: Condition | None) -> Object:
        """Give an object new metadata and a new modification time without moving its bytes."""
        ...

    async def list_objects(self, bucket: str, prefix: str, delimiter: str, after: str, limit: int) -> Listing:
        """Keys that start with `prefix` and sort after `after`; those with the delimiter beyond it are grouped.

        `after` may be a key or a common prefix of an earlier page.
        """
        ...

    # --- multipart uploads ---
    async def create_upload(self, bucket: str, key: str, new: NewObject) -> str:
        """A new upload id."""
        ...

    async def find_upload(self, bucket: str, key: str, upload_id: str) -> Upload:
        """Raises `UploadMissing`, also for an id that never was one."""
        ...

    async def put_part(
        self, bucket: str, key: str, upload_id: str, number: int, ingest: Ingest, digests: Digests
    ) -> UploadedPart: ...

    async def list_parts(self, bucket: str, key: str, upload_id: str, after: int, limit: int) -> PartListing: ...

    async def list_uploads(
        self, bucket: str, prefix: str, delimiter: str, key_after: str, upload_id_after: str, limit: int
    ) -> UploadListing: ...

    async def complete_upload(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        parts: list[CompletedPart],
        digests: Callable[[Upload, list[UploadedPart]], Digests],
        condition: Condition | None,
    ) -> Object:
        """Make the named parts the object: metadata only, atomic. Repeating a completed call answers alike.

        `digests` computes the object's ETag and checksums from the named parts in order, or refuses them.
        Raises `UploadMissing`, `PartInvalid`, `PartOrderInvalid`, `PartTooSmall`.
        """
        ...

    async def abort_upload(self, bucket: str, key: str, upload_id: str) -> None: ...
