"""Uploads at more than the server can take: how many are done, how long they take, and how soon the others are told.

Of no use beside other work: what a client is told, and when, is also the machine's doing. Nothing is compared with a
baseline; the figures stand in the benchmark's extra information, beside those of sixteen connections.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench import load
from bench.bench_wire import MIB, body_of, exchange
from bench.servers import Server, compiled

SECONDS = 5
KEYS = 64
PAUSE_MS = 1000  # what Retry-After asks for


class Overload(msgspec.Struct, frozen=True):
    """What one run of overload.c saw."""

    wall_s: float
    accepted: int
    refused: int
    broken: int
    others: int
    p50_us: float
    p99_us: float
    refused_p50_us: float
    refused_p99_us: float


def _run(server: Server, requests: Path, connections: int) -> Overload:
    command = [compiled("overload.c"), "127.0.0.1", server.port, connections, SECONDS, PAUSE_MS, requests]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return msgspec.json.decode(done.stdout, type=Overload)


@pytest.mark.parametrize("connections", [48, 256, 1000])
def bench_uploads_beyond_what_can_be_taken(
    benchmark: Any, native_server: Server, bench_dir: Path, connections: int
) -> None:
    port = native_server.port
    exchange(native_server, load.signed("PUT", port, "/overload"))
    puts = (load.signed("PUT", port, f"/overload/{key}", body_of(MIB), signs_payload=False) for key in range(KEYS))
    requests = load.write_requests(bench_dir / "overload", puts)
    usual = _run(native_server, requests, 16)
    overload = benchmark.pedantic(_run, (native_server, requests, connections))
    benchmark.extra_info["16"] = msgspec.to_builtins(usual)
    benchmark.extra_info[str(connections)] = msgspec.to_builtins(overload)
    assert (overload.broken, overload.others) == (0, 0)
    assert overload.accepted > 0
