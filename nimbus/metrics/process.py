"""What the system knows of this process: CPU, memory, descriptors, its age, and which program it runs.

Read from /proc (proc(5)) and getrlimit at every scrape; nothing is counted in between.
"""

from __future__ import annotations

import os
import platform
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from nimbus.metrics import names
from nimbus.metrics.api import Reading

_PROC: Final = Path("/proc/self")
_PAGE_SIZE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_START_FIELD: Final = 19  # of /proc/self/stat, counted after the command's closing bracket


class ProcessSource:
    """The process that this runs in."""

    def __init__(self, version: str) -> None:
        self._build = Reading(names.BUILD_INFO, 1, (version, platform.python_version()))
        self._start = Reading(names.PROCESS_START_SECONDS, _start_s())

    def read(self) -> Iterator[Reading]:
        virtual, resident = (_PROC / "statm").read_text().split()[:2]
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        yield self._build
        yield self._start
        yield Reading(names.PROCESS_CPU_SECONDS, time.process_time())
        yield Reading(names.PROCESS_VIRTUAL_BYTES, int(virtual) * _PAGE_SIZE_BYTES)
        yield Reading(names.PROCESS_RESIDENT_BYTES, int(resident) * _PAGE_SIZE_BYTES)
        yield Reading(names.PROCESS_OPEN_FDS, _open_descriptors())
        yield Reading(names.PROCESS_MAX_FDS, float("inf") if soft == resource.RLIM_INFINITY else soft)


def _open_descriptors() -> int:
    """Since Linux 6.2 the size of the folder; before, its entries, of which one is the listing's own."""
    folder = _PROC / "fd"
    return folder.stat().st_size or len(os.listdir(folder)) - 1


def _start_s() -> float:
    """When the process began, in seconds since the epoch."""
    after_command = (_PROC / "stat").read_text().rpartition(")")[2]
    ticks = int(after_command.split()[_START_FIELD])
    since_boot_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - since_boot_s
