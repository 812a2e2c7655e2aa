"""The native data plane: against the physical limit, beside listings, without its cache, and under idle connections."""

from __future__ import annotations

import resource
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from bench import load, servers
from bench.bench_wire import KIB, MIB, body_of, exchange, round_of
from bench.contest import Contests
from bench.servers import Server

IDLE_CONNECTIONS = 10_000  # they fit the 20,000 descriptors that many systems grant
TAIL_RUNS = 5
COLD_KEYS = 1_500
COLD_ROUNDS = 5


@pytest.fixture(scope="module", autouse=True)
def bucket(native_server: Server) -> None:
    exchange(native_server, load.signed("PUT", native_server.port, "/bench"))


def _put(server: Server, key: str, size: int) -> bytes:
    body = body_of(size)
    exchange(server, load.signed("PUT", server.port, f"/bench/{key}", body))
    return body


@pytest.mark.parametrize(("name", "size"), [("1KiB", KIB), ("64KiB", 64 * KIB)])
def bench_get_against_the_limit(
    benchmark: Any, contests: Contests, native_server: Server, bench_dir: Path, name: str, size: int
) -> None:
    file = bench_dir / f"bare-{name}"
    file.write_bytes(_put(native_server, name, size))
    ours = load.write_requests(bench_dir / "ours", [load.signed("GET", native_server.port, f"/bench/{name}")])
    with servers.bare(file) as peer_server:
        peer = load.write_requests(bench_dir / "peer", [load.plain("GET", peer_server.port, "/")])
        contests.run(
            benchmark,
            f"native GET {name} against the limit",
            round_of(native_server, ours, 20_000),
            round_of(peer_server, peer, 20_000),
            peer_name="bare epoll and sendfile",
        )


def bench_get_with_an_access_log(benchmark: Any, contests: Contests, native_server: Server, bench_dir: Path) -> None:
    _put(native_server, "logged", KIB)
    peer = load.write_requests(bench_dir / "peer", [load.signed("GET", native_server.port, "/bench/logged")])
    options = ("--access-log", str(bench_dir / "access.log"))
    with servers.nimbus(bench_dir / "logged", data_plane="on", options=options) as logging:
        exchange(logging, load.signed("PUT", logging.port, "/bench"))
        _put(logging, "logged", KIB)
        ours = load.write_requests(bench_dir / "ours", [load.signed("GET", logging.port, "/bench/logged")])
        contests.run(
            benchmark,
            "native GET 1KiB with an access log",
            round_of(logging, ours, 20_000),
            round_of(native_server, peer, 20_000),
            peer_name="the same without",
        )


def bench_get_of_what_is_not_cached(
    benchmark: Any, contests: Contests, native_server: Server, nginx_server: Server, bench_dir: Path
) -> None:
    """Every request asks for an object of 1 KiB that nobody has asked for before."""
    rounds = []
    for index in range(1 + 2 * COLD_ROUNDS):  # enough for a second measurement
        keys = [f"cold/{index}/{number:05}" for number in range(COLD_KEYS)]
        puts = (load.signed("PUT", native_server.port, f"/bench/{key}", b"x" * KIB) for key in keys)
        writes = load.write_requests(bench_dir / "writes", puts)
        load.run(native_server.port, writes, connections=64, requests_max=COLD_KEYS)
        gets = (load.signed("GET", native_server.port, f"/bench/{key}") for key in keys)
        file = load.write_requests(bench_dir / f"cold-{index}", gets)
        rounds.append(round_of(native_server, file, COLD_KEYS))
    (bench_dir / "nginx" / "www" / "cold").write_bytes(b"x" * KIB)
    peer = load.write_requests(bench_dir / "peer", [load.plain("GET", nginx_server.port, "/cold")])
    waiting = iter(rounds)
    contests.run(
        benchmark,
        "native GET 1KiB, not cached",
        lambda: next(waiting)(),
        round_of(nginx_server, peer, COLD_KEYS),
        peer_name="nginx sendfile, cached, no auth",
        rounds=COLD_ROUNDS,
    )


@pytest.mark.long
def bench_get_of_what_the_application_chooses(
    benchmark: Any, contests: Contests, native_server: Server, nginx_server: Server, bench_dir: Path
) -> None:
    """A signature that only the application knows: it answers with a ticket, and the plane sends the bytes."""
    body = _put(native_server, "chosen", 64 * MIB)
    (bench_dir / "nginx" / "www" / "chosen").write_bytes(body)
    ours = load.write_requests(bench_dir / "ours", [load.signed_v2(native_server.port, "/bench/chosen")])
    peer = load.write_requests(bench_dir / "peer", [load.plain("GET", nginx_server.port, "/chosen")])
    contests.run(
        benchmark,
        "native GET 64MiB by SigV2",
        round_of(native_server, ours, 24),
        round_of(nginx_server, peer, 24),
        peer_name="nginx sendfile, no auth",
    )


@pytest.mark.long
def bench_tail_of_gets_beside_listings(
    benchmark: Any, contests: Contests, native_server: Server, bench_dir: Path
) -> None:
    """The 99th percentile of 64 KiB GETs while two clients list 1,000 keys in a loop, against the same in peace."""
    _put(native_server, "tail", 64 * KIB)
    puts = (load.signed("PUT", native_server.port, f"/bench/listed/{index:04}", b"x") for index in range(1_000))
    writes = load.write_requests(bench_dir / "writes", puts)
    load.run(native_server.port, writes, connections=64, requests_max=1_000)
    gets = load.write_requests(bench_dir / "gets", [load.signed("GET", native_server.port, "/bench/tail")])
    listing = load.signed("GET", native_server.port, "/bench?list-type=2&prefix=listed%2F")
    lists = load.write_requests(bench_dir / "lists", [listing])

    def in_peace() -> float:
        return load.run(native_server.port, gets, connections=8, requests_max=20_000).p99_us / 1e6

    def beside_listings() -> float:
        stop = threading.Event()

        def list_on() -> None:
            while not stop.is_set():
                load.run(native_server.port, lists, connections=2, requests_max=100)

        lister = threading.Thread(target=list_on)
        lister.start()
        try:
            return in_peace()
        finally:
            stop.set()
            lister.join()

    contests.run(
        benchmark, "native p99 of GET 64KiB beside listings", beside_listings, in_peace, peer_name="the same in peace"
    )


@pytest.mark.long
def bench_idle_connections(benchmark: Any, contests: Contests, native_server: Server, bench_dir: Path) -> None:
    """What 10,000 idle keep-alive connections cost in memory, and what they do to the tail of the others."""
    _put(native_server, "idle", 64 * KIB)
    gets = load.write_requests(bench_dir / "gets", [load.signed("GET", native_server.port, "/bench/idle")])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def tail() -> float:
        """The least of a few: other programs of the machine only ever add to it."""
        runs = (load.run(native_server.port, gets, connections=8, requests_max=20_000) for _ in range(TAIL_RUNS))
        return min(run.p99_us for run in runs) / 1e6

    before = native_server.resident_bytes()
    alone = tail()
    idle: list[socket.socket] = []

    def open_all() -> None:
        one = load.signed("HEAD", native_server.port, "/bench/idle")
        for _ in range(IDLE_CONNECTIONS):
            client = socket.create_connection(("127.0.0.1", native_server.port))
            client.sendall(one)
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
            idle.append(client)

    try:
        benchmark.pedantic(open_all, rounds=1, iterations=1)
        grown = native_server.resident_bytes() - before
        beside = tail()
    finally:
        for client in idle:
            client.close()
    benchmark.extra_info.update(grown_mib=grown / 2**20, p99_alone_us=alone * 1e6, p99_beside_us=beside * 1e6)
    assert grown <= 40 * 2**20, f"{IDLE_CONNECTIONS} idle connections take {grown / 2**20:.1f} MiB"
