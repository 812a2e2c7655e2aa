"""Completing a multipart upload: metadata only, and atomic however many parts there are.

The parts are read first and checked; the deciding step then demands that the upload's row is byte for byte as
it was before the reading. Since every part that comes in changes that row, the parts are as they were read. If
the row differs, everything is read again.

An object of many extents needs manifest pages, more than one step can write. They are written before the
deciding step, under the upload's own id, in steps that demand and change the upload's row too. So of two
attempts only the one that wrote last can decide, and the pages are its own. Pages of an attempt that came to
nothing stay with the upload: the next attempt overwrites them, the deciding step deletes what it does not
need, an abort queues them.

What the deciding step does: the object takes its key (what it displaces is queued), the upload's row goes, and
one garbage row stands for the part rows, with a bitmap of the parts whose bytes the object took over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Final

import msgspec
from msgspec.structs import replace

from nimbus.base.clock import Clock
from nimbus.base.errors import ObjectTooLarge, PartInvalid, PartOrderInvalid, PartTooSmall, UploadMissing, WriteRace
from nimbus.base.limits import EXTENTS_INLINE_MAX, META_TXN_SIZE_BYTES_MAX, OBJECT_SIZE_BYTES_MAX
from nimbus.meta import keys
from nimbus.meta.api import View
from nimbus.store.api import CompletedPart, Condition, Digests
from nimbus.store.buckets import Buckets, open_bucket
from nimbus.store.commits import Commits
from nimbus.store.manifest import EMPTY, page_offsets, pages_of
from nimbus.store.objects import peek_object
from nimbus.store.reclaiming.garbage import GarbageQueue, bitmap
from nimbus.store.records import ManifestPage, Object, Part, Upload, UploadedPart, pack, unpack
from nimbus.store.rows import Rows
from nimbus.store.times import http_text, iso_text
from nimbus.store.uploads import end_upload, parse_upload_id

ComputeDigests = Callable[[Upload, list[UploadedPart]], Digests]

ATTEMPTS_MAX: Final = 20  # parts that come in while their upload is completed are a client's mistake
PAGES_SIZE_BYTES_MAX: Final = META_TXN_SIZE_BYTES_MAX // 2  # per step; leaves room for keys and the upload's row


class Attempt(msgspec.Struct):
    """One attempt to complete an upload."""

    bucket: str
    key: bytes
    upload_id: bytes
    upload_row: bytes
    upload_value: bytes  # what the upload's row must still be when the attempt decides
    now_ms: int


class Completions:
    """Turns open uploads into objects."""

    def __init__(
        self,
        rows: Rows,
        commits: Commits,
        clock: Clock,
        buckets: Buckets,
        queue: GarbageQueue,
        part_size_bytes_min: int,
    ) -> None:
        self._rows = rows
        self._commits = commits
        self._clock = clock
        self._buckets = buckets
        self._queue = queue
        self._part_size_bytes_min = part_size_bytes_min
        self._turns: dict[bytes, _Turn] = {}

    async def complete(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        parts: Sequence[CompletedPart],
        digests: ComputeDigests,
        condition: Condition | None,
    ) -> Object:
        raw_id = parse_upload_id(upload_id)
        if any(part.number <= before.number for before, part in pairwise(parts)):
            raise PartOrderInvalid
        bucket_id = (await self._buckets.find(bucket)).bucket_id
        async with self._alone(raw_id):  # attempts of one node take turns instead of undoing each other
            for _ in range(ATTEMPTS_MAX):
                attempt = await self._begin(bucket, bucket_id, key.encode(), raw_id)
                if attempt is None:
                    return await self._completed_before(bucket_id, key.encode(), raw_id)
                completed = await self._try(attempt, parts, digests, condition)
                if completed is not None:
                    return completed
        raise WriteRace("Its parts kept changing while it was completed.")

    async def _begin(self, bucket: str, bucket_id: bytes, key: bytes, upload_id: bytes) -> Attempt | None:
        row = keys.upload(bucket_id, key, upload_id)
        value = await self._rows.peek(row)
        return Attempt(bucket, key, upload_id, row, value, self._clock.now_ms()) if value is not None else None

    async def _completed_before(self, bucket_id: bytes, key: bytes, upload_id: bytes) -> Object:
        """The object that the upload became, if it is still there. Raises `UploadMissing`."""
        value = await self._rows.peek(keys.object(bucket_id, key))
        if value is not None:
            record = unpack(Object, value)
            if record.upload_id == upload_id.hex():
                return record
        raise UploadMissing

    async def _try(
        self, attempt: Attempt, named: Sequence[CompletedPart], digests: ComputeDigests, condition: Condition | None
    ) -> Object | None:
        """Complete the upload as it is now; None when it changed meanwhile."""
        upload = unpack(Upload, attempt.upload_value)
        chosen = choose(named, await self._read_parts(attempt.upload_id))
        check_sizes(named, chosen, self._part_size_bytes_min)
        computed = digests(upload, chosen)
        parts = [
            Part(name.number, part.size, part.checksums.get(upload.checksum_algorithm, ""))
            for name, part in zip(named, chosen, strict=True)
        ]
        extents = [extent for part in chosen for extent in part.extents]
        pages: list[ManifestPage] = []
        if len(extents) > EXTENTS_INLINE_MAX:
            pages = pages_of(parts, [part.extents[0] if part.extents else EMPTY for part in chosen])
            if not await self._write_pages(attempt, pages):
                return None
        record = _new_record(attempt, upload, parts, computed)
        if pages:
            record = replace(record, manifest_id=attempt.upload_id, manifest_pages=page_offsets(parts))
        else:
            record = replace(record, extents=tuple(extents), parts=tuple(parts))
        kept = bitmap([part.number for part in parts])
        return await self._decide(attempt, record, len(pages), kept, condition)

    async def _read_parts(self, upload_id: bytes) -> dict[int, UploadedPart]:
        prefix = keys.parts(upload_id)
        found: dict[int, UploadedPart] = {}
        start = prefix
        while page := await self._rows.scan(start, keys.after_prefix(prefix), 1000):
            found.update((keys.part_number(row), unpack(UploadedPart, value)) for row, value in page)
            start = keys.after(page[-1][0])
        return found

    async def _write_pages(self, attempt: Attempt, pages: list[ManifestPage]) -> bool:
        """Write the manifest pages in bounded steps; False when the upload changed meanwhile."""
        step: dict[bytes, bytes] = {}
        for index, page in enumerate(pages):
            step[keys.manifest_page(attempt.upload_id, index)] = pack(page)
            is_full = sum(map(len, step.values())) >= PAGES_SIZE_BYTES_MAX
            if is_full or index == len(pages) - 1:
                if not await self._write_step(attempt, step, index + 1):
                    return False
                step = {}
        return True

    async def _write_step(self, attempt: Attempt, step: dict[bytes, bytes], pages: int) -> bool:
        upload = unpack(Upload, attempt.upload_value)
        changed = pack(replace(upload, revision=upload.revision + 1, pages=max(upload.pages, pages)))

        def mutation(view: View) -> bool:
            open_bucket(view, attempt.bucket, attempt.now_ms)
            if view.get(attempt.upload_row) != attempt.upload_value:
                return False
            view.put(attempt.upload_row, changed)
            for row, value in step.items():
                view.put(row, value)
            return True

        is_written = await self._commits.run(mutation)
        attempt.upload_value = changed
        return is_written

    async def _decide(
        self, attempt: Attempt, record: Object, pages: int, kept: bytes, condition: Condition | None
    ) -> Object | None:
        """Make `record` the object, if the upload is as the attempt knows it; None if it changed."""
        value = pack(record)
        pages_written = unpack(Upload, attempt.upload_value).pages

        def mutation(view: View) -> Object | None:
            row = keys.object(open_bucket(view, attempt.bucket, attempt.now_ms).bucket_id, attempt.key)
            if view.get(attempt.upload_row) != attempt.upload_value:
                return None
            present = peek_object(view, row)
            if condition is not None:
                condition(present)
            view.put(row, value)
            if present is not None:
                self._queue.put_object(view, present)
            end_upload(self._queue, view, attempt.upload_row, attempt.upload_value, kept)
            for index in range(pages, pages_written):
                view.delete(keys.manifest_page(attempt.upload_id, index))
            return record

        return await self._commits.run(mutation)

    @asynccontextmanager
    async def _alone(self, upload_id: bytes) -> AsyncIterator[None]:
        """Hold the upload's lock; it exists only while somebody holds or awaits it."""
        turn = self._turns.setdefault(upload_id, _Turn())
        turn.attempts += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.attempts -= 1
            if not turn.attempts:
                del self._turns[upload_id]


class _Turn:
    """The attempts to complete one upload take turns."""

    __slots__ = ("attempts", "lock")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.attempts = 0


def choose(named: Sequence[CompletedPart], uploaded: dict[int, UploadedPart]) -> list[UploadedPart]:
    """The uploaded parts that a completer names. Raises `PartInvalid`."""
    if not named:
        raise PartInvalid("No part is named.")
    chosen = []
    for name in named:
        part = uploaded.get(name.number)
        if part is None or part.etag != name.etag:
            raise PartInvalid(f"Part {name.number} was not uploaded or has another ETag.", name.number, name.etag)
        chosen.append(part)
    return chosen


def check_sizes(named: Sequence[CompletedPart], chosen: Sequence[UploadedPart], part_size_bytes_min: int) -> None:
    """Raises `PartTooSmall`, `ObjectTooLarge`."""
    for name, part in zip(named[:-1], chosen[:-1], strict=True):
        if part.size < part_size_bytes_min:
            raise PartTooSmall("", name.number, name.etag, part.size, part_size_bytes_min)
    size = sum(part.size for part in chosen)
    if size > OBJECT_SIZE_BYTES_MAX:
        raise ObjectTooLarge("", size, OBJECT_SIZE_BYTES_MAX)


def _new_record(attempt: Attempt, upload: Upload, parts: Sequence[Part], digests: Digests) -> Object:
    """The record of the completed object, without its extents."""
    return Object(
        size=sum(part.size for part in parts),
        etag=digests.etag,
        modified_ms=attempt.now_ms,
        modified_iso=iso_text(attempt.now_ms),
        modified_http=http_text(attempt.now_ms // 1000),
        owner_id=upload.owner_id,
        content_type=upload.content_type,
        extents=(),
        headers=upload.headers,
        metadata=upload.metadata,
        checksums=digests.checksums,
        checksum_type=upload.checksum_type if digests.checksums else "",
        part_count=len(parts),
        upload_id=attempt.upload_id.hex(),
    )
