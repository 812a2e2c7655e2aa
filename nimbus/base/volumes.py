"""What a file system has left, and how it is shared out: what metadata lives on when it is full, what data leaves free.

On a disk of a gigabyte or more the shares are those that were measured to be right; a smaller one is shared out in
proportion, so that most of it is for data down to `SIZE_BYTES_MIN`. A limit on the size of files counts as well: no
file that a write depends on may grow beyond it.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Final

import msgspec

from nimbus.base.limits import GIB, KIB, MIB

SIZE_BYTES_MIN: Final = 40 * MIB  # below it the logs of the metadata alone leave next to nothing
# Kept for metadata and restarts where a file system counts its inodes; and when there are fewer, nothing is written.
NAMES_RESERVE: Final = 256
NAMES_FLOOR: Final = 16
_WRITE_BUFFER_BYTES: Final = 32 * MIB
_BALLAST_BYTES: Final = 128 * MIB


class Volume(msgspec.Struct, frozen=True):
    """The file system of a directory."""

    size_bytes: int
    free_bytes: int
    names: int  # inodes; 0: they are not counted
    names_free: int

    @property
    def names_reserve(self) -> int:
        """How many inodes data leaves free."""
        return min(NAMES_RESERVE, self.names // 8)

    @property
    def lacks_names(self) -> bool:
        """Whether no file can be made, however much room there is."""
        return self.names > 0 and self.names_free < NAMES_FLOOR


class MetadataShare(msgspec.Struct, frozen=True):
    """What a metadata engine takes by default."""

    write_buffer_bytes: int
    ballast_bytes: int

    @property
    def floor_bytes(self) -> int:
        """With less left, metadata takes no writes."""
        return 2 * self.write_buffer_bytes


def look_at(directory: Path) -> Volume:
    """Raises OSError."""
    about = os.statvfs(directory)
    unit = about.f_frsize
    return Volume(about.f_blocks * unit, about.f_bavail * unit, about.f_files, about.f_favail)


def file_size_max() -> int:
    """How large a file of this process may be (`ulimit -f`)."""
    soft, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return 1 << 62 if soft == resource.RLIM_INFINITY else soft


def metadata_share(size_bytes: int) -> MetadataShare:
    """The defaults of an engine on a file system of this size."""
    buffer_bytes = max(MIB, min(_WRITE_BUFFER_BYTES, size_bytes // 32, file_size_max() // 4))
    return MetadataShare(buffer_bytes // KIB * KIB, min(_BALLAST_BYTES, size_bytes // 8))


def data_reserve_bytes(size_bytes: int) -> int:
    """A twentieth of the disk, at least 1 GiB and at most 16 GiB, but never much more than a tenth.

    On a small disk the tenth alone would let data take what metadata needs for deletions: its floor, and half as much.
    """
    share = metadata_share(size_bytes)
    return min(max(size_bytes // 20, GIB), 16 * GIB, size_bytes // 10 + share.floor_bytes * 3 // 2)
