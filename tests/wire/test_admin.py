"""The admin listener of a real server: counts that are right, health that is true, nothing that is secret."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from nimbus import __version__
from tests.wire.clients import run
from tests.wire.conftest import DATA_PLANES
from tests.wire.ops import Doors, doors, labels
from tests.wire.serving import OTHER, OWNER, User

SECONDS_MAX = 10


@pytest.fixture(scope="module", params=DATA_PLANES)
def server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Doors]:
    folder = tmp_path_factory.mktemp("admin")
    with doors(folder, "--listen", "127.0.0.1:0", "--data-plane", request.param) as started:
        yield started


@pytest.fixture(params=DATA_PLANES)
def untouched(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Doors]:
    """A server that nobody has asked for anything yet."""
    with doors(tmp_path, "--listen", "127.0.0.1:0", "--data-plane", request.param) as started:
        yield started


def requests(series: dict[tuple[str, tuple[tuple[str, str], ...]], float]) -> dict[tuple[str, str], float]:
    """Operation and status -> count."""
    return {
        (dict(found)["operation"], dict(found)["status"]): count
        for (name, found), count in series.items()
        if name == "nimbus_s3_requests_total"
    }


def use(server: Doors) -> None:
    """A little of everything, with some failures."""
    client = server.s3.client()
    client.create_bucket(Bucket="counted")
    for number in range(3):
        client.put_object(Bucket="counted", Key=f"secret-name-{number}", Body=b"x" * 1000)
    for _ in range(5):
        assert client.get_object(Bucket="counted", Key="secret-name-0")["Body"].read() == b"x" * 1000
    client.put_object(Bucket="counted", Key="large", Body=b"y" * 3_000_000)
    assert len(client.get_object(Bucket="counted", Key="large")["Body"].read()) == 3_000_000
    client.head_object(Bucket="counted", Key="large")
    client.list_objects_v2(Bucket="counted")
    client.delete_object(Bucket="counted", Key="secret-name-2")
    intruder = User(OWNER.id, OWNER.email, OWNER.access_key, "the wrong secret")
    refused = {"get": (client, "nothing"), "wrong": (server.s3.client(intruder), "large")}
    refused["stranger"] = (server.s3.client(OTHER), "large")
    for asker, key in refused.values():
        with pytest.raises(ClientError):
            asker.get_object(Bucket="counted", Key=key)


def test_the_counts_are_those_of_what_clients_did(untouched: Doors) -> None:
    assert requests(untouched.scrape()) == {}
    use(untouched)
    series = untouched.scrape()
    assert requests(series) == {
        ("CreateBucket", "200"): 1,
        ("PutObject", "200"): 4,
        ("GetObject", "200"): 6,
        ("GetObject", "403"): 2,
        ("GetObject", "404"): 1,
        ("HeadObject", "200"): 1,
        ("ListObjectsV2", "200"): 1,
        ("DeleteObject", "204"): 1,
    }
    for code in ("NoSuchKey", "SignatureDoesNotMatch", "AccessDenied"):
        assert series["nimbus_s3_errors_total", labels(code=code)] == 1
    get, put = labels(operation="GetObject"), labels(operation="PutObject")
    assert series["nimbus_s3_request_duration_seconds_count", get] == 9
    assert 0 < series["nimbus_s3_request_duration_seconds_sum", get] < 60
    assert 3_005_000 < series["nimbus_s3_sent_bytes_total", get] < 3_010_000  # bodies and three error documents
    assert 3_003_000 <= series["nimbus_s3_received_bytes_total", put] < 3_010_000  # with framing and trailers
    assert series["nimbus_data_written_bytes_total", ()] == 3_003_000
    assert series["nimbus_data_read_bytes_total", ()] == 3_005_000
    assert series["nimbus_s3_requests_in_flight", ()] == 0
    assert series["nimbus_commit_waiting", ()] == 0
    assert series["nimbus_commit_mutations_total", ()] >= 6
    assert series["nimbus_commit_sync_duration_seconds_count", ()] >= 6
    assert series["nimbus_data_sync_duration_seconds_count", ()] >= 4


def test_the_process_is_described(server: Doors) -> None:
    series = server.scrape()
    assert [dict(found)["version"] for name, found in series if name == "nimbus_build_info"] == [__version__]
    assert 0 < series["process_open_fds", ()] < series["process_max_fds", ()]
    assert series["process_resident_memory_bytes", ()] > 10_000_000
    assert 0 <= time.time() - series["process_start_time_seconds", ()] < 120


def test_garbage_that_was_freed_is_counted(untouched: Doors) -> None:
    client = untouched.s3.client()
    client.create_bucket(Bucket="waste")
    client.put_object(Bucket="waste", Key="k", Body=b"z" * 300_000)
    client.delete_object(Bucket="waste", Key="k")
    deadline = time.monotonic() + 30
    while not (series := untouched.scrape())["nimbus_garbage_rows_freed_total", ()]:
        assert time.monotonic() < deadline, series
        time.sleep(0.2)  # the collector waits for its grace by its own clock
    assert series["nimbus_data_dropped_bytes_total", ()] == 300_000


def test_nothing_that_users_named_or_know_is_told(untouched: Doors) -> None:
    use(untouched)
    text = "".join(untouched.page(path)[1] for path in ("/metrics", "/health/ready", "/health/live", "/nowhere"))
    for user in (OWNER, OTHER):
        for secret in (user.access_key, user.secret_key, user.id, user.email):
            assert f'"{secret}"' not in text
            assert user.secret_key not in text
            assert user.access_key not in text
    for name in ("counted", "secret-name", "large", "127.0.0.1"):
        assert name not in text


def test_health_is_told_on_the_admin_listener_only(server: Doors) -> None:
    assert server.page("/health/live") == (200, "live\n")
    assert server.page("/health/ready") == (200, "ready\n")
    assert server.page("/nowhere")[0] == 404
    said = run(["curl", "-s", "-w", "%{http_code}", "-o", "/dev/null", f"{server.s3.endpoint}/metrics"])
    assert said == "403"  # a bucket of that name, for which nobody signed


def test_scraping_again_and_again_disturbs_nobody(server: Doors) -> None:
    client = server.s3.client()
    client.create_bucket(Bucket="busy")
    stop = threading.Event()
    scrapes: list[float] = []

    def scrape() -> None:
        while not stop.is_set():
            scrapes.append(server.scrape()["nimbus_commit_mutations_total", ()])

    scraper = threading.Thread(target=scrape)
    scraper.start()
    try:
        for number in range(50):
            client.put_object(Bucket="busy", Key=str(number), Body=b"b" * number)
            assert client.get_object(Bucket="busy", Key=str(number))["Body"].read() == b"b" * number
    finally:
        stop.set()
        scraper.join()
    assert len(scrapes) > 5
    assert scrapes == sorted(scrapes)  # counters never go back
    assert requests(server.scrape())["PutObject", "200"] >= 50


def test_peers_that_speak_something_else_are_let_go(server: Doors) -> None:
    host, _, port = server.admin.removeprefix("http://").partition(":")
    with ExitStack() as connections:
        peers = []
        for sent in (b"", b"\x16\x03\x01\x02\x00", b"GET /metrics HTTP/1.1\r\n", b"nonsense\r\n\r\n"):
            peer = connections.enter_context(socket.create_connection((host, int(port)), timeout=SECONDS_MAX))
            peer.sendall(sent)
            peers.append(peer)
        for peer in peers:
            while peer.recv(4096):
                pass
    assert server.page("/health/live") == (200, "live\n")


def test_an_admin_address_that_others_reach_is_warned_of(tmp_path: Path) -> None:
    with doors(tmp_path, "--listen", "127.0.0.1:0", "--admin", "0.0.0.0:0") as started:
        said = started.errors.read_text()
    assert re.search(r"nimbus: admin: 0\.0\.0\.0:\d+ can be reached from other machines and asks nobody who", said)
