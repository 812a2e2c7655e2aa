"""The access log of one server: opened first, so that a path that cannot be written to is refused in one line."""

from __future__ import annotations

import errno
import os
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
    try:
        log = AccessLog(_path(config), config.plane_threads_now)
    except OSError as error:
        raise _refusal(config, error) from error
    with closing(log):
        yield log


def check_access_log(config: Config) -> None:
    """Refuse a path that cannot be written to, without making the file. Raises `ConfigInvalid`."""
    if config.access_log in ("", STANDARD_ERROR):
        return
    path = Path(_path(config))
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        os.stat(f"{path.parent}/")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _refusal(config, error) from error


def _path(config: Config) -> str:
    is_path = config.access_log != STANDARD_ERROR
    return str(Path(config.access_log).expanduser()) if is_path else STANDARD_ERROR


def _refusal(config: Config, error: OSError) -> ConfigInvalid:
    reason = (error.strerror or str(error)).lower()
    return ConfigInvalid(f"access_log: {_path(config)}: {reason}; name a file in a directory that is there")
