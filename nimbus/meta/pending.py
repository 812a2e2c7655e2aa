"""The doors of a committer (`submit`, `submit_all`, `commit`, `commit_now`) over one queue, and how answers go back.

Must always hold: each mutation that was queued is answered exactly once; an event loop, and whoever submits many,
hears of all answers of a group at once, whatever their number.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Any

from nimbus.meta.api import Answer, Barrier, Mutation, Result

Done = Callable[[Any, BaseException | None], None]
AllDone = Callable[[Sequence[Answer]], None]

_logger = logging.getLogger(__name__)


class Pending:
    """A mutation on its way: what to run and, afterwards, what came of it and whom to tell."""

    __slots__ = ("all_done", "barrier", "done", "error", "future", "mutation", "result")

    def __init__(
        self,
        mutation: Mutation[Any],
        barrier: Barrier | None,
        done: Done | None = None,
        future: asyncio.Future[Any] | None = None,
        all_done: AllDone | None = None,
    ) -> None:
        self.mutation = mutation
        self.barrier = barrier
        self.done = done
        self.future = future
        self.all_done = all_done
        self.result: Any = None
        self.error: BaseException | None = None

    def refuse(self, error: BaseException) -> None:
        self.result, self.error = None, error


class CommitDoors(ABC):
    """What callers see of a committer; the committer itself takes over at `_enqueue`."""

    @abstractmethod
    def _enqueue(self, arrived: Sequence[Pending]) -> None:
        """Queue them, to be answered later: all or none. Raises `Overloaded`, `EngineClosed`."""

    def submit(self, mutation: Mutation[Result], done: Done, *, barrier: Barrier | None = None) -> None:
        self._enqueue((Pending(mutation, barrier, done=done),))

    def submit_all(self, mutations: Sequence[tuple[Mutation[Any], Barrier | None]], all_done: AllDone) -> None:
        self._enqueue([Pending(mutation, barrier, None, None, all_done) for mutation, barrier in mutations])

    async def commit(self, mutation: Mutation[Result], *, barrier: Barrier | None = None) -> Result:
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._enqueue((Pending(mutation, barrier, future=future),))
        return await future

    def commit_now(self, mutation: Mutation[Result], *, barrier: Barrier | None = None) -> Result:
        answered = Lock()
        answered.acquire()
        pending = Pending(mutation, barrier, done=lambda result, error: answered.release())
        self._enqueue((pending,))
        answered.acquire()
        if pending.error is not None:
            raise pending.error
        return pending.result  # type: ignore[no-any-return]


def answer(group: Iterable[Pending]) -> None:
    """Tell every writer what came of it."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Pending]] = {}
    together: dict[AllDone, list[Answer]] = {}
    for pending in group:
        if pending.all_done is not None:
            together.setdefault(pending.all_done, []).append((pending.mutation, pending.result, pending.error))
        elif pending.future is not None:
            by_loop.setdefault(pending.future.get_loop(), []).append(pending)
        elif pending.done is not None:
            _call(pending.done, pending.result, pending.error)
    for all_done, answers in together.items():
        _call(all_done, answers)
    for loop, answered in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, answered)
        except RuntimeError:  # the loop was closed, so nobody waits for the answers any more
            _logger.warning("%d answers came after their event loop had closed", len(answered))


def _call(done: Callable[..., None], *told: object) -> None:
    try:
        done(*told)
    except Exception:  # a broken callback must not take the commit thread, and with it every writer, down
        _logger.exception("a commit callback raised")


def _resolve(answered: list[Pending]) -> None:
    for pending in answered:
        future = pending.future
        if future is None or future.done():  # its task was cancelled meanwhile
            continue
        if pending.error is not None:
            future.set_exception(pending.error)
        else:
            future.set_result(pending.result)
