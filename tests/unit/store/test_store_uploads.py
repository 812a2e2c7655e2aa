"""Multipart uploads: parts in any order, one consistent end, nothing left behind."""

from __future__ import annotations

import asyncio
import random

import pytest
from msgspec.structs import replace

from nimbus.base.errors import (
    ConditionLost,
    ObjectMissing,
    ObjectTooLarge,
    PartInvalid,
    PartOrderInvalid,
    PartTooSmall,
    UploadMissing,
    WriteRace,
)
from nimbus.base.limits import EXTENTS_INLINE_MAX, OBJECT_SIZE_BYTES_MAX, PART_NUMBER_MAX
from nimbus.base.span import Span
from nimbus.meta import keys
from nimbus.meta.memory import MemoryMap
from nimbus.store.api import CompletedPart, Digests, NewObject
from nimbus.store.completion import check_sizes
from nimbus.store.manifest import PARTS_PER_PAGE
from nimbus.store.records import Extent, ManifestPage, Object, Part, Upload, UploadedPart, pack, unpack
from tests.unit.store.node import Node, etag_of, multipart_digests, running

FEW = {number: b"part %d." % number for number in (1, 2, 5)}
MANY = {number: b"part %05d." % number for number in range(1, 601)}


@pytest.mark.parametrize("bodies", [{1: b"only"}, {1: b""}, FEW, {**FEW, 9: b""}, MANY, {**MANY, 900: b""}])
async def test_completed_upload_is_its_parts_in_order(node: Node, bodies: dict[int, bytes]) -> None:
    record = await node.put_multipart("k", bodies)
    whole = b"".join(bodies.values())
    assert record == await node.store.find_object("b", "k")
    assert record.size == len(whole)
    assert record.etag.endswith(f"-{len(bodies)}")
    assert await node.get("k") == whole
    await node.check_nothing_leaked()
    assert await node.get("k") == whole
    await node.store.delete_object("b", "k", None)
    await node.check_nothing_leaked()
    assert node.stored() == 0


async def test_what_was_said_at_the_beginning_is_kept_with_the_object(node: Node) -> None:
    new = NewObject("ann", "image/png", {"expires": "never"}, {"a": "b"}, "CRC32", "COMPOSITE")
    upload_id = await node.store.create_upload("b", "k", new)
    upload = await node.store.find_upload("b", "k", upload_id)
    assert (upload.owner_id, upload.checksum_algorithm, upload.initiated_ms) == ("ann", "CRC32", node.clock.now_ms())
    ingest = node.store.ingest(4)
    await ingest.write(b"body")
    await node.store.put_part("b", "k", upload_id, 1, ingest, Digests("tag", {"CRC32": "abcd"}))
    record = await node.store.complete_upload(
        "b",
        "k",
        upload_id,
        [CompletedPart(1, "tag")],
        lambda u, p: Digests("x-1", {"CRC32": "q-1"}),
        None,
    )
    assert (record.content_type, record.headers, record.metadata) == ("image/png", {"expires": "never"}, {"a": "b"})
    assert (record.checksums, record.checksum_type) == ({"CRC32": "q-1"}, "COMPOSITE")
    assert record.parts == (Part(1, 4, "abcd"),)


@pytest.mark.parametrize("upload_id", ["", "x", "0" * 32, "0" * 31, "A" * 32, " " * 32, "00 " * 11, "é" * 32, "٣" * 32])
async def test_unknown_upload_is_missing_whatever_its_id_looks_like(node: Node, upload_id: str) -> None:
    for attempt in (
        node.store.find_upload("b", "k", upload_id),
        node.put_part("k", upload_id, 1, b"body"),
        node.store.list_parts("b", "k", upload_id, 0, 10),
        node.complete("k", upload_id, {1: b"body"}),
        node.store.abort_upload("b", "k", upload_id),
    ):
        with pytest.raises(UploadMissing):
            await attempt
    await node.check_nothing_leaked()
    assert node.stored() == 0


async def test_upload_belongs_to_its_key_and_bucket(node: Node) -> None:
    await node.store.create_bucket("c", "owner", "")
    upload_id = await node.upload("k", FEW)
    for attempt in (node.store.find_upload("b", "l", upload_id), node.store.find_upload("c", "k", upload_id)):
        with pytest.raises(UploadMissing):
            await attempt


@pytest.mark.parametrize("number", [-1, 0, PART_NUMBER_MAX + 1])
async def test_part_numbers_out_of_range_are_refused(node: Node, number: int) -> None:
    upload_id = await node.upload("k", {})
    with pytest.raises(PartInvalid):
        await node.put_part("k", upload_id, number, b"body")
    await node.check_nothing_leaked()
    assert node.stored() == 0


async def test_part_uploaded_again_replaces_the_earlier_one(node: Node) -> None:
    upload_id = await node.upload("k", FEW)
    again = {**FEW, 2: b"another body"}
    await node.put_part("k", upload_id, 2, again[2])
    with pytest.raises(PartInvalid):
        await node.complete("k", upload_id, FEW)
    await node.complete("k", upload_id, again)
    assert await node.get("k") == b"".join(again.values())
    await node.check_nothing_leaked()


async def test_parts_that_are_not_named_are_freed(node: Node) -> None:
    upload_id = await node.upload("k", MANY)
    chosen = {number: body for number, body in MANY.items() if number % 3 == 0}
    await node.complete("k", upload_id, chosen)
    await node.check_nothing_leaked()
    assert node.stored() == len(chosen)
    assert await node.get("k") == b"".join(chosen.values())


@pytest.mark.parametrize(
    ("named", "error"),
    [
        ([], PartInvalid),
        ([CompletedPart(2, etag_of(FEW[2])), CompletedPart(1, etag_of(FEW[1]))], PartOrderInvalid),
        ([CompletedPart(1, etag_of(FEW[1])), CompletedPart(1, etag_of(FEW[1]))], PartOrderInvalid),
        ([CompletedPart(3, etag_of(FEW[1]))], PartInvalid),
        ([CompletedPart(1, etag_of(FEW[2]))], PartInvalid),
        ([CompletedPart(6, "tiny"), CompletedPart(7, "tiny")], PartTooSmall),
    ],
)
async def test_wrong_completion_is_refused_and_the_upload_stays(
    node: Node, named: list[CompletedPart], error: type[Exception]
) -> None:
    upload_id = await node.upload("k", FEW)
    for number in (6, 7):
        ingest = node.store.ingest(1)
        await ingest.write(b"x")
        await node.store.put_part("b", "k", upload_id, number, ingest, Digests("tiny"))
    with pytest.raises(error):
        await node.store.complete_upload("b", "k", upload_id, named, multipart_digests, None)
    with pytest.raises(ObjectMissing):
        await node.store.find_object("b", "k")
    await node.complete("k", upload_id, FEW)
    await node.check_nothing_leaked()


def test_object_beyond_the_largest_size_is_refused() -> None:
    half, named = UploadedPart(OBJECT_SIZE_BYTES_MAX // 2, "tag", 0, ()), [CompletedPart(i, "tag") for i in (1, 2, 3)]
    check_sizes(named[:2], [half, half], 4)
    with pytest.raises(ObjectTooLarge) as refused:
        check_sizes(named, [half, half, UploadedPart(1, "tag", 0, ())], 4)
    assert (refused.value.size_bytes, refused.value.size_bytes_max) == (
        OBJECT_SIZE_BYTES_MAX + 1,
        OBJECT_SIZE_BYTES_MAX,
    )


async def test_repeated_completion_answers_alike_while_the_object_is_there(node: Node) -> None:
    upload_id = await node.upload("k", FEW)
    first = await node.complete("k", upload_id, FEW)
    node.clock.advance(3600)
    assert await node.complete("k", upload_id, FEW) == first
    await node.put("k", b"overwritten")
    with pytest.raises(UploadMissing):
        await node.complete("k", upload_id, FEW)
    await node.check_nothing_leaked()


async def test_condition_of_a_completion_is_decided_on_the_object_of_that_moment(node: Node) -> None:
    def only_new(present: Object | None) -> None:
        if present is not None:
            raise ConditionLost

    await node.put("k", b"present")
    upload_id = await node.upload("k", MANY)
    with pytest.raises(ConditionLost):
        await node.complete("k", upload_id, MANY, condition=only_new)
    assert await node.get("k") == b"present"
    await node.store.delete_object("b", "k", None)
    await node.complete("k", upload_id, MANY, condition=only_new)
    await node.check_nothing_leaked()


async def test_aborted_upload_is_gone_with_its_bytes(node: Node) -> None:
    upload_id = await node.upload("k", FEW)
    await node.store.abort_upload("b", "k", upload_id)
    for attempt in (
        node.store.find_upload("b", "k", upload_id),
        node.store.abort_upload("b", "k", upload_id),
        node.put_part("k", upload_id, 1, b"body"),
        node.complete("k", upload_id, FEW),
    ):
        with pytest.raises(UploadMissing):
            await attempt
    await node.check_nothing_leaked()
    assert node.stored() == 0


@pytest.mark.parametrize("seed", range(25))
async def test_racing_parts_completions_and_aborts_have_one_consistent_outcome(node: Node, seed: int) -> None:
    random_order = random.Random(seed)
    bodies = FEW if seed % 2 else {number: MANY[number] for number in range(1, EXTENTS_INLINE_MAX + 10)}
    upload_id = await node.upload("k", bodies)
    other = {number: body for number, body in bodies.items() if number != 2}
    attempts = [
        node.complete("k", upload_id, bodies),
        node.complete("k", upload_id, other),
        node.put_part("k", upload_id, 2, b"replaced"),
        node.put_part("k", upload_id, 7000, b"not named"),
        *([node.store.abort_upload("b", "k", upload_id)] if seed % 3 == 0 else []),
    ]
    random_order.shuffle(attempts)
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    for outcome in outcomes:
        assert outcome is None or isinstance(outcome, Object | UploadedPart | UploadMissing | PartInvalid), outcome
    made = [outcome for outcome in outcomes if isinstance(outcome, Object)]
    assert all(record == made[0] for record in made)
    if made:
        assert await node.get("k") in (b"".join(bodies.values()), b"".join(other.values()))
        with pytest.raises(UploadMissing):
            await node.store.find_upload("b", "k", upload_id)
    await node.check_nothing_leaked()
    if made:
        assert await node.body(made[0]) == await node.get("k")


async def test_part_that_comes_in_while_parts_are_read_makes_the_completion_read_again() -> None:
    map = InterruptingMap()
    async with running(map) as node:
        await node.store.create_bucket("b", "owner", "")
        upload_id = await node.upload("k", FEW)
        changed = {**FEW, 1: b"changed meanwhile"}
        map.interrupt = lambda: replace_part(map, upload_id, 1, FEW[2])
        with pytest.raises(PartInvalid):
            await node.complete("k", upload_id, changed)
        map.times = 1000
        with pytest.raises(WriteRace):
            await node.complete("k", upload_id, {2: FEW[2]})


async def test_pages_of_a_failed_attempt_are_used_or_deleted(node: Node) -> None:
    upload_id = await node.upload("k", MANY)

    def refuse(present: Object | None) -> None:
        raise ConditionLost

    with pytest.raises(ConditionLost):
        await node.complete("k", upload_id, MANY, condition=refuse)
    assert len(node.rows(keys.manifest(b""))) == 3
    fewer = {number: MANY[number] for number in range(1, PARTS_PER_PAGE + 2)}
    record = await node.complete("k", upload_id, fewer)
    assert len(node.rows(keys.manifest(b""))) == len(record.manifest_pages) == 2
    await node.check_nothing_leaked()
    assert await node.get("k") == b"".join(fewer.values())


@pytest.mark.parametrize("ending", ["inline", "abort"])
async def test_pages_of_a_failed_attempt_do_not_outlive_the_upload(node: Node, ending: str) -> None:
    upload_id = await node.upload("k", MANY)

    def refuse(present: Object | None) -> None:
        raise ConditionLost

    with pytest.raises(ConditionLost):
        await node.complete("k", upload_id, MANY, condition=refuse)
    if ending == "inline":
        await node.complete("k", upload_id, FEW_OF_MANY)
    else:
        await node.store.abort_upload("b", "k", upload_id)
    await node.check_nothing_leaked()
    assert node.rows(keys.manifest(b"")) == []


FEW_OF_MANY = {number: MANY[number] for number in (1, 2, 3)}


async def test_parts_of_an_object_are_found_by_number(node: Node) -> None:
    numbers = [*range(1, 300), *range(400, 900, 2), 9000, 10_000]
    bodies = {number: b"<%05d>" % number for number in numbers}
    record = await node.put_multipart("k", bodies)
    whole = b"".join(bodies.values())
    for number in (1, 255, 256, 257, 299, 400, 500, 898, 9000, 10_000):
        span, part = await node.store.part_span(record, number)
        assert whole[span.start : span.end] == bodies[number]
        assert part == Part(number, 7)
    for number in (0, 300, 399, 401, 899, 9001, 10_001, -5):
        with pytest.raises(PartInvalid):
            await node.store.part_span(record, number)
    listed, after = [], 0
    while True:
        page, more = await node.store.list_object_parts(record, after, 100)
        listed += [part.number for part in page]
        if not more:
            break
        after = page[-1].number
    assert listed == numbers
    assert await node.store.list_object_parts(record, 300, 2) == ([Part(400, 7), Part(402, 7)], True)
    assert await node.store.list_object_parts(record, 0, 0) == ([], False)


async def test_parts_of_small_and_of_single_objects_are_found(node: Node) -> None:
    record = await node.put_multipart("k", FEW)
    assert await node.store.part_span(record, 5) == (Span(14, 21), Part(5, 7))
    assert await node.store.list_object_parts(record, 1, 1) == ([Part(2, 7)], True)
    with pytest.raises(PartInvalid):
        await node.store.part_span(record, 3)
    single = await node.put("l", b"body")
    assert await node.store.part_span(single, 1) == (Span(0, 4), None)
    assert await node.store.list_object_parts(single, 0, 10) == ([], False)
    with pytest.raises(PartInvalid):
        await node.store.part_span(single, 2)


async def test_parts_of_an_open_upload_are_listed_by_page(node: Node) -> None:
    upload_id = await node.upload("k", {number: b"body %d" % number for number in (9, 1, 500, 10_000)})
    page = await node.store.list_parts("b", "k", upload_id, 0, 2)
    assert [number for number, _ in page.parts] == [1, 9]
    assert (page.truncated, page.next_number) == (True, 9)
    assert page.parts[0][1].etag == etag_of(b"body 1")
    rest = await node.store.list_parts("b", "k", upload_id, 9, 2)
    assert [number for number, _ in rest.parts] == [500, 10_000]
    assert not rest.truncated
    assert (await node.store.list_parts("b", "k", upload_id, 0, 0)).parts == []


def test_fullest_manifest_page_fits_the_portable_envelope() -> None:
    part = Part(10_000, OBJECT_SIZE_BYTES_MAX, "x" * 88)
    extent = Extent(b"l" * 64, OBJECT_SIZE_BYTES_MAX)
    page = ManifestPage(9_999, (part,) * PARTS_PER_PAGE, (extent,) * PARTS_PER_PAGE)
    assert len(pack(page)) < 64 * 1024


async def test_completion_of_ten_thousand_parts_stays_in_the_envelope(node: Node) -> None:
    upload_id = await node.upload("k", {})
    (row, _), *_ = node.rows(keys.uploads(b""))
    assert isinstance(node.map, MemoryMap)
    raw_id = keys.upload_columns(row)[1]
    body = b"same bytes"
    bodies = dict.fromkeys(range(1, PART_NUMBER_MAX + 1), body)
    for number in bodies:
        location = node.data.keep(body)  # type: ignore[attr-defined]
        node.map.txn({}, {keys.part(raw_id, number): pack(UploadedPart(10, etag_of(body), 0, (Extent(location, 10),)))})
    record = await node.complete("k", upload_id, bodies)
    assert (record.part_count, record.size) == (PART_NUMBER_MAX, 10 * PART_NUMBER_MAX)
    assert [chunk async for chunk in node.store.read(record, Span(99_985, 99_995))] == [b"bytes", b"same "]
    await node.check_nothing_leaked()


class InterruptingMap(MemoryMap):
    """Lets something happen right after the parts of an upload were read."""

    interrupt = staticmethod(lambda: None)
    times = 1

    def range(self, start: bytes, end: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        rows = super().range(start, end, limit, reverse)
        if rows and start.startswith(keys.parts(b"")) and self.times:
            self.times -= 1
            self.interrupt()
        return rows


def replace_part(map: MemoryMap, upload_id: str, number: int, body: bytes) -> None:
    """What a `put_part` on another node leaves: the part changed, the upload's revision raised."""
    ((row, value),) = map.range(keys.uploads(b""), keys.after_prefix(keys.uploads(b"")), 10)
    upload = unpack(Upload, value)
    part_row = keys.part(bytes.fromhex(upload_id), number)
    part = unpack(UploadedPart, map.get(part_row) or b"")
    map.txn(
        {},
        {
            row: pack(replace(upload, revision=upload.revision + 1)),
            part_row: pack(replace(part, etag=etag_of(body))),
        },
    )
