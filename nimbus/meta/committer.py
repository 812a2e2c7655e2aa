"""The commit thread: all mutations of a node pass here, in groups that share one write and one sync.

While one group is being made durable, the next one gathers in the queue; so the group is as large as the
disk is slow, and a single writer waits for nobody (see patience.py). A group goes: barriers (the bytes its records name
become durable), decisions (each mutation runs on a view that shows the mutations before it), one write,
one sync, answers. All answers wait for the sync, refusals too, since a refusal may rest on a write of the
same group.

Readers of the map see a group when it is durable and before it is answered: so whoever was answered reads what
was written, and nobody reads what a power cut can still take back.

Promises: mutations take effect one after the other, in the order they were submitted, each whole or not at
all. Must always hold: no answer before the sync returned; no group is decided while another is not synced, for
the map would not show it; nothing is written after a sync failed; nobody else writes to the map while this runs.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from threading import Condition, Lock, Thread
from typing import Final

from nimbus.base.errors import EngineClosed, NimbusError, Overloaded, StoreReadOnly
from nimbus.base.limits import MIB
from nimbus.meta.api import Barrier, OwnedMap
from nimbus.meta.envelope import PORTABLE, check_batch
from nimbus.meta.patience import Patience
from nimbus.meta.pending import CommitDoors, Pending, answer
from nimbus.metrics.commits import CommitMeter

QUEUE_MUTATIONS_MAX: Final = 16_384  # more writers than the largest server has connections for
GROUP_MUTATIONS_MAX: Final = 1024  # so that one group holds up its first writer for about 20 ms at most
GROUP_ROWS_READ_MAX: Final = 64  # that are remembered for the rest of the group; of 64 KiB each at most
GROUP_SIZE_BYTES_MAX: Final = 8 * MIB  # keeps a write batch well below a memtable


class GroupView:
    """The view of one mutation: its own writes, over those of its group, over the map.

    The first rows that a group reads are remembered in `read`, for its mutations mostly look at the same bucket, and
    nobody changes the map meanwhile.
    """

    __slots__ = ("_group", "_map", "_read", "ops")

    def __init__(self, map: OwnedMap, group: dict[bytes, bytes | None], read: dict[bytes, bytes | None]) -> None:
        self._map = map
        self._group = group
        self._read = read
        self.ops: dict[bytes, bytes | None] = {}

    def get(self, key: bytes) -> bytes | None:
        if key in self.ops:
            return self.ops[key]
        if key in self._group:
            return self._group[key]
        if key in self._read:
            return self._read[key]
        value = self._map.get(key)
        if len(self._read) < GROUP_ROWS_READ_MAX:
            self._read[key] = value
        return value

    def put(self, key: bytes, value: bytes) -> None:
        self.ops[key] = value

    def delete(self, key: bytes) -> None:
        self.ops[key] = None


class OwnedCommitter(CommitDoors):
    """A `Committer` over a map that this process alone writes."""

    def __init__(
        self,
        map: OwnedMap,
        meter: CommitMeter | None = None,
        now_ns: Callable[[], int] = time.perf_counter_ns,
        patience: Patience | None = None,
    ) -> None:
        self._map = map
        self._meter = meter or CommitMeter()
        self._now_ns = now_ns
        self._queue: deque[Pending] = deque()
        self._patience = patience or Patience(GROUP_MUTATIONS_MAX)
        self._arrived = Condition(Lock())
        self._awaited = 1  # mutations in the queue that the thread is to be woken for
        self._closing = False
        self._broken: str | None = None  # why nothing may be written any more
        self._group_ops_max = map.capabilities.txn_ops_max
        self._group_size_bytes_max = min(map.capabilities.txn_size_bytes_max, GROUP_SIZE_BYTES_MAX)
        self._thread = Thread(target=self._run, name="commit", daemon=True)
        self._thread.start()

    def close(self) -> None:
        with self._arrived:
            self._closing = True
            self._arrived.notify()
        self._thread.join()

    # --- the queue ------------------------------------------------------------------------------------

    def _enqueue(self, arrived: Sequence[Pending]) -> None:
        with self._arrived:
            if self._closing:
                raise EngineClosed
            if len(self._queue) + len(arrived) > QUEUE_MUTATIONS_MAX:
                raise Overloaded(f"{len(self._queue)} writes wait already.")
            self._queue.extend(arrived)
            self._meter.submitted += len(arrived)
            if len(self._queue) >= self._awaited:
                self._arrived.notify()

    def _take_group(self) -> list[Pending]:
        """What waits, up to the largest group; waits for the first and its company. Empty once closed and drained."""
        with self._arrived:
            queue, patience = self._queue, self._patience
            while not queue and not self._closing:
                self._arrived.wait()
            while not self._closing and (left_ns := patience.left_ns(len(queue), self._now_ns())):
                self._awaited = patience.wanted
                self._arrived.wait(left_ns / 1e9)
            self._awaited = 1
            return [queue.popleft() for _ in range(min(len(queue), GROUP_MUTATIONS_MAX))]

    def _put_back(self, pending: list[Pending]) -> None:
        with self._arrived:
            self._queue.extendleft(reversed(pending))

    # --- the commit thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        while group := self._take_group():
            began_ns = self._now_ns()
            try:
                self._commit_group(group)
            except Exception as error:
                _refuse_all(group, error)
            self._patience.renew(len(group), len(self._queue), began_ns, self._now_ns())
            self._meter.groups += 1
            self._meter.answered += len(group)
            answer(group)

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
        read: dict[bytes, bytes | None] = {}
        size_bytes = 0
        for index, pending in enumerate(group):
            if refused and pending.barrier in refused:
                pending.refuse(refused[pending.barrier])
                continue
            view = GroupView(self._map, writes, read)
            try:
                pending.result = pending.mutation(view)
                size_bytes += check_batch(view.ops, PORTABLE)
            except BaseException as error:
                pending.refuse(error)
                continue
            if writes and not self._fits(len(writes) + len(view.ops), size_bytes):
                pending.result = None
                return writes, index
            writes.update(view.ops)
        return writes, len(group)

    def _fits(self, ops: int, size_bytes: int) -> bool:
        return ops <= self._group_ops_max and size_bytes <= self._group_size_bytes_max

    def _sync(self) -> None:
        began_ns = self._now_ns()
        try:
            self._map.sync()
        except Exception as error:
            self._broken = str(error)
            raise
        self._meter.syncs.add(self._now_ns() - began_ns)


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


def _refuse_all(group: list[Pending], error: Exception) -> None:
    """The write or the sync failed: nothing of the group may be told as done, nor as decided."""
    told = error if isinstance(error, NimbusError) else StoreReadOnly(f"{type(error).__name__}: {error}")
    for pending in group:
        pending.refuse(told)
