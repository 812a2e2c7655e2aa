"""Rows that say what is to be freed, written in the very step that stops naming it.

What a mutation displaces is thereby either still named or queued, never neither, whenever the machine stops.
The collector (collector.py) frees what the rows name. Rows sort by the time they were written, and that time
never goes back within a process, so the collector reads the queue from one end while it grows at the other.
"""

from __future__ import annotations

import itertools
import os

from nimbus.base.clock import Clock
from nimbus.meta import keys
from nimbus.meta.api import View
from nimbus.store.records import Garbage, Object, UploadedPart, pack


class GarbageQueue:
    """Writes garbage rows from within mutations."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._time_ms = 0
        self._process = os.urandom(8)  # another process on the same map never makes the same row
        self._counter = itertools.count()
        self.queued_bytes = 0  # about so many, of objects and parts that were displaced

    def continue_after(self, time_ms: int) -> None:
        """Write no row below those of earlier runs, even if the clock went back since."""
        self._time_ms = max(self._time_ms, time_ms + 1)

    def put(self, view: View, garbage: Garbage) -> None:
        """Queue `garbage` in the step that `view` belongs to."""
        self._time_ms = max(self._time_ms, self._clock.now_ms())
        unique_id = self._process + next(self._counter).to_bytes(8)
        view.put(keys.garbage(self._time_ms, unique_id), pack(garbage))

    def put_object(self, view: View, displaced: Object) -> None:
        """Queue the bytes of an object that is overwritten or deleted."""
        self.queued_bytes += displaced.size
        if displaced.manifest_id:
            self.put(view, Garbage(manifest_rows=keys.manifest(displaced.manifest_id)))
        elif displaced.extents:
            self.put(view, Garbage(locations=tuple(extent.location for extent in displaced.extents)))

    def put_part(self, view: View, displaced: UploadedPart) -> None:
        """Queue the bytes of a part that is uploaded again."""
        self.queued_bytes += displaced.size
        if displaced.extents:
            self.put(view, Garbage(locations=tuple(extent.location for extent in displaced.extents)))


def bitmap(numbers: list[int]) -> bytes:
    """A bit for each part number, least significant bit first."""
    bits = bytearray(max(numbers, default=0) // 8 + 1)
    for number in numbers:
        bits[number >> 3] |= 1 << (number & 7)
    return bytes(bits)


def is_in_bitmap(bits: bytes, number: int) -> bool:
    """Whether the bit of a part number is set."""
    return number >> 3 < len(bits) and bool(bits[number >> 3] & 1 << (number & 7))
