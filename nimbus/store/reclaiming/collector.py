"""The background task that works off the garbage rows.

A row is freed (freeing.py) when nobody reads its bytes: no lease is on them, and nobody else who could say so reads
them (leases.py). Where others cannot be asked, as on a map that is shared with other nodes, a row waits for its grace
instead, and nowhere longer than that for those who hold no lease. A row is durable, since it can be read: no power cut
brings back a record whose bytes are gone.

A round begins a moment after a commit; at once when much was displaced since the last one, or when a write finds no
space (`make_room`). So what waits is bounded by the bytes of a round, whatever is overwritten how fast.

Rows are read from the lowest on, in bounded batches; the next batch starts where the last one ended. A row
that a reader holds is put aside in memory until the reader is done, one that cannot be freed until the next
round. Bytes that no row ever named (a write that was refused) come in through `discard` and are dropped by the
same task. Without work it sleeps.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice, takewhile
from typing import Final

from nimbus.base.clock import Clock
from nimbus.base.errors import DataDamaged, NimbusError, Overloaded
from nimbus.base.limits import META_TXN_OPS_MAX, MIB
from nimbus.meta import keys
from nimbus.meta.api import View
from nimbus.metrics import names
from nimbus.metrics.api import Reading
from nimbus.store.commits import Commits
from nimbus.store.reclaiming.freeing import Batch, Freeing
from nimbus.store.reclaiming.garbage import GarbageQueue
from nimbus.store.reclaiming.leases import AskReaders, IsRead, Leases, name_of_garbage, no_other_readers
from nimbus.store.records import Extent, Garbage, unpack
from nimbus.store.rows import Rows

BATCH_ROWS_MAX: Final = 1000  # read, dropped and deleted together
STUCK_ROWS_MAX: Final = 10_000  # rows that cannot be freed, kept in memory for the next try; more stay unread
DISCARDED_MAX: Final = 100_000  # bytes of refused writes that wait to be dropped; more means that drops fail
ROUND_S: Final = 1.0  # from a commit to the round that frees what it displaced; that of many is one round
HURRY_SIZE_BYTES: Final = 64 * MIB  # displaced since the last round began: the next one waits no longer
RETRY_S_MIN: Final = 1.0
RETRY_S_MAX: Final = 60.0

_logger = logging.getLogger(__name__)


class Collector:
    """Frees garbage until it is closed."""

    def __init__(
        self,
        rows: Rows,
        commits: Commits,
        freeing: Freeing,
        leases: Leases,
        queue: GarbageQueue,
        clock: Clock,
        grace_ms: int,
        readers: AskReaders | None,
        *,
        holds_found: bool = False,
    ) -> None:
        """With `holds_found`, what rows of earlier runs name goes into the quarantine."""
        self._rows = rows
        self._commits = commits
        self._freeing = freeing
        self._leases = leases
        self._queue = queue
        self._clock = clock
        self._grace_ms = grace_ms
        self._readers = readers
        self._holds_found = holds_found
        self._found_to = b""  # the last row that was found
        self._cursor = keys.GARBAGE
        self._held: dict[bytes, Batch] = {}  # rows put aside, by the name that readers hold
        self._again: Batch = {}  # rows whose readers are done, and rows that could not be freed
        self._freed = 0  # rows
        self._rounds = 0  # begun
        self._seen_bytes = 0  # that were displaced when the last round began
        self._wait_for_room: dict[asyncio.Future[bool], int] = {}  # with the last round begun before they came
        self._discarded: dict[bytes, None] = {}  # in order of their coming
        self._error: Exception | None = None  # why something could not be freed in this round
        self._wanted = asyncio.Event()
        self._stopping = asyncio.Event()
        self._hurried = asyncio.Event()  # ends the pause after a failure
        self._alone = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        leases.on_release = self._on_release
        commits.on_answers = self._notice_commits

    # --- from the rest of the store -------------------------------------------------------------------

    def start(self) -> None:
        """Begin with what an earlier run left."""
        try:
            last = self._rows.map.range(keys.GARBAGE, keys.after_prefix(keys.GARBAGE), 1, True)
        except DataDamaged as error:  # garbage may wait, reads and writes go on
            _logger.warning("The last garbage row cannot be read: %s", error)
            last = []
            self._found_to = keys.after_prefix(keys.GARBAGE)
        if last:
            self._found_to = last[0][0]
            self._queue.continue_after(keys.garbage_time_ms(last[0][0]))
        self._task = asyncio.create_task(self._run(), name="garbage collector")
        self._wanted.set()

    def discard(self, extents: Iterable[Extent]) -> None:
        """Drop bytes that no row names."""
        self._discarded.update((extent.location, None) for extent in extents)
        self._wanted.set()

    async def make_room(self, timeout_s: float) -> bool:
        """Have a round begin now; whether anything was freed by its end, or before `timeout_s` have passed."""
        waiting = asyncio.get_running_loop().create_future()
        self._wait_for_room[waiting] = self._rounds
        self._wanted.set()
        self._hurried.set()
        done, _ = await asyncio.wait((waiting,), timeout=max(timeout_s, 0))
        self._wait_for_room.pop(waiting, None)
        return bool(done) and waiting.result()

    def check_pace(self) -> None:
        """Raises `Overloaded` while so many refused bytes wait that no more should come in. Any thread."""
        if len(self._discarded) >= DISCARDED_MAX:
            raise Overloaded("The bytes of refused writes cannot be freed fast enough.")

    def read(self) -> Iterator[Reading]:
        """Its progress; see nimbus/metrics/names.py."""
        yield Reading(names.GARBAGE_FREED, self._freed)
        yield Reading(names.GARBAGE_HELD, sum(map(len, self._held.values())))
        yield Reading(names.GARBAGE_AGAIN, len(self._again))
        yield Reading(names.GARBAGE_DISCARDED, len(self._discarded))

    async def collect(self) -> None:
        """Free everything that no reader holds now, however young. Raises why something could not be freed."""
        await self._collect(0)

    async def close(self) -> None:
        """Finish the batch at hand; what is left is queued durably."""
        self._stopping.set()
        self._hurried.set()
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
        self._hurried.clear()
        if self._stopping.is_set():
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurried.wait()

    def _wake_in(self, seconds: float) -> None:
        if self._timer is None and not self._stopping.is_set():
            self._timer = asyncio.get_running_loop().call_later(seconds, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._wanted.set()

    def _notice_commits(self) -> None:
        """Something was committed, so there may be garbage."""
        if self._task is None:
            return
        if self._readers is None:
            self._wake_in(self._grace_ms / 1000)
        elif self._queue.queued_bytes - self._seen_bytes >= HURRY_SIZE_BYTES:
            self._wanted.set()
        else:
            self._wake_in(ROUND_S)

    def _on_release(self, name: bytes) -> None:
        waiting = self._held.pop(name, None)
        if waiting:
            self._again.update(waiting)
            self._wanted.set()

    async def _collect(self, grace_ms: int) -> None:
        async with self._alone:
            self._rounds += 1
            self._seen_bytes = self._queue.queued_bytes
            self._error = None
            try:
                await self._drop_discarded()
                await self._free_again(grace_ms)
                if not self._rows.is_owned:
                    self._cursor = keys.GARBAGE  # other nodes' clocks may write rows below
                while not self._stopping.is_set() and await self._free_next(grace_ms):
                    pass
            finally:
                self._tell_of_room(False)
            if self._error is not None:
                raise self._error

    def _tell_of_room(self, has_freed: bool) -> None:
        """Something was freed, which concerns everybody who waits; or a round is over."""
        for waiting, last_round in self._wait_for_room.items():
            if not waiting.done() and (has_freed or last_round < self._rounds):
                waiting.set_result(has_freed)

    async def _free_again(self, grace_ms: int) -> None:
        rows = list(self._again)
        for first in range(0, len(rows), BATCH_ROWS_MAX):
            await self._free({row: self._again[row] for row in rows[first : first + BATCH_ROWS_MAX]}, grace_ms)

    async def _free_next(self, grace_ms: int) -> bool:
        """Free the next rows that are old enough; whether there may be more."""
        if len(self._again) >= STUCK_ROWS_MAX:
            return False
        page = await self._rows.scan(self._cursor, keys.after_prefix(keys.GARBAGE), BATCH_ROWS_MAX)
        now_ms = self._clock.now_ms()
        due = page
        if self._readers is None:
            due = list(takewhile(lambda row: _age_left_ms(row[0], now_ms, grace_ms) <= 0, page))
        if due:
            await self._free({row: unpack(Garbage, value) for row, value in due}, grace_ms)
            self._cursor = keys.after(due[-1][0])
        if len(due) < len(page):
            self._wake_in(_age_left_ms(page[len(due)][0], now_ms, grace_ms) / 1000)
            return False
        return len(page) == BATCH_ROWS_MAX

    async def _free(self, batch: Batch, grace_ms: int) -> None:
        """Free what nobody reads; put the rest aside."""
        is_read = await self._ask_readers()
        now_ms = self._clock.now_ms()
        free: Batch = {}
        for row, garbage in batch.items():
            self._again.pop(row, None)
            name = name_of_garbage(garbage)
            if self._leases.is_held(name):
                self._held.setdefault(name, {})[row] = garbage
            elif _age_left_ms(row, now_ms, grace_ms) > 0 and any(map(is_read, garbage.locations)):
                self._again[row] = garbage
                self._wake_in(ROUND_S)
            else:
                free[row] = garbage
        found = {row: free.pop(row) for row in list(free) if row <= self._found_to} if self._holds_found else {}
        failures = await self._freeing.free(free)
        self._freed += len(free) - len(failures)
        if len(free) > len(failures):
            self._tell_of_room(True)
        if found:
            failures |= await self._freeing.hold(found)
        for row, error in failures.items():
            self._again[row] = batch[row]
            self._error = error

    async def _ask_readers(self) -> IsRead:
        if self._readers is None:
            return await no_other_readers()
        # A row is seen a moment before the change that wrote it has ended, for those who are told of changes.
        await self._commits.run(_nothing)
        return await self._readers()

    # --- bytes without rows -----------------------------------------------------------------------------

    async def _drop_discarded(self) -> None:
        locations = list(self._discarded)
        for first in range(0, len(locations), BATCH_ROWS_MAX):
            batch = {location: (location,) for location in locations[first : first + BATCH_ROWS_MAX]}
            failures = await self._freeing.drop(batch)
            for location in batch.keys() - failures.keys():
                self._discarded.pop(location, None)
            if len(batch) > len(failures):
                self._tell_of_room(True)
            for error in failures.values():
                self._error = error

    async def _keep_discarded(self) -> None:
        """Drop the rest; what cannot be dropped now becomes garbage rows for the next run."""
        with suppress(NimbusError):
            await self._drop_discarded()
        if self._discarded:
            _logger.warning("%d refused writes are freed at the next start: %s", len(self._discarded), self._error)
        left = iter(self._discarded)
        while batch := tuple(islice(left, META_TXN_OPS_MAX)):
            self._commits.start(partial(self._queue.put, garbage=Garbage(locations=batch)))


def _nothing(view: View) -> None:
    pass


def _age_left_ms(row: bytes, now_ms: int, grace_ms: int) -> int:
    """How long a garbage row still has to wait. A row from the future was written before the clock went back."""
    age_ms = now_ms - keys.garbage_time_ms(row)
    return grace_ms - age_ms if age_ms >= 0 else 0
