"""Readings as text that Prometheus reads.

The text format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/): for each metric a line of
help, a line of type, then a line for each series; a histogram has a line for each bucket, with how many were at
most that long, and its sum and count. Small and stable, so it is written here without a library.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Final

from nimbus.metrics.api import Distribution, Metric, Reading, Source
from nimbus.metrics.durations import BOUNDS_S
from nimbus.metrics.names import METRICS

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_LABEL_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_HELP_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n"})
_BOUNDS: Final = (*map(repr, BOUNDS_S), "+Inf")


def scrape(sources: Iterable[Source]) -> bytes:
    """The readings of all sources, metric by metric in the order of names.py."""
    series: dict[Metric, list[Reading]] = {metric: [] for metric in METRICS}
    for source in sources:
        for reading in source.read():
            series[reading.metric].append(reading)
    lines = (line for metric, readings in series.items() if readings for line in _family(metric, readings))
    return "".join(lines).encode()


def _family(metric: Metric, readings: list[Reading]) -> Iterator[str]:
    yield f"# HELP {metric.name} {metric.help.translate(_HELP_ESCAPES)}\n"
    yield f"# TYPE {metric.name} {metric.kind.value}\n"
    for reading in readings:
        labels = _labels(metric, reading)
        if isinstance(reading.value, Distribution):
            yield from _histogram(metric.name, labels, reading.value)
        else:
            yield f"{metric.name}{_braced(labels)} {_number(reading.value)}\n"


def _histogram(name: str, labels: str, value: Distribution) -> Iterator[str]:
    before = f"{labels}," if labels else ""
    total = sum(value.counts)
    for bound, at_most in zip(_BOUNDS, accumulate(value.counts), strict=True):
        yield f'{name}_bucket{{{before}le="{bound}"}} {at_most}\n'
    yield f"{name}_sum{_braced(labels)} {_number(value.sum_s)}\n"
    yield f"{name}_count{_braced(labels)} {total}\n"


def _labels(metric: Metric, reading: Reading) -> str:
    """operation="GetObject",status="200" """
    pairs = zip(metric.labels, reading.labels, strict=True)
    return ",".join(f'{name}="{value.translate(_LABEL_ESCAPES)}"' for name, value in pairs)


def _braced(labels: str) -> str:
    return f"{{{labels}}}" if labels else ""


def _number(value: float) -> str:
    return "+Inf" if value == float("inf") else repr(value)
