"""Data engines by name: what `register` was told, and the entry points of the group `nimbus.data`.

The configuration names an engine; an installed package offers one with

    [project.entry-points."nimbus.data"]
    mybackend = "my_package.data:open_backend"

and a program that embeds the store with `register("mybackend", open_backend)`. A factory gets the options of
the configuration and the data directory, and returns a `DataStore`. It may offer `traces` besides (traces.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from nimbus.base.errors import ConfigInvalid
from nimbus.base.registry import Registry
from nimbus.data.api import DataStore
from nimbus.data.traces import Traces, UnknownTraces

ENTRY_POINTS: Final = "nimbus.data"

Factory = Callable[[Mapping[str, object], Path], DataStore]

_engines: Final[Registry[Factory]] = Registry("data backend", ENTRY_POINTS)
register = _engines.register
known_names = _engines.known_names
check_options = _engines.check_options


def open_store(name: str, options: Mapping[str, object], data_dir: Path) -> DataStore:
    """Open the engine called `name`. Raises `ConfigInvalid`, and what opening raises."""
    store = _engines.find(name)(options, data_dir)
    lacking = sorted(method for method in vars(DataStore) if method[0] != "_" and not hasattr(store, method))
    if lacking:
        raise ConfigInvalid(f"{type(store).__name__} is no data backend: it lacks {', '.join(lacking)}.")
    return store


def traces_of(name: str, options: Mapping[str, object], data_dir: Path) -> Traces:
    """What can be seen of the engine called `name` before it is opened. Raises `ConfigInvalid`."""
    look: Callable[[Mapping[str, object], Path], Traces] | None = getattr(_engines.find(name), "traces", None)
    return UnknownTraces(data_dir / f"{name}.identity") if look is None else look(options, data_dir)
