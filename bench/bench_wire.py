"""Signed GET and PUT over HTTP against nginx, which checks no signature and syncs nothing.

Both servers hold the same bytes in the page cache and are asked over the same number of kept-alive connections by
the same generator. Ours verifies SigV4 and the stored checksum of every block on every read; for PUT it also
computes MD5 and a CRC, and answers only when the object is durable.
"""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import load
from bench.contest import Contests
from bench.servers import Server

KIB, MIB = 1024, 1024 * 1024
CONNECTIONS = 16
FREED_S = 20  # longer than any grace before freed bytes go
# name, size in bytes, requests in a round of GETs, of PUTs
SIZES = [
    ("1KiB", KIB, 6000, 1500),
    ("4KiB", 4 * KIB, 6000, 1500),
    ("64KiB", 64 * KIB, 4000, 800),
    ("1MiB", MIB, 600, 150),
    ("64MiB", 64 * MIB, 24, 16),
]


def body_of(size: int) -> bytes:
    """Random bytes, repeated every MiB."""
    block = os.urandom(min(size, MIB))
    return (block * (size // len(block) + 1))[:size]


def exchange(server: Server, request: bytes) -> bytes:
    """The body of the answer to one prebuilt request, which must succeed."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.connect()
    assert connection.sock is not None
    connection.sock.sendall(request)
    response = http.client.HTTPResponse(connection.sock)
    response.begin()
    answer = response.read()
    assert response.status < 300, answer
    connection.close()
    return answer


def round_of(server: Server, requests: Path, count: int) -> Callable[[], float]:
    """A side of a contest: `count` requests of the file, in turn; CPU seconds per request."""

    def run() -> float:
        before = server.cpu_s()
        done = load.run(server.port, requests, connections=CONNECTIONS, requests_max=count)
        return (server.cpu_s() - before) / done.requests

    return run


@pytest.fixture(scope="module", autouse=True)
def bucket(nimbus_server: Server) -> None:
    exchange(nimbus_server, load.signed("PUT", nimbus_server.port, "/bench"))


def _cases(column: int) -> list[Any]:
    """Name, size and requests of a round; the largest objects are left to long runs."""
    return [
        pytest.param(*case[:2], case[column], marks=[pytest.mark.long] if case[1] > MIB else [], id=case[0])
        for case in SIZES
    ]


@pytest.mark.parametrize(("name", "size", "count"), _cases(2))
def bench_get(
    benchmark: Any,
    contests: Contests,
    nimbus_server: Server,
    nginx_server: Server,
    bench_dir: Path,
    name: str,
    size: int,
    count: int,
) -> None:
    body = body_of(size)
    exchange(nimbus_server, load.signed("PUT", nimbus_server.port, f"/bench/get-{name}", body))
    (bench_dir / "nginx" / "www" / f"get-{name}").write_bytes(body)
    ours = load.write_requests(bench_dir / "ours", [load.signed("GET", nimbus_server.port, f"/bench/get-{name}")])
    peer = load.write_requests(bench_dir / "peer", [load.plain("GET", nginx_server.port, f"/get-{name}")])
    contests.run(
        benchmark,
        f"{nimbus_server.name} GET {name}",
        round_of(nimbus_server, ours, count),
        round_of(nginx_server, peer, count),
        peer_name="nginx sendfile, no auth",
    )


def bench_get_range_of_256_kib(
    benchmark: Any, contests: Contests, nimbus_server: Server, nginx_server: Server, bench_dir: Path
) -> None:
    body = body_of(64 * MIB)
    exchange(nimbus_server, load.signed("PUT", nimbus_server.port, "/bench/ranges", body))
    (bench_dir / "nginx" / "www" / "ranges").write_bytes(body)
    spans = [{"Range": f"bytes={start}-{start + 256 * KIB - 1}"} for start in range(5000, 60 * MIB, 7 * MIB + 333)]
    ours = [load.signed("GET", nimbus_server.port, "/bench/ranges", headers=span) for span in spans]
    peer = [load.plain("GET", nginx_server.port, "/ranges", headers=span) for span in spans]
    contests.run(
        benchmark,
        f"{nimbus_server.name} GET range 256KiB",
        round_of(nimbus_server, load.write_requests(bench_dir / "ours", ours), 1500),
        round_of(nginx_server, load.write_requests(bench_dir / "peer", peer), 1500),
        peer_name="nginx sendfile, no auth",
    )


def _contest_of_puts(
    benchmark: Any,
    contests: Contests,
    ours: Server,
    peer: Server,
    bench_dir: Path,
    case: tuple[str, int, int],
    **how: bool,
) -> None:
    name, size, count = case
    body = body_of(size)
    keys = [f"put-{size}-{index}" for index in range(min(count, max(1, 256 * MIB // size)))]
    signed = (load.signed("PUT", ours.port, f"/bench/{key}", body, **how) for key in keys)
    plain = (load.plain("PUT", peer.port, f"/{key}", body) for key in keys)
    contests.run(
        benchmark,
        f"{ours.name} PUT {name}",
        round_of(ours, load.write_requests(bench_dir / "ours", signed), count),
        round_of(peer, load.write_requests(bench_dir / "peer", plain), count),
        peer_name="nginx DAV, no auth, no hash, no sync",
    )


@pytest.mark.parametrize(("name", "size", "count"), _cases(3))
def bench_put(
    benchmark: Any,
    contests: Contests,
    nimbus_server: Server,
    nginx_server: Server,
    bench_dir: Path,
    name: str,
    size: int,
    count: int,
) -> None:
    """With the SHA-256 of the body in the signature: besides MD5 and CRC64NVME, a third hash of every byte."""
    _contest_of_puts(benchmark, contests, nimbus_server, nginx_server, bench_dir, (name, size, count))


@pytest.mark.long
def bench_put_of_unsigned_payload(
    benchmark: Any, contests: Contests, nimbus_server: Server, nginx_server: Server, bench_dir: Path
) -> None:
    case = ("64MiB, UNSIGNED-PAYLOAD", 64 * MIB, 16)
    _contest_of_puts(benchmark, contests, nimbus_server, nginx_server, bench_dir, case, signs_payload=False)


@pytest.mark.long
def bench_put_over_the_same_keys_until_freed(benchmark: Any, native_server: Server, bench_dir: Path) -> None:
    """What an overwrite of 64 KiB costs with the freeing of what it displaced, which comes after the answer."""
    port, count = native_server.port, 800
    exchange(native_server, load.signed("PUT", port, "/overwritten"))
    puts = (load.signed("PUT", port, f"/overwritten/{key}", body_of(64 * KIB)) for key in range(count))
    requests = load.write_requests(bench_dir / "ours", puts)
    once = round_of(native_server, requests, count)

    def freed() -> float:
        before = native_server.cpu_s()
        once()
        time.sleep(FREED_S)
        return (native_server.cpu_s() - before) / count

    once()
    benchmark.extra_info["cpu_us"] = [1e6 * benchmark.pedantic(freed, rounds=1, iterations=1)]
