"""Listings against a plain model: every page, every delimiter, nothing missed, nothing twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus.meta import keys
from nimbus.meta.memory import MemoryMap
from nimbus.store.listing import SEEK_ROWS_MAX, list_objects, list_uploads
from nimbus.store.records import Object, Upload, pack
from tests.unit.store.node import NEW, Node

BUCKET_ID = b"i" * 16
RECORD = pack(Object(0, "tag", 0, "", "", "owner", "", ()))
UPLOAD = pack(Upload(0, "owner", ""))

names = st.text(st.sampled_from("ab/-\x00é\U0001f600"), max_size=6)
delimiters = st.sampled_from(["", "/", "-", "//", "a/", "é"])


def model_page(
    all_keys: set[str], prefix: str, delimiter: str, after: str, limit: int
) -> tuple[list[str], list[str], bool]:
    """What S3 says a page holds, in the slowest and plainest way."""
    entries: dict[bytes, bool] = {}
    for key in all_keys:
        if not key.startswith(prefix):
            continue
        found = key.find(delimiter, len(prefix)) if delimiter else -1
        group = key[: found + len(delimiter)] if found >= 0 else None
        past_after = group != after if group is not None and is_group(after, prefix, delimiter) else True
        if key.encode() > after.encode() and past_after:
            entries[(key if group is None else group).encode()] = group is not None
    ordered = sorted(entries)
    page = ordered[:limit]
    objects = [name.decode() for name in page if not entries[name]]
    prefixes = [name.decode() for name in page if entries[name]]
    return objects, prefixes, bool(limit) and len(ordered) > limit


def is_group(after: str, prefix: str, delimiter: str) -> bool:
    found = after.find(delimiter, len(prefix)) if delimiter else -1
    return found >= 0 and after[: found + len(delimiter)] == after


def map_of(all_keys: set[str]) -> MemoryMap:
    map = MemoryMap()
    map.txn({}, {keys.object(BUCKET_ID, key.encode()): RECORD for key in all_keys})
    for other in (b"h" * 16, b"j" * 16, BUCKET_ID[:-1] + b"h"):
        map.txn({}, {keys.object(other, b"other bucket"): RECORD})
    return map


@given(st.sets(names.filter(bool), max_size=40), names, delimiters, names, st.integers(0, 8))
def test_any_page_is_what_the_model_says(
    all_keys: set[str], prefix: str, delimiter: str, after: str, limit: int
) -> None:
    page = list_objects(map_of(all_keys), BUCKET_ID, prefix, delimiter, after, limit)
    objects, prefixes, truncated = model_page(all_keys, prefix, delimiter, after, limit)
    assert [key for key, _ in page.objects] == objects
    assert page.prefixes == prefixes
    assert page.truncated == truncated


@given(st.sets(names.filter(bool), max_size=60), names, delimiters, st.integers(1, 5))
def test_pages_after_one_another_show_everything_once(
    all_keys: set[str], prefix: str, delimiter: str, limit: int
) -> None:
    map, after, shown = map_of(all_keys), "", list[str]()
    while True:
        page = list_objects(map, BUCKET_ID, prefix, delimiter, after, limit)
        shown += sorted([key for key, _ in page.objects] + page.prefixes, key=str.encode)
        if not page.truncated:
            break
        after = page.next_after
    objects, prefixes, _ = model_page(all_keys, prefix, delimiter, "", 1000)
    assert shown == sorted(objects + prefixes, key=str.encode)


@given(st.sets(st.tuples(names.filter(bool), st.integers(0, 3)), max_size=40), names, delimiters, st.integers(1, 5))
def test_uploads_are_paged_by_key_and_id_with_nothing_missed(
    all_uploads: set[tuple[str, int]], prefix: str, delimiter: str, limit: int
) -> None:
    map = MemoryMap()
    for key, number in all_uploads:
        map.txn({}, {keys.upload(BUCKET_ID, key.encode(), number.to_bytes(16)): UPLOAD})
    shown: list[tuple[str, str]] = []
    key_after, id_after = "", b""
    while True:
        page = list_uploads(map, BUCKET_ID, prefix, delimiter, key_after, id_after or None, limit)
        shown += sorted(
            [(key, upload_id) for key, upload_id, _ in page.uploads] + [(group, "") for group in page.prefixes],
            key=lambda entry: (entry[0].encode(), entry[1]),
        )
        if not page.truncated:
            break
        key_after, id_after = page.next_key, bytes.fromhex(page.next_upload_id)
    objects, prefixes, _ = model_page({key for key, _ in all_uploads}, prefix, delimiter, "", 1000)
    ids = [(key, number.to_bytes(16).hex()) for key, number in all_uploads if key in objects]
    assert shown == sorted(ids + [(group, "") for group in prefixes], key=lambda entry: (entry[0].encode(), entry[1]))


async def test_listing_shows_records_and_counts_groups_against_the_limit(node: Node) -> None:
    for key in ("a", "b/1", "b/2", "c", "d/1"):
        await node.put(key, b"body")
    first = await node.store.list_objects("b", "", "/", "", 3)
    assert ([key for key, _ in first.objects], first.prefixes) == (["a", "c"], ["b/"])
    assert first.objects[0][1] == await node.store.find_object("b", "a")
    assert (first.truncated, first.next_after) == (True, "c")
    last = await node.store.list_objects("b", "", "/", "c", 3)
    assert (last.objects, last.prefixes, last.truncated, last.next_after) == ([], ["d/"], False, "")


async def test_limit_of_zero_is_an_empty_page_that_is_not_truncated(node: Node) -> None:
    await node.put("a", b"body")
    await node.upload("a", {})
    objects = await node.store.list_objects("b", "", "", "", 0)
    assert (objects.objects, objects.prefixes, objects.truncated, objects.next_after) == ([], [], False, "")
    uploads = await node.store.list_uploads("b", "", "", "", "", 0)
    assert (uploads.uploads, uploads.truncated) == ([], False)


async def test_uploads_of_one_key_are_listed_in_order_of_their_beginning(node: Node) -> None:
    ids = []
    for _ in range(5):
        ids.append(await node.store.create_upload("b", "k", NEW))
        node.clock.advance(1)
    page = await node.store.list_uploads("b", "", "", "", "", 2)
    assert [upload_id for _, upload_id, _ in page.uploads] == ids[:2]
    assert (page.truncated, page.next_key, page.next_upload_id) == (True, "k", ids[1])
    rest = await node.store.list_uploads("b", "", "", "k", ids[1], 10)
    assert [upload_id for _, upload_id, _ in rest.uploads] == ids[2:]
    assert (await node.store.list_uploads("b", "", "", "k", "", 10)).uploads == []
    assert (await node.store.list_uploads("b", "", "", "k", "no id at all", 10)).uploads == []


class CountingMap(MemoryMap):
    """Counts the rows that were fetched."""

    fetched = 0

    def range(self, start: bytes, end: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        rows = super().range(start, end, limit, reverse)
        self.fetched += len(rows)
        return rows


@pytest.mark.parametrize("groups", [1, 10, 300])
def test_keys_under_a_common_prefix_are_skipped_not_read(groups: int) -> None:
    map = CountingMap()
    map.txn({}, {keys.object(BUCKET_ID, b"%05d/%d" % (n % groups, n)): RECORD for n in range(30_000)})
    page = list_objects(map, BUCKET_ID, "", "/", "", 1000)
    assert len(page.prefixes) == groups
    assert map.fetched < groups * 40 + SEEK_ROWS_MAX


def test_page_of_many_single_keys_is_fetched_in_few_seeks() -> None:
    map = CountingMap()
    map.txn({}, {keys.object(BUCKET_ID, b"%05d" % n): RECORD for n in range(5000)})
    page = list_objects(map, BUCKET_ID, "", "/", "", 1000)
    assert len(page.objects) == 1000
    assert map.fetched < 3000
