"""What the native plane reads of the values that it is given. The structs with these members are the server room's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Settings(Protocol):
    """What `Plane` reads once, when it is made."""

    @property
    def listener(self) -> int:
        """A bound, listening, non-blocking socket of any kind; it stays the caller's and outlives the plane."""

    @property
    def upstream_path(self) -> str:
        """The unix socket of the embedded server."""

    @property
    def token(self) -> str:
        """64 hexadecimal digits, new at every start: whoever shows them in x-nimbus-token is the plane."""

    @property
    def threads(self) -> int: ...
    @property
    def connections_max(self) -> int:
        """Open connections; a few more are answered 503 SlowDown, the rest waits in the backlog."""

    @property
    def requests_max(self) -> int:
        """Requests in flight; one more is answered 503 SlowDown."""

    @property
    def header_timeout_ms(self) -> int:
        """For a head to arrive, and for an idle connection."""

    @property
    def body_rate_bytes_per_s(self) -> int:
        """A peer that takes an answer more slowly is cut off, after the grace; 0: never."""

    @property
    def body_grace_ms(self) -> int: ...
    @property
    def upload_memory_bytes_max(self) -> int:
        """For bodies on their way in; an upload for which there is no room is answered 503 SlowDown."""

    @property
    def takes_uploads(self) -> bool:
        """Whether somebody answers `take_uploads`; else uploads are relayed, too."""

    @property
    def serves_objects(self) -> bool:
        """Whether somebody takes the look-ups; if not, every request is relayed."""

    @property
    def disk_threads(self) -> int:
        """Threads that read what is not in the page cache."""

    @property
    def cache_size_bytes(self) -> int: ...
    @property
    def cache_files_max(self) -> int:
        """Open files of the object cache."""

    @property
    def domains(self) -> Iterable[str]:
        """Below which a host name is a bucket."""

    @property
    def common_headers(self) -> bytes:
        """Header lines of every answer, each with its CRLF."""


class Key(Protocol):
    """An access key and whose it is."""

    @property
    def access_key(self) -> str: ...
    @property
    def secret(self) -> str: ...
    @property
    def user_id(self) -> str: ...


class Extent(Protocol):
    """A run of an object's bytes in a file of the local data engine."""

    @property
    def path(self) -> str: ...
    @property
    def is_blob(self) -> bool: ...
    @property
    def offset(self) -> int: ...
    @property
    def length(self) -> int: ...
    @property
    def hash(self) -> int: ...


class Part(Protocol):
    """A part of an object that was uploaded in parts."""

    @property
    def number(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def checksum_headers(self) -> bytes:
        """Its own, whole lines."""


class Found(Protocol):
    """An object as the answer to a `Lookup`. Headers are whole lines, each with its CRLF."""

    @property
    def owner_id(self) -> str:
        """The only user who may read it."""

    @property
    def etag(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def modified_s(self) -> int: ...
    @property
    def modified_http(self) -> str: ...
    @property
    def headers(self) -> bytes:
        """Of a 200, without Content-Length."""

    @property
    def headers_304(self) -> bytes: ...
    @property
    def checksum_headers(self) -> bytes:
        """Added for x-amz-checksum-mode: ENABLED."""

    @property
    def extents(self) -> Iterable[Extent]: ...
    @property
    def parts(self) -> Iterable[Part]:
        """All of them, in order; none for an object that was uploaded whole."""
