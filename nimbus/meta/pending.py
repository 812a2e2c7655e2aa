"""The three doors of a committer (`submit`, `commit`, `commit_now`) over one queue, and the way answers go back.

Must always hold: each mutation that was queued is answered exactly once; an event loop is woken once for all
answers of a group, whatever their number.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any

from nimbus.meta.api import Barrier, Mutation, Result

Done = Callable[[Any, BaseException | None], None]

_logger = logging.getLogger(__name__)


class Pending:
    """A mutation on its way: what to run and, afterwards, what came of it and whom to tell."""

    __slots__ = ("barrier", "done", "error", "future", "mutation", "result")

    def __init__(
        self,
        mutation: Mutation[Any],
        barrier: Barrier | None,
        done: Done | None = None,
        future: asyncio.Future[Any] | None = None,
    ) -> None:
        self.mutation = mutation
        self.barrier = barrier
        self.done = done
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None

    def refuse(self, error: BaseException) -> None:
        self.result, self.error = None, error


class CommitDoors(ABC):
    """What callers see of a committer; the committer itself takes over at `_enqueue`."""

    @abstractmethod
    def _enqueue(self, pending: Pending) -> None:
        """Queue it, to be answered later. Raises `Overloaded`, `EngineClosed`."""

    def submit(self, mutation: Mutation[Result], done: Done, *, barrier: Barrier | None = None) -> None:
        self._enqueue(Pending(mutation, barrier, done=done))

    async def commit(self, mutation: Mutation[Result], *, barrier: Barrier | None = None) -> Result:
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._enqueue(Pending(mutation, barrier, future=future))
        return await future

    def commit_now(self, mutation: Mutation[Result], *, barrier: Barrier | None = None) -> Result:
        answered = Lock()
        answered.acquire()
        pending = Pending(mutation, barrier, done=lambda result, error: answered.release())
        self._enqueue(pending)
        answered.acquire()
        if pending.error is not None:
            raise pending.error
        return pending.result  # type: ignore[no-any-return]


def answer(group: Iterable[Pending]) -> None:
    """Tell every writer what came of it."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Pending]] = {}
    for pending in group:
        if pending.future is not None:
            by_loop.setdefault(pending.future.get_loop(), []).append(pending)
        elif pending.done is not None:
            _call(pending.done, pending)
    for loop, answered in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, answered)
        except RuntimeError:  # the loop was closed, so nobody waits for the answers any more
            _logger.warning("%d answers came after their event loop had closed", len(answered))


def _call(done: Done, pending: Pending) -> None:
    try:
        done(pending.result, pending.error)
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
