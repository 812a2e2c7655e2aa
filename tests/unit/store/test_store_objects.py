"""Single objects: what is put is found and read, conditions decide once, what is displaced is freed."""

from __future__ import annotations

import asyncio

import pytest

from nimbus.base.errors import BatchTooLarge, BucketNotEmpty, ConditionLost, DirectoryDamaged, ObjectMissing
from nimbus.base.span import Span
from nimbus.data.memory import MemoryDataStore
from nimbus.meta import keys
from nimbus.meta.memory import MemoryMap
from nimbus.store.api import Digests, Ingest, NewObject
from nimbus.store.records import Extent, Object
from tests.unit.store.node import NEW, Node, digests_of, etag_of, running

KEYS = ["a", "a/b", "//", ".", "..", "a/", "%2F", "\U0001f600", "a\x00b", "ü", "\x7f", "k" * 1024]


def only_new(present: Object | None) -> None:
    if present is not None:
        raise ConditionLost


async def test_put_object_comes_back_with_everything_that_was_said_of_it(node: Node) -> None:
    new = NewObject("ann", "image/png", {"cache-control": "no-cache"}, {"camera": "x"})
    ingest = node.store.ingest(None)
    for chunk in (b"one ", b"", b"two"):
        await ingest.write(chunk)
    put = await node.store.put_object("b", "k", new, ingest, Digests("tag", {"CRC32": "aaaa"}), None)
    found = await node.store.find_object("b", "k")
    assert found == put
    assert (found.size, found.etag, found.owner_id, found.content_type) == (7, "tag", "ann", "image/png")
    assert (found.headers, found.metadata) == ({"cache-control": "no-cache"}, {"camera": "x"})
    assert (found.checksums, found.checksum_type) == ({"CRC32": "aaaa"}, "FULL_OBJECT")
    assert found.modified_ms == node.clock.now_ms()
    assert found.modified_iso == "2023-11-14T22:13:20.000Z"
    assert found.modified_http == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert await node.get("k") == b"one two"


@pytest.mark.parametrize("key", KEYS)
async def test_any_key_is_itself(node: Node, key: str) -> None:
    for other in KEYS:
        await node.put(other, other.encode())
    assert await node.get(key) == key.encode()
    await node.store.delete_object("b", key, None)
    listed = await node.store.list_objects("b", "", "", "", 100)
    assert [name for name, _ in listed.objects] == sorted(set(KEYS) - {key}, key=str.encode)


async def test_empty_object_has_no_extent_and_reads_as_nothing(node: Node) -> None:
    record = await node.put("k", b"")
    assert record.extents == ()
    assert node.stored() == 0
    assert await node.get("k") == b""
    assert node.store.read_now(record, Span(0, 0)) == b""
    await node.store.delete_object("b", "k", None)
    await node.check_nothing_leaked()


async def test_missing_object_is_said(node: Node) -> None:
    with pytest.raises(ObjectMissing):
        await node.store.find_object("b", "k")
    with pytest.raises(ObjectMissing):
        await node.store.replace_metadata("b", "k", NEW, None)


async def test_deleting_what_is_not_there_succeeds(node: Node) -> None:
    await node.store.delete_object("b", "k", None)
    assert node.garbage() == []


async def test_overwritten_bytes_are_freed_and_the_new_ones_stay(node: Node) -> None:
    for body in (b"first", b"second", b"", b"third"):
        await node.put("k", body)
    assert node.stored() == 3
    await node.check_nothing_leaked()
    assert node.stored() == 1
    assert await node.get("k") == b"third"


async def test_deleted_bytes_are_freed(node: Node) -> None:
    await node.put("k", b"body")
    await node.store.delete_object("b", "k", None)
    await node.check_nothing_leaked()
    assert node.stored() == 0


@pytest.mark.parametrize("rounds", range(5))
async def test_of_many_conditional_writers_exactly_one_wins(node: Node, rounds: int) -> None:
    tries = [node.put("k", b"%d" % n, condition=only_new) for n in range(50)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    (winner,) = [outcome for outcome in outcomes if isinstance(outcome, Object)]
    assert sum(isinstance(outcome, ConditionLost) for outcome in outcomes) == 49
    assert await node.store.find_object("b", "k") == winner
    assert etag_of(await node.get("k")) == winner.etag
    await node.check_nothing_leaked()


async def test_compare_and_swap_counts_every_winner_once(node: Node) -> None:
    await node.put("k", b"0")

    async def add_one() -> None:
        while True:
            present = await node.store.find_object("b", "k")
            value = int(await node.body(present))

            def unchanged(now: Object | None, seen: str = present.etag) -> None:
                if now is None or now.etag != seen:
                    raise ConditionLost

            try:
                await node.put("k", b"%d" % (value + 1), condition=unchanged)
                return
            except ConditionLost:
                continue

    await asyncio.gather(*(add_one() for _ in range(12)))
    assert await node.get("k") == b"12"
    await node.check_nothing_leaked()


async def test_condition_of_a_delete_sees_the_object_and_may_refuse(node: Node) -> None:
    seen: list[Object | None] = []

    def refuse(present: Object | None) -> None:
        seen.append(present)
        raise ConditionLost

    with pytest.raises(ConditionLost):
        await node.store.delete_object("b", "k", refuse)
    record = await node.put("k", b"body")
    with pytest.raises(ConditionLost):
        await node.store.delete_object("b", "k", refuse)
    assert seen == [None, record]
    assert await node.get("k") == b"body"


async def test_new_metadata_keeps_bytes_etag_and_checksums(node: Node) -> None:
    old = await node.put("k", b"body")
    node.clock.advance(60)
    changed = await node.store.replace_metadata("b", "k", NewObject("bob", "text/html", {}, {"x": "y"}), None)
    assert (changed.etag, changed.extents, changed.size) == (old.etag, old.extents, old.size)
    assert (changed.owner_id, changed.content_type, changed.metadata) == ("bob", "text/html", {"x": "y"})
    assert changed.modified_ms == old.modified_ms + 60_000
    assert changed.modified_iso == "2023-11-14T22:14:20.000Z"
    await node.check_nothing_leaked()
    assert await node.get("k") == b"body"


async def test_bytes_are_durable_before_the_record_is_decided() -> None:
    order: list[str] = []

    class Map(MemoryMap):
        def write(self, ops: object) -> None:
            order.append("decide")
            super().write(ops)  # type: ignore[arg-type]

        def sync(self) -> None:
            order.append("commit")
            super().sync()

    class Data(MemoryDataStore):
        def keep(self, payload: bytes) -> bytes:
            order.append("bytes")
            return super().keep(payload)

        def sync(self) -> None:
            order.append("sync")

    async with running(Map(), Data()) as node:
        await node.store.create_bucket("b", "owner", "")
        order.clear()
        await node.put("k", b"body")
        order.append("acknowledged")
    assert order[:5] == ["bytes", "sync", "decide", "commit", "acknowledged"]


async def test_aborted_ingest_leaves_nothing(node: Node) -> None:
    ingest = node.store.ingest(4)
    await ingest.write(b"body")
    await ingest.abort()
    await ingest.abort()
    assert node.stored() == 0


async def adopted(node: Node, body: bytes) -> Ingest:
    """An ingest of bytes that somebody else has stored."""
    writer = node.data.writer(len(body))
    await writer.write(body)
    ingest = node.store.ingest(len(body))
    ingest.adopt((Extent(await writer.finish(), len(body)),))
    return ingest


async def test_adopted_bytes_are_the_object(node: Node) -> None:
    put = await node.store.put_object("b", "k", NEW, await adopted(node, b"body"), digests_of(b"body"), None)
    assert (put.size, await node.get("k")) == (4, b"body")


async def test_adopted_bytes_of_an_aborted_ingest_are_freed(node: Node) -> None:
    ingest = await adopted(node, b"body")
    assert node.stored() == 1
    await ingest.abort()
    await ingest.abort()
    await node.check_nothing_leaked()
    assert node.stored() == 0


async def test_adopted_bytes_of_a_refused_put_are_freed(node: Node) -> None:
    await node.put("k", b"body")
    with pytest.raises(ConditionLost):
        await node.store.put_object("b", "k", NEW, await adopted(node, b"other"), digests_of(b"other"), only_new)
    await node.check_nothing_leaked()
    assert node.stored() == 1


async def test_put_with_a_refusing_condition_drops_its_bytes(node: Node) -> None:
    await node.put("k", b"body")
    with pytest.raises(ConditionLost):
        await node.put("k", b"other", condition=only_new)
    await node.check_nothing_leaked()
    assert node.stored() == 1


@pytest.mark.parametrize("new", [NewObject("owner", "\ud800"), NewObject("owner", "", {}, {"big": "x" * 70_000})])
async def test_record_that_cannot_be_stored_takes_its_bytes_with_it(node: Node, new: NewObject) -> None:
    with pytest.raises((UnicodeEncodeError, BatchTooLarge)):
        await node.put("k", b"body", new=new)
    with pytest.raises(UnicodeEncodeError):
        await node.put("\ud800", b"body")
    await node.check_nothing_leaked()
    assert node.stored() == 0


async def test_write_cancelled_during_its_commit_is_whole_either_way() -> None:
    map = MemoryMap()
    async with running(map) as node:
        await node.store.create_bucket("b", "owner", "")
        for turns in range(8):
            put = asyncio.ensure_future(node.put("k", b"body %d" % turns))
            for _ in range(turns):
                await asyncio.sleep(0)
            put.cancel()
            await asyncio.wait([put])
    async with running(map, node.data) as node:
        await node.check_nothing_leaked()
        record = await node.store.find_object("b", "k")
        assert etag_of(await node.body(record)) == record.etag


async def test_bucket_cannot_vanish_between_finding_it_and_writing(node: Node) -> None:
    await node.store.find_bucket("b")
    await node.put("k", b"body")
    with pytest.raises(BucketNotEmpty):
        await node.store.delete_bucket("b")


async def test_rows_of_an_unknown_format_are_refused() -> None:
    map = MemoryMap()
    map.txn({}, {keys.FORMAT: b"99"})
    with pytest.raises(DirectoryDamaged, match="99"):
        async with running(map):
            pass
