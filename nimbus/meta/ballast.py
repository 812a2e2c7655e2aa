"""A file that only takes up room, so that a full disk can still be written to: to delete things and to start.

Deleting needs a write, and so does opening a database. While there is room the ballast lies on the disk; when
the room falls below the floor, it is given up and its bytes are what deletes and restarts live on; when room
has come back, it is laid down again.

Deletes live on what the ballast has beyond the floor: one that is no larger helps only where room ran out slowly.

Must always hold: `make_room` refuses (`SpaceExhausted`) before the engine would run into the end of the disk,
because an engine that did takes no more writes.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from nimbus.base.errors import SpaceExhausted

_logger = logging.getLogger(__name__)


class Ballast:
    """The ballast of one file system. Used by one thread at a time."""

    def __init__(self, path: Path, size_bytes: int, floor_bytes: int) -> None:
        self._path = path
        self._size_bytes = size_bytes
        self._floor_bytes = floor_bytes
        self._held = path.exists()

    def make_room(self, size_bytes: int) -> None:
        """Called before each write of `size_bytes`. Raises `SpaceExhausted` when even the ballast is used up."""
        free_bytes = self._free_bytes()
        if free_bytes >= self._floor_bytes + size_bytes:
            if not self._held and free_bytes >= 2 * (self._floor_bytes + self._size_bytes):
                self.hold()
            return
        if not self.drop():
            raise self._refusal(size_bytes)

    def check(self) -> None:
        """Raises `SpaceExhausted` when there is no room, and nothing to give up. Any thread."""
        if not self._held and self._free_bytes() < self._floor_bytes:
            raise self._refusal(0)

    def _refusal(self, size_bytes: int) -> SpaceExhausted:
        return SpaceExhausted(f"Fewer than {self._floor_bytes + size_bytes} bytes are left beside {self._path}.")

    def drop(self) -> bool:
        """Give it up; whether there was any."""
        had = self._held and self._size_bytes > 0
        self._path.unlink(missing_ok=True)
        self._held = False
        if had:
            _logger.warning("The disk is nearly full: %s was given up to make room for deletes", self._path)
        return had

    def hold(self) -> None:
        """Lay it down, unless that would leave less than the floor."""
        if self._held or self._free_bytes() < self._floor_bytes + self._size_bytes:
            return
        try:
            with open(self._path, "wb") as file:
                if self._size_bytes:
                    os.posix_fallocate(file.fileno(), 0, self._size_bytes)
            self._held = True
        except OSError:  # somebody else was faster to take the room: try again when there is more
            self._path.unlink(missing_ok=True)

    def _free_bytes(self) -> int:
        status = os.statvfs(self._path.parent)
        return status.f_bavail * status.f_frsize
