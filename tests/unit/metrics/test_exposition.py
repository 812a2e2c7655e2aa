"""What /metrics says, read by Prometheus's own parser."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from nimbus.metrics import exposition, names
from nimbus.metrics.api import Distribution, Kind, Metric, Reading
from nimbus.metrics.durations import BUCKETS, Durations
from nimbus.metrics.exposition import scrape


class Fixed:
    """A source that gives what it was given."""

    def __init__(self, *readings: Reading) -> None:
        self._readings = readings

    def read(self) -> Iterable[Reading]:
        return self._readings


def samples(*readings: Reading) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Name and labels -> value, as Prometheus reads them."""
    families = text_string_to_metric_families(scrape([Fixed(*readings)]).decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_counter_a_gauge_and_their_labels_read_as_they_were_written() -> None:
    assert samples(
        Reading(names.REQUESTS, 3, ("GetObject", "200")),
        Reading(names.REQUESTS, 1, ("GetObject", "404")),
        Reading(names.REQUESTS_IN_FLIGHT, 2),
        Reading(names.PROCESS_CPU_SECONDS, 0.25),
    ) == {
        ("nimbus_s3_requests_total", (("operation", "GetObject"), ("status", "200"))): 3,
        ("nimbus_s3_requests_total", (("operation", "GetObject"), ("status", "404"))): 1,
        ("nimbus_s3_requests_in_flight", ()): 2,
        ("process_cpu_seconds_total", ()): 0.25,
    }


@given(st.lists(st.integers(min_value=0, max_value=10**11), max_size=30))
def test_a_histogram_reads_as_the_durations_that_were_added(durations_ns: list[int]) -> None:
    counted = Durations()
    for took_ns in durations_ns:
        counted.add(took_ns)
    read = samples(Reading(names.REQUEST_SECONDS, counted.read(), ("PutObject",)))
    label = ("operation", "PutObject")
    name = names.REQUEST_SECONDS.name
    assert read.pop((f"{name}_count", (label,))) == len(durations_ns)
    assert read.pop((f"{name}_sum", (label,))) == pytest.approx(sum(durations_ns) / 1e9)
    assert len(read) == BUCKETS
    for (_, labels), at_most in read.items():
        bound_s = float(dict(labels)["le"])
        assert at_most == sum(took_ns // 1000 < round(bound_s * 1e6, 3) for took_ns in durations_ns)


@given(st.text(), st.floats(allow_nan=False, min_value=-1e300, max_value=1e300))
def test_any_text_survives_as_the_value_of_a_label(text: str, value: float) -> None:
    read = samples(Reading(names.BUILD_INFO, value, (text, "3")))
    assert read == {("nimbus_build_info", (("python", "3"), ("version", text))): value}


def test_infinity_is_written_as_prometheus_spells_it() -> None:
    assert samples(Reading(names.PROCESS_MAX_FDS, math.inf)) == {("process_max_fds", ()): math.inf}


def test_help_and_type_stand_once_before_their_series_and_metrics_without_series_are_left_out() -> None:
    text = scrape([Fixed(Reading(names.ERRORS, 1, ("AccessDenied",))), Fixed(Reading(names.ERRORS, 2, ("SlowDown",)))])
    lines = text.decode().splitlines()
    assert lines[0].startswith("# HELP nimbus_s3_errors_total Errors by S3's code")
    assert lines[1] == "# TYPE nimbus_s3_errors_total counter"
    assert len(lines) == 4


def test_help_text_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = Metric("nimbus_odd", Kind.GAUGE, "one \\ two\nthree")
    monkeypatch.setattr(exposition, "METRICS", (odd,))
    assert scrape([Fixed(Reading(odd, 1))]) == (
        b"# HELP nimbus_odd one \\\\ two\\nthree\n# TYPE nimbus_odd gauge\nnimbus_odd 1\n"
    )


def test_a_reading_with_the_wrong_labels_is_a_mistake_of_the_program() -> None:
    with pytest.raises(ValueError, match="zip"):
        scrape([Fixed(Reading(names.REQUESTS, 1, ("GetObject",)))])


def test_a_distribution_has_as_many_buckets_as_there_are_bounds() -> None:
    with pytest.raises(ValueError, match="zip"):
        scrape([Fixed(Reading(names.COMMIT_SYNC_SECONDS, Distribution((1, 2), 0.5)))])


def test_every_metric_is_named_as_prometheus_asks() -> None:
    assert len({metric.name for metric in names.METRICS}) == len(names.METRICS)
    written = {value for value in vars(names).values() if isinstance(value, Metric)} | {*names.PLANE_COUNTERS.values()}
    assert written == set(names.METRICS)
    for metric in names.METRICS:
        assert metric.name.startswith(("nimbus_", "process_")), metric.name
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER), metric.name
        assert metric.name.endswith("_seconds") or metric.kind is not Kind.HISTOGRAM, metric.name
        assert metric.help.endswith("."), metric.name
        assert msgspec.structs.asdict(metric)["labels"] == tuple(metric.labels)
