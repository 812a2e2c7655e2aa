"""Buckets: made once, found, listed, deleted only when empty and never under a writer's feet."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from nimbus.base.clock import ManualClock
from nimbus.base.errors import BucketBusy, BucketExists, BucketMissing, BucketNotEmpty, ObjectMissing, UploadMissing
from nimbus.meta import keys
from nimbus.meta.memory import MemoryMap
from nimbus.store.api import BucketTaken
from nimbus.store.buckets import DELETING_MS
from nimbus.store.records import Bucket, pack, unpack
from tests.unit.store.node import NEW, Node, multipart_digests, running


async def test_created_bucket_is_found_with_owner_region_and_time(node: Node) -> None:
    made = await node.store.create_bucket("photos", "ann", "eu-west-1")
    assert await node.store.find_bucket("photos") == made
    assert (made.owner_id, made.region, made.created_ms) == ("ann", "eu-west-1", node.clock.now_ms())


async def test_second_creation_is_refused_with_the_bucket_that_is_there(node: Node) -> None:
    made = await node.store.create_bucket("photos", "ann", "")
    with pytest.raises(BucketTaken) as refusal:
        await node.store.create_bucket("photos", "bob", "")
    assert refusal.value.bucket == made
    assert isinstance(refusal.value, BucketExists)


async def test_of_many_racing_creations_one_wins(node: Node) -> None:
    tries = [node.store.create_bucket("race", f"owner{n}", "") for n in range(20)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    (winner,) = [bucket for bucket in outcomes if isinstance(bucket, Bucket)]
    assert await node.store.find_bucket("race") == winner
    assert sum(isinstance(outcome, BucketTaken) for outcome in outcomes) == 19


async def test_missing_bucket_is_said_by_every_operation(node: Node) -> None:
    store = node.store
    attempts = [
        store.find_bucket("none"),
        store.delete_bucket("none"),
        store.find_object("none", "k"),
        store.delete_object("none", "k", None),
        store.replace_metadata("none", "k", NEW, None),
        store.list_objects("none", "", "", "", 10),
        store.create_upload("none", "k", NEW),
        store.find_upload("none", "k", "0" * 32),
        store.list_uploads("none", "", "", "", "", 10),
        store.abort_upload("none", "k", "0" * 32),
        store.complete_upload("none", "k", "0" * 32, [], multipart_digests, None),
        node.put("k", b"body", bucket="none"),
        node.put_part("k", "0" * 32, 1, b"body", bucket="none"),
    ]
    for outcome in await asyncio.gather(*attempts, return_exceptions=True):
        assert isinstance(outcome, BucketMissing), outcome
    await node.check_nothing_leaked()


async def test_deleted_bucket_is_gone_and_a_namesake_is_empty(node: Node) -> None:
    await node.put("k", b"body")
    await node.store.delete_object("b", "k", None)
    await node.store.find_bucket("b")
    await node.store.delete_bucket("b")
    with pytest.raises(BucketMissing):
        await node.store.find_bucket("b")
    with pytest.raises(BucketMissing):
        await node.store.find_object("b", "k")
    await node.store.create_bucket("b", "owner", "")
    with pytest.raises(ObjectMissing):
        await node.store.find_object("b", "k")


async def test_bucket_with_an_object_is_not_deleted_and_stays_usable(node: Node) -> None:
    await node.put("k", b"body")
    with pytest.raises(BucketNotEmpty):
        await node.store.delete_bucket("b")
    await node.put("l", b"more")
    assert await node.get("k") == b"body"


async def test_object_that_comes_in_before_the_mark_stops_the_delete(node: Node) -> None:
    outcomes = await asyncio.gather(node.put("k", b"body"), node.store.delete_bucket("b"), return_exceptions=True)
    assert isinstance(outcomes[1], BucketNotEmpty)
    assert await node.get("k") == b"body"
    await node.put("l", b"the mark is off again")


async def test_racing_puts_and_delete_never_lose_an_acknowledged_object(node: Node) -> None:
    for round_number in range(30):
        outcomes = await asyncio.gather(
            *(node.put(f"k{n}", b"body") for n in range(round_number % 4)),
            node.store.delete_bucket("b"),
            *(node.put(f"l{n}", b"body") for n in range(2)),
            return_exceptions=True,
        )
        puts = [outcome for outcome in outcomes if outcome is not None]
        if None in outcomes:
            assert all(isinstance(put, BucketMissing | BucketBusy) for put in puts), puts
            await node.store.create_bucket("b", "owner", "")
        else:
            for record in (await node.store.list_objects("b", "", "", "", 100)).objects:
                await node.store.delete_object("b", record[0], None)
    await node.check_nothing_leaked()


async def test_deleting_a_bucket_aborts_its_uploads_however_many(node: Node) -> None:
    uploads = [await node.upload(f"key{n}", {1: b"part"}) for n in range(100)]
    await node.store.delete_bucket("b")
    await node.store.create_bucket("b", "owner", "")
    with pytest.raises(UploadMissing):
        await node.store.find_upload("b", "key0", uploads[0])
    await node.check_nothing_leaked()
    assert node.stored() == 0


async def test_marked_bucket_refuses_writers_until_the_mark_is_void() -> None:
    map, clock = MemoryMap(), ManualClock()
    async with running(map, clock=clock) as node:
        bucket = await node.store.create_bucket("b", "owner", "")
        mark(map, bucket, clock.now_ms() + DELETING_MS)
        for attempt in (
            node.put("k", b"body"),
            node.store.delete_object("b", "k", None),
            node.store.create_upload("b", "k", NEW),
            node.store.delete_bucket("b"),
            node.store.create_bucket("b", "other", ""),
        ):
            with pytest.raises(BucketBusy):
                await attempt
        await node.check_nothing_leaked()
        clock.advance(DELETING_MS / 1000)
        await node.put("k", b"body")
        assert unpack(Bucket, map.get(keys.bucket("b")) or b"").deleting_until_ms == 0


async def test_delete_whose_mark_a_writer_took_off_gives_up() -> None:
    map = MarkBreakingMap()
    async with running(map) as node:
        await node.store.create_bucket("b", "owner", "")
        map.armed = True
        with pytest.raises(BucketBusy):
            await node.store.delete_bucket("b")
        await node.put("k", b"body")
        assert await node.get("k") == b"body"


async def test_cancelled_delete_takes_place_or_leaves_no_mark(node: Node) -> None:
    for turns in range(12):
        delete = asyncio.ensure_future(node.store.delete_bucket("b"))
        for _ in range(turns):
            await asyncio.sleep(0)
        delete.cancel()
        await asyncio.wait([delete])
        try:
            await node.put("k", b"the bucket takes writes")
            await node.store.delete_object("b", "k", None)
        except BucketMissing:
            await node.store.create_bucket("b", "owner", "")


async def test_buckets_are_listed_by_owner_prefix_and_page(node: Node) -> None:
    for name in ("a1", "a2", "a3", "c1"):
        await node.store.create_bucket(name, "ann", "")
    await node.store.create_bucket("a25", "bob", "")
    listed = node.store.list_buckets

    async def page(prefix: str, after: str, limit: int) -> tuple[list[str], bool]:
        found, more = await listed("ann", prefix, after, limit)
        return [name for name, _ in found], more

    assert await page("", "", 100) == (["a1", "a2", "a3", "c1"], False)
    assert await page("a", "", 2) == (["a1", "a2"], True)
    assert await page("a", "a2", 2) == (["a3"], False)
    assert await page("", "", 0) == ([], False)


def mark(map: MemoryMap, bucket: Bucket, until_ms: int) -> None:
    map.txn({}, {keys.bucket("b"): pack(replace(bucket, deleting_until_ms=until_ms))})


class MarkBreakingMap(MemoryMap):
    """Once armed, takes the mark off while the delete looks for uploads."""

    armed = False

    def range(self, start: bytes, end: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        if self.armed and start.startswith(keys.uploads(b"")):
            bucket = unpack(Bucket, self.get(keys.bucket("b")) or b"")
            assert bucket.deleting_until_ms
            mark(self, bucket, 0)
        return super().range(start, end, limit, reverse)
