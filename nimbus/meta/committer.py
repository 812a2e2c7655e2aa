"""The commit thread: all mutations of a node pass here, in groups that share one write and one sync.

While one group is being made durable, the next one gathers in the queue; so the group is as large as the
disk is slow, and a single writer waits for nobody. A group goes: barriers (the bytes its records name
become durable), decisions (each mutation runs on a view that shows the mutations before it), one write,
one sync, answers. All answers wait for the sync, refusals too, since a refusal may rest on a write of the
same group.

Promises: mutations take effect one after the other, in the order they were submitted, each whole or not at
all. Must always hold: no answer before the sync returned; nothing is written after a sync failed; nobody
else writes to the map while this runs.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from threading import Condition, Lock, Thread, current_thread
from typing import Any, Final

from nimbus.base.errors import EngineClosed, NimbusError, Overloaded, StoreReadOnly
from nimbus.meta.api import Barrier, Mutation, OwnedMap, Result
from nimbus.meta.envelope import PORTABLE, check_batch

QUEUE_MUTATIONS_MAX: Final = 16_384  # more writers waiting than the largest server has connections for
GROUP_MUTATIONS_MAX: Final = 1024  # keeps the time that one group holds up its first writer to about 20 ms
GROUP_SIZE_BYTES_MAX: Final = 8 << 20  # keeps the write batch well below a memtable

Done = Callable[[Any, BaseException | None], None]

_logger = logging.getLogger(__name__)


class Pending:
    """A mutation on its way: what to run and, afterwards, what came of it and whom to tell."""

    __slots__ = ("barrier", "done", "error", "future", "mutation", "result")

    def __init__(self, mutation: Mutation[Any], barrier: Barrier | None) -> None:
        self.mutation = mutation
        self.barrier = barrier
        self.done: Done | None = None
        self.future: asyncio.Future[Any] | None = None
        self.result: Any = None
        self.error: BaseException | None = None


class GroupView:
    """The view of one mutation: its own writes, over those of its group, over the map."""

    __slots__ = ("_group", "_map", "ops")

    def __init__(self, map: OwnedMap, group: dict[bytes, bytes | None]) -> None:
        self._map = map
        self._group = group
        self.ops: dict[bytes, bytes | None] = {}

    def get(self, key: bytes) -> bytes | None:
        if key in self.ops:
            return self.ops[key]
        if key in self._group:
            return self._group[key]
        return self._map.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        self.ops[key] = value

    def delete(self, key: bytes) -> None:
        self.ops[key] = None


class OwnedCommitter:
    """A `Committer` over a map that this process alone writes."""

    def __init__(self, map: OwnedMap) -> None:
        self._map = map
        self._queue: deque[Pending] = deque()
        self._arrived = Condition(Lock())
        self._closing = False
        self._broken: str | None = None  # why nothing may be written any more
        self._group_ops_max = map.capabilities.txn_ops_max
        self._group_size_bytes_max = min(map.capabilities.txn_size_bytes_max, GROUP_SIZE_BYTES_MAX)
        self._thread = Thread(target=self._run, name="commit", daemon=True)
        self._thread.start()

    def submit(self, mutation: Mutation[Result], done: Done, *, barrier: Barrier | None = None) -> None:
        pending = Pending(mutation, barrier)
        pending.done = done
        self._enqueue(pending)

    async def commit(self, mutation: Mutation[Result], *, barrier: Barrier | None = None) -> Result:
        pending = Pending(mutation, barrier)
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        pending.future = future
        self._enqueue(pending)
        return await future

    def commit_now(self, mutation: Mutation[Result], *, barrier: Barrier | None = None) -> Result:
        assert current_thread() is not self._thread, "a mutation or callback waits for its own thread"
        pending = Pending(mutation, barrier)
        answered = Lock()
        answered.acquire()
        pending.done = lambda result, error: answered.release()
        self._enqueue(pending)
        answered.acquire()
        if pending.error is not None:
            raise pending.error
        return pending.result  # type: ignore[no-any-return]

    def close(self) -> None:
        with self._arrived:
            self._closing = True
            self._arrived.notify()
        self._thread.join()

    # --- the queue ------------------------------------------------------------------------------------

    def _enqueue(self, pending: Pending) -> None:
        with self._arrived:
            if self._closing:
                raise EngineClosed
            if len(self._queue) >= QUEUE_MUTATIONS_MAX:
                raise Overloaded(f"{QUEUE_MUTATIONS_MAX} writes wait already.")
            self._queue.append(pending)
            self._arrived.notify()

    def _take_group(self) -> list[Pending]:
        """What waits, up to the largest group; waits for the first. Empty once closed and drained."""
        with self._arrived:
            while not self._queue and not self._closing:
                self._arrived.wait()
            queue = self._queue
            return [queue.popleft() for _ in range(min(len(queue), GROUP_MUTATIONS_MAX))]

    def _put_back(self, pending: list[Pending]) -> None:
        with self._arrived:
            self._queue.extendleft(reversed(pending))

    # --- the commit thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        while group := self._take_group():
            try:
                self._commit_group(group)
            except Exception as error:
                _fail_all(group, error)
            _answer(group)

    def _commit_group(self, group: list[Pending]) -> None:
        """Decide as many mutations as one write holds, make them durable, leave the others to the next group."""
        if self._broken is not None:
            raise StoreReadOnly(self._broken)
        writes, decided = self._decide(group, _run_barriers(group))
        if decided < len(group):
            self._put_back(group[decided:])
            del group[decided:]
        if writes:
            self._map.write(writes)
            self._sync()

    def _decide(self, group: list[Pending], refused: dict[Barrier, Exception]) -> tuple[dict[bytes, bytes | None], int]:
        """Run the mutations in order until the write is full: the writes, and how many mutations they hold."""
        writes: dict[bytes, bytes | None] = {}
        size_bytes = 0
        for index, pending in enumerate(group):
            if refused and pending.barrier in refused:
                pending.error = refused[pending.barrier]
                continue
            view = GroupView(self._map, writes)
            try:
                pending.result = pending.mutation(view)
                size_bytes += check_batch(view.ops, PORTABLE)
            except BaseException as error:
                pending.result, pending.error = None, error
                continue
            if writes and not self._fits(len(writes) + len(view.ops), size_bytes):
                pending.result = None
                return writes, index
            writes.update(view.ops)
        return writes, len(group)

    def _fits(self, ops: int, size_bytes: int) -> bool:
        return ops <= self._group_ops_max and size_bytes <= self._group_size_bytes_max

    def _sync(self) -> None:
        try:
            self._map.sync()
        except Exception as error:
            self._broken = str(error)
            raise


def _run_barriers(group: list[Pending]) -> dict[Barrier, Exception]:
    """Call each barrier of the group once; those that failed, with their errors."""
    refused: dict[Barrier, Exception] = {}
    for barrier in {pending.barrier for pending in group}:
        if barrier is not None:
            try:
                barrier()
            except Exception as error:
                refused[barrier] = error
    return refused


def _fail_all(group: list[Pending], error: Exception) -> None:
    """The write or the sync failed: nothing of the group may be told as done, nor as decided."""
    told = error if isinstance(error, NimbusError) else StoreReadOnly(f"{type(error).__name__}: {error}")
    for pending in group:
        pending.result, pending.error = None, told


def _answer(group: list[Pending]) -> None:
    """Tell every writer, waking each event loop once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Pending]] = {}
    for pending in group:
        if pending.future is not None:
            by_loop.setdefault(pending.future.get_loop(), []).append(pending)
        elif pending.done is not None:
            _call_done(pending.done, pending)
    for loop, answered in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, answered)
        except RuntimeError:  # the loop was closed, so nobody waits for the answer any more
            _logger.warning("%d committed writes had nobody left to be told", len(answered))


def _call_done(done: Done, pending: Pending) -> None:
    try:
        done(pending.result, pending.error)
    except Exception:  # a broken callback must not take the commit thread, and with it every writer, down
        _logger.exception("a commit callback raised")


def _resolve(answered: list[Pending]) -> None:
    for pending in answered:
        future = pending.future
        if future is None or future.done():  # cancelled meanwhile
            continue
        if pending.error is not None:
            future.set_exception(pending.error)
        else:
            future.set_result(pending.result)
