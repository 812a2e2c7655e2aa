"""Reading spans, and the leases that keep a reader's bytes."""

from __future__ import annotations

import random

import pytest

from nimbus.base.errors import DataDamaged
from nimbus.base.span import Span
from nimbus.data.memory import MemoryDataStore
from nimbus.meta import keys
from nimbus.store.records import Object
from tests.unit.store.node import NEW, Node

BODIES = {number: bytes([number % 251]) * (4 + number % 7) for number in range(1, 700)}
FEW = {number: BODIES[number] for number in range(1, 20)}


async def read(node: Node, record: Object, span: Span) -> bytes:
    return b"".join([chunk async for chunk in node.store.read(record, span)])


@pytest.mark.parametrize("bodies", [FEW, BODIES], ids=["inline", "manifest"])
async def test_any_span_of_a_multipart_object_reads_right(node: Node, bodies: dict[int, bytes]) -> None:
    record = await node.put_multipart("k", bodies)
    whole = b"".join(bodies.values())
    chance = random.Random(7)
    spans = [sorted(chance.sample(range(record.size + 1), 2)) for _ in range(100)]
    for start, end in [*spans, (0, record.size), (0, 0), (5, 5), (record.size - 1, record.size)]:
        assert await read(node, record, Span(start, end)) == whole[start:end]
        at_hand = node.store.read_now(record, Span(start, end))
        assert at_hand in (None, whole[start:end])


async def test_span_within_one_extent_is_at_hand(node: Node) -> None:
    single = await node.put("k", b"0123456789")
    assert node.store.read_now(single, Span(0, 10)) == b"0123456789"
    assert node.store.read_now(single, Span(3, 5)) == b"34"
    several = await node.put_multipart("m", {1: b"01234", 2: b"56789"})
    assert node.store.read_now(several, Span(6, 9)) == b"678"
    assert node.store.read_now(several, Span(4, 6)) is None
    paged = await node.put_multipart("p", BODIES)
    assert node.store.read_now(paged, Span(0, 1)) is None
    assert node.store.read_now(paged, Span(1, 1)) == b""


@pytest.mark.parametrize("bodies", [{1: b"only one"}, FEW, BODIES], ids=["single", "inline", "manifest"])
@pytest.mark.parametrize("ending", ["overwritten", "deleted"])
async def test_open_reader_keeps_its_bytes(node: Node, bodies: dict[int, bytes], ending: str) -> None:
    record = await node.put_multipart("k", bodies)
    reader = node.store.read(record, Span(0, record.size))
    got = await anext(reader)
    if ending == "overwritten":
        await node.put("k", b"other")
    else:
        await node.store.delete_object("b", "k", None)
    await node.store.collect_garbage()
    assert len(node.garbage()) == 1
    async for chunk in reader:
        got += chunk
    assert got == b"".join(bodies.values())
    await node.check_nothing_leaked()


async def test_reader_that_leaves_early_frees_its_bytes(node: Node) -> None:
    record = await node.put_multipart("k", FEW)
    readers = [node.store.read(record, Span(0, record.size)) for _ in range(3)]
    for reader in readers:
        await anext(reader)
    await node.store.delete_object("b", "k", None)
    for reader in readers:
        await node.store.collect_garbage()
        assert node.stored() == len(FEW)
        await reader.aclose()  # type: ignore[attr-defined]
    await node.check_nothing_leaked()
    assert node.stored() == 0


@pytest.mark.parametrize("bodies", [FEW, BODIES], ids=["inline", "manifest"])
async def test_who_reads_the_bytes_itself_finds_them_until_the_last_hold_is_let_go(
    node: Node, bodies: dict[int, bytes]
) -> None:
    record = await node.put_multipart("k", bodies)
    first, second = node.store.hold(record), node.store.hold(record)
    whole = b"".join(bodies.values())
    span, got = Span(5, record.size - 3), b""
    async for extent, start, end in node.store.extents(record, span):
        if not got:
            await node.store.delete_object("b", "k", None)
            await node.store.collect_garbage()
            first()
        got += b"".join([piece async for piece in node.data.read(extent.location, start, end)])
        await node.store.collect_garbage()
    assert got == whole[5:-3]
    assert node.stored() == len(bodies)
    second()
    await node.check_nothing_leaked()
    assert node.stored() == 0


async def test_metadata_replaced_under_a_reader_frees_nothing(node: Node) -> None:
    record = await node.put("k", b"body")
    reader = node.store.read(record, Span(0, 4))
    await anext(reader)
    await node.store.replace_metadata("b", "k", NEW, None)
    await node.store.delete_object("b", "k", None)
    await node.store.collect_garbage()
    assert node.stored() == 1
    await reader.aclose()  # type: ignore[attr-defined]
    await node.check_nothing_leaked()


async def test_damaged_bytes_are_not_handed_out(node: Node) -> None:
    record = await node.put("k", b"body")
    assert isinstance(node.data, MemoryDataStore)
    node.data.flip(record.extents[0].location, 2)
    with pytest.raises(DataDamaged):
        await node.get("k")
    with pytest.raises(DataDamaged):
        node.store.read_now(record, Span(0, 4))


async def test_missing_manifest_page_is_damage(node: Node) -> None:
    record = await node.put_multipart("k", BODIES)
    node.map.txn({}, {keys.manifest_page(record.manifest_id, 1): None})  # type: ignore[attr-defined]
    with pytest.raises(DataDamaged, match="Page 1"):
        await node.get("k")


@pytest.mark.parametrize("bodies", [{1: b"only one"}, FEW, BODIES], ids=["single", "inline", "manifest"])
async def test_bytes_that_are_gone_are_damage_and_no_missing_object(node: Node, bodies: dict[int, bytes]) -> None:
    record = await node.put_multipart("k", bodies)
    for location in node.named():
        node.data.drop(location)
    with pytest.raises(DataDamaged, match="not there"):
        await node.get("k")
    if record.extents:
        with pytest.raises(DataDamaged, match="not there"):
            node.store.read_now(record, Span(0, 1))
