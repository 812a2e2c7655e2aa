"""The native data plane: an HTTP/1.1 listener in C in front of the embedded server.

The first part offers the plane's leaves one by one: pure functions over bytes, the very ones that the listener
runs, for tests and for whoever needs one by itself. The second part is the listener.
"""

from collections.abc import Iterable
from typing import Protocol, Self

from typing_extensions import Buffer

class ParsedRequest:
    """A request head that the strict parser accepted; header names are in lower case, values are trimmed."""

    body_at: int
    method: bytes
    path: bytes
    query: bytes | None
    headers: list[tuple[bytes, bytes]]
    content_length: int | None
    chunked: bool
    keep_alive: bool
    expects_continue: bool

    def __init__(
        self,
        body_at: int,
        method: bytes,
        path: bytes,
        query: bytes | None,
        headers: list[tuple[bytes, bytes]],
        content_length: int | None,
        chunked: bool,
        keep_alive: bool,
        expects_continue: bool,
    ) -> None: ...

def parse_request(data: bytes) -> ParsedRequest | None:
    """The request head at the front of `data`; None while it is not whole; ValueError names what is wrong."""

def parse_request_in_steps(pieces: list[bytes]) -> int | str:
    """Where the body starts (0: not whole yet) or the error's name, when the head arrives in pieces."""

def parse_response(data: bytes) -> tuple[int, int, list[tuple[bytes, bytes]], int | None, bool] | None:
    """A response head: its size, status, headers, Content-Length and whether it is chunked."""

def parse_range(value: bytes, size: int) -> tuple[int, int] | None:
    """The half-open byte range of a Range header; None when S3 ignores it; ValueError when it is unsatisfiable."""

def decode_chunked(pieces: list[bytes]) -> tuple[bytes, bytes] | None:
    """Payload of a chunked body and what follows it; None while it is not whole; ValueError for bad framing."""

def parse_target(path: bytes, host: bytes, domains: Iterable[str] = ()) -> tuple[bytes, bytes] | None:
    """Bucket and decoded key of a plain object request; None for whatever the embedded server should judge."""

def is_plain_query(query: bytes, operation: bytes) -> bool:
    """Whether a raw query has nothing but a signature and `x-id` with the operation's name."""

def check_conditions(headers: list[tuple[bytes, bytes]], etag: bytes, modified_s: int) -> str:
    """One of "pass", "unmodified" (304), and "other" for what the embedded server should judge."""

def parse_http_date(text: bytes) -> int | None:
    """Seconds since the epoch of an IMF-fixdate; None for any other spelling."""

def md5_isa_best() -> str:
    """The widest instruction set of this machine: "scalar", "avx2" or "avx512"."""

def md5_many(streams: list[list[bytes]], isa: str) -> list[bytes]:
    """The MD5 of each stream, hashed side by side; piece i of every stream goes into one call."""

def crc64nvme_portable(data: Buffer) -> int:
    """CRC64NVME without vector instructions."""

class Digests:
    """Digests of one stream in one pass; names are those of S3's checksum algorithms."""

    def __new__(cls, names: Iterable[str]) -> Self: ...
    def update(self, data: Buffer) -> None:
        """More bytes; the GIL is released meanwhile."""

    def final(self) -> dict[str, bytes]:
        """Name to digest in wire order. Once."""

OPERATIONS: tuple[str, ...]

class _Settings(Protocol):
    """What `Plane` reads of its settings. Not in this module: the server room has the struct."""

    @property
    def listeners(self) -> Iterable[int]:
        """Bound, listening, non-blocking sockets; they stay the caller's and outlive the plane."""

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

class _Key(Protocol):
    """An access key and whose it is."""

    @property
    def access_key(self) -> str: ...
    @property
    def secret(self) -> str: ...
    @property
    def user_id(self) -> str: ...

class _Extent(Protocol):
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

class _Found(Protocol):
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
    def extents(self) -> Iterable[_Extent]: ...

class Lookup:
    """A connection that waits to be told of an object. One that is dropped without an answer is declined."""

    bucket: bytes
    key: bytes

    def fill(self, found: _Found) -> None:
        """The object as it was read after this question was taken. Refused by itself if it has changed since."""

    def decline(self) -> None:
        """Let the embedded server answer."""

class Plane:
    """The native listener: threads that never hold the GIL, in front of the embedded server.

    Must always hold: `stop` comes before the listening sockets are closed. A thread that cannot go on aborts the
    process.
    """

    def __new__(cls, settings: _Settings) -> Self:
        """Opens what the threads need. Raises OSError, ValueError."""

    def start(self) -> None:
        """Accept connections."""

    def drain(self) -> None:
        """Accept nothing more, close idle connections, finish the requests in flight (see `counters`)."""

    def stop(self) -> None:
        """Close everything and join the threads. Twice is no error."""

    def set_keys(self, keys: Iterable[_Key], region: str) -> None:
        """Who may sign from the next request on; replaces all. Clear the cache as well when rights change."""

    def take_lookups(self, count_max: int, timeout_ms: int) -> list[Lookup] | None:
        """The next questions; [] when there are none for that long, None once the plane has stopped."""

    def begin_change(self, bucket: bytes, key: bytes) -> None:
        """Before an object can change: forget it, and fill nothing for it until `end_change`."""

    def end_change(self, bucket: bytes, key: bytes) -> None:
        """The change is durable, or given up; before it is answered."""

    def clear_cache(self) -> None:
        """Forget every object."""

    def counters(self) -> dict[str, int | list[int]]:
        """Counters since the start, without stopping anybody.

        Plain ones by name; for each of OPERATIONS `requests_<operation>` by status class (0: no answer),
        `latency_<operation>` by power-of-two buckets of microseconds, and `latency_sum_us_<operation>`.
        """
