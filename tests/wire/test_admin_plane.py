"""The counters of a real native plane as metrics: every one of them has its name, and they tell what happened."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from nimbus._native.plane import OPERATIONS
from nimbus.metrics import names
from nimbus.metrics.exposition import scrape
from nimbus.metrics.plane import PlaneSource
from tests.wire.plane_front import front

PER_OPERATION = ("requests", "latency", "latency_sum_us", "body_bytes", "answer_bytes")


def test_every_counter_of_the_plane_is_scraped_under_its_own_name() -> None:
    with front() as plane:
        counters = plane.plane.counters()
    per_operation = {f"{kind}_{name}" for kind in PER_OPERATION for name in OPERATIONS}
    assert set(counters) == {*names.PLANE_COUNTERS, "connections", "in_flight", "read_bytes"} | per_operation


def test_what_the_plane_refused_is_scraped() -> None:
    with front() as plane:
        peer = plane.connect()
        peer.socket.sendall(b"nonsense\r\n\r\n")
        assert plane.eventually(lambda: plane.counter("malformed") == 1)
        text = scrape([PlaneSource(plane.plane.counters, OPERATIONS)]).decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    values = {(sample.name, sample.labels.get("operation")): sample.value for sample in samples}
    assert values["nimbus_plane_connections_accepted_total", None] == 1
    assert values["nimbus_plane_requests_malformed_total", None] == 1
    assert values["nimbus_plane_received_bytes_total", None] == 12


def test_bytes_are_counted_by_operation_and_in_both_framings() -> None:
    with front() as plane:
        peer = plane.connect()
        peer.send(b"PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
        peer.response()
        peer.send(
            b"PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\nabcd\r\n0\r\n\r\n"
        )
        peer.response()
        assert plane.eventually(lambda: plane.counter("in_flight") == 0)
        counters = plane.plane.counters()
    assert counters["body_bytes_relayed"] == 12
    assert counters["answer_bytes_relayed"] == counters["sent_bytes"]
