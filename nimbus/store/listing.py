"""Listings: pages of keys, grouped by a delimiter, in the order of UTF-8 bytes.

A page costs what it shows: keys under a common prefix are skipped by seeking past it, however many there are.
These functions block and run on worker threads; a page is not one snapshot, but every row in it was there at
the moment it was read, and no key that stays is missed or shown twice.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from nimbus.meta import keys
from nimbus.store.api import Listing, UploadListing
from nimbus.store.readable import ReadableRows
from nimbus.store.records import Object, Upload, UploadedPart, unpack

# How many rows one seek fetches: few where most of them are skipped, many where most are shown.
SEEK_ROWS_MIN: Final = 4
SEEK_ROWS_MAX: Final = 1024
SEEK_COST_ROWS: Final = 8  # a seek of its own costs about as much as fetching so many rows

Row = tuple[bytes, bytes]


def list_objects(map: ReadableRows, bucket_id: bytes, prefix: str, delimiter: str, after: str, limit: int) -> Listing:
    """See `ObjectStore.list_objects`."""
    if limit <= 0:
        return Listing([], [], False, "")
    table = Table(keys.object_key, lambda key_prefix: keys.objects(bucket_id) + key_prefix)
    group_of = _grouping(prefix.encode(), delimiter.encode())
    first = table.rows_of(prefix.encode())
    end = keys.after_prefix(first)
    start = max(first, _after_object(table, group_of, after.encode()))
    if not delimiter:
        return _flat_page(map.range(start, end, limit + 1), limit)
    objects: list[tuple[str, Object]] = []
    prefixes: list[str] = []
    last = ""
    for row, value, group in scan_grouped(map, start, end, table, group_of):
        if len(objects) + len(prefixes) == limit:
            return Listing(objects, prefixes, True, last)
        if group is not None:
            last = group.decode()
            prefixes.append(last)
        else:
            last = keys.object_key(row).decode()
            objects.append((last, unpack(Object, value)))
    return Listing(objects, prefixes, False, "")


def list_uploads(
    map: ReadableRows,
    bucket_id: bytes,
    prefix: str,
    delimiter: str,
    key_after: str,
    upload_id_after: bytes | None,
    limit: int,
) -> UploadListing:
    """See `ObjectStore.list_uploads`. `upload_id_after` None: after all uploads of `key_after`."""
    if limit <= 0:
        return UploadListing([], [], False, "", "")
    table = Table(lambda row: keys.upload_columns(row)[0], lambda key_prefix: keys.uploads(bucket_id, key_prefix))
    group_of = _grouping(prefix.encode(), delimiter.encode())
    first = table.rows_of(prefix.encode())
    start = max(first, _after_upload(bucket_id, group_of, key_after.encode(), upload_id_after))
    uploads: list[tuple[str, str, Upload]] = []
    prefixes: list[str] = []
    last = ("", "")
    for row, value, group in scan_grouped(map, start, keys.after_prefix(first), table, group_of):
        if len(uploads) + len(prefixes) == limit:
            return UploadListing(uploads, prefixes, True, *last)
        if group is not None:
            last = (group.decode(), "")
            prefixes.append(last[0])
        else:
            key, upload_id = keys.upload_columns(row)
            last = (key.decode(), upload_id.hex())
            uploads.append((*last, unpack(Upload, value)))
    return UploadListing(uploads, prefixes, False, "", "")


def list_parts(
    map: ReadableRows, upload_id: bytes, after: int, limit: int
) -> tuple[list[tuple[int, UploadedPart]], bool]:
    """Up to `limit` parts with numbers above `after`, and whether there are more."""
    if limit <= 0:
        return [], False
    end = keys.after_prefix(keys.parts(upload_id))
    rows = map.range(keys.after(keys.part(upload_id, after)), end, limit + 1)
    return [(keys.part_number(row), unpack(UploadedPart, value)) for row, value in rows[:limit]], len(rows) > limit


# --- grouping -------------------------------------------------------------------------------------------

# The common prefix that a key belongs to, or None.
GroupOf = Callable[[bytes], bytes | None]


class Table(NamedTuple):
    """How the rows of a table relate to the keys of objects."""

    key_of: Callable[[bytes], bytes]  # the key in a row
    rows_of: Callable[[bytes], bytes]  # prefix of the rows whose keys start with these bytes


def scan_grouped(
    map: ReadableRows, start: bytes, end: bytes, table: Table, group_of: GroupOf
) -> Iterator[tuple[bytes, bytes, bytes | None]]:
    """Rows and values from `start` to before `end`, with None; of each group only the first row, with the group."""
    fetch = SEEK_ROWS_MIN
    while start < end:
        rows = map.range(start, end, fetch)
        index = shown = 0
        while index < len(rows):
            row, value = rows[index]
            group = group_of(table.key_of(row))
            yield row, value, group
            shown += 1
            index += 1
            if group is not None:
                start = keys.after_prefix(table.rows_of(group))
                index = bisect_left(rows, (start,), index)
        if len(rows) < fetch:
            return
        start = max(start, keys.after(rows[-1][0]))
        fetch = min(fetch * 2, SEEK_ROWS_MAX) if shown * SEEK_COST_ROWS >= len(rows) else SEEK_ROWS_MIN


def _grouping(prefix: bytes, delimiter: bytes) -> GroupOf:
    if not delimiter:
        return lambda key: None

    def group_of(key: bytes) -> bytes | None:
        found = key.find(delimiter, len(prefix))
        return None if found < 0 else key[: found + len(delimiter)]

    return group_of


def _after_object(table: Table, group_of: GroupOf, after: bytes) -> bytes:
    """The lowest row after `after`, which may be a common prefix: then the lowest row beyond it."""
    if not after:
        return b""
    row = table.rows_of(after)
    return keys.after_prefix(row) if group_of(after) == after else keys.after(row)


def _after_upload(bucket_id: bytes, group_of: GroupOf, key_after: bytes, upload_id_after: bytes | None) -> bytes:
    if not key_after:
        return b""
    if group_of(key_after) == key_after:
        return keys.after_prefix(keys.uploads(bucket_id, key_after))
    if upload_id_after is None:
        return keys.after_prefix(keys.uploads_of_key(bucket_id, key_after))
    return keys.after(keys.upload(bucket_id, key_after, upload_id_after))


def _flat_page(rows: list[Row], limit: int) -> Listing:
    objects = [(keys.object_key(row).decode(), unpack(Object, value)) for row, value in rows[:limit]]
    truncated = len(rows) > limit
    return Listing(objects, [], truncated, objects[-1][0] if truncated else "")
