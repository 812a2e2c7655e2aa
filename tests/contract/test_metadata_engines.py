"""Every metadata engine against the shipped contract suite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from nimbus.meta.api import Capabilities, MetadataBackend, OwnedMap
from nimbus.meta.memory import MemoryMap
from nimbus.meta.rocksdb import open_rocksdb
from nimbus.testing.example_backend import open_sqlite
from nimbus.testing.metadata import BackendContract, OwnedMapContract


class TestRocksMap(OwnedMapContract):
    def open_map(self, directory: Path) -> OwnedMap:
        return open_rocksdb({"ballast_size_bytes": 0}, directory)


class TestMemoryMap(OwnedMapContract):
    def open_map(self, directory: Path) -> OwnedMap:
        return MemoryMap()


class TestExampleBackend(BackendContract):
    def open_backend(self, directory: Path) -> MetadataBackend:
        return open_sqlite({}, directory)


class SixMethods:
    """The least that a backend may be: no `start`, no `close`, no `capabilities`."""

    def __init__(self) -> None:
        self._rows: dict[bytes, bytes] = {}

    def put(self, key: bytes, value: bytes) -> None:
        self._rows = {**self._rows, key: value}

    def get(self, key: bytes) -> bytes | None:
        return self._rows.get(key)

    def delete(self, key: bytes) -> None:
        self.batch_put({key: None})

    def exists(self, key: bytes) -> bool:
        return key in self._rows

    def batch_put(self, items: Mapping[bytes, bytes | None]) -> None:
        merged = self._rows | items
        self._rows = {key: value for key, value in merged.items() if value is not None}

    def scan(self, prefix: bytes, limit: int) -> Iterator[tuple[bytes, bytes]]:
        found = sorted(row for row in self._rows.items() if row[0].startswith(prefix))
        return iter(found[:limit])


class LostOnClose(SixMethods):
    capabilities: Capabilities = msgspec.structs.replace(MemoryMap().capabilities, txn_ops_max=100)


class TestSixMethodsAlone(BackendContract):
    def open_backend(self, directory: Path) -> MetadataBackend:
        return LostOnClose()
