"""Data engines by name: what `register` was told, and the entry points of the group `nimbus.data`.

The configuration names an engine; an installed package offers one with

    [project.entry-points."nimbus.data"]
    mybackend = "my_package.data:open_backend"

and a program that embeds the store with `register("mybackend", open_backend)`. A factory gets the options of
the configuration and the data directory, and returns a `DataStore`.

Must always hold: a name means one factory for the whole process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from nimbus.base.errors import ConfigInvalid
from nimbus.data.api import DataStore

ENTRY_POINTS: Final = "nimbus.data"

Factory = Callable[[Mapping[str, object], Path], DataStore]

_factories: dict[str, Factory] = {}


def register(name: str, factory: Factory) -> None:
    """Make an engine known under `name`. Registering the same again is no error, another one is."""
    if _factories.setdefault(name, factory) is not factory:
        raise ConfigInvalid(f"Two data backends are called {name!r}.")


def known_names() -> list[str]:
    """Every name that can be configured."""
    return sorted(_factories.keys() | entry_points(group=ENTRY_POINTS).names)


def open_store(name: str, options: Mapping[str, object], data_dir: Path) -> DataStore:
    """Open the engine called `name`. Raises `ConfigInvalid`, and what opening raises."""
    return _find_factory(name)(options, data_dir)


def _find_factory(name: str) -> Factory:
    if name in _factories:
        return _factories[name]
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        try:
            register(name, entry.load())
        except (ImportError, AttributeError) as error:
            raise ConfigInvalid(f"The data backend {name!r} cannot be loaded: {error}.") from error
        return _factories[name]
    raise ConfigInvalid(f"There is no data backend {name!r}; known are {', '.join(known_names())}.")
