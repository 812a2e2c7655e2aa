"""Streams on their way in: whether they become a frame or a blob, and the threads that write them.

A stream is held until it is too large for a frame; then it is passed on to a blob in batches. While one batch is
being written the next one is collected, so at most two and a chunk are in memory, and no disk is waited for on the
event loop. A stream announced as no larger than `WHOLE_SIZE_BYTES_MAX` is held to its end: one turn of one thread
then writes and syncs it all. What all streams together may hold is bounded: one more is refused when it begins.

Must always hold: a stream that was not finished leaves nothing behind, also when its task was cancelled or the
engine closed under it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

from nimbus.base.errors import NimbusError, Overloaded
from nimbus.base.limits import MIB, SEGMENT_OBJECT_SIZE_BYTES_MAX
from nimbus.data.blobs import BlobFile
from nimbus.data.disk import Disk, Health
from nimbus.data.epochs import Epochs
from nimbus.data.location import Location
from nimbus.data.segments import Segments

WHOLE_SIZE_BYTES_MAX: Final = MIB
HELD_SIZE_BYTES_MAX: Final = 128 * MIB  # of all streams: as much as the native plane takes for its uploads by default

P = ParamSpec("P")
R = TypeVar("R")


class IoThreads:
    """The bounded pool on which blocking calls run."""

    def __init__(self, count: int, health: Health) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="nimbus-data")
        self._health = health

    def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]:
        """Run a blocking call. Raises `EngineClosed`."""
        self._health.check_open()
        return asyncio.wrap_future(self._pool.submit(call, *args, **kwargs))

    def close(self) -> None:
        """Wait for what is running. Blocking."""
        self._pool.shutdown(wait=True)


class Streams:
    """Makes streams, and knows the blobs that are not finished."""

    def __init__(
        self,
        disk: Disk,
        health: Health,
        epochs: Epochs,
        segments: Segments,
        threads: IoThreads,
        drop: Callable[[bytes], None],
    ) -> None:
        self.health = health
        self.segments = segments
        self.threads = threads
        self.drop = drop
        self._disk = disk
        self._epochs = epochs
        self._blobs: set[BlobFile] = set()
        self._promised_bytes = 0  # what the streams that are open may come to hold

    def begin(self, size_hint: int | None) -> Stream:
        """A stream of about so many bytes; None when nobody knows. Raises `Overloaded`."""
        is_whole = size_hint is not None and size_hint <= WHOLE_SIZE_BYTES_MAX
        promised_bytes = size_hint or 0 if is_whole else 2 * SEGMENT_OBJECT_SIZE_BYTES_MAX
        if self._promised_bytes and self._promised_bytes + promised_bytes > HELD_SIZE_BYTES_MAX:
            raise Overloaded(f"Uploads hold {self._promised_bytes} bytes already.")
        self._promised_bytes += promised_bytes
        return Stream(self, WHOLE_SIZE_BYTES_MAX if is_whole else SEGMENT_OBJECT_SIZE_BYTES_MAX, promised_bytes)

    def end(self, promised_bytes: int) -> None:
        """A stream is over."""
        self._promised_bytes -= promised_bytes

    def begin_blob(self) -> BlobFile:
        """A file for a stream that has proved large."""
        blob = BlobFile(self._disk, self._epochs)
        self._blobs.add(blob)
        return blob

    def end_blob(self, blob: BlobFile) -> None:
        """The blob is finished or gone."""
        self._blobs.discard(blob)

    def discard(self, blob: BlobFile) -> None:
        """Remove a blob that will not be finished. Blocking."""
        blob.discard()
        self._blobs.discard(blob)

    def discard_all(self) -> bool:
        """Remove what was never finished; whether nothing of it is left. Blocking."""
        try:
            for blob in list(self._blobs):
                self.discard(blob)
        except NimbusError:
            return False  # the next start finds the rest
        return True


class Stream:
    """A `Writer` of the local engine."""

    def __init__(self, streams: Streams, held_bytes_max: int, promised_bytes: int) -> None:
        self._streams = streams
        self._promised_bytes = promised_bytes
        self._held_bytes_max = held_bytes_max
        self._chunks: list[bytes] = []
        self._held_bytes = 0
        self._blob: BlobFile | None = None
        self._running: asyncio.Future[None] | None = None
        self._frame: Location | None = None  # appended, while `finish` has not returned it

    async def write(self, chunk: bytes) -> None:
        self._streams.health.check_writable()
        self._chunks.append(chunk)
        self._held_bytes += len(chunk)
        if self._held_bytes > self._held_bytes_max:
            await self._pass_on()

    async def finish(self) -> bytes:
        self._streams.health.check_writable()
        if self._blob is None and self._held_bytes > SEGMENT_OBJECT_SIZE_BYTES_MAX:
            self._blob = self._streams.begin_blob()
        location = await (self._finish_frame() if self._blob is None else self._finish_blob(self._blob))
        self._blob = self._frame = None
        self._end()
        return location.pack()

    def _end(self) -> None:
        promised_bytes, self._promised_bytes = self._promised_bytes, 0
        self._streams.end(promised_bytes)

    async def abort(self) -> None:
        self._chunks.clear()
        self._end()
        blob, frame, self._blob, self._frame = self._blob, self._frame, None, None
        if self._streams.health.is_closed:
            return  # closing the engine discards its streams
        if blob is not None:
            await asyncio.shield(self._streams.threads.run(self._streams.discard, blob))
        if frame is not None:
            await asyncio.shield(self._streams.threads.run(self._streams.drop, frame.pack()))

    async def _pass_on(self) -> None:
        """Begin to write what was collected, once the batch before it is written."""
        await self._settle()
        if self._blob is None:
            self._blob = self._streams.begin_blob()
        chunks, self._chunks, self._held_bytes = self._chunks, [], 0
        self._running = self._streams.threads.run(self._blob.append, chunks)
        self._running.add_done_callback(_look_at)

    async def _settle(self) -> None:
        """Wait for the batch on its way. Cancelling the wait does not cancel the write, which would leave a gap."""
        if self._running is not None:
            await asyncio.shield(self._running)

    async def _finish_frame(self) -> Location:
        payload = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._frame = self._streams.segments.append(payload)
        if self._streams.segments.is_full:
            await self._streams.threads.run(self._streams.segments.flush)
        return self._frame

    async def _finish_blob(self, blob: BlobFile) -> Location:
        await self._settle()
        chunks, self._chunks, self._held_bytes = self._chunks, [], 0
        location = await self._streams.threads.run(blob.finish, chunks)
        self._streams.end_blob(blob)
        return location


def _look_at(done: asyncio.Future[None]) -> None:
    """Take note of a failure, so that asyncio does not report one whose stream was aborted as forgotten."""
    if not done.cancelled():
        done.exception()
