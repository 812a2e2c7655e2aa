"""An engine whose bytes are counted keeps the contract of byte engines, and counts what passed."""

from __future__ import annotations

from pathlib import Path

import pytest

from nimbus.data.api import DataStore
from nimbus.data.layers.metered import MeteredDataStore
from nimbus.data.memory import MemoryDataStore, open_memory
from nimbus.metrics import names
from nimbus.metrics.api import Distribution
from nimbus.metrics.storage import DataMeter
from nimbus.testing.data import DataStoreContract


class MeteredHarness:
    def open(self) -> DataStore:
        return MeteredDataStore(open_memory({}, Path()), DataMeter())

    def crash(self, store: DataStore) -> None:
        raise AssertionError("the memory engine is not durable")

    def flip(self, store: DataStore, location: bytes, position: int) -> None:
        assert isinstance(store, MeteredDataStore)
        assert isinstance(store._engine, MemoryDataStore)
        store._engine.flip(location, position)


class TestMeteredDataStore(DataStoreContract):
    @pytest.fixture
    def harness(self) -> MeteredHarness:
        return MeteredHarness()


async def test_bytes_are_counted_as_they_pass() -> None:
    meter = DataMeter()
    store = MeteredDataStore(MemoryDataStore(), meter)
    writer = store.writer(None)
    await writer.write(b"12345")
    await writer.write(b"67")
    location = await writer.finish()
    given_up = store.writer(None)
    await given_up.write(b"never whole")
    await given_up.abort()
    store.sync()
    assert store.read_now(location, 1, 4) == b"234"
    assert [chunk async for chunk in store.read(location, 0, 7)] == [b"1234567"]
    store.drop(location)
    readings = {reading.metric: reading.value for reading in meter.read()}
    syncs = readings.pop(names.DATA_SYNC_SECONDS)
    assert isinstance(syncs, Distribution)
    assert sum(syncs.counts) == 1
    assert readings == {names.DATA_WRITTEN_BYTES: 7, names.DATA_READ_BYTES: 10, names.DATA_DROPPED_BYTES: 7}
