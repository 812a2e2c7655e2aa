"""The data directory: made when it is missing, private, and owned by one process at a time.

The lock is the kernel's (`flock`), so it ends with the process that holds it, however that ends.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from nimbus.base.errors import DirectoryDamaged, DirectoryLocked
from nimbus.base.limits import MIB
from nimbus.base.volumes import SIZE_BYTES_MIN, look_at

LOCK_NAME: Final = "nimbus.lock"
MODE: Final = 0o700


@contextmanager
def owned(path: Path) -> Iterator[Path]:
    """The directory, made and locked for as long as the context lasts.

    Raises `DirectoryLocked` when another process holds it, `DirectoryDamaged` when it cannot be used.
    """
    try:
        path.mkdir(mode=MODE, parents=True, exist_ok=True)
        lock = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _refusal(path, error) from error
    try:
        _take(lock, path)
        _check_size(path, path)
        yield path
    finally:
        os.close(lock)


def check_directory(path: Path) -> None:
    """Refuse a path where no directory of ours can be, without making it. Raises `DirectoryDamaged`."""
    there = next((folder for folder in (path, *path.absolute().parents) if os.path.lexists(folder)), Path("/"))
    number = 0
    if not there.is_dir():
        number = errno.EEXIST if there == path else errno.ENOTDIR
    elif not os.access(there, os.W_OK | os.X_OK):
        number = errno.EACCES
    if number:
        raise _refusal(path, OSError(number, os.strerror(number)))
    _check_size(path, there)


def _check_size(path: Path, there: Path) -> None:
    """Refuse a file system that is too small for a store; `there` is what exists of the path."""
    size_bytes = look_at(there).size_bytes
    if 0 < size_bytes < SIZE_BYTES_MIN:
        raise DirectoryDamaged(
            f"{path}: its file system has {size_bytes / MIB:.0f} MiB, and {SIZE_BYTES_MIN / MIB:.0f} MiB is the least "
            "that metadata and data need; choose another with --data"
        )


def _refusal(path: Path, error: OSError) -> DirectoryDamaged:
    reason = (error.strerror or str(error)).lower()
    if error.errno == errno.ENOSPC:
        there = next(folder for folder in path.absolute().parents if folder.is_dir())
        lacks = "inodes" if look_at(there).lacks_names else "space"
        return DirectoryDamaged(f"{path}: no {lacks} left on its file system; free some, or choose another with --data")
    return DirectoryDamaged(f"{path}: {reason}; choose another with --data")


def _take(lock: int, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
        process = f" (process {holder})" if holder.isdigit() else ""
        raise DirectoryLocked(f"{path} is held{process}; stop that server, or choose another with --data") from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
