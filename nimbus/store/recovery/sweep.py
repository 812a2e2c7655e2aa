"""After an unclean stop: find the bytes that were written but that no row names.

The data engine lists the candidates; a bounded number at a time is compared with all rows that can name bytes, in the
order of naming.py. What none of them names goes into the quarantine, and is compared once more when its time there is
over. Bytes in the garbage are the collector's. New bytes are never candidates. A row that cannot be read may name
anything: then nothing goes anywhere, and the next start begins anew.

Runs on a thread of its own, in slices with pauses, so that the loop thread gets its turns.
"""

from __future__ import annotations

import logging
import threading
from itertools import islice
from typing import Final

from nimbus.base.errors import NimbusError
from nimbus.data.api import DataStore
from nimbus.meta.api import OrderedMap
from nimbus.store.recovery.naming import NAMING_TABLES, slices_of
from nimbus.store.recovery.quarantine import Quarantine

CANDIDATES_MAX: Final = 100_000  # about 20 MB of memory; more are taken in turns, each with its own scan
PAUSE_S: Final = 0.001
RETRY_S: Final = 600.0  # after a look at the quarantine that failed

_logger = logging.getLogger(__name__)


class Sweeper:
    """One sweep, begun at the start of the store, then the guard of the quarantine until the store closes.

    Without a quarantine, what nothing names is dropped at once.
    """

    def __init__(self, map: OrderedMap, data: DataStore, quarantine: Quarantine | None = None) -> None:
        self._map = map
        self._data = data
        self._quarantine = quarantine
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
        """Put away what nothing names; how many locations that were. Blocking."""
        found = 0
        unsettled = self._data.unsettled()
        while candidates := set(islice(unsettled, CANDIDATES_MAX)):
            self._strike_named(candidates)
            if self._stopping.is_set():
                return found
            if self._quarantine is not None:
                found += self._quarantine.take(candidates)
            else:
                found += len(self._drop(candidates))
        if not self._stopping.is_set():
            self._data.settled()
        return found

    def expire(self) -> int:
        """Drop what has been in the quarantine for its time and what still nothing names; how many that were."""
        dropped = 0
        assert self._quarantine is not None, "without a quarantine nothing expires"
        for due in self._quarantine.due():
            nameless = due.copy()
            self._strike_named(nameless)
            if self._stopping.is_set():
                return dropped
            named = due - nameless
            if named:
                _logger.warning("%d writes in the quarantine are named by metadata after all: kept.", len(named))
            gone = self._drop(nameless)
            self._quarantine.let_go([*named, *gone])
            dropped += len(gone)
        return dropped

    def _run(self) -> None:
        try:
            if self._quarantine is not None:
                self._quarantine.load()
            found = self.sweep()
        except (NimbusError, OSError) as error:
            _logger.warning("The sweep of unreferenced bytes failed; the next start repeats it: %s", error)
            return
        if self._quarantine is None:
            if found:
                _logger.info("Freed %d writes that an unclean stop had cut off.", found)
            return
        if found:
            _logger.warning("%d writes that no metadata names were put into the quarantine.", found)
        self._guard(self._quarantine)

    def _guard(self, quarantine: Quarantine) -> None:
        """Look after the quarantine until the store closes."""
        unsettled = quarantine.custody.is_emptied
        if not self._stopping.is_set() and not unsettled:
            quarantine.custody.on_settled()
        pause_s: float | None = 0.0
        emptied = quarantine.custody.is_emptied  # who asked for it is told, also that there was nothing
        while not self._stopping.wait(pause_s):
            try:
                dropped = self.expire()
                if unsettled and not self._stopping.is_set():
                    quarantine.custody.on_settled()
                    unsettled = False
                pause_s = quarantine.pause_s()
            except (NimbusError, OSError) as error:
                _logger.warning("The quarantine could not be looked after; next try in %.0f s: %s", RETRY_S, error)
                pause_s = RETRY_S
                continue
            if dropped or emptied:
                _logger.warning("Dropped %d writes out of the quarantine.", dropped)
            emptied = False

    def _drop(self, locations: set[bytes]) -> list[bytes]:
        """Drop them until the store closes; those that were."""
        dropped = []
        for location in locations:
            if self._stopping.is_set():
                break
            self._data.drop(location)
            dropped.append(location)
        return dropped

    def _strike_named(self, candidates: set[bytes]) -> None:
        """Take out of `candidates` what a row names."""
        for locations in slices_of(self._map, NAMING_TABLES):
            candidates.difference_update(locations)
            if not candidates or self._stopping.wait(PAUSE_S):
                return
