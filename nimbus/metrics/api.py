"""The contract of the metrics room: what a metric is, what is read of it, and who gives readings.

Counting and reading are apart. Whoever counts adds to plain numbers in cells of its own, made before the first
request; nothing is formatted, looked up by name or locked there. A `Source` turns the cells into readings when
somebody scrapes, on the event loop, without stopping those who count.

Must always hold: a counter never goes back; the values of a label come from a table of the program, never from
a request, so the number of series is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Protocol

import msgspec


class Kind(Enum):
    """What the numbers of a metric mean."""

    COUNTER = "counter"  # a total since the start
    GAUGE = "gauge"  # a state, as of now
    HISTOGRAM = "histogram"  # durations by size


class Metric(msgspec.Struct, frozen=True):
    """A name with its meaning. The unit stands last in the name; counters end in _total after it."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


class Distribution(msgspec.Struct, frozen=True):
    """The durations of a histogram: how many fell into each bucket of durations.py, and their sum."""

    counts: tuple[int, ...]
    sum_s: float


class Reading(msgspec.Struct, frozen=True):
    """One series of a metric, as of about now: the values of its labels in their order, and the number."""

    metric: Metric
    value: float | Distribution
    labels: tuple[str, ...] = ()


class Source(Protocol):
    """Something that can be read. Called on the event loop at every scrape, so it neither blocks nor raises."""

    def read(self) -> Iterable[Reading]:
        """Every series it has, each at most once. The same series of two sources is the sum of both."""
        ...
