"""The local data engine: segments for small objects, a file for each large one, all of it checked on every read.

This file joins the parts: `segments` and `ledger` (small objects), `blobs` (large ones), `descriptors` (reading),
`epochs` and `directory` (what a crash may leave), `disk` (every change, and the memory of failures). Streams
are written by a bounded pool of threads; the event loop itself only looks into the page cache.
"""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Final, ParamSpec, TypeVar

import msgspec

from nimbus._native.blocks import (
    FRAME_HEADER_SIZE_BYTES,
    ChecksumMismatch,
    OpenFile,
    ShortFile,
    read_blocks,
    read_frame,
)
from nimbus.base.clock import Clock, SystemClock
from nimbus.base.errors import ConfigInvalid, DataDamaged, EngineError, Missing, NimbusError
from nimbus.base.ids import ID_SIZE_BYTES
from nimbus.base.limits import MIB, READ_SIZE_BYTES, SEGMENT_OBJECT_SIZE_BYTES_MAX
from nimbus.data.api import Capabilities, DataStore, Descriptor, Writer
from nimbus.data.blobs import BLOB_SUFFIX, BlobFile, leftover
from nimbus.data.descriptors import Descriptors
from nimbus.data.directory import Directory
from nimbus.data.disk import Disk, Health, reserve_default_bytes
from nimbus.data.epochs import Epochs
from nimbus.data.ledger import Ledger, is_frame_dead
from nimbus.data.location import BLOB, FRAME, Location, unpack
from nimbus.data.segments import SEGMENT_SUFFIX, Segments

P = ParamSpec("P")
R = TypeVar("R")

READ_AHEAD_SIZE_BYTES: Final = 4 * MIB  # asked for once a sequential reader had to wait for the disk
_SUFFIXES: Final = {FRAME: SEGMENT_SUFFIX, BLOB: BLOB_SUFFIX}


class LocalOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an operator may set."""

    reserve_bytes: Annotated[int, msgspec.Meta(ge=0)] | None = None  # kept free on the disk; None: by its size
    io_threads: Annotated[int, msgspec.Meta(ge=1, le=256)] = 8
    descriptors_max: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] = 1024
    segment_size_bytes_max: Annotated[int, msgspec.Meta(ge=MIB, le=1024 * MIB)] = 64 * MIB


class LocalDataStore:
    """The engine of one directory, which is locked as long as it is open."""

    capabilities = Capabilities(local_files=True, durable=True)

    def __init__(
        self,
        root: Path,
        options: LocalOptions | None = None,
        clock: Clock | None = None,
        disk_type: Callable[[Health, int], Disk] = Disk,
    ) -> None:
        options = options or LocalOptions()
        clock = clock or SystemClock()
        self._directory = Directory(root)
        self.health = Health()
        reserve = reserve_default_bytes(root) if options.reserve_bytes is None else options.reserve_bytes
        self.disk = disk_type(self.health, reserve)
        self._epochs = Epochs(self._directory, self.disk, clock)
        self._ledger = Ledger(self.disk)
        if self._epochs.is_swept:
            self._ledger.settled()
        self.segments = Segments(
            self.disk, self.health, self._epochs, self._ledger, clock, options.segment_size_bytes_max
        )
        self._descriptors = Descriptors(min(options.descriptors_max, _descriptors_possible()))
        self._io = ThreadPoolExecutor(options.io_threads, thread_name_prefix="nimbus-data")
        self._streams: set[BlobFile] = set()

    # --- writing ---

    def writer(self, size_hint: int | None) -> Writer:
        self.health.check_writable()
        self.disk.check_space(self._directory.root, size_hint or 0)
        return _LocalWriter(self)

    def sync(self) -> None:
        self.health.check_writable()
        self.segments.sync()
        self._epochs.sync()

    def new_blob(self) -> BlobFile:
        """A file for a stream that has proved large."""
        blob = BlobFile(self.disk, self._epochs)
        self._streams.add(blob)
        return blob

    def end_blob(self, blob: BlobFile) -> None:
        """The stream of `new_blob` has ended one way or the other."""
        self._streams.discard(blob)

    def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]:
        """Run a blocking call on one of the engine's threads."""
        self.health.check_open()
        return asyncio.wrap_future(self._io.submit(call, *args, **kwargs))

    # --- reading ---

    def read_now(self, location: bytes, start: int, end: int) -> bytes | None:
        assert end - start <= READ_SIZE_BYTES, f"[{start}, {end}) is too much for read_now"
        self.health.check_open()
        where = unpack(location)
        queued = self.segments.peek(where)
        if queued is not None:
            return queued[start:end]
        file = self._file(where, False)
        return None if file is None else self._fetch(file, where, start, end, False)

    async def read(self, location: bytes, start: int, end: int) -> AsyncIterator[bytes]:
        self.health.check_open()
        where = unpack(location)
        queued = self.segments.peek(where)
        if queued is not None:
            yield queued[start:end]
            return
        file = self._file(where, False) or await self.run(self._file, where, True)
        assert file is not None, "a file opened with wait is open"
        while start < end:
            stop = min(end, (start // READ_SIZE_BYTES + 1) * READ_SIZE_BYTES)  # whole blocks: none is read twice
            chunk = self._fetch(file, where, start, stop, False)
            if chunk is None:
                chunk = await self.run(self._fetch_ahead, file, where, start, stop, end)
            yield chunk
            start = stop

    def size(self, location: bytes) -> int:
        return unpack(location).length

    def descriptor(self, location: bytes) -> Descriptor:
        where = unpack(location)
        offset = where.offset + FRAME_HEADER_SIZE_BYTES if where.kind == FRAME else 0
        return Descriptor(str(self._path(where)), offset, where.length)

    # --- freeing ---

    def drop(self, location: bytes) -> None:
        self.health.check_open()
        where = unpack(location)
        path = self._path(where)
        if where.kind == FRAME:
            if self.segments.drop(where) or not self._ledger.drop(where, path):
                return
        else:
            self.disk.unlink(path)
        self._descriptors.forget(where.file_id)
        self._epochs.remove_if_empty(where.epoch)

    def unsettled(self) -> Iterator[bytes]:
        self.health.check_open()
        for epoch in range(self._epochs.floor_at_start, self._epochs.first):
            directory = self._directory.epoch_path(epoch)
            names = sorted(os.listdir(directory)) if directory.is_dir() else []
            for name in names:
                yield from (location.pack() for location in self._leftovers(epoch, directory / name))

    def settled(self) -> None:
        self.health.check_open()
        self._epochs.settled()
        self._ledger.settled()

    def close(self) -> None:
        if self.health.is_closed:
            return
        self.health.close()
        self._io.shutdown(wait=True)
        is_settled = self._discard_streams() and self.segments.is_empty and not self.health.has_failed
        self.segments.close()
        self._descriptors.clear()
        self._epochs.close(is_settled)
        self._directory.unlock()

    def _discard_streams(self) -> bool:
        """Remove what was never finished; whether nothing of it is left."""
        try:
            for stream in list(self._streams):
                stream.discard()
        except NimbusError:
            return False  # the next start finds the rest
        return True

    # --- parts ---

    def _file(self, where: Location, wait: bool) -> OpenFile | None:
        """The open file of a location; None when opening it needs the disk and `wait` is false."""
        file = self._descriptors.peek(where.file_id)
        if file is not None:
            return file
        try:
            return self._descriptors.open(where, self._path(where), wait)
        except (OSError, ShortFile) as error:
            raise _unreadable(error, where) from error

    def _fetch(self, file: OpenFile, where: Location, start: int, end: int, wait: bool) -> bytes | None:
        """The verified bytes; None when that needs the disk and `wait` is false."""
        try:
            if where.kind == FRAME:
                return read_frame(file, where.offset, where.length, where.hash, start, end, wait)
            return read_blocks(file, where.length, start, end, wait)
        except (OSError, ShortFile, ChecksumMismatch) as error:
            if where.kind == FRAME and is_frame_dead(file.fd, where):
                raise Missing("The bytes were dropped.") from error
            raise _unreadable(error, where) from error

    def _fetch_ahead(self, file: OpenFile, where: Location, start: int, stop: int, end: int) -> bytes:
        """As `_fetch`, waiting; asks the kernel for what comes next, so that the reader need not wait again soon."""
        chunk = self._fetch(file, where, start, stop, True)
        assert chunk is not None, "a read that waits has an answer"
        if stop < end:
            os.posix_fadvise(file.fd, stop, min(end - stop, READ_AHEAD_SIZE_BYTES), os.POSIX_FADV_WILLNEED)
        return chunk

    def _leftovers(self, epoch: int, path: Path) -> Iterator[Location]:
        """What lies in one file from before this start."""
        if len(path.stem) != 2 * ID_SIZE_BYTES or not set(path.stem) <= set("0123456789abcdef"):
            return
        file_id = bytes.fromhex(path.stem)
        if path.suffix == SEGMENT_SUFFIX:
            yield from self._ledger.sweep(file_id, epoch, path)
        elif path.suffix == BLOB_SUFFIX:
            location = leftover(path, epoch, file_id)
            if location is not None:
                yield location

    def _path(self, where: Location) -> Path:
        return self._directory.epoch_path(where.epoch) / (where.file_id.hex() + _SUFFIXES[where.kind])


class _LocalWriter:
    """Holds what may still become a frame; once it is too large for one, passes it on to a blob in batches.

    While one batch is being written the next one is collected, so at most two are in memory.
    """

    def __init__(self, store: LocalDataStore) -> None:
        self._store = store
        self._chunks: list[bytes] = []
        self._held_bytes = 0
        self._blob: BlobFile | None = None
        self._running: asyncio.Future[None] | None = None
        self._frame: Location | None = None  # appended, while `finish` has not returned it

    async def write(self, chunk: bytes) -> None:
        self._store.health.check_writable()
        self._chunks.append(chunk)
        self._held_bytes += len(chunk)
        if self._held_bytes > SEGMENT_OBJECT_SIZE_BYTES_MAX:
            await self._pass_on()

    async def finish(self) -> bytes:
        self._store.health.check_writable()
        location = await (self._finish_frame() if self._blob is None else self._finish_blob(self._blob))
        self._blob = self._frame = None
        return location.pack()

    async def abort(self) -> None:
        self._chunks.clear()
        blob, frame, self._blob, self._frame = self._blob, self._frame, None, None
        if self._running is not None:
            await asyncio.wait([self._running])
            self._running.cancelled() or self._running.exception()  # looked at: the caller knows, or does not care
        if self._store.health.is_closed:
            return  # closing the store discards its streams
        if blob is not None:
            await asyncio.shield(self._store.run(blob.discard))
            self._store.end_blob(blob)
        if frame is not None:
            await asyncio.shield(self._store.run(self._store.drop, frame.pack()))

    async def _pass_on(self) -> None:
        chunks, self._chunks, self._held_bytes = self._chunks, [], 0
        if self._blob is None:
            self._blob = self._store.new_blob()
        if self._running is not None:
            await self._running
        self._running = self._store.run(self._blob.append, chunks)

    async def _finish_frame(self) -> Location:
        payload = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._frame = self._store.segments.append(payload)
        if self._store.segments.is_full:
            await self._store.run(self._store.segments.flush)
        return self._frame

    async def _finish_blob(self, blob: BlobFile) -> Location:
        if self._chunks:
            await self._pass_on()
        if self._running is not None:
            await self._running
        location = await self._store.run(blob.finish)
        self._store.end_blob(blob)
        return location


def open_local(options: Mapping[str, object], data_dir: Path) -> DataStore:
    """The factory for the registry: the engine in the folder `data` of the data directory."""
    try:
        checked = msgspec.convert(options, LocalOptions)
    except msgspec.ValidationError as error:
        raise ConfigInvalid(f"Options of the local data engine: {error}.") from error
    return LocalDataStore(data_dir / "data", checked)


def _descriptors_possible() -> int:
    """A quarter of what the process may open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else max(soft // 4, 16)


def _unreadable(error: Exception, where: Location) -> NimbusError:
    """What it means that a location cannot be read."""
    if isinstance(error, FileNotFoundError):
        return Missing("The bytes were dropped.")
    if isinstance(error, OSError):
        return EngineError(f"Reading {where} failed: {error.strerror}.")
    return DataDamaged(f"{where}: {'the file ends too early' if isinstance(error, ShortFile) else 'wrong checksum'}.")
