"""The states in which the world can refuse us, as a small tree of exceptions.

A state's docstring is the sentence a person reads. `retry_may_help` says whether the same call can
succeed later without anybody changing the request. Foreign exceptions become one of these where the
foreign library is imported; each front (S3, command line, FUSE) translates them once into its own terms.
A programmer's mistake is an assertion, never one of these.
"""

from __future__ import annotations

from collections.abc import Sequence


class NimbusError(Exception):
    """Something went wrong in the store."""

    retry_may_help = False

    def __init__(self, detail: str = "") -> None:
        summary = (type(self).__doc__ or "").strip().splitlines()[0]
        super().__init__(f"{summary} {detail}".rstrip() if detail else summary)
        self.detail = detail


# --- what was asked for is not there, or is there already -------------------------------------------


class Missing(NimbusError):
    """What was asked for does not exist."""


class BucketMissing(Missing):
    """The bucket does not exist."""


class ObjectMissing(Missing):
    """The object does not exist."""


class UploadMissing(Missing):
    """The multipart upload does not exist: it was completed, aborted or never begun."""


class Conflict(NimbusError):
    """The request contradicts the present state."""


class BucketExists(Conflict):
    """A bucket of this name exists already."""


class BucketNotEmpty(Conflict):
    """The bucket still holds objects."""


class BucketBusy(Conflict):
    """The bucket is being deleted at this moment."""

    retry_may_help = True


class ConditionLost(Conflict):
    """A condition of the request (If-Match, If-None-Match, ...) does not hold."""


class WriteRace(Conflict):
    """Another writer changed the same record again and again; the write was given up."""

    retry_may_help = True


# --- a multipart upload cannot be completed as asked ---------------------------------------------------


class PartInvalid(NimbusError):
    """A part named in the request was not uploaded, or its ETag or checksum differs."""

    def __init__(self, detail: str = "", number: int = 0, etag: str = "") -> None:
        super().__init__(detail)
        self.number = number  # as it was named; 0: no single one
        self.etag = etag


class PartOrderInvalid(NimbusError):
    """The parts are not named in ascending order."""


class PartTooSmall(NimbusError):
    """A part other than the last is smaller than the smallest size allowed."""

    def __init__(
        self, detail: str = "", number: int = 0, etag: str = "", size_bytes: int = 0, size_bytes_min: int = 0
    ) -> None:
        super().__init__(detail)
        self.number = number
        self.etag = etag
        self.size_bytes = size_bytes
        self.size_bytes_min = size_bytes_min


class ObjectTooLarge(NimbusError):
    """The object would be larger than the largest size allowed."""

    def __init__(self, detail: str = "", size_bytes: int = 0, size_bytes_max: int = 0) -> None:
        super().__init__(detail)
        self.size_bytes = size_bytes
        self.size_bytes_max = size_bytes_max


class SizeMismatch(NimbusError):
    """The size differs from the size that was declared."""


class DigestMismatch(NimbusError):
    """The bytes do not have the digest that was declared."""


# --- the machine below us ------------------------------------------------------------------------------


class EngineError(NimbusError):
    """A storage engine failed."""


class NotSupported(EngineError):
    """The engine cannot do this; its capabilities say so."""


class BatchTooLarge(EngineError):
    """The batch is larger than the engine takes in one atomic step."""


class StoreReadOnly(EngineError):
    """The store takes no writes since a write to its disk failed; check the disk and restart."""


class DiskReadOnly(StoreReadOnly):
    """The file system takes no writes: it is mounted read-only, or became so by an error."""


class DiskDenied(StoreReadOnly):
    """The store is not allowed to write to its own directory."""


class DirectoryGone(StoreReadOnly):
    """The data directory, or a part of it, was removed while the store uses it."""


class SpaceExhausted(EngineError):
    """There is no space left for the data."""


class NamesExhausted(SpaceExhausted):
    """The file system has no inodes left for new files."""


class QuotaExhausted(SpaceExhausted):
    """The disk quota is used up."""


class FileTooLarge(SpaceExhausted):
    """The system lets no file grow so large."""


class DataDamaged(EngineError):
    """Stored bytes do not match their checksum; they are not handed out."""


class RowsUnreadable(DataDamaged):
    """A run of metadata rows cannot be read."""

    def __init__(
        self, detail: str = "", rows: Sequence[tuple[bytes, bytes]] = (), start: bytes = b"", end: bytes = b""
    ) -> None:
        """`rows` were read before it; it goes from after the last of them, `start`, to the next readable row, `end`."""
        super().__init__(detail)
        self.rows = rows
        self.start = start
        self.end = end


class DirectoryLocked(EngineError):
    """Another process uses this data directory."""


class DirectoryDamaged(EngineError):
    """The data directory cannot be opened."""


class StrangersMet(EngineError):
    """Data and metadata do not belong together; nothing was touched."""


class MetadataBehind(EngineError):
    """Metadata is missing that was on the disk already; nothing was touched."""


class EngineClosed(EngineError):
    """The engine is closed."""


class Overloaded(NimbusError):
    """The server has reached one of its limits."""

    retry_may_help = True


class PeerTooSlow(NimbusError):
    """The peer sent or took bytes more slowly than the limit allows."""


class PeerGone(NimbusError):
    """The peer closed the connection before its request was whole."""


class ConfigInvalid(NimbusError):
    """The configuration is wrong."""
