"""Engines by name: what a program registered, and what installed packages offer by entry points.

Must always hold: a name means one factory for the whole process.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Generic, TypeVar

from nimbus.base.errors import ConfigInvalid

Factory = TypeVar("Factory")


class Registry(Generic[Factory]):
    """The engines of one kind. `kind` names it in errors, `group` is that of the entry points."""

    def __init__(self, kind: str, group: str) -> None:
        self._kind = kind
        self._group = group
        self._factories: dict[str, Factory] = {}

    def register(self, name: str, factory: Factory) -> None:
        """Make an engine known under `name`. Registering the same again is no error, another one is."""
        if self._factories.setdefault(name, factory) is not factory:
            raise ConfigInvalid(f"Two {self._kind}s are called {name!r}.")

    def known_names(self) -> list[str]:
        """Every name that can be configured."""
        return sorted(self._factories.keys() | entry_points(group=self._group).names)

    def find(self, name: str) -> Factory:
        """The factory called `name`. Raises `ConfigInvalid` when there is none, or when it cannot be loaded."""
        if name in self._factories:
            return self._factories[name]
        for entry in entry_points(group=self._group, name=name):
            try:
                self.register(name, entry.load())
            except (ImportError, AttributeError) as error:
                raise ConfigInvalid(f"The {self._kind} {name!r} cannot be loaded: {error}.") from error
            return self._factories[name]
        known = ", ".join(self.known_names())
        raise ConfigInvalid(f"There is no {self._kind} {name!r}; known are {known}.")
