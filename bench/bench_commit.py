"""The commit thread over RocksDB: what group commit is worth, and what the thread itself costs.

Two contests. In wall time, a commit among 256 writers against a commit of one writer alone: both wait for the same
disk, so the ratio (1/25 to 1/80, with the disk) is the group's doing. In CPU time, the same commit against the bare
write batch that it ends in: what lies between is the queue, the view, the checks and the answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import uvloop

from bench.contest import Contests
from nimbus.meta import keys
from nimbus.meta.api import Mutation, View
from nimbus.meta.committer import OwnedCommitter
from nimbus.meta.rocksdb import RocksMap, open_rocksdb

WRITERS = 256
COMMITS_OF_EACH = 20
COMMITS_ALONE = 60
BUCKET_ID = bytes(16)
RECORD = bytes(range(256)) + bytes(50)  # the size of an object's record

_numbers = count()


@pytest.fixture
def map(bench_dir: Path) -> Iterator[RocksMap]:
    map = open_rocksdb({}, bench_dir)
    yield map
    map.close()


@pytest.fixture
def committer(map: RocksMap) -> Iterator[OwnedCommitter]:
    committer = OwnedCommitter(map)
    yield committer
    committer.close()


def put_object() -> Mutation[None]:
    """As much as a PutObject asks of metadata: look at the bucket and the old object, write the new one."""
    bucket, row = keys.bucket("bench"), keys.object(BUCKET_ID, b"%012d" % next(_numbers))

    def mutation(view: View) -> None:
        view.get(bucket)
        view.get(row)
        view.put(row, RECORD)

    return mutation


def round_of(committer: OwnedCommitter, writers: int, commits: int, clock: Callable[[], float]) -> Callable[[], float]:
    """A round: seconds of `clock` for each commit."""

    async def writer() -> None:
        for _ in range(commits):
            await committer.commit(put_object())

    async def run() -> float:
        before = clock()
        await asyncio.gather(*(writer() for _ in range(writers)))
        return (clock() - before) / (writers * commits)

    return lambda: uvloop.run(run())


def bench_commit_of_many_writers(benchmark: Any, contests: Contests, committer: OwnedCommitter) -> None:
    contests.run(
        benchmark,
        "commit among 256 writers, wall time",
        round_of(committer, WRITERS, COMMITS_OF_EACH, time.perf_counter),
        round_of(committer, 1, COMMITS_ALONE, time.perf_counter),
        peer_name="one writer alone, wall time",
    )


def bench_commit_cpu(benchmark: Any, contests: Contests, committer: OwnedCommitter, map: RocksMap) -> None:
    def bare() -> float:
        before = time.process_time()
        for _ in range(COMMITS_OF_EACH):
            rows = [keys.object(BUCKET_ID, b"%012d" % next(_numbers)) for _ in range(WRITERS)]
            for row in rows:
                map.get(keys.bucket("bench"))
                map.get(row)
            map.write(dict.fromkeys(rows, RECORD))
            map.sync()
        return (time.process_time() - before) / (WRITERS * COMMITS_OF_EACH)

    contests.run(
        benchmark,
        "commit among 256 writers, CPU",
        round_of(committer, WRITERS, COMMITS_OF_EACH, time.process_time),
        bare,
        peer_name="the same reads and write batches, bare",
    )
