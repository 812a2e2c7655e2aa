"""Where configuration comes from: command line over environment over file over default.

A key of the file has an environment variable: NIMBUS_ and its path in capitals, tables joined by two
underscores (NIMBUS_LISTEN, NIMBUS_LIMITS__CONNECTIONS). NIMBUS_ACCESS_KEY and NIMBUS_SECRET_KEY make one
user. There is no command-line option for a secret, because every user of a machine can read argv.

Whatever is wrong raises `ConfigInvalid` with one line that names the key or variable, never its value when
that may be a secret.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from nimbus.base.config import Config, OptionValue, Table, UserEntry
from nimbus.base.errors import ConfigInvalid

PREFIX = "NIMBUS_"
SEPARATOR = "__"
# Variables that are not keys of the file: read by the command line, the tests or the build.
OTHER_VARIABLES = frozenset({"NIMBUS_CONFIG", "NIMBUS_DEBUG", "NIMBUS_FUZZ_S", "NIMBUS_SANITIZE", "NIMBUS_TEST_SCALE"})
ACCESS_KEY_VARIABLE = "NIMBUS_ACCESS_KEY"
SECRET_KEY_VARIABLE = "NIMBUS_SECRET_KEY"  # noqa: S105

Raw = dict[str, Any]


class Key(msgspec.Struct, frozen=True):
    """A key that may be set: its path in the file and the type of its value."""

    path: tuple[str, ...]
    kind: Any
    default: Any

    @property
    def name(self) -> str:
        """limits.connections"""
        return ".".join(self.path)

    @property
    def variable(self) -> str:
        """NIMBUS_LIMITS__CONNECTIONS"""
        return PREFIX + SEPARATOR.join(self.path).upper()


class Loaded(msgspec.Struct, frozen=True):
    """A valid configuration, and what the operator should be told about it."""

    config: Config
    notices: tuple[str, ...]


def load(path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, OptionValue]) -> Loaded:
    """The configuration of these sources. Raises `ConfigInvalid`."""
    notices: list[str] = []
    raw: Raw = {}
    if path is not None:
        raw = read_file(path)
        if raw.get("users") and _is_readable_by_all(path):
            notices.append(f"{path} holds secrets and is readable by everybody; run: chmod 600 {path}")
    notices += _apply_environment(raw, environ)
    raw.update(overrides)
    return Loaded(config=convert(raw), notices=tuple(notices))


def read_file(path: Path) -> Raw:
    """The tables of a TOML file, with no key that we do not know. Raises `ConfigInvalid`."""
    try:
        raw = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise ConfigInvalid(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise ConfigInvalid(f"{path}: not UTF-8 text") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigInvalid(f"{path}: not valid TOML: {error}") from error
    check_keys(raw, str(path))
    return raw


def convert(raw: Mapping[str, Any]) -> Config:
    """The typed, checked configuration. Raises `ConfigInvalid` that names the key."""
    try:
        return msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise ConfigInvalid(_explain(str(error))) from None


def check_keys(raw: Mapping[str, Any], where: str) -> None:
    """Refuse a key that does not exist, naming the nearest one that does."""
    for table, fields, prefix in _tables(raw):
        for key in table:
            if key not in fields:
                name = prefix + key
                raise ConfigInvalid(
                    f"{where}: there is no key {name!r}{_nearest(name, key)}; `nimbus config` lists them all"
                )


def keys(kind: type[Table] = Config, path: tuple[str, ...] = ()) -> Iterator[Key]:
    """Every key that is not a table, in the order of the file; users are not among them."""
    for field in msgspec.structs.fields(kind):
        inner = _table_of(field.type)
        if inner is not None:
            yield from keys(inner, (*path, field.name))
        elif field.name != "users":
            default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
            yield Key(path=(*path, field.name), kind=field.type, default=default)


def _plain(kind: Any) -> Any:
    """The type inside an Annotated one."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _table_of(kind: Any) -> type[Table] | None:
    return kind if isinstance(kind, type) and issubclass(kind, Table) else None


def _tables(raw: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], set[str], str]]:
    """Each table of the file with the keys it may have and what stands before them in a message."""
    yield raw, set(Config.__struct_fields__), ""
    users = raw.get("users")
    for user in users if isinstance(users, list) else []:
        if isinstance(user, dict):
            yield user, set(UserEntry.__struct_fields__), "users."
    for field in msgspec.structs.fields(Config):
        inner = _table_of(field.type)
        table = raw.get(field.name)
        if inner is not None and isinstance(table, dict):
            yield table, set(inner.__struct_fields__), f"{field.name}."


def _nearest(name: str, key: str) -> str:
    known = [known.name for known in keys()] + [f"users.{field}" for field in UserEntry.__struct_fields__]
    for candidate in known:  # the right name in the wrong table is the likeliest slip
        if candidate.rpartition(".")[2] == key:
            return f"; did you mean {candidate!r}?"
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def _explain(message: str) -> str:
    """msgspec's message with the key in front: 'limits.connections: expected `int`, got `str`'."""
    text, at, path = re.sub(r"`str` matching regex '\\\\A(.*)\\\\Z'", r"text of the form \1", message).partition(
        " - at `$"
    )
    if not at:
        return text
    name = path.rstrip("`").lstrip(".")
    for key in keys():
        if key.name == name:
            text = _choices(key.kind) or text
    return f"{name}: {text[:1].lower()}{text[1:]}" if name else text


def _choices(kind: Any) -> str:
    """What a value that is one of a few words may be."""
    plain = _plain(kind)
    return "expected one of " + ", ".join(map(repr, get_args(plain))) if get_origin(plain) is Literal else ""


def _is_readable_by_all(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


# --- environment ----------------------------------------------------------------------------------------


def _apply_environment(raw: Raw, environ: Mapping[str, str]) -> list[str]:
    """Write the variables that are set over `raw`; returns a notice for each that means nothing."""
    by_variable = {key.variable: key for key in keys()}
    notices = []
    for variable in sorted(environ):
        value = environ[variable]
        if not variable.startswith(PREFIX) or not value or variable in OTHER_VARIABLES:
            continue
        if variable in (ACCESS_KEY_VARIABLE, SECRET_KEY_VARIABLE):
            continue
        key = by_variable.get(variable)
        option = _option_path(variable)
        if key is not None and key.path[-1] != "options":
            _set(raw, key.path, _parse(variable, value, key.kind))
        elif option is not None:
            _set(raw, option, _parse_option(value))
        else:
            notices.append(f"the environment variable {variable} means nothing here and is ignored")
    _apply_user(raw, environ)
    return notices


def _apply_user(raw: Raw, environ: Mapping[str, str]) -> None:
    access_key = environ.get(ACCESS_KEY_VARIABLE, "")
    secret_key = environ.get(SECRET_KEY_VARIABLE, "")
    if not access_key and not secret_key:
        return
    if not access_key or not secret_key:
        missing = SECRET_KEY_VARIABLE if access_key else ACCESS_KEY_VARIABLE
        raise ConfigInvalid(f"{missing} is not set; set both {ACCESS_KEY_VARIABLE} and {SECRET_KEY_VARIABLE}")
    users = raw.get("users", [])
    if not isinstance(users, list) or not all(isinstance(user, dict) for user in users):
        raise ConfigInvalid("users: expected one [[users]] table for each user")
    kept = [user for user in users if user.get("access_key") != access_key]
    replaced = [user for user in users if user.get("access_key") == access_key]
    base = replaced[0] if replaced else {"id": access_key, "display_name": access_key}
    raw["users"] = [*kept, {**base, "access_key": access_key, "secret_key": secret_key}]


def _option_path(variable: str) -> tuple[str, ...] | None:
    """NIMBUS_DATA__OPTIONS__SEGMENT_SIZE -> ("data", "options", "segment_size")."""
    match = re.fullmatch(r"NIMBUS_(METADATA|DATA)__OPTIONS__([A-Z0-9_]+)", variable)
    return (match[1].lower(), "options", match[2].lower()) if match else None


def _parse(variable: str, value: str, kind: Any) -> Any:
    items = [item.strip() for item in value.split(",")] if get_origin(_plain(kind)) is tuple else value
    try:
        return msgspec.convert(items, kind, strict=False)
    except msgspec.ValidationError as error:
        text = _choices(kind) or _explain(str(error))
        raise ConfigInvalid(f"{variable}: {text[:1].lower()}{text[1:]}") from None


def _parse_option(value: str) -> OptionValue:
    """An engine's option: a TOML scalar when it reads as one, else text."""
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value
    return parsed if isinstance(parsed, (str, int, float, bool)) else value


def _set(raw: Raw, path: tuple[str, ...], value: Any) -> None:
    table = raw
    for name in path[:-1]:
        inner = table.setdefault(name, {})
        if not isinstance(inner, dict):
            raise ConfigInvalid(f"{name}: expected a table")
        table = inner
    table[path[-1]] = value


def config_path(argument: str | None, environ: Mapping[str, str]) -> Path | None:
    """The file to read: the one named on the command line, else by NIMBUS_CONFIG, else none. Raises `ConfigInvalid`."""
    if argument == "":  # a script's variable that is not set; the defaults would open another store
        raise ConfigInvalid("--config names no file; name one, or leave the option out")
    named = argument or environ.get("NIMBUS_CONFIG") or None
    return Path(os.path.expanduser(named)) if named else None
