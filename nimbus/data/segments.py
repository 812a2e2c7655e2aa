"""The append queue: small objects become frames of the open segment, a whole group with one write and one sync.

`append` reserves the place of a frame in memory and returns its location; nothing touches the disk. `sync` writes
everything queued, run by run, and syncs each segment it wrote to. `flush` only writes, to bound the queue.

Must always hold: frames of a segment follow each other without a gap, in the order of their offsets; a frame
leaves the queue only when it is written, or written as dead because it was dropped before. On a full disk the
frames stay queued, so a later `sync` either makes them durable or fails as well: no commit can come between.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

from nimbus._native.blocks import frame_size, xxh3_64
from nimbus.base.clock import Clock
from nimbus.base.errors import NimbusError
from nimbus.base.ids import new_id
from nimbus.data.disk import Disk, Health
from nimbus.data.epochs import EPOCH_AGE_S_MAX, SEGMENT_WEIGHT, Epoch, Epochs
from nimbus.data.ledger import Ledger
from nimbus.data.location import FRAME, Location, seed_of

QUEUE_SIZE_BYTES_MAX: Final = 64 << 20  # payload that may wait for a sync before writers are made to flush
SEGMENT_SUFFIX: Final = ".seg"


class _Segment:
    """A segment that this run appends to, or has yet to sync."""

    def __init__(self, epoch: Epoch, begun_s: float) -> None:
        self.file_id = new_id()
        self.epoch = epoch
        self.begun_s = begun_s
        self.end = 0  # where the next frame goes
        self.fd = -1  # until the first write
        self.is_dirty = False
        self.is_sealed = False

    @property
    def name(self) -> str:
        return self.file_id.hex() + SEGMENT_SUFFIX

    @property
    def path(self) -> Path:
        return self.epoch.path / self.name


class _Queued:
    """A frame with a place, not yet written. Without payload it was dropped meanwhile."""

    __slots__ = ("hash", "length", "offset", "payload", "segment")

    def __init__(self, segment: _Segment, payload: bytes, payload_hash: int) -> None:
        self.segment = segment
        self.offset = segment.end
        self.payload: bytes | None = payload
        self.length = len(payload)
        self.hash = payload_hash


class Segments:
    """The open segment and its queue. `append` never waits for the disk; the rest blocks, on any thread."""

    def __init__(
        self, disk: Disk, health: Health, epochs: Epochs, ledger: Ledger, clock: Clock, segment_size_bytes_max: int
    ) -> None:
        self._disk = disk
        self._health = health
        self._epochs = epochs
        self._ledger = ledger
        self._clock = clock
        self._segment_size_bytes_max = segment_size_bytes_max
        self._lock = threading.Lock()  # the queue and the reservations; never held over a system call
        self._writing = threading.Lock()  # one thread writes, so that frames reach a segment in order
        self._current: _Segment | None = None
        self._segments: dict[bytes, _Segment] = {}
        self._queue: dict[tuple[bytes, int], _Queued] = {}
        self._queued_bytes = 0

    def append(self, payload: bytes) -> Location:
        """A place for the payload. Raises `StoreReadOnly`, `EngineClosed`."""
        self._health.check_writable()
        payload_hash = xxh3_64(payload)
        size = frame_size(len(payload))
        with self._lock:
            segment = self._segment_for(size)
            queued = _Queued(segment, payload, payload_hash)
            segment.end += size
            self._queue[segment.file_id, queued.offset] = queued
            self._queued_bytes += len(payload)
            self._ledger.add(segment.file_id)
        return Location(FRAME, segment.epoch.number, segment.file_id, queued.offset, queued.length, payload_hash)

    @property
    def is_full(self) -> bool:
        """Whether writers should `flush` before they go on."""
        return self._queued_bytes > QUEUE_SIZE_BYTES_MAX

    @property
    def is_empty(self) -> bool:
        """Whether nothing that counts waits to be written."""
        return not any(queued.payload is not None for queued in self._queue.values())

    def flush(self) -> None:
        """Write the queue without syncing. Raises `SpaceExhausted`, `StoreReadOnly`."""
        with self._writing:
            self._write_queue()

    def sync(self) -> None:
        """Make every frame appended before this call durable. Raises `SpaceExhausted`, `StoreReadOnly`."""
        with self._writing:
            self._write_queue()
            for segment in list(self._segments.values()):
                if segment.is_dirty:
                    segment.is_dirty = False
                    self._disk.check_present(segment.fd)
                    self._disk.sync_file(segment.fd)
                self._retire(segment)

    def peek(self, location: Location) -> bytes | None:
        """The payload of a frame that is still queued."""
        queued = self._queue.get((location.file_id, location.offset))
        return None if queued is None else queued.payload

    def drop(self, location: Location) -> bool:
        """Forget the payload of a frame that is still queued; False when it is not."""
        key = (location.file_id, location.offset)
        if key not in self._queue:
            return False
        with self._writing, self._lock:
            queued = self._queue.get(key)
            if queued is None:
                return False
            if queued.payload is not None:
                self._queued_bytes -= queued.length
                queued.payload = None
                self._ledger.remove(location.file_id)
        return True

    def close(self) -> None:
        """Close the files. What is still queued is forgotten."""
        with self._writing:
            with self._lock:
                segments = list(self._segments.values())
                self._segments.clear()
                self._queue.clear()
                self._current = None
            for segment in segments:
                if segment.fd >= 0:
                    os.close(segment.fd)
                with contextlib.suppress(NimbusError):  # an empty segment that stays is counted again later
                    self._ledger.seal(segment.file_id, segment.path)

    def _segment_for(self, size: int) -> _Segment:
        """The open segment, or the next one when it has no room or is too old. Holds the lock."""
        now_s = self._clock.monotonic_s()
        segment = self._current
        if segment is not None:
            is_old = now_s - segment.begun_s >= EPOCH_AGE_S_MAX
            if segment.end + size <= self._segment_size_bytes_max and not is_old:
                return segment
            segment.is_sealed = True
        segment = _Segment(self._epochs.take(SEGMENT_WEIGHT), now_s)
        self._ledger.begin(segment.file_id)
        self._segments[segment.file_id] = segment
        self._current = segment
        return segment

    def _write_queue(self) -> None:
        """Write what is queued. Holds the writing lock."""
        with self._lock:
            batch = list(self._queue.values())
            frames = [(queued.payload, queued.length, queued.hash) for queued in batch]
        if all(payload is None for payload, _, _ in frames):
            return  # marks of dropped frames wait for company, so that a full disk stops nobody else
        self._health.check_writable()
        at = 0
        for segment, run in _runs(batch):
            self._write_run(segment, run[0].offset, frames[at : at + len(run)])
            at += len(run)
            with self._lock:
                for queued in run:
                    del self._queue[segment.file_id, queued.offset]
                    if queued.payload is not None:
                        self._queued_bytes -= queued.length

    def _write_run(self, segment: _Segment, offset: int, frames: list[tuple[bytes | None, int, int]]) -> None:
        if segment.fd < 0:
            segment.fd = self._epochs.create(segment.epoch, segment.name)
        self._disk.check_space(segment.epoch.path, sum(length for _, length, _ in frames))
        segment.is_dirty = True
        self._disk.append_frames(segment.fd, seed_of(segment.file_id), offset, frames)

    def _retire(self, segment: _Segment) -> None:
        """Let go of a segment that is full, written and synced. Holds the writing lock."""
        with self._lock:
            if not segment.is_sealed or any(file_id == segment.file_id for file_id, _ in self._queue):
                return
            del self._segments[segment.file_id]
        if segment.fd >= 0:
            os.close(segment.fd)
        self._epochs.release(segment.epoch)
        self._ledger.seal(segment.file_id, segment.path)


def _runs(batch: list[_Queued]) -> Iterator[tuple[_Segment, list[_Queued]]]:
    """The batch segment by segment; within one, frames lie one behind the other."""
    for _, run in groupby(batch, key=lambda queued: queued.segment.file_id):
        frames = list(run)
        yield frames[0].segment, frames
