"""The meter of stored bytes: what goes into the data engine, out of it, and away.

Reads and writes are counted on the event loop alone, what the native plane has taken in on the thread of its uploads;
drops and syncs under a lock, because several threads do them.
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock

from nimbus.metrics import names
from nimbus.metrics.api import Reading
from nimbus.metrics.durations import Durations


class DataMeter:
    """Counts the bytes of a data engine."""

    __slots__ = ("_dropped_bytes", "_lock", "_syncs", "read_bytes", "taken_in_bytes", "written_bytes")

    def __init__(self) -> None:
        self.written_bytes = 0
        self.read_bytes = 0
        self.taken_in_bytes = 0
        self._lock = Lock()
        self._dropped_bytes = 0
        self._syncs = Durations()

    def count_drop(self, size_bytes: int) -> None:
        """A location was freed. Any thread."""
        with self._lock:
            self._dropped_bytes += size_bytes

    def count_sync(self, took_ns: int) -> None:
        """What was written became durable. Any thread."""
        with self._lock:
            self._syncs.add(took_ns)

    def read(self) -> Iterator[Reading]:
        yield Reading(names.DATA_WRITTEN_BYTES, self.written_bytes + self.taken_in_bytes)
        yield Reading(names.DATA_READ_BYTES, self.read_bytes)
        yield Reading(names.DATA_DROPPED_BYTES, self._dropped_bytes)
        yield Reading(names.DATA_SYNC_SECONDS, self._syncs.read())
