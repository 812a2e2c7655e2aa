"""Metadata engines by name: what `register` was told, and the entry points of the group `nimbus.metadata`.

The configuration names an engine; an installed package offers one with

    [project.entry-points."nimbus.metadata"]
    mybackend = "my_package.metadata:open_backend"

and a program that embeds the store with `register("mybackend", open_backend)`. A factory gets the options of
the configuration and the data directory, and returns a six-method backend or a map of its own.

Must always hold: what `open_map` returns is an `OrderedMap`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeGuard, cast

from nimbus.base.registry import Registry
from nimbus.meta.adapter import AdaptedMap
from nimbus.meta.api import Committer, MetadataBackend, OrderedMap, OwnedMap
from nimbus.meta.committer import OwnedCommitter
from nimbus.meta.shared_committer import SharedCommitter
from nimbus.metrics.commits import CommitMeter

ENTRY_POINTS: Final = "nimbus.metadata"

Engine = MetadataBackend | OrderedMap | OwnedMap
Factory = Callable[[Mapping[str, object], Path], Engine]

_engines: Final[Registry[Factory]] = Registry("metadata backend", ENTRY_POINTS)
register = _engines.register
known_names = _engines.known_names
check_options = _engines.check_options


def open_map(name: str, options: Mapping[str, object], data_dir: Path) -> OrderedMap:
    """Open the engine called `name`. Raises `ConfigInvalid`, and what opening raises."""
    engine = _engines.find(name)(options, data_dir)
    if _is_ordered_map(engine):
        return engine
    return AdaptedMap(cast(MetadataBackend, engine))


def open_committer(map: OrderedMap, meter: CommitMeter | None = None) -> Committer:
    """The committer that fits the map; it counts into `meter`."""
    return OwnedCommitter(map, meter) if is_owned_map(map) else SharedCommitter(map, meter=meter)


def _is_ordered_map(engine: Engine) -> TypeGuard[OrderedMap]:
    return hasattr(engine, "txn") and hasattr(engine, "range")


def is_owned_map(map: OrderedMap) -> TypeGuard[OwnedMap]:
    """Whether this process alone writes the map."""
    return not map.capabilities.shared and hasattr(map, "write") and hasattr(map, "sync")
