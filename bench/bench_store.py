"""The store alone, without HTTP: durable 4 KiB writes, hot reads and listings on RocksDB and local files.

    python bench/bench_store.py [seconds per figure] [directory]

Prints one line for each figure. The ratio of 256 writers to one is what group commit is worth: both wait for the
same disk, so the ratio says more than the rates.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import uvloop

from nimbus.base.clock import SystemClock
from nimbus.base.span import Span
from nimbus.data.local import open_local
from nimbus.meta.committer import OwnedCommitter
from nimbus.meta.rocksdb import open_rocksdb
from nimbus.store.api import Digests, NewObject
from nimbus.store.store import Store

BODY = b"x" * 4096
NEW = NewObject("owner", "application/octet-stream", {}, {"origin": "bench"})
DIGESTS = Digests("9e107d9d372bb6826bd81d3542a419d6", {"CRC32": "AAAAAA=="})


def cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def put(store: Store, key: str) -> None:
    ingest = store.ingest(len(BODY))
    await ingest.write(BODY)
    await store.put_object("bench", key, NEW, ingest, DIGESTS, None)


async def write_for(store: Store, seconds: float, writers: int, keys: int) -> tuple[float, float]:
    """Rate of acknowledged writes and CPU microseconds of each; keys repeat after `keys` of a writer."""
    written = 0
    end = time.perf_counter() + seconds

    async def writer(name: int) -> None:
        nonlocal written
        turn = 0
        while time.perf_counter() < end:
            await put(store, f"{writers}/{name}/{turn % keys}")
            turn += 1
            written += 1

    begun, cpu = time.perf_counter(), cpu_s()
    await asyncio.gather(*(writer(name) for name in range(writers)))
    return written / (time.perf_counter() - begun), (cpu_s() - cpu) / written * 1e6


async def measure(store: Store, seconds: float) -> None:
    await store.create_bucket("bench", "owner", "")
    await write_for(store, 0.5, 64, 1_000_000)
    alone, _ = await write_for(store, seconds, 1, 1_000_000)
    many, cpu = await write_for(store, seconds, 256, 1_000_000)
    print(f"durable 4 KiB writes: 1 writer {alone:.0f}/s, 256 writers {many:.0f}/s, which is {many / alone:.1f} times;")
    print(f"    with 256 writers {cpu:.0f} us CPU each")
    again, cpu = await write_for(store, seconds, 256, 4)
    print(f"overwriting, 256 writers: {again:.0f}/s, {cpu:.0f} us CPU each with the collector's share")
    begun = time.perf_counter()
    await store.collect_garbage()
    print(f"garbage left at the end: {time.perf_counter() - begun:.2f} s")
    await measure_reads(store)


async def measure_reads(store: Store) -> None:
    """The best of several rounds: what the machine does besides is not what is measured."""
    record = await store.find_object("bench", "1/0/0")
    span = Span(0, record.size)

    async def read() -> None:
        found = await store.find_object("bench", "1/0/0")
        assert store.read_now(found, span) is not None

    print(f"find_object + read_now of 4 KiB: {await best_of(20, 1000, read) * 1e6:.1f} us")
    keys = partial(store.list_objects, "bench", "256/", "", "", 1000)
    print(f"page of {len((await keys()).objects)} keys: {await best_of(20, 5, keys) * 1e3:.2f} ms")
    groups = partial(store.list_objects, "bench", "256/", "/", "", 1000)
    print(f"page of {len((await groups()).prefixes)} common prefixes: {await best_of(20, 5, groups) * 1e3:.2f} ms")


async def best_of(rounds: int, calls: int, call: Callable[[], Awaitable[object]]) -> float:
    """Seconds of one call in the best round."""
    best = float("inf")
    for _ in range(rounds):
        begun = time.perf_counter()
        for _ in range(calls):
            await call()
        best = min(best, (time.perf_counter() - begun) / calls)
    return best


async def run(seconds: float, directory: Path) -> None:
    map = open_rocksdb({}, directory)
    data = open_local({}, directory)
    committer = OwnedCommitter(map)
    store = Store(map, committer, data, SystemClock())
    await store.start()
    try:
        await measure(store, seconds)
    finally:
        await store.close()
        committer.close()
        data.close()
        map.close()


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as directory:
        uvloop.run(run(seconds, Path(directory)))


if __name__ == "__main__":
    main()
