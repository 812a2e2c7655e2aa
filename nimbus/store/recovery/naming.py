"""Which rows of the metadata name bytes: for whoever asks whether anything does.

Named bytes only ever move forward in the order of the tables (a completion takes parts into an object or its pages,
whatever is displaced goes to the garbage), so bytes in use cannot slip behind a scan that runs beside the normal work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from nimbus.meta import keys
from nimbus.meta.api import OrderedMap
from nimbus.store.records import Garbage, ManifestPage, Object, UploadedPart, unpack

SLICE_ROWS: Final = 500  # about 1 ms of work
PAGE_SLICE_ROWS: Final = 8

Locations = Iterator[bytes]


class NamingTable(NamedTuple):
    """A table whose rows name bytes."""

    prefix: bytes
    slice_rows: int
    locations: Callable[[bytes], Locations]  # in the value of a row


def _of_part(value: bytes) -> Locations:
    return (extent.location for extent in unpack(UploadedPart, value).extents)


def _of_object(value: bytes) -> Locations:
    return (extent.location for extent in unpack(Object, value).extents)


def _of_page(value: bytes) -> Locations:
    return (extent.location for extent in unpack(ManifestPage, value).extents)


def _of_garbage(value: bytes) -> Locations:
    return iter(unpack(Garbage, value).locations)


NAMING_TABLES: Final = (
    NamingTable(keys.parts(b""), SLICE_ROWS, _of_part),
    NamingTable(keys.objects(b""), SLICE_ROWS, _of_object),
    NamingTable(keys.manifest(b""), PAGE_SLICE_ROWS, _of_page),
    NamingTable(keys.GARBAGE, SLICE_ROWS, _of_garbage),
)


def slices_of(map: OrderedMap, tables: Sequence[NamingTable]) -> Iterator[list[bytes]]:
    """The locations that the rows of these tables name, a slice of rows at a time, in the order of the tables."""
    for table in tables:
        for rows in _slices_of_rows(map, table.prefix, table.slice_rows):
            yield [location for _, value in rows for location in table.locations(value) if location]


def locations_in(map: OrderedMap, tables: Sequence[NamingTable]) -> Iterator[bytes]:
    """The same, one by one."""
    for locations in slices_of(map, tables):
        yield from locations


def are_bytes_named(map: OrderedMap) -> bool:
    """Whether an object or an open upload has bytes.

    Parts and pages do not say so by themselves: when their upload has ended or their object is deleted, they stay a
    moment longer than their bytes.
    """
    for rows in _slices_of_rows(map, keys.objects(b""), SLICE_ROWS):
        records = (unpack(Object, value) for _, value in rows)
        if any(record.extents or record.manifest_id for record in records):
            return True
    for rows in _slices_of_rows(map, keys.uploads(b""), SLICE_ROWS):
        for row, _ in rows:
            parts = keys.parts(keys.upload_columns(row)[1])
            if any(True for _ in locations_in(map, (NAMING_TABLES[0]._replace(prefix=parts),))):
                return True
    return False


def _slices_of_rows(map: OrderedMap, prefix: bytes, slice_rows: int) -> Iterator[list[tuple[bytes, bytes]]]:
    start, end = prefix, keys.after_prefix(prefix)
    while True:
        rows = map.range(start, end, slice_rows)
        yield rows
        if len(rows) < slice_rows:
            return
        start = keys.after(rows[-1][0])
