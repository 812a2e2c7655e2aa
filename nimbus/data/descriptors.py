"""Open files for reading: a bounded, least-recently-used cache of descriptors and block tables.

A file in the cache is an `OpenFile`, which closes itself when its last reference goes. Evicting or dropping only
forgets the cache's own reference, so a reader goes on undisturbed with the file it has.

Must always hold: a blob's table is handed out only after it matched the hash in the location.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final

from nimbus._native.blocks import OpenFile, open_cached, read_plain, xxh3_64
from nimbus.base.errors import DataDamaged
from nimbus.data.blobs import blob_size, table_size
from nimbus.data.location import BLOB, Location

TABLES_SIZE_BYTES_MAX: Final = 32 << 20
_NOT_CACHED: Final = (errno.EAGAIN, errno.ENOSYS, errno.EPERM, errno.EINVAL)  # the last three: no openat2 here


class Descriptors:
    """The cache. Any thread."""

    def __init__(self, count_max: int) -> None:
        self._count_max = count_max
        self._lock = threading.Lock()
        self._files: OrderedDict[bytes, OpenFile] = OrderedDict()
        self._tables_bytes = 0

    def peek(self, file_id: bytes) -> OpenFile | None:
        """The file if it is open."""
        with self._lock:
            file = self._files.get(file_id)
            if file is not None:
                self._files.move_to_end(file_id)
            return file

    def open(self, location: Location, path: Path, wait: bool) -> OpenFile | None:
        """Open the file, or None when that would need the disk and `wait` is false. Raises `DataDamaged`, OSError."""
        fd = _open(path, wait)
        if fd is None:
            return None
        file = OpenFile(fd)
        if location.kind == BLOB:
            if os.fstat(fd).st_size != blob_size(location.length):
                raise DataDamaged(f"{location}: the file has another size.")
            table = read_plain(fd, location.length, table_size(location.length), wait)
            if table is None:
                return None
            if xxh3_64(table) != location.hash:
                raise DataDamaged(f"{location}: the table of block hashes.")
            file.table = table
        self._keep(location.file_id, file)
        return file

    def forget(self, file_id: bytes) -> None:
        with self._lock:
            self._forget(file_id)

    def clear(self) -> None:
        with self._lock:
            self._files.clear()
            self._tables_bytes = 0

    def _keep(self, file_id: bytes, file: OpenFile) -> None:
        with self._lock:
            self._forget(file_id)
            self._files[file_id] = file
            self._tables_bytes += len(file.table)
            while len(self._files) > self._count_max or self._tables_bytes > TABLES_SIZE_BYTES_MAX:
                self._forget(next(iter(self._files)))

    def _forget(self, file_id: bytes) -> None:
        file = self._files.pop(file_id, None)
        if file is not None:
            self._tables_bytes -= len(file.table)


def _open(path: Path, wait: bool) -> int | None:
    if wait:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return open_cached(os.fsencode(path))
    except OSError as error:
        if error.errno in _NOT_CACHED:
            return None
        raise
