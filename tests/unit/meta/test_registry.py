"""Engines by name, and the committer that fits each."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import msgspec
import pytest

from nimbus.base.errors import ConfigInvalid
from nimbus.meta import registry
from nimbus.meta.adapter import AdaptedMap
from nimbus.meta.api import Capabilities
from nimbus.meta.committer import OwnedCommitter
from nimbus.meta.memory import CAPABILITIES, MemoryMap, open_memory
from nimbus.meta.shared_committer import SharedCommitter
from nimbus.testing.example_backend import open_sqlite


@pytest.fixture(autouse=True)
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_factories", {})


@pytest.fixture
def entry_points(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    offered: list[EntryPoint] = []
    monkeypatch.setattr(registry, "entry_points", lambda **wanted: EntryPoints(offered).select(**wanted))
    return offered


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


def test_an_unknown_name_is_refused_with_those_that_are_known(tmp_path: Path, entry_points: list[EntryPoint]) -> None:
    registry.register("memory", open_memory)
    entry_points.append(EntryPoint("installed", "package:factory", registry.ENTRY_POINTS))
    with pytest.raises(ConfigInvalid, match="'rocks'; known are installed, memory"):
        registry.open_map("rocks", {}, tmp_path)


def test_an_installed_package_offers_a_backend_by_entry_point(tmp_path: Path, entry_points: list[EntryPoint]) -> None:
    entry_points.append(EntryPoint("theirs", "nimbus.meta.memory:open_memory", registry.ENTRY_POINTS))
    assert isinstance(registry.open_map("theirs", {}, tmp_path), MemoryMap)


@pytest.mark.parametrize("target", ["no_such_package:factory", "nimbus.meta.memory:no_such_factory"])
def test_an_entry_point_that_cannot_be_loaded_is_a_wrong_configuration(
    tmp_path: Path, entry_points: list[EntryPoint], target: str
) -> None:
    entry_points.append(EntryPoint("broken", target, registry.ENTRY_POINTS))
    with pytest.raises(ConfigInvalid, match="'broken' cannot be loaded"):
        registry.open_map("broken", {}, tmp_path)


def test_a_name_means_one_factory() -> None:
    registry.register("memory", open_memory)
    registry.register("memory", open_memory)
    with pytest.raises(ConfigInvalid, match="Two metadata backends"):
        registry.register("memory", open_sqlite)


def test_the_committer_fits_the_map() -> None:
    for map, kind in ((MemoryMap(), OwnedCommitter), (SharedMap(), SharedCommitter)):
        committer = registry.open_committer(map)
        assert isinstance(committer, kind)
        committer.close()
