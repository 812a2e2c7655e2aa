"""Fail-stop: when a part that nothing works without dies, the process ends at once, loudly.

A thread that died leaves its work undone for ever: with the commit thread gone every write would wait without end.
Whatever was acknowledged is on the disk, so ending is safe and a supervisor's restart is the cure. One line on
standard error names the part and why. (A crash in native code ends the process by itself.)
"""

from __future__ import annotations

import asyncio
import os
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from nimbus.server.notices import fail

EXIT_CRASHED: Final = 70  # EX_SOFTWARE of sysexits.h

End = Callable[[int], object]


@contextmanager
def fail_stop(end: End = os._exit) -> Iterator[None]:
    """While the context lasts: an exception that leaves a thread ends the process."""

    def on_thread(died: threading.ExceptHookArgs) -> None:
        name = died.thread.name if died.thread is not None else "unknown"
        _end(f"the thread {name!r}", died.exc_value, end)

    before = threading.excepthook
    threading.excepthook = on_thread
    try:
        yield
    finally:
        threading.excepthook = before


@contextmanager
def vital(tasks: set[asyncio.Task[object]], end: End = os._exit) -> Iterator[None]:
    """While the context lasts: the end of one of these tasks, whatever the reason, ends the process."""

    def on_task(task: asyncio.Task[object]) -> None:
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        _end(f"the task {task.get_name()!r}", error, end)

    for task in tasks:
        task.add_done_callback(on_task)
    try:
        yield
    finally:
        for task in tasks:
            task.remove_done_callback(on_task)


def _end(part: str, error: BaseException | None, end: End) -> None:
    fail(f"{part} has ended ({_text(error)}); the server cannot go on, restart it")
    if os.environ.get("NIMBUS_DEBUG") == "1" and error is not None:
        traceback.print_exception(error)
    end(EXIT_CRASHED)


def _text(error: BaseException | None) -> str:
    """ValueError in committer.py:112: what it says"""
    if error is None:
        return "without an error"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}{where}" + (f": {text}" if text else "")
