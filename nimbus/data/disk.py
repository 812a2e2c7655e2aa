"""Every change that the local engine makes to the disk, and what it remembers of its failures.

`Disk` is the seam for fault tests: they pass one whose methods fail. It turns errors of the operating system into
ours, here and nowhere else. `Health` is the memory of the worst of them.

Must always hold: a failed write or sync of data is never tried again as if nothing had happened, because the kernel
has marked the pages clean; from then on `Health` refuses every write until the engine is opened anew. A full disk
(ENOSPC on a write) is different: the write did not happen, says so, and may be repeated.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

from nimbus._native import blocks
from nimbus.base.errors import EngineClosed, EngineError, NimbusError, Overloaded, SpaceExhausted, StoreReadOnly
from nimbus.base.limits import MIB

METADATA_SIZE_BYTES = 96 << 20  # below 64 MiB of free space its engine takes no writes; the rest is for deletions
_FULL = (errno.ENOSPC, errno.EDQUOT)
_TOO_MANY_FILES = (errno.EMFILE, errno.ENFILE)
# What may be written on the strength of one look at the free space: at most so much, and so small a part of it.
_UNASKED_SIZE_BYTES_MAX: Final = 16 * MIB
_UNASKED_PART: Final = 64
# With so little to spare whoever can wait for room is told before it sends anything.
_SHORT_SIZE_BYTES: Final = 64 * MIB
_FILE_MODE = 0o600
_DIRECTORY_MODE = 0o700


class Health:
    """Whether the engine takes calls, and writes. Both only ever turn to no."""

    def __init__(self) -> None:
        self._closed = False
        self._failure = ""

    def check_open(self) -> None:
        if self._closed:
            raise EngineClosed()

    def check_writable(self) -> None:
        """Raises `EngineClosed`, `StoreReadOnly`."""
        self.check_open()
        if self._failure:
            raise StoreReadOnly(self._failure)

    def fail(self, failure: str) -> None:
        self._failure = self._failure or failure

    def close(self) -> None:
        self._closed = True

    @property
    def has_failed(self) -> bool:
        return bool(self._failure)

    @property
    def is_closed(self) -> bool:
        return self._closed


class Disk:
    """The real disk. Blocking; any thread. Raises `SpaceExhausted`, `StoreReadOnly`, `Overloaded`, `EngineError`."""

    def __init__(self, health: Health, reserve_bytes: int) -> None:
        self._health = health
        self._reserve_bytes = reserve_bytes
        self._unasked_bytes = 0
        self.is_short = False  # as of the last look

    def check_space(self, directory: Path, wanted_bytes: int) -> None:
        """Refuses before the disk is really full, so that the metadata engine and deletions keep working.

        Far from full it seldom asks the system, which would give the GIL away for each small object.
        """
        if wanted_bytes < self._unasked_bytes:
            self._unasked_bytes -= wanted_bytes
            return
        about = os.statvfs(directory)
        spare_bytes = about.f_bavail * about.f_frsize - self._reserve_bytes
        self.is_short = spare_bytes < wanted_bytes + _SHORT_SIZE_BYTES
        if spare_bytes < wanted_bytes:
            self._unasked_bytes = 0
            raise SpaceExhausted(f"The last {self._reserve_bytes} bytes are kept free.")
        self._unasked_bytes = min(_UNASKED_SIZE_BYTES_MAX, spare_bytes // _UNASKED_PART)

    def make_directory(self, path: Path) -> None:
        """Make the directory and its parents up to one that exists; durable on return."""
        try:
            path.mkdir(_DIRECTORY_MODE)
        except FileExistsError:
            return
        except FileNotFoundError:
            self.make_directory(path.parent)
            path.mkdir(_DIRECTORY_MODE)
        except OSError as error:
            raise _refusal(error, path) from error
        self.sync_directory(path.parent)

    def create(self, path: Path) -> int:
        """A descriptor of a new file, for reading and writing."""
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)
        except OSError as error:
            raise _refusal(error, path) from error

    def append_frames(self, fd: int, seed: int, offset: int, frames: list[tuple[bytes | None, int, int]]) -> None:
        try:
            blocks.append_frames(fd, seed, offset, frames)
        except OSError as error:
            raise self._write_failure(error) from error

    def write(self, fd: int, chunks: list[bytes], offset: int) -> None:
        """Write all chunks from `offset` on."""
        try:
            for chunk in chunks:
                view = memoryview(chunk)
                while view:
                    written = os.pwrite(fd, view, offset)
                    offset += written
                    view = view[written:]
        except OSError as error:
            raise self._write_failure(error) from error

    def sync_file(self, fd: int) -> None:
        try:
            os.fdatasync(fd)
        except OSError as error:
            self._health.fail(f"fdatasync: {error.strerror}.")
            raise StoreReadOnly(f"fdatasync: {error.strerror}.") from error

    def sync_directory(self, path: Path) -> None:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            self._health.fail(f"fsync of a directory: {error.strerror}.")
            raise StoreReadOnly(f"fsync of a directory: {error.strerror}.") from error

    def mark_dead(self, fd: int, frame_offset: int) -> None:
        os.pwrite(fd, blocks.FRAME_DEAD, frame_offset + blocks.FRAME_DEAD_OFFSET)

    def punch(self, fd: int, start: int, end: int) -> bool:
        """Give pages back, where the file system can; where it cannot, they come back with the whole file.

        False, and nothing was done, while some of them may be on their way to a peer: they would arrive as zeros.
        """
        if not blocks.evict(fd, start, end):
            return False
        try:
            blocks.punch(fd, start, end)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, *_FULL):
                raise
        return True

    def unlink(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _refusal(error, path) from error

    def failure(self, error: OSError, *, of_sync: bool) -> NimbusError:
        """What it means that native code failed to write or to sync; remembered like a failure of our own."""
        if not of_sync:
            return self._write_failure(error)
        self._health.fail(f"fdatasync: {error.strerror}.")
        return StoreReadOnly(f"fdatasync: {error.strerror}.")

    def _write_failure(self, error: OSError) -> NimbusError:
        if error.errno in _FULL:
            return SpaceExhausted()
        self._health.fail(f"write: {error.strerror}.")
        return StoreReadOnly(f"write: {error.strerror}.")


def _refusal(error: OSError, path: Path) -> NimbusError:
    if error.errno in _FULL:
        return SpaceExhausted()
    if error.errno in _TOO_MANY_FILES:
        return Overloaded("Too many open files.")
    return EngineError(f"{path.name}: {error.strerror}.")


def reserve_default_bytes(directory: Path) -> int:
    """A twentieth of the disk, at least 1 GiB and at most 16 GiB, but never much more than a tenth.

    On a small disk the tenth alone would let data take what the metadata engine needs for deletions.
    """
    about = os.statvfs(directory)
    total = about.f_blocks * about.f_frsize
    return min(max(total // 20, 1 << 30), 16 << 30, total // 10 + METADATA_SIZE_BYTES)
