"""What SIGHUP is good for: it opens the access log anew, and says which changes to the configuration await a restart.

A server reads its configuration once. A second process would find the data directory locked, so there is nothing to
reload into; who has changed the file is told so instead of being left to believe otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nimbus.base.config import Config
from nimbus.base.config_sources import keys
from nimbus.base.errors import NimbusError
from nimbus.server.notices import say, warn

Reread = Callable[[], Config]
Stamp = tuple[int, int, int] | None


class Hangup:
    """Answers SIGHUP. `reread` reads the configuration again from where it came from, `reopen` opens the access log."""

    def __init__(self, config: Config, reread: Reread | None, reopen: Callable[[], None] | None) -> None:
        self._config = config
        self._reread = reread
        self._reopen = reopen
        self._stamps = _stamps(config)

    def __call__(self) -> None:
        if self._reopen is not None:
            self._reopen()
        try:
            now = self._config if self._reread is None else self._reread()
        except NimbusError as error:
            warn(f"SIGHUP changes nothing; a restart would be refused now: {error}")
            return
        changes = [*changed(self._config, now), *self._renewed(now)]
        if changes:
            warn(f"SIGHUP changes nothing; restart the server to use what is new: {', '.join(changes)}")
        elif self._reopen is None:
            say("SIGHUP changes nothing; the configuration is the one of the start")

    def _renewed(self, now: Config) -> Iterator[str]:
        """Certificate files that were written anew."""
        for key, stamp in _stamps(now).items():
            if stamp != self._stamps[key] and getattr(now, key) == getattr(self._config, key):
                yield f"the file of {key}"


def changed(before: Config, after: Config) -> Iterator[str]:
    """The keys that differ, and whose users do; no value, since some are secret."""
    for key in keys():
        if _at(before, key.path) != _at(after, key.path):
            yield key.name
    old, new = ({user.id: user for user in config.users} for config in (before, after))
    for user_id in sorted(old.keys() | new.keys()):
        if user_id not in old:
            yield f"the new user {user_id!r}"
        elif user_id not in new:
            yield f"without the user {user_id!r}"
        elif old[user_id] != new[user_id]:
            yield f"the changed user {user_id!r}"


def _at(config: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        config = getattr(config, name)
    return config


def _stamps(config: Config) -> dict[str, Stamp]:
    return {key: _stamp(getattr(config, key)) for key in ("tls_cert", "tls_key")}


def _stamp(path: str) -> Stamp:
    if not path:
        return None
    try:
        found = Path(path).expanduser().stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
