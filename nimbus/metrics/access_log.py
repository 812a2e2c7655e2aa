"""The counters of the access log as readings; its own thread and the workers' count in C."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nimbus.metrics import names
from nimbus.metrics.api import Reading


class AccessLogSource:
    """Reads what `AccessLog.counters` of nimbus/_native/plane.pyi gives."""

    def __init__(self, counters: Callable[[], tuple[int, int]]) -> None:
        self._counters = counters

    def read(self) -> Iterator[Reading]:
        written, dropped = self._counters()
        yield Reading(names.ACCESS_LOG_LINES, written)
        yield Reading(names.ACCESS_LOG_DROPPED, dropped)
