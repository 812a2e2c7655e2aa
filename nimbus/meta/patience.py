"""How long a commit thread waits for company before it begins a group.

A sync costs the same for one writer as for a hundred, and writers that were just answered mostly write again at once.
A thread that never waits splits them into halves that take turns, and pays for every sync twice. So once a group was
answered, the next one waits for as many as were answered then and as had queued meanwhile, but not for long: a part of
what the group took, counted from its answers. That is all a writer can lose who finds the others gone; with the others
back he waits for one group where he waited for two.

Must always hold: a writer who is alone never waits.
"""

from __future__ import annotations

from typing import Final

WAIT_NS_MAX: Final = 500_000  # on a slow disk more company comes while the group before is synced
WAIT_DIVISOR: Final = 2  # half of what the group before took


def wait_ns(took_ns: int) -> int:
    """How long to wait after a group that took so long."""
    return min(took_ns // WAIT_DIVISOR, WAIT_NS_MAX)


class Patience:
    """For how many mutations to wait, and until when. Times are nanoseconds of any clock that only goes forward."""

    __slots__ = ("_count_max", "_until_ns", "wanted")

    def __init__(self, count_max: int) -> None:
        self._count_max = count_max
        self._until_ns = 0
        self.wanted = 0  # mutations in the queue that are waited for; never more than the largest group

    def renew(self, answered: int, queued: int, began_ns: int, now_ns: int) -> None:
        """A group of `answered`, begun at `began_ns`, is over now, and `queued` have come meanwhile."""
        self.wanted = min(answered + queued, self._count_max)
        self._until_ns = now_ns + wait_ns(now_ns - began_ns)

    def left_ns(self, queued: int, now_ns: int) -> int:
        """How long to wait for more than the `queued`; 0: begin."""
        return max(0, self._until_ns - now_ns) if queued < self.wanted else 0
