"""Whether this server can do its work now, found out by doing a little of it.

Each part is asked through its own contract: the committer runs a mutation that reads a row of the metadata and
changes nothing (so its thread is alive and no sync has failed), the data engine begins a stream and gives it
up (so it takes writes and has space). Whatever they raise is the reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from nimbus.base.errors import NimbusError
from nimbus.data.api import DataStore
from nimbus.meta import keys
from nimbus.meta.api import Committer, View

ANSWER_S_MAX: Final = 2.0  # a commit waits for the group before it: a sync of a busy disk, not more


class Readiness:
    """Asks the parts of one server."""

    def __init__(self, committer: Committer, data: DataStore, check_room: Callable[[], None] | None = None) -> None:
        self._committer = committer
        self._check_room = check_room  # raises what a write of metadata would be refused with
        self._data = data
        self._is_stopping = False

    def stop(self) -> None:
        """Say from now on that the server is about to stop, so that nobody sends it work."""
        self._is_stopping = True

    async def obstacle(self) -> str | None:
        """Why it is not ready, in a sentence for the operator; None when it is."""
        if self._is_stopping:
            return "The server is stopping."
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                await self._committer.commit(_read_a_row)
                if self._check_room is not None:
                    self._check_room()
                await self._data.writer(0).abort()
        except TimeoutError:
            return f"A write takes longer than {ANSWER_S_MAX:g} s."
        except NimbusError as error:
            return str(error)
        return None


def _read_a_row(view: View) -> None:
    view.get(keys.FORMAT)
