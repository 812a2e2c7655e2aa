"""Data engines by name; how names are found is tested with `nimbus.base.registry`."""

from __future__ import annotations

from pathlib import Path

import pytest

from nimbus.base.errors import ConfigInvalid
from nimbus.data import registry
from nimbus.data.memory import MemoryDataStore, open_memory


@pytest.fixture(autouse=True)
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry._engines, "_factories", {})


def test_registered_engine_opens_by_name(tmp_path: Path) -> None:
    registry.register("mine", open_memory)
    assert isinstance(registry.open_store("mine", {}, tmp_path), MemoryDataStore)
    assert "mine" in registry.known_names()


def test_unknown_name_says_what_is_known(tmp_path: Path) -> None:
    registry.register("mine", open_memory)
    with pytest.raises(ConfigInvalid, match="There is no data backend 'yours'; known are mine"):
        registry.open_store("yours", {}, tmp_path)


def test_memory_engine_takes_no_options(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="colour"):
        open_memory({"colour": "red"}, tmp_path)


def test_what_is_no_backend_is_told_what_it_lacks(tmp_path: Path) -> None:
    class Half:
        def close(self) -> None: ...

        def size(self, location: bytes) -> int:
            return len(location)

    registry.register("half", lambda options, data_dir: Half())  # type: ignore[arg-type, return-value]
    with pytest.raises(ConfigInvalid, match="Half is no data backend: it lacks capabilities, descriptor, drop, read, "):
        registry.open_store("half", {}, tmp_path)
