"""The access log of one server: opened first, so that a path that cannot be written to is refused in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from nimbus._native.plane import AccessLog
from nimbus.base.config import Config
from nimbus.base.errors import ConfigInvalid

STANDARD_ERROR = "-"


@contextmanager
def access_log_of(config: Config) -> Iterator[AccessLog | None]:
    """The configured access log, written to the end of the context; None when there is none. Raises `ConfigInvalid`."""
    if not config.access_log:
        yield None
        return
    is_path = config.access_log != STANDARD_ERROR
    path = str(Path(config.access_log).expanduser()) if is_path else STANDARD_ERROR
    try:
        log = AccessLog(path, config.plane_threads_now)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigInvalid(f"access_log: {path}: {reason}; name a file in a directory that is there") from error
    with closing(log):
        yield log
