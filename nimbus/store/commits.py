"""Commits that are settled exactly once, whatever becomes of the task that asked for them.

A task that is cancelled while it waits for the commit thread knows nothing of the outcome; whoever must act
on the outcome (keep the bytes, drop the bytes, forget a cached row) passes `settle`. It is called on the
event loop when the outcome is known, with the error or None, before the waiting task goes on.

Answers of a whole group are carried to the loop by one wake-up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from nimbus.base.errors import NimbusError
from nimbus.meta.api import Barrier, Committer, Mutation, Result

Settle = Callable[[BaseException | None], None]


class Commits:
    """The committer as the tasks of one event loop use it."""

    def __init__(self, committer: Committer) -> None:
        self._committer = committer
        self._loop = asyncio.get_running_loop()
        self._decided: deque[_Waiting] = deque()
        self._is_waking = False
        self._open = 0
        self._all_settled = asyncio.Event()
        self._all_settled.set()
        self.on_answers: Callable[[], None] = _nobody_cares

    async def run(
        self, mutation: Mutation[Result], *, barrier: Barrier | None = None, settle: Settle | None = None
    ) -> Result:
        """Run `mutation` on the commit thread and return its result once it is durable.

        Raises what the mutation raises and what `Committer.commit` raises.
        """
        future: asyncio.Future[Result] = self._loop.create_future()
        self._submit(mutation, _Waiting(self, future, settle), barrier)
        return await future

    def start(self, mutation: Mutation[Any]) -> None:
        """Run `mutation` without waiting for it; an error of it concerns nobody."""
        with suppress(NimbusError):
            self._submit(mutation, _Waiting(self, None, None), None)

    async def settled(self) -> None:
        """Wait until the outcome of every commit is known and acted upon."""
        await self._all_settled.wait()

    def _submit(self, mutation: Mutation[Any], waiting: _Waiting, barrier: Barrier | None) -> None:
        try:
            self._committer.submit(mutation, waiting, barrier=barrier)
        except BaseException as error:
            waiting.settle(error)
            raise
        if not self._open:
            self._all_settled.clear()
        self._open += 1

    def wake(self, waiting: _Waiting) -> None:
        """Carry an answer to the loop. Called on the commit thread."""
        self._decided.append(waiting)
        if not self._is_waking:  # the flag falls before the queue is emptied, so no answer stays behind
            self._is_waking = True
            with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
                self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        self._is_waking = False
        while self._decided:
            waiting = self._decided.popleft()
            self._open -= 1
            waiting.answer()
        self.on_answers()
        if not self._open:
            self._all_settled.set()


def _nobody_cares() -> None:
    pass


class _Waiting:
    """One commit on its way; called by the committer with the outcome."""

    __slots__ = ("_commits", "_error", "_future", "_result", "_settle")

    def __init__(self, commits: Commits, future: asyncio.Future[Any] | None, settle: Settle | None) -> None:
        self._commits = commits
        self._future = future
        self._settle = settle
        self._result: Any = None
        self._error: BaseException | None = None

    def __call__(self, result: Any, error: BaseException | None) -> None:
        self._result = result
        self._error = error
        self._commits.wake(self)

    def settle(self, error: BaseException | None) -> None:
        if self._settle is not None:
            self._settle(error)

    def answer(self) -> None:
        self.settle(self._error)
        future = self._future
        if future is None or future.done():  # nobody waits, or no longer
            return
        if self._error is not None:
            future.set_exception(self._error)
        else:
            future.set_result(self._result)
