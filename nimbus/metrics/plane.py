"""The counters of the native plane as readings. Its threads count in C and are not stopped by a scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

from nimbus.metrics import names
from nimbus.metrics.api import Distribution, Reading

Counters = Mapping[str, int | list[int]]


class PlaneSource:
    """Reads what `Plane.counters` of nimbus/_native/plane.pyi gives, for these operations of the plane."""

    def __init__(self, counters: Callable[[], Counters], operations: Sequence[str]) -> None:
        self._counters = counters
        self._operations = operations

    def read(self) -> Iterator[Reading]:
        counters = self._counters()
        yield Reading(names.PLANE_CONNECTIONS, cast(int, counters["connections"]))
        yield Reading(names.PLANE_IN_FLIGHT, cast(int, counters["in_flight"]))
        for name, metric in names.PLANE_COUNTERS.items():
            yield Reading(metric, cast(int, counters[name]))
        for operation in self._operations:
            statuses = cast(list[int], counters[f"requests_{operation}"])
            for status_class, count in enumerate(statuses):
                if count:
                    yield Reading(names.PLANE_REQUESTS, count, (operation, str(status_class)))
            latency = tuple(cast(list[int], counters[f"latency_{operation}"]))
            sum_us = cast(int, counters[f"latency_sum_us_{operation}"])
            if any(latency):
                yield Reading(names.PLANE_BODY_BYTES, cast(int, counters[f"body_bytes_{operation}"]), (operation,))
                yield Reading(names.PLANE_ANSWER_BYTES, cast(int, counters[f"answer_bytes_{operation}"]), (operation,))
                yield Reading(names.PLANE_REQUEST_SECONDS, Distribution(latency, sum_us / 1e6), (operation,))
