"""Large objects: a file each, under an opaque name that is its own from the first byte, never renamed.

A blob is written from front to back: data blocks, the table of their hashes, the footer, then fdatasync. The hashes
are computed in the same pass. Until its location is committed nobody can name the file; a crash leaves it
to the start-up sweep, whether it is whole or not.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Final

from nimbus._native.blocks import BLOCK_SIZE_BYTES, FOOTER_SIZE_BYTES, BlockHasher, encode_footer, read_plain, xxh3_64
from nimbus.base.errors import EngineError
from nimbus.base.ids import new_id
from nimbus.data.disk import Disk
from nimbus.data.epochs import Epoch, Epochs
from nimbus.data.location import BLOB, Location

BLOB_SUFFIX: Final = ".blob"
HASH_SIZE_BYTES: Final = 8


class BlobFile:
    """One blob on its way to the disk. Its methods block; one at a time, on any thread."""

    def __init__(self, disk: Disk, epochs: Epochs) -> None:
        self._disk = disk
        self._epochs = epochs
        self._lock = threading.Lock()  # `discard` may come while an abandoned `append` still runs
        self._epoch: Epoch | None = None
        self._file_id = new_id()
        self._hasher = BlockHasher()
        self._fd = -1
        self._length = 0
        self._has_failed = False  # some bytes are missing: it must not be finished

    def append(self, chunks: list[bytes]) -> None:
        """Hash and write. Raises `SpaceExhausted`, `StoreReadOnly`; then only `discard` may follow."""
        with self._lock:
            self._append(self._opened(), chunks)

    def finish(self, chunks: list[bytes]) -> Location:
        """Append the last chunks, if any, write table and footer and make the file durable."""
        with self._lock:
            epoch = self._opened()
            if chunks:
                self._append(epoch, chunks)
            table = self._hasher.table()
            table_hash = xxh3_64(table)
            self._disk.write(self._fd, [table, encode_footer(self._length, table_hash)], self._length)
            self._disk.sync_file(self._fd)
            self._disk.check_present(self._fd)
            self._close(epoch)
            return Location(BLOB, epoch.number, self._file_id, 0, self._length, table_hash)

    def discard(self) -> None:
        """Remove the file, if there is one. Nothing can be appended afterwards."""
        with self._lock:
            self._has_failed = True
            epoch, self._epoch = self._epoch, None
            if epoch is None:
                return
            if self._fd >= 0:
                self._close(epoch)
            self._disk.unlink(epoch.path / self._name)

    @property
    def _name(self) -> str:
        return self._file_id.hex() + BLOB_SUFFIX

    def _append(self, epoch: Epoch, chunks: list[bytes]) -> None:
        size = sum(map(len, chunks))
        for chunk in chunks:
            self._hasher.update(chunk)
        self._has_failed = True
        self._disk.check_space(epoch.path, size)
        self._disk.write(self._fd, chunks, self._length)
        self._has_failed = False
        self._length += size

    def _opened(self) -> Epoch:
        if self._has_failed:
            raise EngineError("The stream was aborted.")
        if self._epoch is None:
            epoch = self._epochs.take(weight=1)
            try:
                self._fd = self._epochs.create(epoch, self._name)
            except BaseException:
                self._epochs.release(epoch)
                raise
            self._epoch = epoch
        return self._epoch

    def _close(self, epoch: Epoch) -> None:
        os.close(self._fd)
        self._fd = -1
        self._epochs.release(epoch)


def table_size(length: int) -> int:
    """Bytes that the table of a blob takes."""
    return -(-length // BLOCK_SIZE_BYTES) * HASH_SIZE_BYTES


def blob_size(length: int) -> int:
    """Bytes of the file of a blob."""
    return length + table_size(length) + FOOTER_SIZE_BYTES


def leftover(path: Path, epoch: int, file_id: bytes) -> Location | None:
    """The location that a blob found after a crash has, if it is whole; None when the file is gone.

    It is told from the size and the table alone, so that a damaged footer does not make a named blob look nameless.
    An incomplete blob gets a location that no record can name.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        size = os.fstat(fd).st_size
        length = _length_of(size)
        table = b"" if length is None else read_plain(fd, length, table_size(length), True)
    finally:
        os.close(fd)
    if length is None or table is None:
        return Location(BLOB, epoch, file_id, 0, 0, 0)
    return Location(BLOB, epoch, file_id, 0, length, xxh3_64(table))


def _length_of(size: int) -> int | None:
    """The data length of a whole blob whose file has `size` bytes; None when no blob has that size."""
    rest = size - FOOTER_SIZE_BYTES
    blocks = -(-rest // (BLOCK_SIZE_BYTES + HASH_SIZE_BYTES))
    length = rest - blocks * HASH_SIZE_BYTES
    return length if length > 0 and blob_size(length) == size else None
