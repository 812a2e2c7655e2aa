"""What the server tells its operator: lines on standard error, each with its time and its level.

    2026-11-22T20:54:50.933Z INFO nimbus: stopped

Our rooms, Granian, asyncio and Python's own warnings all speak through `logging` and come out here; the native plane
writes the same form by itself (nimbus/_native/plane/notice.h), at the same level.

Must always hold: every line begins with a time and a level, those of a traceback too, so that nothing that is
repeated in one can pass for a line of its own; never a secret.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Final

from nimbus._native.plane import set_notice_level
from nimbus.base.config import LogLevel

_notices: Final = logging.getLogger("nimbus")


def say(text: str) -> None:
    """One line for the operator to know; never a secret."""
    _notices.info("%s", text)


def warn(text: str) -> None:
    """One line about what the operator should look at; never a secret."""
    _notices.warning("%s", text)


def fail(text: str) -> None:
    """One line about what has ended, or cannot begin; never a secret."""
    if _is_speaking():
        _notices.error("%s", text)
    else:  # it went wrong before anybody could choose a level
        StandardError().handle(logging.LogRecord("nimbus", logging.ERROR, __file__, 0, text, None, None))


def speak_from(level: LogLevel) -> None:
    """Write whatever is as grave as `level` to standard error, from now on."""
    root = logging.getLogger()
    if not _is_speaking():
        root.addHandler(StandardError())
        logging.captureWarnings(True)
    root.setLevel(level.upper())
    set_notice_level(root.level)


def _is_speaking() -> bool:
    return any(isinstance(handler, StandardError) for handler in logging.getLogger().handlers)


class StandardError(logging.Handler):
    """Writes records to standard error, in one piece each."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(Lines())

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if sys.stderr is not None:  # it is None when the caller closed it
                sys.stderr.write(self.format(record) + "\n")
                sys.stderr.flush()
        except Exception:
            self.handleError(record)


class Lines(logging.Formatter):
    """Time in UTC, level, text; the same before each further line of a text."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        start = f"{at}.{int(record.msecs):03d}Z {record.levelname} nimbus: "
        return "\n".join(start + line for line in super().format(record).splitlines() or [""])
