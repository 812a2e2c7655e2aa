"""Engines by name: what a program registered, and what installed packages offer by entry points.

A factory may say which options it takes, so that a wrong one is refused before anything is opened:

    class MyOptions(msgspec.Struct):
        host: str = "127.0.0.1"

    @takes(MyOptions)
    def open_backend(options, data_dir): ...

Must always hold: a name means one factory for the whole process.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Final, Generic, TypeVar

import msgspec

from nimbus.base.errors import ConfigInvalid

Factory = TypeVar("Factory")

_ATTRIBUTE: Final = "nimbus_options"


class NoOptions(msgspec.Struct, frozen=True):
    """Of an engine that has none."""


def takes(options: type[msgspec.Struct]) -> Callable[[Factory], Factory]:
    """Declare the options of a factory: their names, types, bounds and defaults."""

    def declared(factory: Factory) -> Factory:
        setattr(factory, _ATTRIBUTE, options)
        return factory

    return declared


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

    def check_options(self, name: str, options: Mapping[str, object]) -> bool:
        """Whether the engine has said what it takes, and this is that. Raises `ConfigInvalid` when it is not."""
        declared: type[msgspec.Struct] | None = getattr(self.find(name), _ATTRIBUTE, None)
        if declared is None:
            return not options
        known = declared.__struct_encode_fields__
        for option in options:
            if option not in known:
                close = difflib.get_close_matches(option, known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(known) or 'none'}"
                raise ConfigInvalid(f"The {self._kind} {name!r} has no option {option!r}; {hint}")
        try:
            msgspec.convert(dict(options), declared)
        except msgspec.ValidationError as error:
            raise ConfigInvalid(f"Of the {self._kind} {name!r}: {_explain(str(error))}.") from None
        return True


def _explain(message: str) -> str:
    """msgspec's message with the option in front."""
    text, at, path = message.partition(" - at `$.")
    text = f"{text[:1].lower()}{text[1:]}"
    return f"{path.rstrip('`')}: {text}" if at else text
