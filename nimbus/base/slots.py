"""A small record kept twice in one file, so that a whole one is there whenever the machine stops, also on a full disk.

The file has two slots, written in turn and in place; of the whole ones the higher number counts. A slot lies within one
sector: CRC-32 of the rest (4 bytes), its number (8), the size of the record (2), the record.

Must always hold: a file of this kind has at least one whole slot from its first moment on. One that has none was
damaged by somebody.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from pathlib import Path
from typing import Final

from nimbus.base.errors import DirectoryDamaged

RECORD_SIZE_BYTES_MAX: Final = 480
_HEAD: Final = struct.Struct("<QH")
_CHECK: Final = struct.Struct("<I")
_SLOT_SIZE_BYTES: Final = 512
_SLOTS: Final = (0, 4096)  # in blocks of their own
_FILE_SIZE_BYTES: Final = 8192


class Slots:
    """The open file. `put` touches memory that the kernel keeps when this process dies; `sync` is for power cuts."""

    def __init__(self, path: Path, record: bytes) -> None:
        """Open the file, or make it with `record` in it. Blocking; raises OSError, `DirectoryDamaged`."""
        if not path.exists():
            _make(path, record)
        content = path.read_bytes()
        self._number, self.record = _newest(content, path)
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.pwrite(self._fd, content, 0)  # blocks that a copy shares need space now: in the memory that is a SIGBUS
            self._memory = mmap.mmap(self._fd, _FILE_SIZE_BYTES)
        except BaseException:
            os.close(self._fd)
            raise

    def put(self, record: bytes) -> None:
        """Replace the record, for whoever reads the file from now on."""
        self._number += 1
        at = _SLOTS[self._number % 2]
        slot = _slot(self._number, record)
        self._memory[at : at + len(slot)] = slot
        self.record = record

    def sync(self) -> None:
        """Make what was put durable. Blocking; raises OSError."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        self._memory.close()
        os.close(self._fd)


def read_slots(path: Path) -> bytes | None:
    """The record in a file, None when there is no file. Touches nothing. Raises `DirectoryDamaged`, OSError."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return _newest(content, path)[1]


def _newest(content: bytes, path: Path) -> tuple[int, bytes]:
    found = [slot for slot in map(_parsed, (content[at : at + _SLOT_SIZE_BYTES] for at in _SLOTS)) if slot is not None]
    if not found or len(content) != _FILE_SIZE_BYTES:
        raise DirectoryDamaged(f"{path} is not readable.")
    return max(found)


def _parsed(slot: bytes) -> tuple[int, bytes] | None:
    head_end = _CHECK.size + _HEAD.size
    if len(slot) < head_end:
        return None
    number, size = _HEAD.unpack_from(slot, _CHECK.size)
    end = head_end + size
    if not number or end > len(slot) or zlib.crc32(slot[_CHECK.size : end]) != _CHECK.unpack_from(slot)[0]:
        return None
    return number, slot[head_end:end]


def _slot(number: int, record: bytes) -> bytes:
    assert len(record) <= RECORD_SIZE_BYTES_MAX, len(record)
    rest = _HEAD.pack(number, len(record)) + record
    return _CHECK.pack(zlib.crc32(rest)) + rest


def _make(path: Path, record: bytes) -> None:
    """The whole file appears at once, durably."""
    new = path.with_name(path.name + ".new")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, bytes(_SLOTS[1]) + _slot(1, record).ljust(_FILE_SIZE_BYTES - _SLOTS[1], b"\0"))
        os.fsync(fd)
    finally:
        os.close(fd)
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
