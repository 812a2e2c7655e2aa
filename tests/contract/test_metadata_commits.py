"""Both committers over every engine: the same answers to the same mutations."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from nimbus.base.errors import BatchTooLarge, ConditionLost, EngineClosed
from nimbus.meta.adapter import AdaptedMap
from nimbus.meta.api import Capabilities, Committer, OrderedMap, View
from nimbus.meta.memory import CAPABILITIES, MemoryMap
from nimbus.meta.registry import open_committer
from nimbus.meta.rocksdb import open_rocksdb
from nimbus.testing.example_backend import open_sqlite


class SharedMap(MemoryMap):
    """Stands for an engine on the network: other nodes write to it."""

    @property
    def capabilities(self) -> Capabilities:
        return msgspec.structs.replace(CAPABILITIES, shared=True)


ENGINES = {
    "rocksdb": lambda directory: open_rocksdb({"ballast_size_bytes": 0}, directory),
    "memory": lambda directory: MemoryMap(),
    "six methods": lambda directory: AdaptedMap(open_sqlite({}, directory)),
    "shared": lambda directory: SharedMap(),
}


@pytest.fixture(params=ENGINES)
def map(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OrderedMap]:
    map = ENGINES[request.param](tmp_path)
    yield map
    map.close()


@pytest.fixture
def committer(map: OrderedMap) -> Iterator[Committer]:
    committer = open_committer(map)
    yield committer
    committer.close()


def count(view: View) -> int:
    number = int(view.get(b"counter") or b"0") + 1
    view.put(b"counter", b"%d" % number)
    return number


async def test_concurrent_writers_lose_no_step(committer: Committer, map: OrderedMap) -> None:
    results = await asyncio.gather(*(committer.commit(count) for _ in range(100)))
    assert sorted(results) == list(range(1, 101))
    assert map.get(b"counter") == b"100"


async def test_of_many_that_create_a_key_exactly_one_does(committer: Committer, map: OrderedMap) -> None:
    def create(view: View, number: int) -> int:
        if view.get(b"key") is not None:
            raise ConditionLost
        view.put(b"key", b"%d" % number)
        return number

    results = await asyncio.gather(
        *(committer.commit(lambda view, number=number: create(view, number)) for number in range(30)),
        return_exceptions=True,
    )
    won = [result for result in results if isinstance(result, int)]
    assert len(won) == 1
    assert map.get(b"key") == b"%d" % won[0]
    assert sum(isinstance(result, ConditionLost) for result in results) == 29


def test_the_largest_mutation_of_the_envelope_is_written_whole(committer: Committer, map: OrderedMap) -> None:
    committer.commit_now(lambda view: [view.put(b"%03d" % number, bytes(10_000)) for number in range(100)])
    assert len(map.range(b"0", b"1", 1000)) == 100
    with pytest.raises(BatchTooLarge):
        committer.commit_now(lambda view: [view.put(b"1%03d" % number, b"") for number in range(101)])
    assert map.range(b"1", b"2", 10) == []


def test_a_mutation_that_raises_leaves_nothing(committer: Committer, map: OrderedMap) -> None:
    def refuse(view: View) -> None:
        view.put(b"half", b"")
        view.delete(b"counter")
        raise ConditionLost("as it was asked to")

    committer.commit_now(count)
    with pytest.raises(ConditionLost, match="as it was asked to"):
        committer.commit_now(refuse)
    assert (map.get(b"half"), map.get(b"counter")) == (None, b"1")


def test_deletes_are_written(committer: Committer, map: OrderedMap) -> None:
    committer.commit_now(count)
    committer.commit_now(lambda view: view.delete(b"counter"))
    assert map.get(b"counter") is None


def test_a_closed_committer_refuses(committer: Committer) -> None:
    committer.close()
    with pytest.raises(EngineClosed):
        committer.commit_now(count)
