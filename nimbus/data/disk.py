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
from contextlib import suppress
from pathlib import Path
from typing import Final

from nimbus._native import blocks
from nimbus.base.errors import (
    DirectoryGone,
    DiskDenied,
    DiskReadOnly,
    EngineClosed,
    EngineError,
    FileTooLarge,
    NamesExhausted,
    NimbusError,
    Overloaded,
    QuotaExhausted,
    SpaceExhausted,
    StoreReadOnly,
)
from nimbus.base.limits import MIB
from nimbus.base.volumes import data_reserve_bytes, look_at

# The system refused, and nothing was begun: what that means. All of it may pass, so none of it is remembered.
_REFUSALS: Final[dict[int, type[NimbusError]]] = {
    errno.ENOSPC: SpaceExhausted,
    errno.EDQUOT: QuotaExhausted,
    errno.EFBIG: FileTooLarge,
    errno.EMFILE: Overloaded,
    errno.ENFILE: Overloaded,
    errno.ENOMEM: Overloaded,
    errno.EROFS: DiskReadOnly,
    errno.EACCES: DiskDenied,
    errno.EPERM: DiskDenied,
    errno.ENOENT: DirectoryGone,
    errno.ENOTDIR: DirectoryGone,
}
_UNDONE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM)  # with these a write says it did not happen
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
        if 0 < wanted_bytes < self._unasked_bytes:
            self._unasked_bytes -= wanted_bytes
            return
        try:
            volume = look_at(directory)
        except OSError as error:
            raise _refusal(error, directory) from error
        spare_bytes = volume.free_bytes - self._reserve_bytes
        self.is_short = spare_bytes < wanted_bytes + _SHORT_SIZE_BYTES
        if spare_bytes < wanted_bytes:
            self._unasked_bytes = 0
            raise SpaceExhausted(f"The last {self._reserve_bytes} bytes are kept free.")
        if volume.names and volume.names_free < volume.names_reserve:
            self._unasked_bytes = 0
            raise NamesExhausted(f"The last {volume.names_reserve} are kept free.")
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
        try:
            self.sync_directory(path.parent)
        except NimbusError:
            with suppress(OSError):  # whoever comes next makes it again, durably
                path.rmdir()
            raise

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
        except OSError as error:  # what it holds is as it was
            raise _refusal(error, path) from error
        try:
            os.fsync(fd)
        except OSError as error:
            self._health.fail(f"fsync of a directory: {error.strerror}.")
            raise StoreReadOnly(f"fsync of a directory: {error.strerror}.") from error
        finally:
            os.close(fd)

    def check_present(self, fd: int) -> None:
        """Raises `DirectoryGone` when the open file has no name any more: what is written to it ends with us."""
        if os.fstat(fd).st_nlink == 0:
            self._health.fail("The data directory was removed.")
            raise DirectoryGone

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
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOSPC, errno.EDQUOT):
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
        if error.errno in _UNDONE:
            return _REFUSALS[error.errno](f"write: {error.strerror}.")
        self._health.fail(f"write: {error.strerror}.")
        kind = DiskReadOnly if error.errno == errno.EROFS else StoreReadOnly
        return kind(f"write: {error.strerror}.")


def _refusal(error: OSError, path: Path) -> NimbusError:
    if error.errno == errno.ENOSPC and _lacks_names(path):
        return NamesExhausted()
    return _REFUSALS.get(error.errno or 0, EngineError)(f"{path.name}: {error.strerror}.")


def _lacks_names(path: Path) -> bool:
    with suppress(OSError):
        return look_at(path.parent).lacks_names
    return False


def reserve_default_bytes(directory: Path) -> int:
    """What is left free by default on the disk of this directory."""
    return data_reserve_bytes(look_at(directory).size_bytes)
