"""The committer over a map that other nodes write too: optimistic, each mutation its own atomic step.

What a mutation read becomes the checks of its `txn`; when somebody else was faster, it is run again on fresh
reads after a short, random pause. A refusal (the mutation raised) is checked in the same way before it is
told, since it may rest on two reads of different moments. A small pool of threads runs the mutations, so a
slow round trip to the engine holds up only its own.

Must always hold: an answer rests on reads that were all true at one moment; tries are bounded (`WriteRace`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final

from nimbus.base.errors import EngineClosed, Overloaded, WriteRace
from nimbus.meta.api import Mutation, OrderedMap, Result
from nimbus.meta.envelope import PORTABLE, check_batch
from nimbus.meta.pending import CommitDoors, Pending, answer
from nimbus.metrics.commits import CommitMeter

QUEUE_MUTATIONS_MAX: Final = 16_384  # as many as the commit thread of an owned map lets wait
THREADS: Final = 8  # mutations on their way to the engine at once; each waits for the network, not the CPU
TRIES_MAX: Final = 24  # with the pauses below about a second: longer than any burst on one key
PAUSE_S_MAX: Final = 0.064
_PAUSE_S_FIRST = 0.001


class CheckingView:
    """The view of one try: its own writes over what it read, each key read once."""

    __slots__ = ("_map", "checks", "ops")

    def __init__(self, map: OrderedMap) -> None:
        self._map = map
        self.checks: dict[bytes, bytes | None] = {}
        self.ops: dict[bytes, bytes | None] = {}

    def get(self, key: bytes) -> bytes | None:
        if key in self.ops:
            return self.ops[key]
        if key not in self.checks:
            self.checks[key] = self._map.get(key)
        return self.checks[key]

    def put(self, key: bytes, value: bytes) -> None:
        self.ops[key] = value

    def delete(self, key: bytes) -> None:
        self.ops[key] = None


class SharedCommitter(CommitDoors):
    """A `Committer` over a map that other nodes write too."""

    def __init__(
        self,
        map: OrderedMap,
        pause: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
        meter: CommitMeter | None = None,
    ) -> None:
        self._map = map
        self._meter = meter or CommitMeter()
        self._pause = pause
        self._chance = chance
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="commit")
        self._lock = Lock()
        self._waiting = 0
        self._closing = False

    def close(self) -> None:
        with self._lock:
            self._closing = True
        self._threads.shutdown(wait=True)

    def _enqueue(self, arrived: Sequence[Pending]) -> None:
        with self._lock:
            if self._closing:
                raise EngineClosed
            if self._waiting + len(arrived) > QUEUE_MUTATIONS_MAX:
                raise Overloaded(f"{self._waiting} writes wait already.")
            self._waiting += len(arrived)
            self._meter.submitted += len(arrived)
            for pending in arrived:
                self._threads.submit(self._run, pending)

    def _run(self, pending: Pending) -> None:
        try:
            if pending.barrier is not None:
                pending.barrier()
            pending.result = self._decide(pending.mutation)
        except BaseException as error:
            pending.refuse(error)
        with self._lock:
            self._waiting -= 1
            self._meter.groups += 1
            self._meter.answered += 1
        answer((pending,))

    def _decide(self, mutation: Mutation[Result]) -> Result:
        """Try until the reads of a try still hold when its writes take place."""
        for number in range(TRIES_MAX):
            view = CheckingView(self._map)
            try:
                result = mutation(view)
                check_batch(view.ops, PORTABLE)
            except Exception:
                if self._map.txn(view.checks, {}):
                    raise
            else:
                if self._map.txn(view.checks, view.ops):
                    return result
            self._pause(self._chance() * min(_PAUSE_S_FIRST * 2**number, PAUSE_S_MAX))
        raise WriteRace(f"{TRIES_MAX} tries were lost.")
