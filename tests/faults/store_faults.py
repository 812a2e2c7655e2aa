"""Engines whose every step can be counted, made to fail, or be the moment at which the power goes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping

from nimbus.base.errors import EngineClosed
from nimbus.data.api import Writer
from nimbus.data.memory import MemoryDataStore
from nimbus.meta.memory import MemoryMap

Rows = dict[bytes, bytes]


class Steps:
    """Counts the steps of both engines; at step `at` (from 1) calls `action`, which may raise."""

    def __init__(self, at: int = 0, action: Callable[[str], None] = lambda name: None) -> None:
        self.at = at
        self.action = action
        self.names: list[str] = []
        self._lock = threading.Lock()

    def take(self, name: str) -> None:
        with self._lock:
            self.names.append(name)
            is_struck = len(self.names) == self.at
        if is_struck:
            self.action(name)


class SteppedMap(MemoryMap):
    """A memory map with a step before and after each write and each sync; what is not synced can be lost or kept."""

    def __init__(self, steps: Steps, rows: Rows | None = None) -> None:
        super().__init__()
        self.steps = steps
        self.is_dead = False
        if rows:
            self.txn({}, rows)

    def get(self, key: bytes) -> bytes | None:
        self._check_alive()
        return super().get(key)

    def range(self, start: bytes, end: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        self._check_alive()
        return super().range(start, end, limit, reverse)

    def write(self, ops: Mapping[bytes, bytes | None]) -> None:
        self._step("before write")
        super().write(ops)
        self._step("after write")

    def sync(self) -> None:
        self._step("before sync")
        super().sync()
        self._step("after sync")

    def rows(self, unsynced_too: bool) -> Rows:
        """What is on the disk if the power goes now."""
        written = self._unsynced if unsynced_too else {}
        return {key: value for key, value in (self._rows | written).items() if value is not None}

    def _step(self, name: str) -> None:
        self._check_alive()
        self.steps.take(name)
        self._check_alive()

    def _check_alive(self) -> None:
        if self.is_dead:
            raise EngineClosed


class SteppedData(MemoryDataStore):
    """A memory data engine with a step around everything; bytes are lost with the power until they are synced."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self.steps = steps
        self.is_dead = False
        self.unsynced: set[bytes] = set()
        self.locations: list[bytes] = []

    @classmethod
    def restarted(cls, steps: Steps, stored: Mapping[bytes, bytes], locations: list[bytes]) -> SteppedData:
        """The engine after a crash: `stored` bytes by id; `locations` are candidates for the sweep."""
        data = cls(steps)
        data._objects.update(stored)
        data.locations = list(locations)
        return data

    def writer(self, size_hint: int | None) -> Writer:
        self._step("writer")
        return super().writer(size_hint)

    def keep(self, payload: bytes) -> bytes:
        self._step("before finish")
        location = super().keep(payload)
        self.locations.append(location)
        self.unsynced.add(location[:16])
        self._step("after finish")
        return location

    def sync(self) -> None:
        finished = set(self.unsynced)
        self._step("before data sync")
        self.unsynced -= finished
        self._step("after data sync")

    def drop(self, location: bytes) -> None:
        self._step("before drop")
        super().drop(location)
        self._step("after drop")

    def unsettled(self) -> Iterator[bytes]:
        return iter(list(self.locations))

    def stored_count(self) -> int:
        return len(self._objects)

    def survivors(self, unsynced_too: bool) -> dict[bytes, bytes]:
        """What is on the disk if the power goes now."""
        stored = self._objects.copy()  # at once: other threads are in the middle of their steps
        return {name: body for name, body in stored.items() if unsynced_too or name not in self.unsynced}

    def _step(self, name: str) -> None:
        if self.is_dead:
            raise EngineClosed
        self.steps.take(name)
        if self.is_dead:
            raise EngineClosed


class PowerCut:
    """Both engines die in the same moment; `rows` and `stored` are what the disk holds then."""

    def __init__(self, steps: Steps, unsynced_survives: bool) -> None:
        self.map = SteppedMap(steps)
        self.data = SteppedData(steps)
        self.unsynced_survives = unsynced_survives
        self.rows: Rows = {}
        self.stored: dict[bytes, bytes] = {}
        steps.action = self.strike

    def strike(self, name: str = "") -> None:
        self.map.is_dead = self.data.is_dead = True
        self.rows = self.map.rows(self.unsynced_survives)
        self.stored = self.data.survivors(self.unsynced_survives)

    def restart(self) -> tuple[SteppedMap, SteppedData]:
        """The engines of the next run."""
        steps = Steps()
        return SteppedMap(steps, self.rows), SteppedData.restarted(steps, self.stored, self.data.locations)
