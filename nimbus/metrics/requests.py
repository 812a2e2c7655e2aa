"""The meter of the S3 front: a cell for each operation, made before the first request.

One request costs one dict lookup and a few additions; labels are written as text only when somebody reads.
Counted on the event loop alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from nimbus.metrics import names
from nimbus.metrics.api import Reading
from nimbus.metrics.durations import Durations

OTHER: Final = "other"  # an operation that is not offered, or was not recognised


class _Cell:
    """What is counted of one operation."""

    __slots__ = ("durations", "received_bytes", "sent_bytes", "statuses")

    def __init__(self) -> None:
        self.statuses: dict[int, int] = {}
        self.durations = Durations()
        self.received_bytes = 0
        self.sent_bytes = 0


class RequestMeter:
    """Counts requests by operation and errors by code."""

    def __init__(self, operations: Iterable[str]) -> None:
        self.in_flight = 0  # kept by the front
        self._other = _Cell()
        self._cells = {name: _Cell() for name in operations}
        self._errors: dict[str, int] = {}
        self._damaged = 0

    def count(self, operation: str, status: int, took_ns: int, received_bytes: int, sent_bytes: int) -> None:
        """A request has ended; its status is 0 when no answer went out."""
        cell = self._cells.get(operation, self._other)
        statuses = cell.statuses
        statuses[status] = statuses.get(status, 0) + 1
        cell.durations.add(took_ns)
        cell.received_bytes += received_bytes
        cell.sent_bytes += sent_bytes

    def count_error(self, code: str) -> None:
        """An error was answered. The code comes from the table of S3's codes."""
        self._errors[code] = self._errors.get(code, 0) + 1

    def count_damage(self) -> None:
        """Stored bytes could not be had."""
        self._damaged += 1

    def read(self) -> Iterator[Reading]:
        """Every operation that was asked for, and every code that was answered."""
        yield Reading(names.REQUESTS_IN_FLIGHT, self.in_flight)
        yield Reading(names.DAMAGED, self._damaged)
        for code, count in self._errors.items():
            yield Reading(names.ERRORS, count, (code,))
        for operation, cell in (*self._cells.items(), (OTHER, self._other)):
            if not cell.statuses:
                continue
            for status, count in cell.statuses.items():
                yield Reading(names.REQUESTS, count, (operation, str(status)))
            yield Reading(names.REQUEST_SECONDS, cell.durations.read(), (operation,))
            yield Reading(names.RECEIVED_BYTES, cell.received_bytes, (operation,))
            yield Reading(names.SENT_BYTES, cell.sent_bytes, (operation,))
