"""The data directory as a whole: whose it is, what format it has, where unsettled files begin.

    FORMAT        the one line `nimbus-data 1`; without it nothing here is touched
    LOCK          held by flock while a process uses the directory
    IDENTITY      which store the bytes are of (store/recovery/identity.py); made and read by the server
    CHECKPOINT    {"floor": n}: every file in an epoch below n is settled, that is, named by a record or dropped
    000012/34/    epoch 0x1234: segments and blobs that were begun in one stretch of time (epochs.py)

Must always hold: the floor never passes an epoch with a file whose fate is not known. An old floor is safe: the
start-up sweep only looks at more. So a missing or broken CHECKPOINT counts as floor 0.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

import msgspec

from nimbus.base.errors import DirectoryDamaged, DirectoryLocked

_FORMAT_LINE: Final = b"nimbus-data 1\n"
_EPOCHS_EACH: Final = 256  # epochs share a parent directory by this many
_EPOCH_MAX: Final = 0xFFFFFFFF


class _Checkpoint(msgspec.Struct):
    floor: int


class Directory:
    """A locked data directory. Making one locks it, and formats it when it is new."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._root_name = str(root)
        # `lock_fd`: a file without which the directory is not ours any more
        try:
            _make(root)
            self.lock_fd = os.open(root / "LOCK", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DirectoryDamaged(f"{root}: {error.strerror}.") from error
        try:
            self._lock()
            self._check_format()
            self.floor = self._read_floor()
            self.epoch_next = max(self._epoch_newest() + 1, self.floor)
        except BaseException:
            os.close(self.lock_fd)
            raise

    def epoch_path(self, epoch: int) -> Path:
        return Path(self.epoch_name(epoch))

    def epoch_name(self, epoch: int) -> str:
        """The same as text, for those who ask often: a Path takes as long to make as all else of a look-up."""
        return epoch_name(self._root_name, epoch)

    def write_floor(self, floor: int) -> None:
        """Keep the floor, durably. Raises OSError."""
        _replace(self.root / "CHECKPOINT", msgspec.json.encode(_Checkpoint(floor)) + b"\n")
        self.floor = floor

    def unlock(self) -> None:
        os.close(self.lock_fd)

    def _lock(self) -> None:
        try:
            fcntl.flock(self.lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DirectoryLocked(f"{self.root}") from error

    def _check_format(self) -> None:
        path = self.root / "FORMAT"
        try:
            line = path.read_bytes()
        except FileNotFoundError:
            strangers = sorted(set(os.listdir(self.root)) - {"LOCK", "FORMAT.new"})
            if strangers:
                raise DirectoryDamaged(f"{self.root} has no FORMAT file, but holds {strangers[0]!r}.") from None
            _replace(path, _FORMAT_LINE)
            return
        except OSError as error:
            raise DirectoryDamaged(f"{path}: {error.strerror}.") from error
        if line != _FORMAT_LINE:
            raise DirectoryDamaged(f"{path} says {line[:40]!r} instead of {_FORMAT_LINE!r}.")

    def _read_floor(self) -> int:
        try:
            return max(0, msgspec.json.decode((self.root / "CHECKPOINT").read_bytes(), type=_Checkpoint).floor)
        except (OSError, msgspec.MsgspecError):
            return 0

    def _epoch_newest(self) -> int:
        """The number of the newest epoch there is, -1 when there is none."""
        high = _largest_name(self.root, 6)
        if high < 0:
            return -1
        return high * _EPOCHS_EACH + max(_largest_name(self.root / f"{high:06x}", 2), 0)


def epoch_name(root: str, epoch: int) -> str:
    """Where the files of an epoch lie below the data directory `root`."""
    return f"{root}/{epoch // _EPOCHS_EACH:06x}/{epoch % _EPOCHS_EACH:02x}"


def _largest_name(directory: Path, digits: int) -> int:
    """The largest number among the entries whose name is that many hexadecimal digits, -1 when there is none."""
    names = (name for name in os.listdir(directory) if len(name) == digits and set(name) <= set("0123456789abcdef"))
    return int(max(names, default="-1"), 16)


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that after a crash there is the old one or the new one."""
    new = path.with_name(path.name + ".new")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, content)
        os.fsync(fd)
    finally:
        os.close(fd)
    new.replace(path)
    _sync(path.parent)


def _make(directory: Path) -> None:
    """The directory and those above it exist, durably."""
    if not directory.is_dir():
        _make(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)
        _sync(directory.parent)


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
