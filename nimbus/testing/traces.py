"""The contract of what a byte engine shows before it is opened (`nimbus.data.traces.Traces`), as a test.

from nimbus.testing.traces import TracesContract

class TestMyTraces(TracesContract):
    @pytest.fixture
    def factory(self): return open_backend
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pytest

from nimbus.data.api import DataStore
from nimbus.data.traces import Traces
from nimbus.testing.data import load_bytes, payload_of, store_bytes

SIZES = (10, 5000, 2 << 20)


class Factory(Protocol):
    """What is registered."""

    def __call__(self, options: Mapping[str, object], data_dir: Path) -> DataStore: ...

    def traces(self, options: Mapping[str, object], data_dir: Path) -> Traces: ...


@pytest.mark.asyncio
class TracesContract:
    """Subclass it and provide the fixture `factory`."""

    async def test_a_place_that_was_never_used_has_no_bytes_and_is_not_made(
        self, factory: Factory, tmp_path: Path
    ) -> None:
        assert factory.traces({}, tmp_path).has_bytes() is not True
        assert _contents(tmp_path) == {}

    async def test_what_is_stored_is_seen_until_it_is_dropped(self, factory: Factory, tmp_path: Path) -> None:
        store = factory({}, tmp_path)
        locations = [await store_bytes(store, payload_of(size)) for size in SIZES]
        store.close()
        before = _contents(tmp_path)
        traces = factory.traces({}, tmp_path)
        assert traces.has_bytes() is not False
        assert all(traces.holds(location) is not False for location in locations)
        assert not traces.holds(b"bytes that no engine made")
        assert _contents(tmp_path) == before
        store = factory({}, tmp_path)
        for location in locations:
            store.drop(location)
        store.close()
        assert factory.traces({}, tmp_path).has_bytes() is not True

    async def test_the_identity_has_a_place_beside_the_bytes_and_disturbs_nothing(
        self, factory: Factory, tmp_path: Path
    ) -> None:
        place = factory.traces({}, tmp_path).stamp_path
        store = factory({}, tmp_path)
        assert (place is not None) == store.capabilities.durable
        location = await store_bytes(store, payload_of(10))
        if place is None:
            return store.close()
        assert not place.exists()
        place.write_bytes(b"identity")
        store.close()
        store = factory({}, tmp_path)
        assert await load_bytes(store, location, 0, 10) == payload_of(10)
        store.close()
        assert place.read_bytes() == b"identity"


def _contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
