"""The store without HTTP, over RocksDB and local files: group commit, overwriting, hot reads, listings.

Writers wait for the disk, so their contests count wall time, many writers against one on the same disk in the same
run; the others count the CPU of this process against the bare engine calls beneath them.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from bench.contest import Contests
from nimbus.base.clock import SystemClock
from nimbus.base.span import Span
from nimbus.data.local import LocalDataStore, open_local
from nimbus.meta import keys
from nimbus.meta.committer import OwnedCommitter
from nimbus.meta.rocksdb import RocksMap, open_rocksdb
from nimbus.store.api import Digests, NewObject
from nimbus.store.store import Store

BODY = b"x" * 4096
NEW = NewObject("owner", "application/octet-stream", {}, {"origin": "bench"})
DIGESTS = Digests("9e107d9d372bb6826bd81d3542a419d6", {"CRC32": "AAAAAA=="})
WRITERS = 256
LISTED = 20_000


class Bench:
    """A store with a bucket, on a loop that runs one call at a time."""

    def __init__(self, directory: Path) -> None:
        self.runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self.map: RocksMap = open_rocksdb({}, directory)
        self.data = open_local({}, directory)
        self.committer = OwnedCommitter(self.map)
        self.turn = 0
        self.store = self.runner.run(self._start())

    async def _start(self) -> Store:
        store = Store(self.map, self.committer, self.data, SystemClock())
        await store.start()
        await store.create_bucket("bench", "owner", "")
        return store

    def close(self) -> None:
        self.runner.run(self.store.close())
        self.committer.close()
        self.data.close()
        self.map.close()
        self.runner.close()

    async def put(self, key: str) -> None:
        ingest = self.store.ingest(len(BODY))
        await ingest.write(BODY)
        await self.store.put_object("bench", key, NEW, ingest, DIGESTS, None)

    def write(self, writers: int, each: int, keys_each: int) -> float:
        """Wall seconds of one write when `writers` write at once; keys repeat after `keys_each` of a writer."""
        self.turn += 1
        base = f"{self.turn}/" if keys_each >= each else "again/"

        async def writer(name: int) -> None:
            for number in range(each):
                await self.put(f"{base}{name}/{number % keys_each}")

        async def together() -> None:
            await asyncio.gather(*(writer(name) for name in range(writers)))

        begun = time.perf_counter()
        self.runner.run(together())
        return (time.perf_counter() - begun) / (writers * each)

    def cpu_of(self, call: Callable[[], Awaitable[object]], calls: int) -> float:
        """CPU seconds of one call."""

        async def repeat() -> None:
            for _ in range(calls):
                await call()

        begun = time.process_time()
        self.runner.run(repeat())
        return (time.process_time() - begun) / calls


@pytest.fixture(scope="module")
def bench(bench_dir: Path) -> Iterator[Bench]:
    directory = bench_dir / "store"
    directory.mkdir(parents=True)
    bench = Bench(directory)
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def listed(bench: Bench) -> bytes:
    """A prefix full of keys; the range of rows that holds them."""

    async def fill() -> None:
        for first in range(0, LISTED, 500):
            await asyncio.gather(*(bench.put(f"listed/{n % 100:03d}/{n:06d}") for n in range(first, first + 500)))

    bench.runner.run(fill())
    bucket = bench.runner.run(bench.store.find_bucket("bench"))
    return keys.objects(bucket.bucket_id) + b"listed/"


def bench_durable_writers(benchmark: Any, contests: Contests, bench: Bench) -> None:
    contests.run(
        benchmark,
        "durable 4 KiB write, 256 writers",
        lambda: bench.write(WRITERS, 20, 20),
        lambda: bench.write(1, 100, 100),
        peer_name="one writer (wall time)",
    )


def bench_overwriting(benchmark: Any, contests: Contests, bench: Bench) -> None:
    """What the displaced bytes cost: two of them for each write, a garbage row and its freeing."""

    def overwrite() -> float:
        begun = time.perf_counter()
        bench.write(WRITERS, 20, 2)
        bench.runner.run(bench.store.collect_garbage())
        return (time.perf_counter() - begun) / (WRITERS * 20)

    contests.run(
        benchmark,
        "overwriting 4 KiB, garbage freed",
        overwrite,
        lambda: bench.write(WRITERS, 20, 20),
        peer_name="new keys (wall time)",
    )


def bench_hot_read(benchmark: Any, contests: Contests, bench: Bench) -> None:
    """The read of a handler: at once when the pages are at hand, else by a thread (freeing others may drop them)."""
    bench.runner.run(bench.put("hot"))
    record = bench.runner.run(bench.store.find_object("bench", "hot"))
    bucket = bench.runner.run(bench.store.find_bucket("bench"))
    row = keys.object(bucket.bucket_id, b"hot")
    span = Span(0, record.size)
    assert isinstance(bench.data, LocalDataStore)
    place = bench.data.descriptor(record.extents[0].location)
    fd = os.open(place.path, os.O_RDONLY)

    async def read() -> None:
        found = await bench.store.find_object("bench", "hot")
        data = bench.store.read_now(found, span)
        if data is None:
            data = b"".join([piece async for piece in bench.store.read(found, span)])
        assert len(data) == len(BODY)

    async def bare() -> None:
        assert bench.map.get(row) is not None
        assert os.pread(fd, place.size, place.offset)

    try:
        contests.run(
            benchmark,
            "find_object and read_now of 4 KiB",
            lambda: bench.cpu_of(read, 5000),
            lambda: bench.cpu_of(bare, 5000),
            peer_name="bare rocksdict get and pread",
        )
    finally:
        os.close(fd)


def bench_page_of_keys(benchmark: Any, contests: Contests, bench: Bench, listed: bytes) -> None:
    async def page() -> None:
        assert len((await bench.store.list_objects("bench", "listed/", "", "", 1000)).objects) == 1000

    async def bare() -> None:
        assert len(bench.map.range(listed, keys.after_prefix(listed), 1001)) == 1001

    contests.run(
        benchmark,
        "listing of 1,000 keys",
        lambda: bench.cpu_of(page, 20),
        lambda: bench.cpu_of(bare, 20),
        peer_name="bare RocksDB range of 1,001 rows",
    )


def bench_page_of_common_prefixes(benchmark: Any, contests: Contests, bench: Bench, listed: bytes) -> None:
    """A hundred groups of two hundred keys: the page costs what it shows, not what it skips."""

    async def page() -> None:
        assert len((await bench.store.list_objects("bench", "listed/", "/", "", 1000)).prefixes) == 100

    async def bare() -> None:
        assert len(bench.map.range(listed, keys.after_prefix(listed), LISTED)) == LISTED

    contests.run(
        benchmark,
        "listing of 100 common prefixes over 20,000 keys",
        lambda: bench.cpu_of(page, 20),
        lambda: bench.cpu_of(bare, 2),
        peer_name="bare RocksDB range of all rows",
    )
