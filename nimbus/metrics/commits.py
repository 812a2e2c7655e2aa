"""The meter of a committer: groups, mutations, what waits, and how long the disk takes.

Counted by the committer: `submitted` under the lock of its queue, the rest by its thread (or under the same lock,
when it has several). What waits is the difference, so nobody has to ask the queue.
"""

from __future__ import annotations

from collections.abc import Iterator

from nimbus.metrics import names
from nimbus.metrics.api import Reading
from nimbus.metrics.durations import Durations


class CommitMeter:
    """Counts commits."""

    __slots__ = ("answered", "groups", "submitted", "syncs")

    def __init__(self) -> None:
        self.submitted = 0
        self.answered = 0
        self.groups = 0
        self.syncs = Durations()

    def read(self) -> Iterator[Reading]:
        """All of it; a moment's blur between the numbers."""
        answered = self.answered
        yield Reading(names.COMMIT_GROUPS, self.groups)
        yield Reading(names.COMMIT_MUTATIONS, answered)
        yield Reading(names.COMMIT_WAITING, max(0, self.submitted - answered))
        yield Reading(names.COMMIT_SYNC_SECONDS, self.syncs.read())
