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
from typing import Any, Final, TypeGuard, cast

from nimbus.base.registry import Registry
from nimbus.meta.adapter import AdaptedMap
from nimbus.meta.api import Committer, MetadataBackend, OrderedMap, OwnedMap
from nimbus.meta.committer import OwnedCommitter
from nimbus.meta.shared_committer import SharedCommitter
from nimbus.metrics.commits import CommitMeter

ENTRY_POINTS: Final = "nimbus.metadata"

Engine = MetadataBackend | OrderedMap | OwnedMap
Factory = Callable[[Mapping[str, object], Path], Engine]

# Looks at a map and raises when it must not be used.
Check = Callable[[OrderedMap], None]


def _check_nothing(map: OrderedMap) -> None:
    pass


_engines: Final[Registry[Factory]] = Registry("metadata backend", ENTRY_POINTS)
register = _engines.register
known_names = _engines.known_names
check_options = _engines.check_options


def open_map(
    name: str,
    options: Mapping[str, object],
    data_dir: Path,
    check: Check = _check_nothing,
    *,
    accepts_loss: bool = False,
) -> OrderedMap:
    """Open the engine called `name` and show it to `check`, which refuses it by raising.

    An engine whose factory has a `look` is shown before it is opened, so that one that is refused is left as it was.
    Raises `ConfigInvalid`, and what opening raises.
    """
    factory: Any = _engines.find(name)
    if not hasattr(factory, "look"):
        map = _map_of(factory(options, data_dir))
        _check_open(map, check)
        return map
    with factory.look(options, data_dir, accepts_loss=accepts_loss) as seen:
        if seen is not None:
            check(seen)
    map = _map_of(factory.open_seen(options, data_dir, "" if seen is None else seen.doubt))
    if seen is None:
        _check_open(map, check)
    return map


def _check_open(map: OrderedMap, check: Check) -> None:
    try:
        check(map)
    except BaseException:
        map.close()
        raise


def is_there(name: str, options: Mapping[str, object], data_dir: Path) -> bool | None:
    """Whether the engine called `name` has something to open; None: nobody knows. Raises `ConfigInvalid`."""
    ask: Callable[[Path], bool] | None = getattr(_engines.find(name), "is_there", None)
    return None if ask is None else ask(data_dir)


def _map_of(engine: Engine) -> OrderedMap:
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
