"""Pages of dead frames on their way back to the file system: at once where that hurts nobody, later where it might.

The native plane sends frames by sendfile, so that pages of the page cache stand in the queues of sockets, for as long
as a peer takes. Such pages must not be punched out (see nb_evict in nimbus/_native/blocks.h): a thread tries again
until the page cache lets go of them. Whatever it gives up on comes back with the whole segment.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import Final

from nimbus.data.disk import Disk

RETRY_S: Final = 1.0
TRIES_MAX: Final = 1800  # half an hour, as long as the slowest of peers may take
WAITING_MAX: Final = 16_384

_Range = tuple[Path, int, int]


class Punches:
    """Gives pages back. Any thread."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._lock = threading.Lock()
        self._waiting: dict[_Range, int] = {}  # with the tries so far
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def punch(self, fd: int, path: Path, start: int, end: int) -> None:
        """Give the whole pages within [start, end) of the open file back, now or later.

        REQUIRES: nobody reads them anew.
        """
        if self._disk.punch(fd, start, end):
            return
        with self._lock:
            if len(self._waiting) < WAITING_MAX:
                self._waiting[path, start, end] = 0
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._run, name="nimbus-punches", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Give up on what is left."""
        self._closing.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while not self._closing.wait(RETRY_S):
            with self._lock:
                waiting = list(self._waiting)
                if not waiting:
                    self._thread = None
                    return
            for one in waiting:
                if self._closing.is_set():
                    return
                self._try(one)

    def _try(self, one: _Range) -> None:
        is_done = True  # also when the file is gone, or cannot be had: it comes back as a whole
        with contextlib.suppress(OSError):
            is_done = self._punched(*one)
        with self._lock:
            tries = self._waiting.pop(one) + 1
            if not is_done and tries < TRIES_MAX:
                self._waiting[one] = tries

    def _punched(self, path: Path, start: int, end: int) -> bool:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            return self._disk.punch(fd, start, end)
        finally:
            os.close(fd)
