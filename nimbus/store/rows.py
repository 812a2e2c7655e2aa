"""Reads of metadata rows for the event loop.

A map that this process owns answers a point read in a few microseconds: cheaper than any hand-over to a
thread, so it is asked directly. A map that is shared with other nodes is asked on a worker thread. Range
scans can be long and always go to a worker thread.
"""

from __future__ import annotations

from nimbus.meta.api import OrderedMap
from nimbus.store.threads import Threads


class Rows:
    """The ordered map, read without holding up the loop."""

    def __init__(self, map: OrderedMap, threads: Threads) -> None:
        self.map = map
        self.is_owned = not map.capabilities.shared
        self._threads = threads

    async def peek(self, row: bytes) -> bytes | None:
        """The value of `row`, or None."""
        if self.is_owned:
            return self.map.get(row)
        return await self._threads.run(self.map.get, row)

    async def scan(self, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Up to `limit` rows from `start` to before `end`, of one snapshot."""
        return await self._threads.run(self.map.range, start, end, limit)
