"""How many live frames each segment holds, so that a segment whose last frame is dropped is unlinked.

Nothing of this is stored. Segments of this run are counted as frames come and go; an older one is counted by a walk
over its headers the first time a frame of it is dropped.

Space comes back without moving anything. Dropping marks the frame's header and punches its whole pages out. Whenever
a quarter of what a segment held has died, runs of dead frames are merged: the first header is made to cover
the run, and once that is durable the pages of the whole run are punched out. What shares a page with a living
neighbour stays until the neighbour goes: at worst a page for each run.

Must always hold: a segment is unlinked only when a walk explained every byte of it and found nothing alive. Where
a header does not check out and something other than zeros follows, the segment stays for ever: a frame that is
still named by a record might lie there.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from nimbus._native.blocks import FRAME_HEADER_SIZE_BYTES, decode_frame, frame_size, is_zero_tail, walk
from nimbus.base.errors import EngineError
from nimbus.data.disk import Disk
from nimbus.data.location import FRAME, Location, seed_of
from nimbus.data.punches import Punches


class _Count:
    """What is known of one segment."""

    __slots__ = ("is_open", "is_whole", "live", "merged_at")

    def __init__(self, live: int, is_open: bool, is_whole: bool) -> None:
        self.live = live
        self.is_open = is_open
        self.is_whole = is_whole
        self.merged_at = live  # how many were alive when runs were last merged


class Ledger:
    """Counts of live frames, and the dropping of frames that are on the disk. Any thread."""

    def __init__(self, disk: Disk, punches: Punches) -> None:
        self._disk = disk
        self._punches = punches
        self._lock = threading.Lock()  # the counts; never held over a system call
        self._dropping = threading.Lock()  # one thread marks frames, so that each is counted down once
        self._counts: dict[bytes, _Count] = {}
        self._is_swept = False

    # --- segments of this run ---

    def begin(self, file_id: bytes) -> None:
        self._counts[file_id] = _Count(live=0, is_open=True, is_whole=True)

    def add(self, file_id: bytes) -> None:
        """A frame more. Quick: called on the event loop."""
        with self._lock:
            self._counts[file_id].live += 1

    def remove(self, file_id: bytes) -> None:
        """A frame less, which never reached the disk alive."""
        with self._lock:
            self._counts[file_id].live -= 1

    def seal(self, file_id: bytes, path: Path) -> None:
        """No frame will be added any more. Blocking."""
        with self._dropping:
            count = self._counts[file_id]
            count.is_open = False
            count.merged_at = count.live
            self._unlink_if_empty(file_id, count, path)

    # --- any segment ---

    def drop(self, location: Location, path: Path) -> bool:
        """Free a frame; whether the segment is gone as well. Blocking. Dropping twice is no error."""
        with self._dropping:
            try:
                fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                return True
            except OSError as error:
                raise EngineError(f"{path.name}: {error.strerror}.") from error
            try:
                return self._drop_open(fd, location, path)
            except OSError as error:
                raise EngineError(f"Dropping {location} failed: {error.strerror}.") from error
            finally:
                os.close(fd)

    def sweep(self, file_id: bytes, epoch: int, path: Path) -> Iterator[Location]:
        """Every live frame of an older segment; unlinks the segment when there is none. Blocking."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            for offset, length, payload_hash, is_dead in frames_of(fd, file_id):
                if not is_dead:
                    yield Location(FRAME, epoch, file_id, offset, length, payload_hash)
            with self._dropping:
                self._unlink_if_empty(file_id, self._counted(fd, file_id), path)
        finally:
            os.close(fd)

    def settled(self) -> None:
        """No `sweep` is running any more, so headers may be merged."""
        self._is_swept = True

    def _drop_open(self, fd: int, location: Location, path: Path) -> bool:
        count = self._counted(fd, location.file_id)
        header = os.pread(fd, FRAME_HEADER_SIZE_BYTES, location.offset)
        found = decode_frame(header, seed_of(location.file_id), location.offset)
        if found is None or found[:2] != (location.length, location.hash):
            return False  # it never reached the disk, or its header is damaged: then the segment is not whole either
        if not found[2]:
            payload = location.offset + FRAME_HEADER_SIZE_BYTES
            self._punches.punch(fd, path, payload, location.offset + frame_size(location.length))
            self._disk.mark_dead(fd, location.offset)
            with self._lock:
                count.live -= 1
        if self._unlink_if_empty(location.file_id, count, path):
            return True
        if self._is_swept and not count.is_open and count.is_whole and count.live <= count.merged_at * 3 // 4:
            count.merged_at = count.live
            self._merge(fd, path, location.file_id)
        return False

    def _merge(self, fd: int, path: Path, file_id: bytes) -> None:
        """Make one dead frame of each run of them, and give its pages back."""
        runs = list(_runs_of_dead(frames_of(fd, file_id)))
        for start, end in runs:
            length = end - start - FRAME_HEADER_SIZE_BYTES
            self._disk.append_frames(fd, seed_of(file_id), start, [(None, length, 0)])
        self._disk.sync_file(fd)  # before the headers inside the runs go
        for start, end in runs:
            self._punches.punch(fd, path, start + FRAME_HEADER_SIZE_BYTES, end)

    def _counted(self, fd: int, file_id: bytes) -> _Count:
        count = self._counts.get(file_id)
        if count is None:
            count = self._counts[file_id] = _count_frames(fd, file_id)
        return count

    def _unlink_if_empty(self, file_id: bytes, count: _Count, path: Path) -> bool:
        if count.live > 0 or count.is_open or not count.is_whole:
            return False
        self._disk.unlink(path)
        del self._counts[file_id]
        return True


def frames_of(fd: int, file_id: bytes) -> Iterator[tuple[int, int, int, bool]]:
    """(offset, length, hash, is dead) of each frame up to the end, or up to a header that does not check out."""
    offset, more = 0, True
    while more:
        frames, offset, more = walk(fd, seed_of(file_id), offset)
        yield from frames


def is_frame_dead(fd: int, location: Location) -> bool:
    """Whether the frame was dropped, as far as its header can tell."""
    try:
        header = os.pread(fd, FRAME_HEADER_SIZE_BYTES, location.offset)
    except OSError:
        return False
    found = decode_frame(header, seed_of(location.file_id), location.offset)
    return found is not None and found[2]


def _runs_of_dead(frames: Iterator[tuple[int, int, int, bool]]) -> Iterator[tuple[int, int]]:
    """[start, end) of each stretch of two or more dead frames."""
    for is_dead, run in groupby(frames, key=lambda frame: frame[3]):
        members = list(run)
        if is_dead and len(members) > 1:
            last_offset, last_length, _, _ = members[-1]
            yield members[0][0], last_offset + frame_size(last_length)


def _count_frames(fd: int, file_id: bytes) -> _Count:
    live, end = 0, 0
    for offset, length, _, is_dead in frames_of(fd, file_id):
        live += not is_dead
        end = offset + frame_size(length)
    return _Count(live=live, is_open=False, is_whole=is_zero_tail(fd, end))
