"""The memory engine keeps the contract of byte engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from nimbus.data.api import DataStore
from nimbus.data.memory import MemoryDataStore, open_memory
from nimbus.testing.data import DataStoreContract
from nimbus.testing.traces import Factory, TracesContract


class MemoryHarness:
    def open(self) -> DataStore:
        return open_memory({}, Path())

    def crash(self, store: DataStore) -> None:
        raise AssertionError("the memory engine is not durable")

    def flip(self, store: DataStore, location: bytes, position: int) -> None:
        assert isinstance(store, MemoryDataStore)
        store.flip(location, position)


class TestMemoryDataStore(DataStoreContract):
    @pytest.fixture
    def harness(self) -> MemoryHarness:
        return MemoryHarness()


class TestMemoryTraces(TracesContract):
    @pytest.fixture
    def factory(self) -> Factory:
        return open_memory
