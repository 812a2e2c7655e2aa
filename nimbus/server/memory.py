"""Memory that work has left behind goes back to the system when the work is over.

Pools keep their spare buffers and the allocator its free pages, because getting them anew costs more than anything
else that is done to them. Once a server that had much to do has next to nothing to do, they are of no use to it, and
somebody else on the machine may want them.

Must always hold: a busy server is left alone; what is asked of the allocator runs on a thread.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from nimbus._native.plane import trim_heap

LOOK_S: Final = 5.0
BUSY_CPU_PART: Final = 0.1  # of one processor: with more than that there is work
WORK_CPU_S_MIN: Final = 0.1  # since memory was last given back; who did nothing has nothing to give
GROWTH_MIN: Final = 1.1  # since the start; less is not worth it

_STATM: Final = Path("/proc/self/statm")


async def give_back_when_idle(trims: Sequence[Callable[[], None]]) -> None:
    """Runs until it is cancelled. `trims` free what pools keep; any thread."""
    loop = asyncio.get_running_loop()
    start_bytes, seen_s, given_s = _resident_bytes(), time.process_time(), 0.0
    while True:
        await asyncio.sleep(LOOK_S)
        before_s, seen_s = seen_s, time.process_time()
        is_busy = seen_s - before_s > BUSY_CPU_PART * LOOK_S
        if is_busy or seen_s - given_s < WORK_CPU_S_MIN or _resident_bytes() < GROWTH_MIN * start_bytes:
            continue
        gc.collect()
        await loop.run_in_executor(None, _give_back, trims)
        given_s = seen_s = time.process_time()


def _give_back(trims: Sequence[Callable[[], None]]) -> None:
    for trim in trims:
        trim()
    trim_heap()


def _resident_bytes() -> int:
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
