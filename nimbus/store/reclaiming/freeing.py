"""What it takes to free one garbage row: drop the bytes it stands for, then delete the rows, the row itself last.

Must always hold: a row is deleted only after the bytes it names were dropped, so a stop in between repeats the
drop, which is no error. What cannot be dropped is told and stays queued; it holds nothing else up.

Rows of metadata that may not be the one of these bytes are worked off in the same way, but what they name goes into the
quarantine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from nimbus.base.errors import NimbusError
from nimbus.base.limits import META_TXN_OPS_MAX
from nimbus.data.api import DataStore
from nimbus.meta import keys
from nimbus.meta.api import View
from nimbus.store.commits import Commits
from nimbus.store.reclaiming.garbage import is_in_bitmap
from nimbus.store.records import Garbage, ManifestPage, UploadedPart, unpack
from nimbus.store.recovery.quarantine import Quarantine
from nimbus.store.rows import Rows
from nimbus.store.threads import Threads

PARTS_PER_STEP: Final = 1000
PAGES_PER_STEP: Final = 16  # manifest pages of up to 46 KB

Batch = dict[bytes, Garbage]  # garbage rows by their key
Failures = dict[bytes, Exception]  # what could not be freed, and why
Drop = Callable[[Mapping[bytes, Sequence[bytes]]], Awaitable[Failures]]


class Freeing:
    """Frees garbage rows. Drops run on a worker thread, deletions share the syncs of the commit thread."""

    def __init__(
        self, rows: Rows, commits: Commits, data: DataStore, threads: Threads, quarantine: Quarantine | None
    ) -> None:
        self._rows = rows
        self._commits = commits
        self._data = data
        self._threads = threads
        self._quarantine = quarantine

    async def free(self, batch: Batch) -> Failures:
        """Free these rows; those that could not be."""
        return await self._work_off(batch, self.drop)

    async def hold(self, batch: Batch) -> Failures:
        """Put what these rows stand for into the quarantine; those of which that failed."""
        return await self._work_off(batch, self._keep)

    async def drop(self, locations: Mapping[bytes, Sequence[bytes]]) -> Failures:
        """Drop the locations of each name; the names of which one could not be dropped."""
        return await self._threads.run(_drop_all, self._data, locations)

    async def _keep(self, locations: Mapping[bytes, Sequence[bytes]]) -> Failures:
        assert self._quarantine is not None, "whoever holds something has a quarantine"
        return await self._threads.run(_keep_all, self._quarantine, locations)

    async def _work_off(self, batch: Batch, drop: Drop) -> Failures:
        failures = await drop({row: garbage.locations for row, garbage in batch.items()})
        for row, garbage in batch.items():
            try:
                if garbage.upload_rows:
                    await self._free_parts(garbage.upload_rows, garbage.kept_parts, drop)
                if garbage.manifest_rows:
                    await self._free_pages(garbage.manifest_rows, drop)
            except (NimbusError, OSError) as error:
                failures[row] = error
        await self._delete([row for row in batch if row not in failures])
        return failures

    async def _free_parts(self, prefix: bytes, kept_parts: bytes, drop: Drop) -> None:
        """Drop the parts of a finished upload, but not the bytes that its object took over."""
        start, end = prefix, keys.after_prefix(prefix)
        while page := await self._rows.scan(start, end, PARTS_PER_STEP):
            locations = [
                extent.location
                for row, value in page
                if not is_in_bitmap(kept_parts, keys.part_number(row))
                for extent in unpack(UploadedPart, value).extents
            ]
            await self._drop_then_delete(locations, page, drop)
            start = keys.after(page[-1][0])

    async def _free_pages(self, prefix: bytes, drop: Drop) -> None:
        """Drop the bytes that the pages of a manifest name, then the pages."""
        start, end = prefix, keys.after_prefix(prefix)
        while page := await self._rows.scan(start, end, PAGES_PER_STEP):
            extents = [extent for _, value in page for extent in unpack(ManifestPage, value).extents]
            await self._drop_then_delete([extent.location for extent in extents if extent.size], page, drop)
            start = keys.after(page[-1][0])

    async def _drop_then_delete(
        self, locations: Sequence[bytes], page: Sequence[tuple[bytes, bytes]], drop: Drop
    ) -> None:
        failures = await drop({b"": locations})
        if failures:
            raise failures[b""]
        await self._delete([row for row, _ in page])

    async def _delete(self, rows: Sequence[bytes]) -> None:
        """Delete rows, as many in one step as every engine takes."""
        steps = [rows[first : first + META_TXN_OPS_MAX] for first in range(0, len(rows), META_TXN_OPS_MAX)]
        await asyncio.gather(*(self._commits.run(_Deletion(step)) for step in steps))


class _Deletion:
    """A mutation that deletes rows."""

    __slots__ = ("_rows",)

    def __init__(self, rows: Sequence[bytes]) -> None:
        self._rows = rows

    def __call__(self, view: View) -> None:
        for row in self._rows:
            view.delete(row)


def _drop_all(data: DataStore, locations: Mapping[bytes, Sequence[bytes]]) -> Failures:
    failures: Failures = {}
    for name, several in locations.items():
        for location in several:
            try:
                data.drop(location)
            except (NimbusError, OSError) as error:
                failures[name] = error
    return failures


def _keep_all(quarantine: Quarantine, locations: Mapping[bytes, Sequence[bytes]]) -> Failures:
    try:
        quarantine.take({location for several in locations.values() for location in several if location})
    except (NimbusError, OSError) as error:
        return dict.fromkeys(locations, error)
    return {}
