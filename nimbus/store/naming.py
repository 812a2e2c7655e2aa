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
        start, end = table.prefix, keys.after_prefix(table.prefix)
        while True:
            rows = map.range(start, end, table.slice_rows)
            yield [location for _, value in rows for location in table.locations(value) if location]
            if len(rows) < table.slice_rows:
                break
            start = keys.after(rows[-1][0])


def locations_in(map: OrderedMap, tables: Sequence[NamingTable]) -> Iterator[bytes]:
    """The same, one by one."""
    for locations in slices_of(map, tables):
        yield from locations
