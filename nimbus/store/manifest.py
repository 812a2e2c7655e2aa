"""Where the parts of a multipart object lie: inline in its record, or in manifest pages beside it.

An object of at most `EXTENTS_INLINE_MAX` extents carries its parts and extents in its own record. One of more
has pages of `PARTS_PER_PAGE` parts in rows of their own, named by the manifest id; the record then says at which
byte each page begins, so that a read loads only the pages it needs. Pages never change once an object names
them. A page of parts with the longest locations and checksums stays well below the largest metadata value.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncGenerator, Sequence
from itertools import accumulate
from typing import Final

from nimbus.base.errors import DataDamaged, PartInvalid
from nimbus.base.span import Span
from nimbus.meta import keys
from nimbus.store.records import Extent, ManifestPage, Object, Part, unpack
from nimbus.store.rows import Rows

PARTS_PER_PAGE: Final = 256  # at most 179 bytes each (location of 64, SHA-512 checksum): 46 KB

EMPTY: Final = Extent(b"", 0)  # stands for the bytes of an empty part


def pages_of(parts: Sequence[Part], extents: Sequence[Extent]) -> list[ManifestPage]:
    """The manifest pages of these parts, `extents[i]` being the bytes of `parts[i]`."""
    return [
        ManifestPage(
            first, tuple(parts[first : first + PARTS_PER_PAGE]), tuple(extents[first : first + PARTS_PER_PAGE])
        )
        for first in range(0, len(parts), PARTS_PER_PAGE)
    ]


def page_offsets(parts: Sequence[Part]) -> tuple[int, ...]:
    """The byte of the object at which each page begins."""
    starts = accumulate((part.size for part in parts), initial=0)
    return tuple(start for index, start in enumerate(starts) if index % PARTS_PER_PAGE == 0 and index < len(parts))


class Manifests:
    """Finds the parts and extents of objects."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def extents(self, record: Object, start: int) -> AsyncGenerator[tuple[int, tuple[Extent, ...]], None]:
        """Runs of extents that hold the object's bytes from `start` on, each with the byte at which it begins."""
        if not record.manifest_pages:
            yield 0, record.extents
            return
        first = max(bisect_right(record.manifest_pages, start) - 1, 0)
        for index in range(first, len(record.manifest_pages)):
            yield record.manifest_pages[index], (await self._page(record, index)).extents

    async def part_span(self, record: Object, number: int) -> tuple[Span, Part | None]:
        """The bytes of part `number`. Raises `PartInvalid` when there is no such part."""
        if not record.part_count:
            if number == 1:
                return Span(0, record.size), None
            raise PartInvalid
        offset, parts = await self._parts_around(record, number)
        for part in parts:
            if part.number == number:
                return Span(offset, offset + part.size), part
            offset += part.size
        raise PartInvalid

    async def parts_after(self, record: Object, after: int, limit: int) -> tuple[list[Part], bool]:
        """Up to `limit` parts with numbers above `after`, and whether there are more."""
        found: list[Part] = []
        index = await self._page_index(record, after) if record.manifest_pages else 0
        while len(found) <= limit and index < max(len(record.manifest_pages), 1):
            parts = (await self._page(record, index)).parts if record.manifest_pages else record.parts
            found += [part for part in parts if part.number > after]
            index += 1
        return found[:limit], bool(limit) and len(found) > limit

    async def _parts_around(self, record: Object, number: int) -> tuple[int, tuple[Part, ...]]:
        """The run of parts that holds `number` if any does, and the byte at which it begins."""
        if not record.manifest_pages:
            return 0, record.parts
        index = await self._page_index(record, number)
        return record.manifest_pages[index], (await self._page(record, index)).parts

    async def _page_index(self, record: Object, number: int) -> int:
        """The last page that begins at or below part `number`; the first one if none does.

        Numbers ascend, so part `number` is never beyond index number - 1. Where they are 1, 2, 3, ..., as
        nearly always, the page at that index is the one.
        """
        low, high = 0, len(record.manifest_pages) - 1
        middle = min(max(number - 1, 0) // PARTS_PER_PAGE, high)
        high = middle
        while low < high:
            if (await self._page(record, middle)).parts[0].number <= number:
                low = middle
            else:
                high = middle - 1
            middle = (low + high + 1) // 2
        return low

    async def _page(self, record: Object, index: int) -> ManifestPage:
        value = await self._rows.peek(keys.manifest_page(record.manifest_id, index))
        if value is None:
            raise DataDamaged(f"Page {index} of manifest {record.manifest_id.hex()} is missing.")
        return unpack(ManifestPage, value)
