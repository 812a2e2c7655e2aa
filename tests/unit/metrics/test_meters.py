"""The cells that are counted into, and what is read of them."""

from __future__ import annotations

import os
import platform
import time
from typing import Any

from nimbus._native.plane import OPERATIONS
from nimbus.meta.committer import OwnedCommitter
from nimbus.meta.memory import MemoryMap
from nimbus.metrics import names
from nimbus.metrics.api import Distribution, Metric, Source
from nimbus.metrics.commits import CommitMeter
from nimbus.metrics.durations import BOUNDS_S, BUCKETS, Durations
from nimbus.metrics.exposition import scrape
from nimbus.metrics.plane import PlaneSource
from nimbus.metrics.process import ProcessSource
from nimbus.metrics.requests import OTHER, RequestMeter


def read(source: Source) -> dict[tuple[Metric, tuple[str, ...]], float | Distribution]:
    readings = list(source.read())
    by_series = {(reading.metric, reading.labels): reading.value for reading in readings}
    assert len(by_series) == len(readings), "a series was read twice"
    return by_series


def test_a_duration_falls_into_the_first_bucket_whose_bound_it_stays_below() -> None:
    for took_ns, bucket in ((0, 0), (999, 0), (1000, 1), (1999, 1), (2000, 2), (4_194_303_999, 22), (10**12, 23)):
        durations = Durations()
        durations.add(took_ns)
        assert durations.read().counts[bucket] == 1, took_ns
    assert len(BOUNDS_S) == BUCKETS - 1
    assert BOUNDS_S[10] == 0.001024


def test_requests_are_counted_by_operation_and_status() -> None:
    meter = RequestMeter(["GetObject", "PutObject", "HeadObject"])
    meter.count("GetObject", 200, 1_500, 0, 10)
    meter.count("GetObject", 200, 1_500, 0, 10)
    meter.count("GetObject", 404, 1_500, 0, 5)
    meter.count("PutObject", 200, 9_000_000_000, 77, 0)
    meter.count_error("NoSuchKey")
    found = read(meter)
    assert found[names.REQUESTS, ("GetObject", "200")] == 2
    assert found[names.REQUESTS, ("GetObject", "404")] == 1
    assert found[names.SENT_BYTES, ("GetObject",)] == 25
    assert found[names.RECEIVED_BYTES, ("PutObject",)] == 77
    assert found[names.ERRORS, ("NoSuchKey",)] == 1
    assert found[names.REQUEST_SECONDS, ("GetObject",)] == Distribution((0, 3) + (0,) * 22, 4.5e-6)
    assert found[names.REQUEST_SECONDS, ("PutObject",)] == Distribution((0,) * 23 + (1,), 9.0)
    assert not any("HeadObject" in labels for _, labels in found)


def test_what_a_client_makes_up_never_becomes_a_label() -> None:
    meter = RequestMeter(["GetObject"])
    for name in ("", "PutBucketFoo", 'x"} 1\nevil 1'):
        meter.count(name, 501, 10, 0, 0)
    assert {labels for metric, labels in read(meter) if metric is names.REQUESTS} == {(OTHER, "501")}


def test_a_commit_is_counted_with_its_group_and_its_sync() -> None:
    meter = CommitMeter()
    committer = OwnedCommitter(MemoryMap(), meter)
    committer.commit_now(lambda view: view.put(b"k", b"v"))
    committer.commit_now(lambda view: view.get(b"k"))
    committer.close()
    found = read(meter)
    assert found[names.COMMIT_GROUPS, ()] == 2
    assert found[names.COMMIT_MUTATIONS, ()] == 2
    assert found[names.COMMIT_WAITING, ()] == 0
    syncs = found[names.COMMIT_SYNC_SECONDS, ()]
    assert isinstance(syncs, Distribution)
    assert sum(syncs.counts) == 1  # the second mutation wrote nothing


def test_the_process_tells_its_age_its_memory_and_its_descriptors() -> None:
    source = ProcessSource("1.2.3")
    before = read(source)
    opened = os.open(os.devnull, os.O_RDONLY)
    after = read(source)
    os.close(opened)
    assert after[names.BUILD_INFO, ("1.2.3", platform.python_version())] == 1
    descriptors = [found[names.PROCESS_OPEN_FDS, ()] for found in (before, after)]
    assert isinstance(descriptors[0], int)
    assert descriptors[1] == descriptors[0] + 1
    started_s, resident, virtual = (
        after[metric, ()]
        for metric in (names.PROCESS_START_SECONDS, names.PROCESS_RESIDENT_BYTES, names.PROCESS_VIRTUAL_BYTES)
    )
    assert isinstance(started_s, float)
    assert 0 <= time.time() - started_s < 86_400
    assert isinstance(resident, int)
    assert isinstance(virtual, int)
    assert 1 << 20 < resident < virtual


def test_the_counters_of_the_native_plane_become_readings() -> None:
    counters: dict[str, Any] = dict.fromkeys(names.PLANE_COUNTERS, 7)
    counters |= {"connections": 3, "in_flight": 1, "read_bytes": 9}
    for operation in OPERATIONS:
        counters |= {
            f"requests_{operation}": {},
            f"latency_{operation}": [0] * BUCKETS,
            f"latency_sum_us_{operation}": 0,
            f"body_bytes_{operation}": 0,
            f"answer_bytes_{operation}": 0,
        }
    counters |= {"requests_get": {200: 5, 404: 1}, "latency_sum_us_get": 30, "answer_bytes_get": 20}
    counters |= {"requests_relayed": {200: 2}, "body_bytes_put": 10, "requests_put": {200: 1}}
    counters["latency_get"] = [0, 0, 0, 6] + [0] * (BUCKETS - 4)
    source = PlaneSource(lambda: counters, OPERATIONS)
    found = read(source)
    took = Distribution((0, 0, 0, 6) + (0,) * 20, 30e-6)
    assert (found[names.PLANE_REQUESTS, ("get",)], found[names.PLANE_REQUESTS, ("relayed",)]) == (6, 2)
    assert found[names.PLANE_REQUEST_SECONDS, ("get",)] == found[names.REQUEST_SECONDS, ("GetObject",)] == took
    assert found[names.REQUESTS, ("GetObject", "200")] == 5
    assert found[names.REQUESTS, ("GetObject", "404")] == found[names.ERRORS, ("NoSuchKey",)] == 1
    assert found[names.SENT_BYTES, ("GetObject",)] == 20
    assert found[names.RECEIVED_BYTES, ("PutObject",)] == 10
    assert found[names.PLANE_CONNECTIONS, ()] == 3
    assert {labels[0] for metric, labels in found if metric is names.REQUESTS} == {"GetObject", "PutObject"}
    text = scrape([source, source])
    assert b"nimbus_plane_received_bytes_total 14\n" in text
    assert b'nimbus_s3_requests_total{operation="GetObject",status="200"} 10\n' in text
    assert b'nimbus_s3_request_duration_seconds_count{operation="GetObject"} 12\n' in text
    assert text.count(b'nimbus_s3_requests_total{operation="GetObject",status="200"}') == 1
