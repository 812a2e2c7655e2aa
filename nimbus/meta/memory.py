"""The ordered map in this process's memory, for tests and for stores that may be lost.

A dict for the values and a sorted list for the order, under one lock, so every call is atomic and every
range one snapshot. Adding a key moves the list's tail (a memmove): fine up to some hundred thousand rows.
As with an engine on a disk, what is written is kept aside until the sync, and a power cut would take it.

Must always hold: `_keys` is sorted and holds exactly the keys of `_rows`; nothing in `_unsynced` is read.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Final

from nimbus.base.errors import EngineClosed
from nimbus.base.limits import MIB
from nimbus.base.registry import NoOptions, takes
from nimbus.meta.api import Capabilities
from nimbus.meta.envelope import check_batch

CAPABILITIES: Final = Capabilities(
    value_size_bytes_max=16 * MIB,
    txn_ops_max=100_000,
    txn_size_bytes_max=64 * MIB,
    linearizable=True,
    shared=False,
    durable=False,
)


class MemoryMap:
    """An `OwnedMap` that forgets everything when the process ends."""

    def __init__(self) -> None:
        self._rows: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []
        self._unsynced: dict[bytes, bytes | None] = {}
        self._lock = Lock()
        self._closed = False

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def get(self, key: bytes) -> bytes | None:
        self._check_open()
        return self._rows.get(key)

    def range(self, start: bytes, end: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        with self._lock:
            self._check_open()
            first, last = bisect_left(self._keys, start), bisect_left(self._keys, end)
            if last - first > limit:
                first, last = (last - limit, last) if reverse else (first, first + limit)
            keys = self._keys[first:last]
            if reverse:
                keys.reverse()
            return [(key, self._rows[key]) for key in keys]

    def txn(self, checks: Mapping[bytes, bytes | None], ops: Mapping[bytes, bytes | None]) -> bool:
        check_batch(ops, CAPABILITIES)
        with self._lock:
            self._sync()
            if any(self._rows.get(key) != expected for key, expected in checks.items()):
                return False
            self._apply(ops)
            return True

    def write(self, ops: Mapping[bytes, bytes | None]) -> None:
        check_batch(ops, CAPABILITIES)
        with self._lock:
            self._check_open()
            self._unsynced.update(ops)

    def sync(self) -> None:
        with self._lock:
            self._sync()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._rows = {}
            self._keys = []
            self._unsynced = {}

    def _sync(self) -> None:
        self._check_open()
        self._apply(self._unsynced)
        self._unsynced = {}

    def _apply(self, ops: Mapping[bytes, bytes | None]) -> None:
        for key, value in ops.items():
            if value is not None:
                if key not in self._rows:
                    insort(self._keys, key)
                self._rows[key] = value
            elif self._rows.pop(key, None) is not None:
                del self._keys[bisect_left(self._keys, key)]

    def _check_open(self) -> None:
        if self._closed:
            raise EngineClosed


@takes(NoOptions)
def open_memory(options: Mapping[str, object], data_dir: Path) -> MemoryMap:
    """The registry's factory. Takes no options and touches no directory."""
    return MemoryMap()
