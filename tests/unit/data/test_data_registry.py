"""Data engines are found by name."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from nimbus.base.errors import ConfigInvalid
from nimbus.data import registry
from nimbus.data.memory import MemoryDataStore, open_memory


@pytest.fixture(autouse=True)
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_factories", {})


def test_registered_engine_opens_by_name(tmp_path: Path) -> None:
    registry.register("mine", open_memory)
    registry.register("mine", open_memory)
    assert isinstance(registry.open_store("mine", {}, tmp_path), MemoryDataStore)
    assert "mine" in registry.known_names()


def test_one_name_for_two_engines_is_refused() -> None:
    registry.register("mine", open_memory)
    with pytest.raises(ConfigInvalid, match="mine"):
        registry.register("mine", lambda options, data_dir: MemoryDataStore())


def test_unknown_name_says_what_is_known(tmp_path: Path) -> None:
    registry.register("mine", open_memory)
    with pytest.raises(ConfigInvalid, match="mine"):
        registry.open_store("yours", {}, tmp_path)


def offer(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    offered = EntryPoints([EntryPoint("theirs", value, registry.ENTRY_POINTS)])
    monkeypatch.setattr(registry, "entry_points", offered.select)


def test_engine_of_an_installed_package_opens_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    offer(monkeypatch, "nimbus.data.memory:open_memory")
    assert isinstance(registry.open_store("theirs", {}, tmp_path), MemoryDataStore)
    assert registry.known_names() == ["theirs"]


def test_engine_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    offer(monkeypatch, "nimbus.data.nowhere:open_it")
    with pytest.raises(ConfigInvalid, match="theirs"):
        registry.open_store("theirs", {}, tmp_path)


def test_memory_engine_takes_no_options(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="colour"):
        open_memory({"colour": "red"}, tmp_path)
