"""Epochs: the directories that new files go to, one after the other, so that a crash leaves few to look at.

A file belongs to the epoch in which it was begun. While it is being written, and for `SETTLE_S` after it was
finished (by then its record is committed or it was dropped), it keeps its epoch above the floor. After an
unclean stop only the epochs from the floor on can hold files that no record names.

An epoch ends after an hour, or when enough files were begun in it. The next one begins with the next file.
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Final

from nimbus.base.clock import Clock
from nimbus.data.directory import Directory
from nimbus.data.disk import Disk

EPOCH_AGE_S_MAX: Final = 3600.0
EPOCH_WEIGHT_MAX: Final = 4096  # in blobs: a directory stays quick to list
SEGMENT_WEIGHT: Final = 256  # a segment counts as so many, because a sweep reads all its frames
SETTLE_S: Final = 60.0  # a writer that commits later than this after `finish` leaves garbage if it crashes


class Epoch:
    """One directory. All fields belong to `Epochs`."""

    def __init__(self, number: int, path: Path, begun_s: float) -> None:
        self.number = number
        self.path = path
        self.begun_s = begun_s
        self.weight = 0
        self.pins = 0
        self.released_s = begun_s
        self.is_made = False
        self.is_dirty = False  # it has entries that a power cut could lose


class Epochs:
    """Hands out the current epoch and knows which are settled. Any thread."""

    def __init__(self, directory: Directory, disk: Disk, clock: Clock) -> None:
        self._directory = directory
        self._disk = disk
        self._clock = clock
        self._lock = threading.Lock()
        self._making = threading.Lock()
        self._next = directory.epoch_next
        self._live: dict[int, Epoch] = {}  # those that may hold unsettled files of this run
        self._current: Epoch | None = None
        self.first = directory.epoch_next
        self.floor_at_start = directory.floor
        self.is_swept = self.floor_at_start >= self.first  # nothing is left to look at from before

    def take(self, weight: int) -> Epoch:
        """The epoch for a new file, held above the floor until `release`. Does not touch the disk."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            epoch = self._current
            if epoch is None or epoch.weight >= EPOCH_WEIGHT_MAX or now_s - epoch.begun_s >= EPOCH_AGE_S_MAX:
                epoch = Epoch(self._next, self._directory.epoch_path(self._next), now_s)
                self._next += 1
                self._live[epoch.number] = epoch
                self._current = epoch
            epoch.weight += weight
            epoch.pins += 1
            return epoch

    def create(self, epoch: Epoch, name: str) -> int:
        """A descriptor of a new file there, whose entry the next `sync` makes durable. Blocking."""
        if not epoch.is_made:
            with self._making:
                self._disk.make_directory(epoch.path)
                epoch.is_made = True
        fd = self._disk.create(epoch.path / name)
        epoch.is_dirty = True
        return fd

    def release(self, epoch: Epoch) -> None:
        """The file is finished, or gone."""
        with self._lock:
            epoch.pins -= 1
            assert epoch.pins >= 0, f"epoch {epoch.number} released too often"
            epoch.released_s = self._clock.monotonic_s()

    def sync(self) -> None:
        """Make the directory entries of files made before this call durable. Blocking. Raises `StoreReadOnly`."""
        with self._lock:
            dirty = [epoch for epoch in self._live.values() if epoch.is_dirty]
        for epoch in dirty:
            epoch.is_dirty = False
            try:
                self._disk.sync_directory(epoch.path)
            except BaseException:
                epoch.is_dirty = True
                raise
        self._advance()

    def settled(self) -> None:
        """The epochs from before this start were swept. Blocking."""
        self.is_swept = True
        self._advance()

    def close(self, is_settled: bool) -> None:
        """Keep the last floor: above everything, when `is_settled` says that no file's fate is open."""
        if is_settled and self.is_swept:
            self._write_floor(self._next)
        else:
            self._advance()

    def remove_if_empty(self, epoch: int) -> None:
        """Remove the directory of an epoch that is over, once nothing is in it."""
        with self._lock:
            if epoch in self._live:
                return
        with contextlib.suppress(OSError):
            self._directory.epoch_path(epoch).rmdir()

    def _advance(self) -> None:
        """Move the floor up to the oldest epoch that is not settled."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            for epoch in list(self._live.values()):
                if epoch is self._current or epoch.pins > 0 or epoch.is_dirty or now_s - epoch.released_s < SETTLE_S:
                    break
                del self._live[epoch.number]
            floor = next(iter(self._live), self._next)
        if self.is_swept and floor > self._directory.floor:
            self._write_floor(floor)

    def _write_floor(self, floor: int) -> None:
        with contextlib.suppress(OSError):  # an old floor is safe, and a failing disk will show elsewhere
            self._directory.write_floor(floor)
