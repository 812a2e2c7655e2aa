"""The counters of the native plane as readings. Its threads count in C and are not stopped by a scrape.

What the plane answers itself is an S3 request like any other, and adds to the same series as those that the application
answers; what it relays is counted there alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from nimbus.metrics import names
from nimbus.metrics.api import Distribution, Reading
from nimbus.metrics.requests import OTHER

Counters = Mapping[str, Any]

# S3's names of what the plane answers itself; what it refuses as one too many, or as no HTTP, has none.
S3_NAMES: Final = {"get": "GetObject", "head": "HeadObject", "put": "PutObject", "part": "UploadPart", "refused": OTHER}


class PlaneSource:
    """Reads what `Plane.counters` of nimbus/_native/plane.pyi gives, for these operations of the plane."""

    def __init__(self, counters: Callable[[], Counters], operations: Sequence[str]) -> None:
        self._counters = counters
        self._operations = operations

    def read(self) -> Iterator[Reading]:
        counters = self._counters()
        yield Reading(names.PLANE_CONNECTIONS, counters["connections"])
        yield Reading(names.PLANE_IN_FLIGHT, counters["in_flight"])
        yield Reading(names.DATA_READ_BYTES, counters["read_bytes"])
        for name, metric in names.PLANE_COUNTERS.items():
            yield Reading(metric, counters[name])
        for operation in self._operations:
            statuses: dict[int, int] = counters[f"requests_{operation}"]
            if statuses:
                yield Reading(names.PLANE_REQUESTS, sum(statuses.values()), (operation,))
                yield Reading(names.PLANE_REQUEST_SECONDS, _durations(counters, operation), (operation,))
                if operation in S3_NAMES:
                    yield from _answered(counters, operation, statuses)


def _answered(counters: Counters, operation: str, statuses: Mapping[int, int]) -> Iterator[Reading]:
    """The readings of an S3 operation, as nimbus/metrics/requests.py has them."""
    name = S3_NAMES[operation]
    for status, count in statuses.items():
        yield Reading(names.REQUESTS, count, (name, str(status)))
    yield Reading(names.REQUEST_SECONDS, _durations(counters, operation), (name,))
    yield Reading(names.RECEIVED_BYTES, counters[f"body_bytes_{operation}"], (name,))
    yield Reading(names.SENT_BYTES, counters[f"answer_bytes_{operation}"], (name,))
    # The errors that native code has words for; those of uploads are worded by the application, and counted there.
    if operation in ("get", "head") and 404 in statuses:
        yield Reading(names.ERRORS, statuses[404], ("NoSuchKey",))
    if operation == "refused" and 503 in statuses:
        yield Reading(names.ERRORS, statuses[503], ("SlowDown",))


def _durations(counters: Counters, operation: str) -> Distribution:
    return Distribution(tuple(counters[f"latency_{operation}"]), counters[f"latency_sum_us_{operation}"] / 1e6)
