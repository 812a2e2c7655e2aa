"""Blobs that native code fills: the file is opened and named here, the bytes, the table and the sync come from there.

The format is that of blobs.py (see nimbus/_native/frame.h). Whoever writes through the descriptor writes the whole
file, table and footer too, and has it synced before `finish`. Failures of the disk are told to `failure`, so that the
engine remembers them as its own.

A large file is meant to be written around the page cache, which costs a third of the CPU and leaves to readers what
they have there; its descriptor has O_DIRECT. Whoever writes takes that off before anything that is not aligned, and
when the file system refuses such writes.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from nimbus.base.errors import NimbusError
from nimbus.base.ids import new_id
from nimbus.data.blobs import BLOB_SUFFIX
from nimbus.data.disk import Disk
from nimbus.data.epochs import Epochs
from nimbus.data.location import BLOB, Location


class ForeignBlob:
    """One blob on its way in. Blocking; any thread, one call at a time; ends with `finish` or `discard`.

    A `finish` that failed is followed by `discard`.
    """

    def __init__(self, disk: Disk, epochs: Epochs, root: Path, size: int, *, is_direct: bool) -> None:
        """Raises `SpaceExhausted`, `Overloaded`, `EngineError`."""
        disk.check_space(root, size)
        self._disk = disk
        self._epochs = epochs
        self._file_id = new_id()
        self._epoch = epochs.take(weight=1)
        try:
            self.fd = epochs.create(self._epoch, self._name)
        except BaseException:
            epochs.release(self._epoch)
            raise
        if is_direct:
            with suppress(OSError):  # a file system without it
                fcntl.fcntl(self.fd, fcntl.F_SETFL, os.O_DIRECT)

    @property
    def _name(self) -> str:
        return self._file_id.hex() + BLOB_SUFFIX

    def finish(self, length: int, table_hash: int) -> bytes:
        """The location of a file that is whole and synced; durable with its name after the engine's next `sync`.

        Raises `DirectoryGone`.
        """
        self._disk.check_present(self.fd)
        self._close()
        return Location(BLOB, self._epoch.number, self._file_id, 0, length, table_hash).pack()

    def discard(self) -> None:
        """Remove the file, whatever its descriptor says."""
        try:
            self._close()
        finally:
            self._disk.unlink(self._epoch.path / self._name)

    def failure(self, error_number: int, *, of_sync: bool) -> NimbusError:
        """What it means to the engine that writing or syncing failed."""
        return self._disk.failure(OSError(error_number, os.strerror(error_number)), of_sync=of_sync)

    def _close(self) -> None:
        """Give up the descriptor and the epoch, once; the system has closed a descriptor also when it says no."""
        if self.fd < 0:
            return
        fd, self.fd = self.fd, -1
        try:
            os.close(fd)
        finally:
            self._epochs.release(self._epoch)
