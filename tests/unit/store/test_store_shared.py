"""Two nodes over one shared map: the rules hold although no commit thread sees all mutations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import msgspec
import pytest

from nimbus.base.clock import ManualClock
from nimbus.base.errors import (
    BucketBusy,
    BucketMissing,
    BucketNotEmpty,
    ConditionLost,
    PartInvalid,
    UploadMissing,
    WriteRace,
)
from nimbus.data.memory import MemoryDataStore
from nimbus.meta.api import Capabilities
from nimbus.meta.memory import CAPABILITIES, MemoryMap
from nimbus.meta.shared_committer import SharedCommitter
from nimbus.store.api import BucketTaken
from nimbus.store.records import Bucket, Object, UploadedPart
from tests.unit.store.node import Node

PAGED = {number: b"part %d" % number for number in range(1, 40)}


class SharedMap(MemoryMap):
    """A map that says that others write to it."""

    @property
    def capabilities(self) -> Capabilities:
        return msgspec.structs.replace(CAPABILITIES, shared=True)


@pytest.fixture
async def nodes() -> AsyncIterator[tuple[Node, Node]]:
    """Two nodes with the bucket "b"."""
    map, data, clock = SharedMap(), MemoryDataStore(), ManualClock()
    async with AsyncExitStack() as stack:
        pair = []
        for _ in range(2):
            committer = SharedCommitter(map)
            stack.callback(committer.close)
            pair.append(node := Node(map, committer, data, clock))
            await node.store.start()
            stack.push_async_callback(node.store.close)
        await pair[0].store.create_bucket("b", "owner", "")
        yield pair[0], pair[1]


def only_new(present: Object | None) -> None:
    if present is not None:
        raise ConditionLost


async def settle(nodes: tuple[Node, Node]) -> None:
    """Both collect; then nothing is left over."""
    for node in (*nodes, nodes[0]):
        await node.store.collect_garbage()
    await nodes[1].check_nothing_leaked()


async def test_of_conditional_writers_on_two_nodes_exactly_one_wins(nodes: tuple[Node, Node]) -> None:
    tries = [nodes[n % 2].put("k", b"%d" % n, condition=only_new) for n in range(10)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(outcome, Object) for outcome in outcomes) == 1
    assert all(isinstance(outcome, Object | ConditionLost | WriteRace) for outcome in outcomes), outcomes
    await settle(nodes)


async def test_of_creations_on_two_nodes_exactly_one_wins(nodes: tuple[Node, Node]) -> None:
    tries = [nodes[n % 2].store.create_bucket("c", f"owner{n}", "") for n in range(8)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(outcome, Bucket) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, BucketTaken) for outcome in outcomes) == 7


async def test_bucket_deleted_on_one_node_is_gone_on_the_other_at_once(nodes: tuple[Node, Node]) -> None:
    await nodes[1].put("k", b"body")
    with pytest.raises(BucketNotEmpty):
        await nodes[0].store.delete_bucket("b")
    await nodes[1].store.delete_object("b", "k", None)
    await nodes[0].store.delete_bucket("b")
    with pytest.raises(BucketMissing):
        await nodes[1].store.find_object("b", "k")
    with pytest.raises(BucketMissing):
        await nodes[1].put("k", b"body")
    await settle(nodes)


@pytest.mark.parametrize("puts", [1, 3])
async def test_puts_that_race_with_a_delete_on_another_node_are_kept_or_refused(
    nodes: tuple[Node, Node], puts: int
) -> None:
    outcomes = await asyncio.gather(
        nodes[0].store.delete_bucket("b"),
        *(nodes[1].put(f"k{n}", b"body") for n in range(puts)),
        return_exceptions=True,
    )
    kept = [outcome for outcome in outcomes if isinstance(outcome, Object)]
    if outcomes[0] is None:
        assert not kept
        assert all(isinstance(outcome, BucketMissing | BucketBusy) for outcome in outcomes[1:]), outcomes
    else:
        assert isinstance(outcomes[0], BucketNotEmpty | BucketBusy), outcomes
        assert len(nodes[0].named()) == len(kept)
    await settle(nodes)


@pytest.mark.parametrize("round_number", range(6))
async def test_upload_that_both_nodes_work_on_has_one_consistent_end(
    nodes: tuple[Node, Node], round_number: int
) -> None:
    upload_id = await nodes[0].upload("k", PAGED)
    outcomes = await asyncio.gather(
        nodes[0].complete("k", upload_id, PAGED),
        nodes[1].complete("k", upload_id, PAGED),
        nodes[round_number % 2].put_part("k", upload_id, 3, b"replaced"),
        *([nodes[1].store.abort_upload("b", "k", upload_id)] if round_number % 3 == 0 else []),
        return_exceptions=True,
    )
    allowed = Object | UploadedPart | UploadMissing | PartInvalid | WriteRace | None
    assert all(isinstance(outcome, allowed) for outcome in outcomes), outcomes
    made = [outcome for outcome in outcomes if isinstance(outcome, Object)]
    if made:
        assert await nodes[1].get("k") == b"".join(PAGED.values())
    await settle(nodes)
    if made:
        assert await nodes[0].get("k") == b"".join(PAGED.values())
