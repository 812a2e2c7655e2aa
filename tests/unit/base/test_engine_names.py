"""Engines are found by name: registered ones, and those of installed packages."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints

import pytest

from nimbus.base import registry
from nimbus.base.errors import ConfigInvalid
from nimbus.base.registry import Registry

GROUP = "nimbus.engines"


def one() -> int:
    return 1


def two() -> int:
    return 2


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    """What installed packages offer."""
    offered: list[EntryPoint] = []
    monkeypatch.setattr(registry, "entry_points", lambda **wanted: EntryPoints(offered).select(**wanted))
    return offered


def test_a_name_means_one_factory() -> None:
    engines = Registry("engine", GROUP)
    engines.register("one", one)
    engines.register("one", one)
    with pytest.raises(ConfigInvalid, match="Two engines are called 'one'"):
        engines.register("one", two)
    assert engines.find("one") is one


def test_registries_do_not_know_each_other() -> None:
    engines, others = Registry("engine", GROUP), Registry("other", "nimbus.others")
    engines.register("one", one)
    with pytest.raises(ConfigInvalid, match="There is no other 'one'"):
        others.find("one")


def test_an_unknown_name_is_refused_with_those_that_are_known(offered: list[EntryPoint]) -> None:
    engines = Registry("engine", GROUP)
    engines.register("one", one)
    offered.append(EntryPoint("installed", "package:factory", GROUP))
    with pytest.raises(ConfigInvalid, match="There is no engine 'rocks'; known are installed, one"):
        engines.find("rocks")


def test_an_installed_package_offers_an_engine_by_entry_point(offered: list[EntryPoint]) -> None:
    engines = Registry("engine", GROUP)
    offered.append(EntryPoint("theirs", "builtins:dict", GROUP))
    offered.append(EntryPoint("theirs", "builtins:list", "nimbus.others"))
    assert engines.find("theirs") is dict
    assert engines.known_names() == ["theirs"]


@pytest.mark.parametrize("target", ["no_such_package:factory", "builtins:no_such_factory"])
def test_an_entry_point_that_cannot_be_loaded_is_a_wrong_configuration(offered: list[EntryPoint], target: str) -> None:
    offered.append(EntryPoint("broken", target, GROUP))
    with pytest.raises(ConfigInvalid, match="The engine 'broken' cannot be loaded"):
        Registry("engine", GROUP).find("broken")
