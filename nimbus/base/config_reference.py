"""The configuration reference: every key with its sentence and its default, as a TOML file that works as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import msgspec

from nimbus.base.config import Config, Table, UserEntry
from nimbus.base.config_sources import Key, keys

HEADER = """\
# NimbusStore configuration. Every key stands here with its default; a file needs only those that differ.
#
# Command line goes over environment, environment over this file. A key's environment variable is NIMBUS_
# and its path in capitals, tables joined by two underscores: NIMBUS_LISTEN, NIMBUS_LIMITS__CONNECTIONS;
# a list is separated by commas. NIMBUS_ACCESS_KEY and NIMBUS_SECRET_KEY make one user.
"""

USERS_NOTE = """\
# Without any user the key pair is test/test, and the server listens on loopback addresses only.
"""


def reference() -> str:
    """The whole reference as text."""
    lines = [HEADER]
    table: tuple[str, ...] = ()
    for key in keys():
        if key.path[:-1] != table:
            if not table:
                lines += _users()
            table = key.path[:-1]
            lines += _table_head(table)
        lines += _entry(key)
    return "\n".join(lines)


def description(kind: Any) -> str:
    """The sentence of a field, from its annotation."""
    notes = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
    return next((note.description or "" for note in notes if isinstance(note, msgspec.Meta)), "")


def bounds(kind: Any) -> str:
    """' (1 to 3600)' where a number has bounds, else ''."""
    notes = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
    for note in notes:
        if isinstance(note, msgspec.Meta) and note.ge is not None:
            return f" ({note.ge} to {note.le})" if note.le is not None else f" ({note.ge} or more)"
    return ""


def _entry(key: Key) -> Iterator[str]:
    yield f"# {description(key.kind)}{bounds(key.kind)}"
    yield f"{key.path[-1]} = {_toml(key.default)}"
    yield ""


def _table_head(table: tuple[str, ...]) -> Iterator[str]:
    kind: type[Table] = next(field.type for field in msgspec.structs.fields(Config) if field.name == table[0])
    yield f"# {(kind.__doc__ or '').strip()}"
    yield f"[{'.'.join(table)}]"


def _users() -> Iterator[str]:
    yield f"# {(UserEntry.__doc__ or '').strip()}"
    yield USERS_NOTE.rstrip()
    yield "# [[users]]"
    for field in msgspec.structs.fields(UserEntry):
        yield f"#   # {description(field.type)}"
        yield f"#   {field.name} = {_toml('...' if field.required else field.default)}"
    yield ""


def _toml(value: Any) -> str:
    """A TOML literal of a default: text, number, truth value, list of text or empty table."""
    if value == {}:
        return "{}"
    return json.dumps(list(value) if isinstance(value, tuple) else value)
