"""The admin endpoints over engines in memory, without a socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest

from nimbus.admin.app import AdminAsgi
from nimbus.admin.readiness import Readiness
from nimbus.base.errors import SpaceExhausted, StoreReadOnly
from nimbus.data.api import Writer
from nimbus.data.memory import MemoryDataStore
from nimbus.meta.committer import OwnedCommitter
from nimbus.meta.memory import MemoryMap
from nimbus.metrics.requests import RequestMeter


class BrittleMap(MemoryMap):
    """A map whose disk fails from a moment on."""

    is_broken = False

    def sync(self) -> None:
        if self.is_broken:
            raise StoreReadOnly("The disk is gone.")
        super().sync()


class FullStore(MemoryDataStore):
    """A data engine without space."""

    def writer(self, size_hint: int | None) -> Writer:
        raise SpaceExhausted("0 bytes are left.")


class Parts:
    """What the readiness asks."""

    def __init__(self) -> None:
        self.map = BrittleMap()
        self.committer = OwnedCommitter(self.map)
        self.data = MemoryDataStore()
        self.meter = RequestMeter(["GetObject"])

    def app(self, data: MemoryDataStore | None = None) -> AdminAsgi:
        return AdminAsgi([self.meter], Readiness(self.committer, data or self.data))


@pytest.fixture
def parts() -> Iterator[Parts]:
    made = Parts()
    yield made
    made.committer.close()


async def ask(app: AdminAsgi, target: str, method: str = "GET") -> tuple[int, dict[str, str], str]:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("an admin endpoint reads no body")

    async def send(message: Any) -> None:
        sent.append(message)

    path, _, query = target.partition("?")
    scope = {"type": "http", "method": method, "raw_path": path.encode(), "query_string": query.encode()}
    await app(scope, receive, send)
    head, body = sent
    headers = {name.decode(): value.decode() for name, value in head["headers"]}
    assert method == "HEAD" or headers["content-length"] == str(len(body["body"]))
    return head["status"], headers, body["body"].decode()


async def test_metrics_are_prometheus_text(parts: Parts) -> None:
    parts.meter.count("GetObject", 200, 1000, 0, 0)
    status, headers, text = await ask(parts.app(), "/metrics")
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert 'nimbus_s3_requests_total{operation="GetObject",status="200"} 1\n' in text


async def test_a_healthy_server_is_live_and_ready(parts: Parts) -> None:
    assert (await ask(parts.app(), "/health/live"))[::2] == (200, "live\n")
    assert (await ask(parts.app(), "/health/ready"))[::2] == (200, "ready\n")


async def test_being_asked_leaves_nothing_behind(parts: Parts) -> None:
    await ask(parts.app(), "/health/ready")
    assert parts.data._objects == {}
    assert parts.map.range(b"", b"\xff", 10) == []


async def test_a_store_that_became_read_only_is_live_but_not_ready(parts: Parts) -> None:
    parts.map.is_broken = True
    with pytest.raises(StoreReadOnly):
        await parts.committer.commit(lambda view: view.put(b"k", b"v"))
    status, _, text = await ask(parts.app(), "/health/ready")
    assert status == 503
    assert "The store takes no writes since a write to its disk failed" in text
    assert (await ask(parts.app(), "/health/live"))[0] == 200


async def test_a_full_disk_is_not_ready(parts: Parts) -> None:
    status, _, text = await ask(parts.app(FullStore()), "/health/ready")
    assert (status, text) == (
        503,
        "There is no space left for the data. 0 bytes are left.\n",
    )


async def test_a_committer_that_was_closed_is_not_ready(parts: Parts) -> None:
    parts.committer.close()
    assert (await ask(parts.app(), "/health/ready"))[0] == 503


async def test_a_commit_that_does_not_come_back_is_not_ready(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nimbus.admin.readiness.ANSWER_S_MAX", 0.01)
    with held(parts.committer):
        status, _, text = await ask(parts.app(), "/health/ready")
    assert status == 503
    assert "A write takes longer than 0.01 s." in text


async def test_a_server_that_is_told_to_stop_is_not_ready(parts: Parts) -> None:
    readiness = Readiness(parts.committer, parts.data)
    assert await readiness.obstacle() is None
    readiness.stop()
    assert await readiness.obstacle() == "The server is stopping."


@pytest.mark.parametrize("target", ["/", "/metrics/", "/Metrics", "/health", "/health/live/../ready", "//metrics"])
async def test_anything_else_is_404_and_names_what_there_is(parts: Parts, target: str) -> None:
    status, _, text = await ask(parts.app(), target)
    assert status == 404
    assert "/metrics" in text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get"])
async def test_nothing_can_be_changed(parts: Parts, method: str) -> None:
    status, headers, _ = await ask(parts.app(), "/metrics", method)
    assert (status, headers["allow"]) == (405, "GET, HEAD")


async def test_head_answers_with_the_length_alone(parts: Parts) -> None:
    status, headers, body = await ask(parts.app(), "/health/live", "HEAD")
    assert (status, headers["content-length"], body) == (200, "5", "")


async def test_every_answer_is_fresh_and_ends_its_connection(parts: Parts) -> None:
    for target in ("/metrics", "/health/live", "/nowhere"):
        _, headers, _ = await ask(parts.app(), target)
        assert headers["cache-control"] == "no-store"
        assert headers["connection"] == "close"
        assert headers["server"] == "NimbusStore"


@contextmanager
def held(committer: OwnedCommitter) -> Iterator[None]:
    """A commit thread that is busy for as long as the context lasts."""
    begun, release = Event(), Event()

    def wait(view: object) -> None:
        begun.set()
        release.wait()

    committer.submit(wait, lambda result, error: None)
    begun.wait()
    yield
    release.set()
