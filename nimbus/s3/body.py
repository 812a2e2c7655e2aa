"""The body of a request on its way in: received, counted, unframed, digested and handed on in one pass.

The order is fixed: bytes are counted against the declared lengths, aws-chunked framing is taken off by a decoder
that releases only verified bytes, every digest is fed, and only then does the sink see a piece. Nothing here is
called before the request was authorised, because the first `receive` invites the body (100 Continue).

A body of up to `INLINE_SIZE_BYTES_MAX` is worked on the event loop. A larger one is gathered into batches whose
framing and digests are worked on a thread while the next batch is received and the previous one is written, so
that at most three batches of a body are in memory and the loop is never held for long. Up to
`WHOLE_SIZE_BYTES_MAX` it is one batch: that is no more memory, and each hop to a thread costs.

A body may be held back by whoever stands in front of us, and be taken in there (`HeldBody`): then no byte of it comes
this way, and what is done with the bytes here is done there.

Must always hold: `Received` is returned only for a body that is whole and has every length, hash and checksum
that was declared for it; a peer that stalls or trickles is cut off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from concurrent.futures import Executor
from typing import Any, Final, Protocol

import msgspec

from nimbus.auth.api import BodyForm, ChunkDecoder, Verified
from nimbus.base.clock import Clock
from nimbus.base.limits import KIB
from nimbus.s3.checksums import Algorithm, DigestSet, decode, encode
from nimbus.s3.errors import S3Error
from nimbus.store.records import Extent

INLINE_SIZE_BYTES_MAX: Final = 128 * KIB  # up to about 0.3 ms of digests, less than a hop to a thread and back is worth
WHOLE_SIZE_BYTES_MAX: Final = 1024 * KIB
BATCH_SIZE_BYTES: Final = 256 * KIB  # of a larger body, gathered before a worker is asked

Receive = Callable[[], Awaitable[dict[str, Any]]]
Sink = Callable[[bytes], Awaitable[None]]


class Pace(msgspec.Struct, frozen=True):
    """How slowly a peer may send: `rate_bytes_per_s` on average, once `grace_s` of waiting has passed.

    A single silence may never be longer than `grace_s`. A rate of 0 leaves only that.
    """

    rate_bytes_per_s: int
    grace_s: float


class Declared(msgspec.Struct, frozen=True):
    """What the head of the request says about its body; see declared.py."""

    wire_size: int | None  # Content-Length; None for chunked transfer coding
    payload_size: int | None  # without aws-chunked framing; None when nothing tells
    verified: Verified
    md5: bytes | None = None  # Content-MD5
    checksum: tuple[Algorithm, bytes] | None = None  # from a header
    trailer: Algorithm | None = None  # its value comes behind the body

    @property
    def checksum_names(self) -> tuple[str, ...]:
        """The algorithms whose value the client gives, at most one."""
        if self.trailer is not None:
            return (self.trailer.name,)
        return (self.checksum[0].name,) if self.checksum is not None else ()


class Received(msgspec.Struct, frozen=True):
    """A whole body that is what it was declared to be."""

    size: int
    md5: bytes
    checksums: dict[str, str]  # "CRC32" -> base64


class Taken(msgspec.Struct, frozen=True):
    """What became of a body that was taken in in front of us."""

    wire_size: int  # received, with its framing
    ended: bool  # nothing more of it comes
    received: Received | None = None  # None: see `failure`
    failure: Exception | None = None
    payload: bytes = b""  # of a small one
    extents: tuple[Extent, ...] = ()  # of a large one, named by nobody yet: whoever gets them names or discards them


class HeldBody(Protocol):
    """A body that has not moved yet and can be taken in without passing us."""

    async def take(self, declared: Declared, size_bytes_max: int, checksums: Collection[str]) -> Taken:
        """Have it received, held to all that was declared, and stored; `checksums` as in `receive_into`. Once.

        A size that nobody declared may be `size_bytes_max` at most. Cancelled, it leaves nothing stored. Raises
        `SpaceExhausted`, `StoreReadOnly` and their like while nothing has moved.
        """
        ...


class RequestBody:
    """The body of one request. Read at most once, by `receive_into`, `collect` or `take`."""

    def __init__(
        self,
        receive: Receive,
        declared: Declared,
        decoder: ChunkDecoder | None,
        hashing: Executor,
        pace: Pace,
        clock: Clock,
        held: HeldBody | None = None,
    ) -> None:
        self.declared = declared
        self.held = held  # it need not pass us
        self.invited = False  # somebody asked for the first byte, so a client that waits for 100 Continue sends
        self.ended = declared.wire_size == 0  # nothing is left to be received
        self.was_cut = False  # the peer has left, or nobody knows where the rest of it would end
        self._receive = receive
        self._decoder = decoder
        self._hashing = hashing
        self._pace = pace
        self._clock = clock
        self._wire = 0
        self._payload = 0
        self._waited_s = 0.0
        self._digests = DigestSet((), with_md5=False)

    @property
    def received_bytes(self) -> int:
        """How much has come off the wire so far."""
        return self._wire

    @property
    def size_hint(self) -> int | None:
        return self.declared.payload_size

    async def collect(self, size_bytes_max: int) -> bytes:
        """The whole body, for a document of bounded size."""
        size = self.declared.payload_size
        if size is not None and size > size_bytes_max:
            raise _too_big(size_bytes_max)
        pieces: list[bytes] = []
        held = 0

        async def keep(piece: bytes) -> None:
            nonlocal held
            held += len(piece)
            if held > size_bytes_max:
                raise _too_big(size_bytes_max)
            pieces.append(piece)

        await self.receive_into(keep, ())
        return b"".join(pieces)

    async def receive_into(self, sink: Sink, checksums: Collection[str]) -> Received:
        """Pass the payload to `sink` piece by piece; compute `checksums` besides what was declared."""
        declared = self.declared
        names = {*checksums, *declared.checksum_names}
        self._digests = DigestSet(names, with_sha256=declared.verified.body is BodyForm.SHA256)
        size = declared.wire_size
        if size is not None and size <= INLINE_SIZE_BYTES_MAX:
            while not self.ended:
                for piece in self._take((await self._next(),)):
                    await sink(piece)
        else:
            await self._pump(sink)
        return self._finish()

    async def take(self, size_bytes_max: int, checksums: Collection[str]) -> tuple[Received, Taken]:
        """The same for a held body, whose bytes are somewhere else then. REQUIRES: it is held."""
        assert self.held is not None, "the body comes this way"
        taken = await self.held.take(self.declared, size_bytes_max, checksums)
        self.invited = True
        self._wire, self.ended = taken.wire_size, taken.ended
        if taken.received is None:
            raise taken.failure or incomplete()
        return taken.received, taken

    # --- receiving ---

    async def _next(self) -> bytes:
        """The next bytes from the wire, b"" at the end."""
        self.invited = True
        patience_s = self._patience_s()
        if patience_s <= 0:
            raise S3Error("RequestTimeout")
        started_s = self._clock.monotonic_s()
        try:
            async with asyncio.timeout(patience_s):
                message = await self._receive()
        except TimeoutError:
            raise S3Error("RequestTimeout") from None
        self._waited_s += self._clock.monotonic_s() - started_s
        if message["type"] != "http.request":
            self.ended = self.was_cut = True
            raise incomplete()
        data: bytes = message.get("body", b"")
        self._wire += len(data)
        size = self.declared.wire_size
        # The last byte announced is the end; the empty message behind it would cost another turn of the loop.
        if self._wire == size or not message.get("more_body", False):
            self.ended = True
            if size not in (None, self._wire):
                self.was_cut = True
                raise incomplete()
        return data

    def _patience_s(self) -> float:
        """How long the peer may keep us waiting now: until its average falls below the pace, never past the grace."""
        pace = self._pace
        if pace.rate_bytes_per_s == 0:
            return pace.grace_s
        return min(pace.grace_s, pace.grace_s + self._wire / pace.rate_bytes_per_s - self._waited_s)

    async def _gather(self) -> list[bytes]:
        """About one batch from the wire, empty at the end."""
        batch: list[bytes] = []
        size = 0
        wire_size = self.declared.wire_size
        is_whole = wire_size is not None and wire_size <= WHOLE_SIZE_BYTES_MAX
        size_max = WHOLE_SIZE_BYTES_MAX if is_whole else BATCH_SIZE_BYTES
        while not self.ended and size < size_max:
            data = await self._next()
            batch.append(data)
            size += len(data)
        return batch

    async def _pump(self, sink: Sink) -> None:
        """Receive batch n+1, digest batch n and write batch n-1 at the same time."""
        loop = asyncio.get_running_loop()
        work: asyncio.Future[list[bytes]] | None = None
        try:
            while True:
                batch = await self._gather()
                pieces = await work if work is not None else []
                work = loop.run_in_executor(self._hashing, self._take, batch) if batch else None
                del batch  # the worker alone holds it, so that its memory goes as soon as it is done
                for piece in pieces:
                    await sink(piece)
                if work is None:
                    return
        finally:
            if work is not None and not work.done():
                await asyncio.wait((work,))  # the digests are the worker's until it ends
            if work is not None and not work.cancelled():
                work.exception()

    # --- what is done with the bytes; `_take` runs on one thread at a time ---

    def _take(self, batch: Iterable[bytes]) -> list[bytes]:
        """The payload in these bytes of the wire: verified, counted and digested."""
        pieces: list[bytes] = []
        for data in batch:
            pieces += self._decoder.feed(data) if self._decoder is not None else [data] if data else []
        limit = self.declared.payload_size
        for piece in pieces:
            self._payload += len(piece)
            if limit is not None and self._payload > limit:
                raise incomplete()
            self._digests.update(piece)
        return pieces

    def _finish(self) -> Received:
        """Check the whole body against all that was declared for it."""
        declared = self.declared
        trailers = self._decoder.finish() if self._decoder is not None else {}
        if declared.payload_size not in (None, self._payload):
            raise incomplete()
        digests = self._digests
        if digests.sha256 is not None and digests.sha256.digest().hex() != declared.verified.payload_sha256:
            raise sha256_mismatch(declared.verified.payload_sha256, digests.sha256.digest().hex())
        md5 = digests.md5.digest() if digests.md5 is not None else b""
        if declared.md5 is not None and declared.md5 != md5:
            raise md5_mismatch(declared.md5, md5)
        given = declared.checksum or _from_trailer(declared.trailer, trailers)
        if given is not None and digests.by_name[given[0].name].digest() != given[1]:
            raise S3Error("BadDigest", f"The {given[0].name} you specified did not match the calculated checksum.")
        return Received(self._payload, md5, digests.checksums())


def _too_big(size_bytes_max: int) -> S3Error:
    return S3Error("MaxMessageLengthExceeded", "Your request was too big.", MaxMessageLengthBytes=size_bytes_max)


def _from_trailer(algorithm: Algorithm | None, trailers: dict[str, str]) -> tuple[Algorithm, bytes] | None:
    if algorithm is None:
        return None
    digest = decode(trailers.get(algorithm.header, ""), algorithm.size_bytes)
    if digest is None:
        raise S3Error("InvalidRequest", f"Value for {algorithm.header} trailing header is invalid.")
    return algorithm, digest


def sha256_mismatch(given: str, computed: str) -> S3Error:
    """The payload is not the one whose hash, in hexadecimal, was signed."""
    hashes = {"ClientComputedContentSHA256": given, "S3ComputedContentSHA256": computed}
    return S3Error("XAmzContentSHA256Mismatch", "", **hashes)


def md5_mismatch(given: bytes, computed: bytes) -> S3Error:
    """Content-MD5 is another body's. S3 shows what it expected in hexadecimal and what it found in base64."""
    message = "The Content-MD5 you specified did not match what we received."
    return S3Error("BadDigest", message, CalculatedDigest=encode(computed), ExpectedDigest=given.hex())


def as_of_part(error: S3Error) -> S3Error:
    """What is wrong with the body of a part: S3 shows its expected MD5 in base64, too."""
    digest = error.fields.get("ExpectedDigest")
    if digest is not None:
        error.fields["ExpectedDigest"] = encode(bytes.fromhex(digest))
    return error


def incomplete() -> S3Error:
    """The body is shorter or longer than it was declared to be."""
    return S3Error(
        "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header."
    )
