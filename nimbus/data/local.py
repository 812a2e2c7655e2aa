"""The local data engine: segments for small objects, a file for each large one, all of it checked on every read.

This file joins the parts: `streams` (writing), `segments` and `ledger` (small objects), `blobs` (large ones),
`descriptors` (reading), `epochs` and `directory` (what a crash may leave), `disk` (every change, and the memory of
failures). Streams are written by a bounded pool of threads; the event loop itself only looks into the page cache.
"""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec

from nimbus._native.blocks import (
    FRAME_HEADER_SIZE_BYTES,
    ChecksumMismatch,
    OpenFile,
    ShortFile,
    frame_size,
    read_blocks,
    read_frame,
)
from nimbus.base.clock import Clock, SystemClock
from nimbus.base.descriptors import FILES_MAX, descriptors_granted, shares
from nimbus.base.errors import ConfigInvalid, DataDamaged, EngineError, Missing, NimbusError, Overloaded
from nimbus.base.ids import ID_SIZE_BYTES
from nimbus.base.limits import MIB, READ_SIZE_BYTES
from nimbus.base.registry import takes
from nimbus.base.volumes import file_size_max
from nimbus.data.api import Capabilities, DataStore, Descriptor, Writer
from nimbus.data.blobs import BLOB_SUFFIX, leftover
from nimbus.data.descriptors import Descriptors
from nimbus.data.directory import Directory
from nimbus.data.disk import Disk, Health, reserve_default_bytes
from nimbus.data.epochs import Epochs
from nimbus.data.foreign import ForeignBlob
from nimbus.data.ledger import Ledger, is_frame_dead
from nimbus.data.local_traces import LocalTraces, file_name
from nimbus.data.location import FRAME, Location, unpack
from nimbus.data.punches import Punches
from nimbus.data.segments import SEGMENT_SUFFIX, Segments
from nimbus.data.streams import IoThreads, Streams

READ_AHEAD_SIZE_BYTES: Final = 4 * MIB  # asked for once a sequential reader had to wait for the disk


class LocalOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an operator may set."""

    reserve_bytes: Annotated[int, msgspec.Meta(ge=0)] | None = None  # kept free on the disk; None: by its size
    io_threads: Annotated[int, msgspec.Meta(ge=1, le=256)] = 8
    descriptors_max: Annotated[int, msgspec.Meta(ge=1, le=FILES_MAX)] = FILES_MAX
    segment_size_bytes_max: Annotated[int, msgspec.Meta(ge=MIB, le=1024 * MIB)] = 64 * MIB
    direct_size_bytes_min: Annotated[int, msgspec.Meta(ge=0)] = 8 * MIB  # written around the page cache from here on


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
        self._punches = Punches(self.disk)
        self._ledger = Ledger(self.disk, self._punches)
        if self._epochs.is_swept:
            self._ledger.settled()
        self._segments = Segments(
            self.disk, self.health, self._epochs, self._ledger, clock, _segment_size_bytes_max(options)
        )
        self._direct_size_bytes_min = options.direct_size_bytes_min
        self._on_damage: Callable[[str], None] = lambda path: None
        self._descriptors = Descriptors(min(options.descriptors_max, shares(descriptors_granted()).files))
        self._threads = IoThreads(options.io_threads, self.health)
        self._streams = Streams(self.disk, self.health, self._epochs, self._segments, self._threads, self.drop)

    # --- writing ---

    def writer(self, size_hint: int | None) -> Writer:
        self.health.check_writable()
        self.disk.check_space(self._directory.root, size_hint or 0)
        return self._streams.begin(size_hint)

    def sync(self) -> None:
        self.health.check_writable()
        self.disk.check_present(self._directory.lock_fd)
        self._segments.sync()
        self._epochs.sync()

    # --- writing by native code ---

    @property
    def is_short_of_space(self) -> bool:
        """Whether the disk was nearly full at the last look: then `check_space` comes before anything is taken in."""
        return self.disk.is_short

    def check_space(self, size: int) -> None:
        """Raises `SpaceExhausted` when so many bytes are not to be had."""
        self.disk.check_space(self._directory.root, size)

    def append(self, payload: bytes) -> bytes:
        """Take a small object whole, on any thread: its location, durable after the next `sync`.

        Raises `StoreReadOnly`, and `SpaceExhausted` when what is queued has to be written first.
        """
        location = self._segments.append(payload)
        if self._segments.is_full:
            self._segments.flush()
        return location.pack()

    def begin_blob(self, size: int) -> ForeignBlob:
        """A file for `size` bytes that native code writes, 0 if nobody knows. Blocking.

        Raises `StoreReadOnly`, `SpaceExhausted`.
        """
        self.health.check_writable()
        is_direct = size >= self._direct_size_bytes_min
        return ForeignBlob(self.disk, self._epochs, self._directory.root, size, is_direct=is_direct)

    # --- reading ---

    def read_now(self, location: bytes, start: int, end: int) -> bytes | None:
        assert end - start <= READ_SIZE_BYTES, f"[{start}, {end}) is too much for read_now"
        self.health.check_open()
        where = unpack(location)
        queued = self._segments.peek(where)
        if queued is not None:
            return queued[start:end]
        file = self._file(where, False)
        return None if file is None else self._fetch(file, where, start, end, False)

    async def read(self, location: bytes, start: int, end: int) -> AsyncIterator[bytes]:
        self.health.check_open()
        where = unpack(location)
        queued = self._segments.peek(where)
        if queued is not None:
            yield queued[start:end]
            return
        file = self._file(where, False) or await self._threads.run(self._file, where, True)
        assert file is not None, "a file opened with wait is open"
        while start < end:
            stop = min(end, (start // READ_SIZE_BYTES + 1) * READ_SIZE_BYTES)  # whole blocks: none is read twice
            chunk = self._fetch(file, where, start, stop, False)
            if chunk is None:
                chunk = await self._threads.run(self._fetch_ahead, file, where, start, stop, end)
            yield chunk
            start = stop

    def size(self, location: bytes) -> int:
        return unpack(location).length

    def footprint(self, location: bytes) -> int:
        """How many bytes of the disk come back when the location is dropped, about. Blocking."""
        where = unpack(location)
        if where.kind == FRAME:
            return frame_size(where.length)
        try:
            return os.stat(self._name(where)).st_blocks * 512
        except FileNotFoundError:
            return 0

    def descriptor(self, location: bytes) -> Descriptor:
        where = unpack(location)
        offset = where.offset + FRAME_HEADER_SIZE_BYTES if where.kind == FRAME else 0
        return Descriptor(self._name(where), offset, where.length)

    def tell(self, on_damage: Callable[[str], None]) -> None:
        """From now on call this with the path of each file whose bytes could not be read, on any thread."""
        self._on_damage = on_damage

    # --- freeing ---

    def drop(self, location: bytes) -> None:
        self.health.check_open()
        where = unpack(location)
        path = self._path(where)
        if where.kind == FRAME:
            if self._segments.drop(where) or not self._ledger.drop(where, path):
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
        self._punches.close()
        self._threads.close()
        is_settled = self._streams.discard_all() and self._segments.is_empty and not self.health.has_failed
        self._segments.close()
        self._descriptors.clear()
        self._epochs.close(is_settled)
        self._directory.unlock()

    # --- parts ---

    def _file(self, where: Location, wait: bool) -> OpenFile | None:
        """The open file of a location; None when opening it needs the disk and `wait` is false."""
        file = self._descriptors.peek(where.file_id)
        if file is not None:
            return file
        try:
            return self._descriptors.open(where, self._path(where), wait)
        except (OSError, ShortFile) as error:
            raise self._unreadable(error, where) from error
        except DataDamaged:
            self._on_damage(self._name(where))
            raise

    def _fetch(self, file: OpenFile, where: Location, start: int, end: int, wait: bool) -> bytes | None:
        """The verified bytes; None when that needs the disk and `wait` is false."""
        try:
            if where.kind == FRAME:
                return read_frame(file, where.offset, where.length, where.hash, start, end, wait)
            return read_blocks(file, where.length, start, end, wait)
        except (OSError, ShortFile, ChecksumMismatch) as error:
            if where.kind == FRAME and is_frame_dead(file.fd, where):
                raise Missing(f"{where} was dropped.") from error
            raise self._unreadable(error, where) from error

    def _fetch_ahead(self, file: OpenFile, where: Location, start: int, stop: int, end: int) -> bytes:
        """As `_fetch`, waiting; asks the kernel for what comes next, so that the reader need not wait again soon."""
        chunk = self._fetch(file, where, start, stop, True)
        assert chunk is not None, "a read that waits has an answer"
        if stop < end:
            os.posix_fadvise(file.fd, stop, min(end - stop, READ_AHEAD_SIZE_BYTES), os.POSIX_FADV_WILLNEED)
        return chunk

    def _unreadable(self, error: Exception, where: Location) -> NimbusError:
        """What it means that a location cannot be read. Its file is not believed any more, unless it is we who lack."""
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            return Overloaded(f"Reading {where}: {error.strerror}.")
        self._descriptors.forget(where.file_id)
        self._on_damage(self._name(where))
        if isinstance(error, FileNotFoundError):
            return Missing(f"{where} has no file.")
        if isinstance(error, OSError):
            return EngineError(f"Reading {where} failed: {error.strerror}.")
        return DataDamaged(
            f"{where}: {'the file ends too early' if isinstance(error, ShortFile) else 'wrong checksum'}."
        )

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
        return Path(self._name(where))

    def _name(self, where: Location) -> str:
        return f"{self._directory.epoch_name(where.epoch)}/{file_name(where)}"


class LocalEngine:
    """The factory for the registry: the engine in the folder `data` of the data directory."""

    def __call__(self, options: Mapping[str, object], data_dir: Path) -> DataStore:
        try:
            checked = msgspec.convert(options, LocalOptions)
        except msgspec.ValidationError as error:
            raise ConfigInvalid(f"Options of the local data engine: {error}.") from error
        return LocalDataStore(data_dir / "data", checked)

    def traces(self, options: Mapping[str, object], data_dir: Path) -> LocalTraces:
        return LocalTraces(data_dir / "data")


open_local: Final = takes(LocalOptions)(LocalEngine())


def _segment_size_bytes_max(options: LocalOptions) -> int:
    return min(options.segment_size_bytes_max, file_size_max())
