"""Space for a write that would be refused: what is garbage already is freed first.

A full disk with garbage on it is not full. Whoever begins a write and is told that there is no space waits for the
collector, again and again as long as that frees anything, but no longer than `WAIT_S_MAX`; then it hears what it was
told first. Belongs to the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from nimbus.base.errors import SpaceExhausted

WAIT_S_MAX: Final = 5.0  # a client has a deadline of its own; unlinking gigabytes takes less

Begun = TypeVar("Begun")
# Have what can be freed freed, for so many seconds at most; whether that was anything.
MakeRoom = Callable[[float], Awaitable[bool]]


class Room:
    """Begins writes."""

    def __init__(self, make_room: MakeRoom) -> None:
        self._make_room = make_room

    async def begin(self, begin: Callable[[], Begun]) -> Begun:
        """What `begin` returns. Raises what it raises; `SpaceExhausted` only if the collector cannot help."""
        try:
            return begin()
        except SpaceExhausted:
            return await self._begin_later(begin)

    async def _begin_later(self, begin: Callable[[], Begun]) -> Begun:
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + WAIT_S_MAX
        while True:
            has_freed = await self._make_room(deadline_s - loop.time())
            try:
                return begin()
            except SpaceExhausted:
                if not has_freed or loop.time() >= deadline_s:
                    raise
