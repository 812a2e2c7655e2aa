"""The background task that frees what the garbage rows name.

A row is freed when it is old enough (a reader that found the record a moment ago can still open it), durable
(a power cut must not bring back a record whose bytes are gone), and held by no reader. Then its bytes are
dropped, and only then the row is deleted: a stop in between repeats the drop, which is no error.

Rows are read from the lowest on, in bounded batches; the next batch starts where the last one ended. A row
that a reader holds is put aside in memory until the reader is done. Bytes that no row ever named (a write
that was refused) come in through `discard` and are dropped by the same task. Without work it sleeps.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import takewhile
from typing import Final

from nimbus.base.clock import Clock
from nimbus.base.errors import NimbusError
from nimbus.base.limits import META_TXN_OPS_MAX
from nimbus.data.api import DataStore
from nimbus.meta import keys
from nimbus.meta.api import View
from nimbus.store.commits import Commits
from nimbus.store.garbage import GarbageQueue, is_in_bitmap
from nimbus.store.leases import Leases, name_of_garbage
from nimbus.store.records import Extent, Garbage, ManifestPage, UploadedPart, unpack
from nimbus.store.rows import Rows
from nimbus.store.threads import Threads

BATCH_ROWS_MAX: Final = 1000  # read, dropped and deleted together
PAGES_PER_STEP: Final = 16  # manifest pages of up to 46 KB
RETRY_S_MIN: Final = 1.0
RETRY_S_MAX: Final = 60.0
DISCARDED_MAX: Final = 100_000  # bytes of refused writes that wait to be dropped; more means that drops fail

Waiting = dict[bytes, Garbage]  # garbage rows by their key

_logger = logging.getLogger(__name__)


class Collector:
    """Frees garbage until it is closed."""

    def __init__(
        self,
        rows: Rows,
        commits: Commits,
        data: DataStore,
        threads: Threads,
        leases: Leases,
        queue: GarbageQueue,
        clock: Clock,
        grace_ms: int,
    ) -> None:
        self._rows = rows
        self._commits = commits
        self._data = data
        self._threads = threads
        self._leases = leases
        self._queue = queue
        self._clock = clock
        self._grace_ms = grace_ms
        self._cursor = keys.GARBAGE
        self._held: dict[bytes, Waiting] = {}  # rows put aside, by the name that readers hold
        self._released: Waiting = {}
        self._discarded: deque[bytes] = deque()
        self._wanted = asyncio.Event()
        self._stopping = asyncio.Event()
        self._alone = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        leases.on_release = self._on_release
        commits.on_answers = self._notice_commits

    # --- from the rest of the store -------------------------------------------------------------------

    def start(self) -> None:
        """Begin with what an earlier run left."""
        last = self._rows.map.range(keys.GARBAGE, keys.after_prefix(keys.GARBAGE), 1, True)
        if last:
            self._queue.continue_after(keys.garbage_time_ms(last[0][0]))
        self._task = asyncio.create_task(self._run(), name="garbage collector")
        self._wanted.set()

    def discard(self, extents: Iterable[Extent]) -> None:
        """Drop bytes that no row names."""
        self._discarded.extend(extent.location for extent in extents)
        self._wanted.set()

    @property
    def is_behind(self) -> bool:
        """Whether so many refused bytes wait that no more should come in."""
        return len(self._discarded) >= DISCARDED_MAX

    async def collect(self) -> None:
        """Free everything that no reader holds now, however young."""
        await self._collect(0)

    async def close(self) -> None:
        """Finish the batch at hand; what is left is queued durably."""
        self._stopping.set()
        self._wanted.set()
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            await self._task
        await self._keep_discarded()

    # --- the task -------------------------------------------------------------------------------------

    async def _run(self) -> None:
        retry_s = RETRY_S_MIN
        while True:
            await self._wanted.wait()
            if self._stopping.is_set():
                return
            self._wanted.clear()
            try:
                await self._collect(self._grace_ms)
                retry_s = RETRY_S_MIN
            except Exception as error:  # freeing space must go on, whatever happened to one batch
                _logger.warning("Garbage could not be freed; next try in %.0f s: %s", retry_s, error)
                await self._pause(retry_s)
                retry_s = min(retry_s * 2, RETRY_S_MAX)
                self._wanted.set()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _wake_in(self, seconds: float) -> None:
        if self._timer is None and not self._stopping.is_set():
            self._timer = asyncio.get_running_loop().call_later(seconds, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._wanted.set()

    def _notice_commits(self) -> None:
        """Something was committed, so there may be garbage, due after the grace."""
        if self._timer is None and self._task is not None:
            self._wake_in(self._grace_ms / 1000)

    def _on_release(self, name: bytes) -> None:
        waiting = self._held.pop(name, None)
        if waiting:
            self._released.update(waiting)
            self._wanted.set()

    async def _collect(self, grace_ms: int) -> None:
        async with self._alone:
            await self._drop_discarded()
            await self._free_released()
            if not self._rows.is_owned:
                self._cursor = keys.GARBAGE  # other nodes' clocks may write rows below
            while not self._stopping.is_set() and await self._free_batch(grace_ms):
                pass

    async def _free_batch(self, grace_ms: int) -> bool:
        """Free the next rows that are old enough; whether there may be more."""
        page = await self._rows.scan(self._cursor, keys.after_prefix(keys.GARBAGE), BATCH_ROWS_MAX)
        now_ms = self._clock.now_ms()
        due = list(takewhile(lambda row: _age_left_ms(row[0], now_ms, grace_ms) <= 0, page))
        if due:
            await self._free({row: unpack(Garbage, value) for row, value in due})
            self._cursor = keys.after(due[-1][0])
        if len(due) < len(page):
            self._wake_in(_age_left_ms(page[len(due)][0], now_ms, grace_ms) / 1000)
            return False
        return len(page) == BATCH_ROWS_MAX

    async def _free_released(self) -> None:
        released, self._released = self._released, {}
        try:
            if released:
                await self._free(released)
        except BaseException:
            self._released.update(released)
            raise

    async def _free(self, batch: Waiting) -> None:
        # A commit is answered after all before it are durable, hence what these rows rest on is.
        await self._commits.run(_nothing)
        free = self._set_held_aside(batch)
        await self._drop([location for garbage in free.values() for location in garbage.locations])
        for garbage in free.values():
            if garbage.upload_rows:
                await self._free_parts(garbage)
            if garbage.manifest_rows:
                await self._free_pages(garbage)
        await self._delete(list(free))

    def _set_held_aside(self, batch: Waiting) -> Waiting:
        """The rows that no reader holds; the others wait for their readers."""
        free: Waiting = {}
        for row, garbage in batch.items():
            name = name_of_garbage(garbage)
            if self._leases.is_held(name):
                self._held.setdefault(name, {})[row] = garbage
            else:
                free[row] = garbage
        return free

    async def _free_parts(self, garbage: Garbage) -> None:
        """Drop the parts of a finished upload, but not the bytes that its object took over."""
        start, end = garbage.upload_rows, keys.after_prefix(garbage.upload_rows)
        while page := await self._rows.scan(start, end, BATCH_ROWS_MAX):
            await self._drop(
                [
                    extent.location
                    for row, value in page
                    if not is_in_bitmap(garbage.kept_parts, keys.part_number(row))
                    for extent in unpack(UploadedPart, value).extents
                ]
            )
            await self._delete([row for row, _ in page])
            start = keys.after(page[-1][0])

    async def _free_pages(self, garbage: Garbage) -> None:
        """Drop the bytes that the pages of a manifest name, then the pages."""
        start, end = garbage.manifest_rows, keys.after_prefix(garbage.manifest_rows)
        while page := await self._rows.scan(start, end, PAGES_PER_STEP):
            extents = [extent for _, value in page for extent in unpack(ManifestPage, value).extents]
            await self._drop([extent.location for extent in extents if extent.size])
            await self._delete([row for row, _ in page])
            start = keys.after(page[-1][0])

    async def _drop(self, locations: Sequence[bytes]) -> None:
        if locations:
            await self._threads.run(_drop_all, self._data, locations)

    async def _delete(self, rows: Sequence[bytes]) -> None:
        """Delete rows, as many in one step as every engine takes; the steps share the syncs."""
        steps = [rows[first : first + META_TXN_OPS_MAX] for first in range(0, len(rows), META_TXN_OPS_MAX)]
        await asyncio.gather(*(self._commits.run(_Deletion(step)) for step in steps))

    # --- bytes without rows -----------------------------------------------------------------------------

    async def _drop_discarded(self) -> None:
        while self._discarded:
            batch = [self._discarded.popleft() for _ in range(min(len(self._discarded), BATCH_ROWS_MAX))]
            try:
                await self._drop(batch)
            except BaseException:
                self._discarded.extend(batch)
                raise

    async def _keep_discarded(self) -> None:
        """Drop the rest; what cannot be dropped now becomes garbage rows for the next run."""
        try:
            await self._drop_discarded()
        except (NimbusError, OSError) as error:
            _logger.warning("%d refused writes are freed at the next start: %s", len(self._discarded), error)
            while self._discarded:
                batch = [self._discarded.popleft() for _ in range(min(len(self._discarded), META_TXN_OPS_MAX))]
                self._commits.start(partial(self._queue.put, garbage=Garbage(locations=tuple(batch))))


class _Deletion:
    """A mutation that deletes rows."""

    __slots__ = ("_rows",)

    def __init__(self, rows: Sequence[bytes]) -> None:
        self._rows = rows

    def __call__(self, view: View) -> None:
        for row in self._rows:
            view.delete(row)


def _nothing(view: View) -> None:
    pass


def _age_left_ms(row: bytes, now_ms: int, grace_ms: int) -> int:
    """How long a garbage row still has to wait. A row from the future was written before the clock went back."""
    age_ms = now_ms - keys.garbage_time_ms(row)
    return grace_ms - age_ms if age_ms >= 0 else 0


def _drop_all(data: DataStore, locations: Sequence[bytes]) -> None:
    for location in locations:
        data.drop(location)
