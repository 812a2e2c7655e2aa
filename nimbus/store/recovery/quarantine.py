"""Bytes that no row names wait here before they are dropped: a durable list of locations, while the bytes stay put.

Whatever a sweep finds after an unclean stop comes in first, and what garbage rows name of metadata that was accepted in
spite of a loss (freeing.py): those of a clone name bytes that its original still has. It leaves when its time is over
and it was compared with all rows once more: what a row names by then is kept, the rest is dropped. What came in while
the metadata was in doubt (identity.py) is held whatever the time, until the operator has the quarantine emptied.

Must always hold: nothing is dropped that a row names; a location is in a row here before the data engine forgets that
it was unsettled, and until after it was dropped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from threading import Lock
from typing import Final

import msgspec

from nimbus.base.clock import Clock
from nimbus.base.limits import META_TXN_OPS_MAX
from nimbus.data.api import DataStore
from nimbus.meta import keys
from nimbus.meta.api import Committer, OrderedMap, View
from nimbus.metrics import names
from nimbus.metrics.api import Reading
from nimbus.store.records import Quarantined, pack, unpack

BATCH_LOCATIONS_MAX: Final = 100_000  # compared with the rows in one scan: about 20 MB of memory
SLICE_ROWS: Final = 500
LOOK_S_MAX: Final = 3600.0  # between two looks at the clock

WAITING, HELD = "waiting", "held"

_logger = logging.getLogger(__name__)


class Custody(msgspec.Struct, frozen=True):
    """What a store must know to drop what no row names."""

    data_id: bytes  # of the data directory, since others may share the map
    quarantine_s: float
    is_in_doubt: bool = False  # these rows may not be those that named the bytes
    is_emptied: bool = False  # the operator wants all of it dropped now
    holds_garbage: bool = False  # what earlier runs wanted freed, may have been a copy that had its own life
    on_settled: Callable[[], None] = lambda: None  # what the last run left is in the quarantine, or was dropped


class Quarantine:
    """The quarantine of one data directory. Its methods block and belong to one thread; `take` and `read` to any."""

    def __init__(self, map: OrderedMap, committer: Committer, data: DataStore, clock: Clock, custody: Custody) -> None:
        self._map = map
        self._committer = committer
        self._data = data
        self._clock = clock
        self.custody = custody
        self._prefix = keys.quarantine(custody.data_id)
        self._footprint: Callable[[bytes], int] = getattr(data, "footprint", data.size)
        self._taking = Lock()  # so that nothing is counted twice
        self._lock = Lock()
        self._counts = {WAITING: [0, 0], HELD: [0, 0]}  # locations and bytes
        self._first_ms: int | None = None  # the oldest that leaves by time

    def load(self) -> None:
        """Count what earlier runs left."""
        with self._taking:
            for counts in self._counts.values():
                counts[:] = 0, 0
            for _, entry in self._rows():
                self._count(entry, 1)

    def take(self, locations: Collection[bytes]) -> int:
        """Keep these locations durably; how many were not here yet."""
        ordered = list(locations)
        return sum(
            self._take_batch(ordered[first : first + META_TXN_OPS_MAX])
            for first in range(0, len(ordered), META_TXN_OPS_MAX)
        )

    def due(self) -> Iterator[set[bytes]]:
        """Sets of locations whose time is over, each to be compared with the rows before the next is asked for."""
        if self.custody.is_in_doubt and not self.custody.is_emptied:
            return
        batch: set[bytes] = set()
        self._first_ms = None
        for location, entry in self._rows():
            if self._is_due(entry):
                batch.add(location)
            elif not entry.is_held:
                self._note_time(entry)
            if len(batch) == BATCH_LOCATIONS_MAX:
                yield batch
                batch = set()
        if batch:
            yield batch

    def let_go(self, locations: Sequence[bytes]) -> None:
        """Forget these locations: they were dropped, or are named."""
        for first in range(0, len(locations), META_TXN_OPS_MAX):
            batch = locations[first : first + META_TXN_OPS_MAX]
            for entry in self._committer.commit_now(partial(_delete, [self._prefix + location for location in batch])):
                self._count(entry, -1)

    def pause_s(self) -> float | None:
        """Seconds until something may be due; None: nothing will be."""
        if self._first_ms is None or self.custody.is_in_doubt:
            return None
        left_s = self.custody.quarantine_s - (self._clock.now_ms() - self._first_ms) / 1000
        return min(max(left_s, 1.0), LOOK_S_MAX)

    def read(self) -> Iterator[Reading]:
        """Its contents; see nimbus/metrics/names.py."""
        with self._lock:
            for state, (count, size_bytes) in self._counts.items():
                yield Reading(names.QUARANTINE_LOCATIONS, count, (state,))
                yield Reading(names.QUARANTINE_BYTES, size_bytes, (state,))

    # --- parts ---

    def _take_batch(self, locations: Sequence[bytes]) -> int:
        now_ms, is_held = self._clock.now_ms(), self.custody.is_in_doubt
        entries = {
            self._prefix + location: Quarantined(now_ms, self._footprint(location), is_held) for location in locations
        }
        with self._taking:
            taken = self._committer.commit_now(partial(_add, entries))
            for entry in taken:
                self._count(entry, 1)
        return len(taken)

    def _is_due(self, entry: Quarantined) -> bool:
        if self.custody.is_emptied:
            return True
        return not entry.is_held and self._clock.now_ms() - entry.since_ms >= self.custody.quarantine_s * 1000

    def _rows(self) -> Iterator[tuple[bytes, Quarantined]]:
        start, end = self._prefix, keys.after_prefix(self._prefix)
        while True:
            rows = self._map.range(start, end, SLICE_ROWS)
            for row, value in rows:
                yield keys.quarantined_location(row), unpack(Quarantined, value)
            if len(rows) < SLICE_ROWS:
                return
            start = keys.after(rows[-1][0])

    def _count(self, entry: Quarantined, by: int) -> None:
        with self._lock:
            counts = self._counts[HELD if entry.is_held else WAITING]
            counts[0] += by
            counts[1] += by * entry.size_bytes
        if by > 0 and not entry.is_held:
            self._note_time(entry)

    def _note_time(self, entry: Quarantined) -> None:
        self._first_ms = entry.since_ms if self._first_ms is None else min(self._first_ms, entry.since_ms)


def _add(entries: dict[bytes, Quarantined], view: View) -> list[Quarantined]:
    """Add those that are not there; they."""
    added = {row: entry for row, entry in entries.items() if view.get(row) is None}
    for row, entry in added.items():
        view.put(row, pack(entry))
    return list(added.values())


def _delete(rows: Sequence[bytes], view: View) -> list[Quarantined]:
    """Delete those that are there; they."""
    found = {row: value for row in rows if (value := view.get(row)) is not None}
    for row in found:
        view.delete(row)
    return [unpack(Quarantined, value) for value in found.values()]
