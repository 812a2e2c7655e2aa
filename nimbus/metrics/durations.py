"""Durations by size, in buckets that are powers of two of a microsecond: the bucket is the length of a number.

Bucket i holds what took less than 2^i microseconds; the last one holds anything longer. The native plane counts
in the same buckets (nimbus/_native/plane/metrics.h), so that both appear under the same bounds.
"""

from __future__ import annotations

from typing import Final

from nimbus.metrics.api import Distribution

BUCKETS: Final = 24
_LAST: Final = BUCKETS - 1
# Upper bounds in seconds of all buckets but the last, from 1 us to 4.2 s.
BOUNDS_S: Final = tuple(2**exponent / 1e6 for exponent in range(_LAST))


class Durations:
    """A histogram that one thread adds to."""

    __slots__ = ("_counts", "_sum_ns")

    def __init__(self) -> None:
        self._counts = [0] * BUCKETS
        self._sum_ns = 0

    def add(self, took_ns: int) -> None:
        """Count a duration."""
        bucket = (took_ns // 1000).bit_length()
        self._counts[bucket if bucket < _LAST else _LAST] += 1
        self._sum_ns += took_ns

    def read(self) -> Distribution:
        """What was counted so far."""
        return Distribution(tuple(self._counts), self._sum_ns / 1e9)
