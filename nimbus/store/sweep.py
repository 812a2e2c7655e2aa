"""After an unclean stop: drop the bytes that were written but that no row names.

The data engine lists the candidates; a bounded number at a time is compared with all rows that can name bytes.
The order is parts, objects, manifest pages, garbage. Named bytes only ever move forward in this order (a
completion takes parts into an object or its pages, whatever is displaced goes to the garbage), so bytes in use
cannot slip behind a scan that runs beside the normal work. Bytes in the garbage are the collector's. New
bytes are never candidates.

Runs on a thread of its own, in slices with pauses, so that the loop thread gets its turns.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from nimbus.base.errors import NimbusError
from nimbus.data.api import DataStore
from nimbus.meta import keys
from nimbus.meta.api import OrderedMap
from nimbus.store.records import Garbage, ManifestPage, Object, UploadedPart, unpack

CANDIDATES_MAX: Final = 100_000  # about 20 MB of memory; more are taken in turns, each with its own scan
SLICE_ROWS: Final = 500  # about 1 ms of work between two pauses
PAGE_SLICE_ROWS: Final = 8
PAUSE_S: Final = 0.001

Locations = Iterator[bytes]

_logger = logging.getLogger(__name__)


def _of_part(value: bytes) -> Locations:
    return (extent.location for extent in unpack(UploadedPart, value).extents)


def _of_object(value: bytes) -> Locations:
    return (extent.location for extent in unpack(Object, value).extents)


def _of_page(value: bytes) -> Locations:
    return (extent.location for extent in unpack(ManifestPage, value).extents)


def _of_garbage(value: bytes) -> Locations:
    return iter(unpack(Garbage, value).locations)


# What names bytes, in the order in which they move: prefix of the rows, rows a slice, locations in a row.
_TABLES: Final[tuple[tuple[bytes, int, Callable[[bytes], Locations]], ...]] = (
    (keys.parts(b""), SLICE_ROWS, _of_part),
    (keys.objects(b""), SLICE_ROWS, _of_object),
    (keys.manifest(b""), PAGE_SLICE_ROWS, _of_page),
    (keys.GARBAGE, SLICE_ROWS, _of_garbage),
)


class Sweeper:
    """One sweep, begun at the start of the store and ended early when the store closes."""

    def __init__(self, map: OrderedMap, data: DataStore) -> None:
        self._map = map
        self._data = data
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweep", daemon=True)

    def start(self) -> None:
        """Sweep in the background."""
        self._thread.start()

    def close(self) -> None:
        """Leave the sweep within a slice's time; the next start begins it anew."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def sweep(self) -> int:
        """Drop what nothing names; how many locations that were. Blocking."""
        dropped = 0
        unsettled = self._data.unsettled()
        while candidates := set(islice(unsettled, CANDIDATES_MAX)):
            self._strike_named(candidates)
            for location in candidates:
                if self._stopping.is_set():
                    return dropped
                self._data.drop(location)
                dropped += 1
        self._data.settled()
        return dropped

    def _run(self) -> None:
        try:
            dropped = self.sweep()
        except (NimbusError, OSError) as error:
            _logger.warning("The sweep of unreferenced bytes failed; the next start repeats it: %s", error)
            return
        if dropped:
            _logger.info("Freed %d writes that an unclean stop had cut off.", dropped)

    def _strike_named(self, candidates: set[bytes]) -> None:
        """Take out of `candidates` what a row names."""
        for prefix, slice_rows, locations in _TABLES:
            start, end = prefix, keys.after_prefix(prefix)
            while candidates and not self._stopping.is_set():
                rows = self._map.range(start, end, slice_rows)
                for _, value in rows:
                    candidates.difference_update(locations(value))
                if len(rows) < slice_rows:
                    break
                start = keys.after(rows[-1][0])
                self._stopping.wait(PAUSE_S)
