"""What the name of an engine opens, and the committer that fits each; see also tests of `nimbus.base.registry`."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from nimbus.meta import registry
from nimbus.meta.adapter import AdaptedMap
from nimbus.meta.api import Capabilities
from nimbus.meta.committer import OwnedCommitter
from nimbus.meta.memory import CAPABILITIES, MemoryMap, open_memory
from nimbus.meta.shared_committer import SharedCommitter
from nimbus.testing.example_backend import open_sqlite


@pytest.fixture(autouse=True)
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry._engines, "_factories", {})


class SharedMap(MemoryMap):
    @property
    def capabilities(self) -> Capabilities:
        return msgspec.structs.replace(CAPABILITIES, shared=True)


def test_a_registered_map_is_opened_as_it_is(tmp_path: Path) -> None:
    registry.register("memory", open_memory)
    assert isinstance(registry.open_map("memory", {}, tmp_path), MemoryMap)


def test_a_backend_of_six_methods_is_adapted(tmp_path: Path) -> None:
    registry.register("mybackend", open_sqlite)
    map = registry.open_map("mybackend", {}, tmp_path)
    assert isinstance(map, AdaptedMap)
    map.close()


def test_a_factory_gets_the_options_and_the_directory(tmp_path: Path) -> None:
    got = []

    def open_it(options: object, data_dir: Path) -> MemoryMap:
        got.append((options, data_dir))
        return MemoryMap()

    registry.register("mine", open_it)
    registry.open_map("mine", {"host": "db"}, tmp_path)
    assert got == [({"host": "db"}, tmp_path)]


def test_the_committer_fits_the_map() -> None:
    for map, kind in ((MemoryMap(), OwnedCommitter), (SharedMap(), SharedCommitter)):
        committer = registry.open_committer(map)
        assert isinstance(committer, kind)
        committer.close()
