"""Worker threads for what would hold up the event loop: range scans, listings, drops.

Must always hold: the number of jobs is bounded; one more is refused (`Overloaded`), not queued.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

from nimbus.base.errors import Overloaded

Result = TypeVar("Result")
Args = TypeVarTuple("Args")


class Threads:
    """A few threads with a bounded number of jobs."""

    def __init__(self, name: str, threads_max: int, jobs_max: int) -> None:
        self._name = name
        self._jobs_max = jobs_max
        self._jobs = 0
        self._pool = ThreadPoolExecutor(threads_max, thread_name_prefix=name)

    async def run(self, job: Callable[[*Args], Result], *args: *Args) -> Result:
        """Run `job(*args)` on a thread and return what it returns. Raises `Overloaded`."""
        if self._jobs >= self._jobs_max:
            raise Overloaded(f"{self._jobs} jobs wait for the threads of {self._name}.")
        self._jobs += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, job, *args)
        finally:
            self._jobs -= 1

    def close(self) -> None:
        """Finish the running jobs, forget the waiting ones."""
        self._pool.shutdown(wait=True, cancel_futures=True)
