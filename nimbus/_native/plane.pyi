"""The native data plane: an HTTP/1.1 listener in C in front of the embedded server.

The first part offers the plane's leaves one by one: pure functions over bytes, the very ones that the listener
runs, for tests and for whoever needs one by itself. The second part is the listener.
"""

from collections.abc import Iterable
from typing import Any, Self

from typing_extensions import Buffer

from nimbus._native.plane_values import Extent, Found, Key, Settings

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

def read_query(query: bytes, operation: bytes) -> tuple[int | None, bool, dict[bytes, bytes]] | None:
    """The part number, the checksums and the replaced headers that a raw query of a read asks for; None for what is not
    plain."""

def check_conditions(headers: list[tuple[bytes, bytes]], etag: bytes, modified_s: int, now_s: int) -> str:
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

class Lookup:
    """A connection that waits to be told of an object. One that is dropped without an answer is declined."""

    bucket: bytes
    key: bytes

    def fill(self, found: Found) -> None:
        """The object as it was read after this question was taken; not kept if it has changed since."""

    def miss(self, owner_id: str) -> None:
        """There is no such object in the bucket of this user, as of after this question was taken."""

    def decline(self) -> None:
        """Let the embedded server answer."""

# --- the access log -----------------------------------------------------------------------------------------

def set_notice_level(level: int) -> None:
    """The lowest level, in numbers of `logging`, at which the plane's own threads write to standard error."""

def log_subject(user: bytes, access_key: bytes, operation: bytes, error: bytes, bucket: bytes) -> bytes:
    """Who wanted what, as members of a line; what is not known is empty. Printable ASCII, whatever goes in."""

def log_request(key: bytes, method: bytes, target: bytes, user_agent: bytes, referer: bytes) -> bytes:
    """What the head said, as members of a line: the decoded key, and the rest as it came, without its secrets."""

class AccessLog:
    """The access log: lines from the event loop and from the plane's threads, written by a thread of its own.

    Must always hold: `write` is called by one thread; one that is closed lives on while a plane runs that puts into it.
    """

    rings: int

    def __new__(cls, path: str, threads: int = 0) -> Self:
        """Opens the file, "-" for standard error; `threads` of a plane put lines in besides. Raises OSError."""

    def write(
        self,
        began_us: int,
        peer: bytes,
        request_id: bytes,
        status: int,
        received_bytes: int,
        sent_bytes: int,
        first_byte_us: int,
        total_us: int,
        subject: bytes,
        request: bytes,
    ) -> None:
        """The line of a request that Granian has taken in. Dropped, and counted, when the file is too slow. Times are
        since the epoch, and since `began_us`; `first_byte_us` is negative when nothing was answered."""

    def reopen(self) -> None:
        """Open the path anew before the next line, after logrotate has moved the file. Of a closed log nothing."""

    def counters(self) -> tuple[int, int]:
        """Lines that were written, and lines that were lost: the file was too slow for them, or failed."""

    def close(self) -> None:
        """Write what is left. Twice is no error."""

def trim_heap() -> None:
    """Have the allocator give its free pages back to the system. Takes some milliseconds, with the GIL released."""

# --- the listener -------------------------------------------------------------------------------------------

class Plane:
    """The native listener: threads that never hold the GIL, in front of the embedded server.

    Must always hold: `stop` comes before the listening sockets are closed. A thread that cannot go on aborts the
    process.
    """

    def __new__(cls, settings: Settings, log: AccessLog | None = None) -> Self:
        """Opens what the threads need. Raises OSError, ValueError."""

    def start(self) -> None:
        """Accept connections."""

    def drain(self) -> None:
        """Accept nothing more, close idle connections, finish the requests in flight (see `counters`)."""

    def stop(self) -> None:
        """Close everything and join the threads. Twice is no error."""

    def set_keys(self, keys: Iterable[Key], region: str) -> None:
        """Who may sign from the next request on; replaces all. Clear the cache as well when rights change."""

    def take_lookups(self, count_max: int, timeout_ms: int) -> list[Lookup] | None:
        """The next questions; [] when there are none for that long, None once the plane has stopped."""

    def begin_change(self, bucket: bytes, key: bytes) -> None:
        """Before an object can change: forget it, and keep nothing of it until `end_change`."""

    def end_change(self, bucket: bytes, key: bytes) -> None:
        """The change is durable and readers see it, or it is given up; before it is answered."""

    def begin_bucket_change(self, bucket: bytes) -> None:
        """Before a bucket is created, deleted or changed: whatever was filled for its keys is void."""

    def end_bucket_change(self, bucket: bytes) -> None: ...
    def trim(self) -> None:
        """Free the buffers that are kept for the next requests. Any thread."""

    def clear_cache(self) -> None:
        """Forget every object."""

    def suspect(self, path: str) -> None:
        """Bytes of this file did not match: whatever lies in it is looked up, opened and verified anew."""

    def counters(self) -> dict[str, Any]:
        """Counters since the start, without stopping anybody.

        Plain ones by name; for each of OPERATIONS `requests_` by status (0: no answer), `latency_` by powers
        of two of microseconds, `latency_sum_us_`, `body_bytes_` and `answer_bytes_`.
        """

# --- bytes that the application has the plane send ----------------------------------------------------------

def offer_bytes(
    plane: Plane, extents: Iterable[Extent], start: int, end: int, body_size_bytes: int, wait: bool
) -> bytes | None:
    """A ticket for bytes [start, end) of what the extents hold together, a run of a body of `body_size_bytes`.

    An answer that names it in `x-nimbus-send` has them sent by the plane. The first of them were verified; None: they
    are damaged, a file does not open, or there are too many tickets. Nothing here keeps the bytes from being freed.
    With `wait` it blocks on the disk, with the GIL released; without, BlockingIOError says that it would have to.
    """

def withdraw_offer(plane: Plane, ticket: bytes) -> bool:
    """Whether nobody has taken the ticket, or ever will. Else it is settled."""

def settled_fd(plane: Plane) -> int:
    """Readable when `take_settled` has something to say."""

def take_settled(plane: Plane) -> list[tuple[bytes, int, bool]]:
    """Tickets that are done with: how many of their bytes went out, and whether the next one was damaged.

    Some of them at a time: call again until [].
    """

def frame_files_read(plane: Plane, timeout_ms: int) -> frozenset[str] | None:
    """The files of which native answers still need frames of objects that are changed since; None: not known in time.

    REQUIRES: the changes have ended. All other frames of theirs may be freed, and any file may be unlinked. Blocks.
    """

# --- uploads ------------------------------------------------------------------------------------------------

AWS_FORMS: tuple[str, ...]
AWS_FAULTS: tuple[str, ...]
UPLOAD_WANTS: tuple[str, ...]
UPLOAD_FAULTS: tuple[str, ...]

class AwsChunkedFault(ValueError):
    """What is wrong with an aws-chunked body: one of AWS_FAULTS; of a mismatch also what should have been signed."""

    fault: str
    string_to_sign: bytes
    provided: bytes

    def __init__(self, fault: str, string_to_sign: bytes, provided: bytes) -> None: ...

def decode_aws_chunked(
    form: str,
    pieces: list[bytes],
    decoded_length: int,
    seed: tuple[bytes, bytes, bytes, bytes] | None,
    declared: list[bytes],
) -> tuple[bytes, dict[str, str]]:
    """Payload and trailers of a body cut into `pieces`. `form` is one of AWS_FORMS, `seed` the signing key, timestamp,
    scope and signature of the head. Raises AwsChunkedFault.
    """

def decode_base64(text: bytes, size: int) -> bytes | None:
    """The bytes of canonical base64 of exactly `size` bytes, else None."""

class Upload:
    """An upload in Python's hands. It is answered once, by one of the methods; whoever drops it unanswered declines it.

    `want` indexes UPLOAD_WANTS: "admission" is answered by `admit` or `decline`, "commit" by `succeed_uploads` or
    `refuse`, "refusal" by `refuse`, "discard" by `forget`. Any thread. Properties may be read until then.
    """

    want: int

    def admit(self, fd: int, algorithm: str | None) -> None:
        """Let the body come. A large one is written to `fd`, which stays the caller's (-1: it is small). `algorithm` is
        the checksum that a part is kept with; None leaves what the head decided."""

    def decline(self) -> None:
        """Let the embedded server answer."""

    def refuse(self, status: int, answer: bytes) -> None:
        """All header lines but Date and Connection, an empty line, and the document."""

    def forget(self) -> None:
        """Nobody waits for an answer."""

    @property
    def ticket(self) -> int:
        """Of an order (`take_body`), which knows only how its body ended; 0: an upload of the plane's own."""

    @property
    def received_bytes(self) -> int: ...
    @property
    def has_ended(self) -> bool: ...
    @property
    def bucket(self) -> str: ...
    @property
    def key(self) -> str:
        """Raises UnicodeDecodeError for a key that is no text."""

    @property
    def user_id(self) -> str: ...
    @property
    def access_key(self) -> str: ...
    @property
    def request_id(self) -> str: ...
    @property
    def path(self) -> bytes:
        """As it came, without the query."""

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Those that describe the object or set a condition."""

    @property
    def upload_id(self) -> str: ...  # "": not a part
    @property
    def size(self) -> int: ...
    @property
    def is_small(self) -> bool:
        """Whether the payload is in memory; else it is in the blob."""

    @property
    def payload(self) -> bytes:
        """A copy."""

    @property
    def fd(self) -> int: ...
    @property
    def table_hash(self) -> int:
        """Of the blob's block table; the file is whole and synced when a commit is wanted."""

    @property
    def etag(self) -> str: ...
    @property
    def md5_declared(self) -> bytes:
        """What the head says; REQUIRES: the fault is md5."""

    @property
    def sha256_declared(self) -> bytes:
        """The same; REQUIRES: the fault is sha256."""

    @property
    def sha256(self) -> bytes:
        """What was computed; as above."""

    @property
    def given(self) -> str | None:
        """The algorithm of the client's own checksum."""

    @property
    def checksums(self) -> dict[str, str]: ...
    @property
    def facts(self) -> tuple[str, str, str, list[tuple[bytes, bytes]], int, int, str, dict[str, str]]:
        """bucket, key, user_id, headers, part_number, size, etag, checksums: what a record is made of, at once."""

    @property
    def is_trailer(self) -> bool: ...
    @property
    def fault(self) -> str:
        """One of UPLOAD_FAULTS."""

    @property
    def error_number(self) -> int:
        """Of a disk fault: errno of the write, or minus the errno of the sync."""

    @property
    def framing_fault(self) -> AwsChunkedFault:
        """Of a framing fault."""

def take_body(
    plane: Plane,
    ticket: int,
    *,
    fd: int,
    size: int | None,
    size_max: int,
    sha256: bytes | None,
    md5: bytes | None,
    given: str | None,
    checksum: bytes | None,
    algorithm: str | None,
    form: str | None,
    seed: tuple[bytes, bytes, bytes, bytes] | None,
    trailers: list[bytes],
) -> None:
    """Have the body that was offered with this ticket taken in, and held to all this. Any thread; returns at once.
    A payload goes to the blob `fd` (-1: its size is known and small); without a size it has `size_max` bytes at most.
    `given` is the algorithm of the client's checksum, which is `checksum` or comes in a trailer, `algorithm` one more;
    `form` (None: not aws-chunked), `seed`, `trailers` as in `decode_aws_chunked`. How it ended comes out of
    `take_uploads` with this ticket, answered by `forget`, unless the plane stops before; a void ticket is a cut body.
    """

def succeed_uploads(uploads: list[Upload], window_us: int) -> None:
    """They are committed: each is answered 200. For `window_us` a `take_uploads` that has one waits for as many."""

def ask_first(plane: Plane, asks_first: bool) -> None:
    """Whether every upload wants admission before its body comes, also those that only the commit decides about."""

def take_uploads(plane: Plane, count_max: int, timeout_ms: int) -> list[Upload] | None:
    """Uploads that want something, in order; waits with the GIL released. None once the plane has stopped.

    The MD5s of small ones that want a commit are computed here, side by side.
    """
