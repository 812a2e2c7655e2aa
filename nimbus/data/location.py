"""Where the local engine put bytes: what a location says, and its 41 bytes.

    offset size
         0    1  kind: 1 a frame of a segment, 2 a blob (see nimbus/_native/frame.h for both)
         1    4  epoch: the directory
         5   16  id of the file: random, never used again
        21    4  offset of the frame's header in its segment; 0 for a blob
        25    8  length of the payload
        33    8  XXH3-64 of a frame's payload, or of a blob's table of block hashes

Little-endian. The hash is what makes the chain of checks begin in the metadata: bytes that were swapped, moved or
rolled back on the disk do not match it, although they may match each other.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from nimbus.base.errors import DataDamaged

FRAME: Final = 1
BLOB: Final = 2

_LAYOUT: Final = struct.Struct("<BI16sIQQ")


class Location(msgspec.Struct, frozen=True):
    """One frame or one blob."""

    kind: int
    epoch: int
    file_id: bytes
    offset: int
    length: int
    hash: int

    def pack(self) -> bytes:
        return _LAYOUT.pack(self.kind, self.epoch, self.file_id, self.offset, self.length, self.hash)

    def __repr__(self) -> str:
        return f"{'frame' if self.kind == FRAME else 'blob'} {self.epoch:x}/{self.file_id.hex()}+{self.offset}"


def unpack(location: bytes) -> Location:
    """What the bytes say. Raises `DataDamaged` for bytes that no engine of this kind made."""
    if len(location) != _LAYOUT.size:
        raise DataDamaged(f"{location[:64].hex()} is no location of the local data engine.")
    where = Location(*_LAYOUT.unpack(location))
    if where.kind != FRAME and (where.kind != BLOB or where.offset != 0):
        raise DataDamaged(f"{location.hex()} is no location of the local data engine.")
    return where


def seed_of(file_id: bytes) -> int:
    """What the header hashes of a segment are seeded with."""
    return int.from_bytes(file_id[:8], "little")


def check_of(location: bytes) -> tuple[bool, int]:
    """Whether a packed location is a blob, and the hash that its bytes are checked against."""
    where = unpack(location)
    return where.kind == BLOB, where.hash
