"""Readings as text that Prometheus reads.

The text format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/): for each metric a line of
help, a line of type, then a line for each series; a histogram has a line for each bucket, with how many were at
most that long, and its sum and count. Small and stable, so it is written here without a library.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Final

from nimbus.metrics.api import Distribution, Metric, Source
from nimbus.metrics.durations import BOUNDS_S
from nimbus.metrics.names import METRICS

Value = float | Distribution

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_LABEL_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_HELP_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n"})
_BOUNDS: Final = (*map(repr, BOUNDS_S), "+Inf")


def scrape(sources: Iterable[Source]) -> bytes:
    """The readings of all sources, metric by metric in the order of names.py."""
    families: dict[Metric, dict[tuple[str, ...], Value]] = {metric: {} for metric in METRICS}
    for source in sources:
        for reading in source.read():
            series = families[reading.metric]
            known = series.get(reading.labels)
            series[reading.labels] = reading.value if known is None else _sum(known, reading.value)
    lines = (line for metric, series in families.items() if series for line in _family(metric, series))
    return "".join(lines).encode()


def _sum(one: Value, other: Value) -> Value:
    if isinstance(one, Distribution) and isinstance(other, Distribution):
        counts = tuple(a + b for a, b in zip(one.counts, other.counts, strict=True))
        return Distribution(counts, one.sum_s + other.sum_s)
    assert not isinstance(one, Distribution), "a metric is of one kind"
    assert not isinstance(other, Distribution), "a metric is of one kind"
    return one + other


def _family(metric: Metric, series: dict[tuple[str, ...], Value]) -> Iterator[str]:
    yield f"# HELP {metric.name} {metric.help.translate(_HELP_ESCAPES)}\n"
    yield f"# TYPE {metric.name} {metric.kind.value}\n"
    for values, value in series.items():
        labels = _labels(metric, values)
        if isinstance(value, Distribution):
            yield from _histogram(metric.name, labels, value)
        else:
            yield f"{metric.name}{_braced(labels)} {_number(value)}\n"


def _histogram(name: str, labels: str, value: Distribution) -> Iterator[str]:
    before = f"{labels}," if labels else ""
    total = sum(value.counts)
    for bound, at_most in zip(_BOUNDS, accumulate(value.counts), strict=True):
        yield f'{name}_bucket{{{before}le="{bound}"}} {at_most}\n'
    yield f"{name}_sum{_braced(labels)} {_number(value.sum_s)}\n"
    yield f"{name}_count{_braced(labels)} {total}\n"


def _labels(metric: Metric, values: tuple[str, ...]) -> str:
    """operation="GetObject",status="200" """
    pairs = zip(metric.labels, values, strict=True)
    return ",".join(f'{name}="{value.translate(_LABEL_ESCAPES)}"' for name, value in pairs)


def _braced(labels: str) -> str:
    return f"{{{labels}}}" if labels else ""


def _number(value: float) -> str:
    return "+Inf" if value == float("inf") else repr(value)
