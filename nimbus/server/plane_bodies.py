"""Bodies that the native plane holds back until the S3 room has decided on their heads: offers, orders, outcomes.

The application is shown an offer with the head (see nimbus/_native/plane/held.h). A handler that wants the body stored
takes it: the plane receives, unframes, verifies and writes it by what is ordered here, and its outcome comes back on
the thread of plane_uploads.py. The handler waits for that on the event loop, and goes on as if it had moved the bytes
itself. What is wrong with a body is raised in the words of nimbus/s3/body.py.

Must always hold: whoever waits is told, also when the plane stops; a file is named, or removed, or given to somebody
who will; a waiter that was cancelled leaves nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress
from functools import partial
from typing import Final, TypedDict

import msgspec

from nimbus._native.plane import UPLOAD_WANTS, Plane, Upload, take_body
from nimbus.auth.api import BodyForm, ChunkSeed
from nimbus.auth.chunked import chunk_failure
from nimbus.base.limits import SEGMENT_OBJECT_SIZE_BYTES_MAX
from nimbus.s3.body import Declared, HeldBody, Received, Taken, incomplete, md5_mismatch, sha256_mismatch
from nimbus.s3.checksums import ALGORITHMS
from nimbus.s3.errors import S3Error
from nimbus.server.plane_blobs import Blobs
from nimbus.store.reclaiming.room import Room

_COMMIT: Final = UPLOAD_WANTS.index("commit")
_FORMS: Final = {
    BodyForm.CHUNKED_SIGNED: "signed",
    BodyForm.CHUNKED_SIGNED_TRAILER: "signed-trailer",
    BodyForm.CHUNKED_UNSIGNED_TRAILER: "unsigned-trailer",
}
# What a body can be besides badly framed; the words of nimbus/s3/body.py.
_FAULTS: Final = {
    "cut": ("IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header."),
    "trailer": ("InvalidRequest", "Value for {header} trailing header is invalid."),
    "checksum": ("BadDigest", "The {name} you specified did not match the calculated checksum."),
    "too-slow": ("RequestTimeout", ""),
    "internal": ("InternalError", ""),
    "busy": ("SlowDown", ""),
}


class _Waiter(msgspec.Struct, frozen=True):
    loop: asyncio.AbstractEventLoop
    outcome: asyncio.Future[Taken]
    access_key: str
    size_bytes_max: int


class HeldBodies:
    """Everybody who waits for a body. `offer` and what it gives belong to the event loop, the rest to other threads."""

    def __init__(self, plane: Plane, blobs: Blobs, room: Room) -> None:
        self._plane = plane
        self._room = room
        self._blobs = blobs
        self._waiting: dict[int, _Waiter] = {}  # by ticket
        self._has_ended = False

    def offer(self, ticket: int) -> HeldBody:
        """The body that the plane has offered with this ticket."""
        return _Offer(self, ticket)

    async def take(self, ticket: int, declared: Declared, size_bytes_max: int, checksums: Collection[str]) -> Taken:
        """See `HeldBody`."""
        assert ticket not in self._waiting, f"the ticket {ticket} is used already"
        size = declared.payload_size
        is_small = size is not None and size <= SEGMENT_OBJECT_SIZE_BYTES_MAX
        fd = -1 if is_small else await self._room.begin(partial(self._blobs.begin, size or 0))
        if self._has_ended:  # perhaps while there was no room
            self._blobs.remove(fd)
            return _never_came()
        loop = asyncio.get_running_loop()
        user = declared.verified.user
        waiter = _Waiter(loop, loop.create_future(), user.access_key if user is not None else "", size_bytes_max)
        self._waiting[ticket] = waiter
        try:
            take_body(self._plane, ticket, fd=fd, size_max=size_bytes_max, **_order(declared, checksums))
        except BaseException:
            del self._waiting[ticket]
            self._blobs.remove(fd)
            raise
        if self._has_ended:  # `end` may have seen us or not
            self.end()
        try:
            return await waiter.outcome
        except asyncio.CancelledError:
            if not waiter.outcome.cancel() and not waiter.outcome.cancelled():  # it was decided just before
                self._blobs.drop(waiter.outcome.result().extents)
            raise

    def settle(self, upload: Upload) -> None:
        """A body came in, or not: its waiter is told, on its own loop."""
        waiter = self._waiting.pop(upload.ticket)
        taken = self._outcome(upload, waiter)
        upload.forget()
        self._tell(waiter, taken)

    def end(self) -> None:
        """The plane has stopped, and everything that it had was settled: tell those who wait still."""
        self._has_ended = True
        for ticket in list(self._waiting):
            waiter = self._waiting.pop(ticket, None)
            if waiter is not None:
                self._tell(waiter, _never_came())

    def _outcome(self, upload: Upload, waiter: _Waiter) -> Taken:
        wire_size, ended = upload.received_bytes, upload.has_ended
        if upload.want != _COMMIT:
            failure = self._wrong(upload, waiter)
            self._blobs.remove(upload.fd)
            return Taken(wire_size, ended, failure=failure)
        received = Received(upload.size, bytes.fromhex(upload.etag), upload.checksums)
        if upload.is_small:
            self._blobs.remove(upload.fd)  # of a body whose size nobody knew
            return Taken(wire_size, ended, received, payload=upload.payload)
        try:
            return Taken(wire_size, ended, received, extents=self._blobs.finish(upload))
        except Exception as error:
            return Taken(wire_size, ended, failure=error)

    def _wrong(self, upload: Upload, waiter: _Waiter) -> Exception:
        if upload.fault == "too-large":
            return S3Error("EntityTooLarge", ProposedSize=upload.received_bytes, MaxSizeAllowed=waiter.size_bytes_max)
        return failure_of(upload, waiter.access_key, self._blobs)

    def _tell(self, waiter: _Waiter, taken: Taken) -> None:
        with suppress(RuntimeError):  # a loop that is closed has nobody left to care; the sweep finds the bytes
            waiter.loop.call_soon_threadsafe(self._resolve, waiter.outcome, taken)

    def _resolve(self, outcome: asyncio.Future[Taken], taken: Taken) -> None:
        if outcome.cancelled():
            self._blobs.drop(taken.extents)
        else:
            outcome.set_result(taken)


class _Offer:
    """One held body, for one request."""

    def __init__(self, bodies: HeldBodies, ticket: int) -> None:
        self._bodies = bodies
        self._ticket = ticket

    async def take(self, declared: Declared, size_bytes_max: int, checksums: Collection[str]) -> Taken:
        return await self._bodies.take(self._ticket, declared, size_bytes_max, checksums)


def _never_came() -> Taken:
    return Taken(wire_size=0, ended=True, failure=incomplete())


def failure_of(upload: Upload, access_key: str, blobs: Blobs) -> Exception:
    """What is wrong with a body, in the words of the S3 room."""
    fault = upload.fault
    if fault == "framing":
        wrong = upload.framing_fault
        return chunk_failure(wrong.fault, access_key, wrong.string_to_sign, wrong.provided)
    if fault == "disk":
        return blobs.failure(upload)
    if fault == "sha256":
        return sha256_mismatch(upload.sha256_declared.hex(), upload.sha256.hex())
    if fault == "md5":
        return md5_mismatch(upload.md5_declared, bytes.fromhex(upload.etag))
    name = upload.given or ""
    code, message = _FAULTS[fault]
    return S3Error(code, message.format(name=name, header=ALGORITHMS[name].header if name else ""))


class _Order(TypedDict):
    """The words of `take_body` for what a head declares."""

    size: int | None
    sha256: bytes | None
    md5: bytes | None
    given: str | None
    checksum: bytes | None
    algorithm: str | None
    form: str | None
    seed: tuple[bytes, bytes, bytes, bytes] | None
    trailers: list[bytes]


def _order(declared: Declared, checksums: Collection[str]) -> _Order:
    verified = declared.verified
    given = declared.checksum_names[0] if declared.checksum_names else None
    further = [name for name in checksums if name != given]
    assert len(further) <= 1, f"one checksum besides the client's own, not {further}"
    return {
        "size": declared.payload_size,
        "sha256": bytes.fromhex(verified.payload_sha256) if verified.body is BodyForm.SHA256 else None,
        "md5": declared.md5,
        "given": given,
        "checksum": declared.checksum[1] if declared.checksum is not None else None,
        "algorithm": further[0] if further else None,
        "form": _FORMS.get(verified.body),
        "seed": _seed(verified.seed) if verified.seed is not None else None,
        "trailers": [name.encode() for name in verified.trailers],
    }


def _seed(seed: ChunkSeed) -> tuple[bytes, bytes, bytes, bytes]:
    return seed.signing_key, seed.timestamp.encode(), seed.scope.encode(), seed.signature.encode()
