"""A bucket of a million objects: how long the server takes to start on it, and what a page of a listing costs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from bench import load, servers
from bench.bench_wire import exchange, round_of
from bench.contest import Contests
from nimbus.base.ids import new_id
from nimbus.meta import keys
from nimbus.meta.rocksdb import open_rocksdb
from nimbus.store.records import Bucket, Extent, Object, pack

OBJECTS = 1_000_000
BATCH = 5_000
LISTINGS = 60


def _fill(data_dir: Path) -> None:
    """Write the rows that a million puts would have left; their bytes are never asked for."""
    bucket_id = new_id()
    record = pack(
        Object(
            size=4096,
            etag="d41d8cd98f00b204e9800998ecf8427e",
            modified_ms=1_769_862_896_789,
            modified_iso="2026-01-31T12:34:56.789Z",
            modified_http="Sat, 31 Jan 2026 12:34:56 GMT",
            owner_id="test",
            content_type="application/octet-stream",
            extents=(Extent(b"\x01" * 41, 4096),),
            checksums={"CRC64NVME": "AAAAAAAAAAA="},
            checksum_type="FULL_OBJECT",
        )
    )
    rows = open_rocksdb({}, data_dir)
    rows.write({keys.bucket("million"): pack(Bucket(bucket_id, "test", 1_769_862_896_789, "us-east-1"))})
    for start in range(0, OBJECTS, BATCH):
        names = [b"train/%03d/%09d" % (index // 10_000, index) for index in range(start, start + BATCH)]
        rows.write({keys.object(bucket_id, name): record for name in names})
    rows.sync()
    rows.close()


@pytest.fixture(scope="module")
def million(bench_dir: Path) -> Path:
    """A data directory with a bucket of a million objects, made by a server that was stopped cleanly."""
    folder = bench_dir / "million"
    with servers.nimbus(folder) as server:  # with bytes in it: a start refuses metadata whose bytes are all gone
        exchange(server, load.signed("PUT", server.port, "/kept"))
        exchange(server, load.signed("PUT", server.port, "/kept/one", b"x"))
    _fill(folder)
    return folder


def bench_start_with_a_million_objects(benchmark: Any, million: Path) -> None:
    """From the command to the ready line; the interpreter's own start is in it."""

    def start() -> None:
        before = time.perf_counter()
        with servers.nimbus(million):
            taken.append(time.perf_counter() - before)

    taken: list[float] = []
    benchmark.pedantic(start, rounds=3, iterations=1)
    benchmark.extra_info["ready_after_s"] = taken


def bench_listing_of_1000_keys_out_of_a_million(
    benchmark: Any, contests: Contests, million: Path, nginx_server: servers.Server, bench_dir: Path
) -> None:
    """Pages from all over the bucket; the peer sends a ready-made page of the same size."""
    with servers.nimbus(million) as server:
        starts = [f"train/{index // 10_000:03}/{index:09}" for index in range(0, OBJECTS, OBJECTS // 40)]
        ours = [
            load.signed(
                "GET", server.port, f"/million?list-type=2&max-keys=1000&start-after={start.replace('/', '%2F')}"
            )
            for start in starts
        ]
        page = exchange(server, ours[0])
        assert page.count(b"<Contents>") == 1000
        (bench_dir / "nginx" / "www" / "page.xml").write_bytes(page)
        peer = [load.plain("GET", nginx_server.port, "/page.xml")]
        contests.run(
            benchmark,
            "LIST 1,000 of 1,000,000",
            round_of(server, load.write_requests(bench_dir / "ours", ours), LISTINGS),
            round_of(nginx_server, load.write_requests(bench_dir / "peer", peer), LISTINGS * 100),
            peer_name="nginx sending the finished page",
        )
