"""Buckets: making, finding, listing and deleting them.

A bucket is deleted in steps: mark the row, look for objects, abort the open uploads, delete the row. The mark
keeps writers out (`BucketBusy`), so that no object slips in between the look and the delete. A mark is void
once its time has passed, for the case that whoever set it is gone; a writer that passes a void mark takes it
off, whereupon the delete, if it still lives, finds the row changed and gives up. So no clock decides whether
an object is lost.

Must always hold: every mutation of something in a bucket begins with `open_bucket`.

On a map that this process owns, bucket rows are remembered for reading; a change forgets them when it is
settled, which is before it is acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from msgspec.structs import replace

from nimbus.base.clock import Clock
from nimbus.base.errors import BucketBusy, BucketMissing, BucketNotEmpty
from nimbus.base.ids import new_id
from nimbus.meta import keys
from nimbus.meta.api import View
from nimbus.store.api import BucketTaken
from nimbus.store.commits import Commits
from nimbus.store.records import Bucket, pack, unpack
from nimbus.store.rows import Rows

DELETING_MS: Final = 60_000  # longer than any step of a delete takes, short enough to wait for after a crash
CACHE_BUCKETS_MAX: Final = 10_000

# Queues what ends an open upload: called in a mutation with the row and value of the upload.
EndUpload = Callable[[View, bytes, bytes], None]
UPLOADS_PER_STEP: Final = 40  # two operations each, within the portable envelope


def open_bucket(view: View, name: str, now_ms: int) -> Bucket:
    """The bucket, for a mutation of something in it. Raises `BucketMissing`, `BucketBusy`."""
    row = keys.bucket(name)
    value = view.get(row)
    if value is None:
        raise BucketMissing
    bucket = _unpacked(value)
    if not bucket.deleting_until_ms:
        return bucket
    if bucket.deleting_until_ms > now_ms:
        raise BucketBusy
    bucket = replace(bucket, deleting_until_ms=0)
    view.put(row, pack(bucket))
    return bucket


@lru_cache(maxsize=256)
def _unpacked(value: bytes) -> Bucket:
    """Writes of one group are mostly to one bucket."""
    return unpack(Bucket, value)


class Buckets:
    """The buckets of a store."""

    def __init__(self, rows: Rows, commits: Commits, clock: Clock, end_upload: EndUpload) -> None:
        self._rows = rows
        self._commits = commits
        self._clock = clock
        self._end_upload = end_upload
        self._known: dict[str, Bucket] = {}
        self.object_prefixes: dict[str, bytes] = {}  # of the known buckets, for the hot path

    async def create(self, name: str, owner_id: str, region: str) -> Bucket:
        now_ms = self._clock.now_ms()
        bucket = Bucket(bucket_id=new_id(), owner_id=owner_id, created_ms=now_ms, region=region)
        row = keys.bucket(name)

        def mutation(view: View) -> Bucket:
            value = view.get(row)
            if value is not None:
                present = unpack(Bucket, value)
                if present.deleting_until_ms > now_ms:
                    raise BucketBusy
                raise BucketTaken(present)
            view.put(row, pack(bucket))
            return bucket

        return await self._commits.run(mutation)

    async def find(self, name: str) -> Bucket:
        """The bucket of this name. Raises `BucketMissing`."""
        bucket = self._known.get(name)
        if bucket is not None:
            return bucket
        value = await self._rows.peek(keys.bucket(name))
        if value is None:
            raise BucketMissing
        bucket = unpack(Bucket, value)
        if self._rows.is_owned:
            self._remember(name, bucket)
        return bucket

    async def list(self, owner_id: str, prefix: str, after: str, limit: int) -> tuple[list[tuple[str, Bucket]], bool]:
        """The owner's buckets whose names start with `prefix` and sort after `after`; whether there are more."""
        found: list[tuple[str, Bucket]] = []
        start = max(keys.bucket(prefix), keys.after(keys.bucket(after)) if after else b"")
        end = keys.after_prefix(keys.bucket(prefix))
        while len(found) <= limit:
            page = await self._rows.scan(start, end, 1000)
            for row, value in page:
                bucket = unpack(Bucket, value)
                if bucket.owner_id == owner_id:
                    found.append((keys.bucket_name(row), bucket))
            if len(page) < 1000:
                break
            start = keys.after(page[-1][0])
        return found[:limit], bool(limit) and len(found) > limit

    async def delete(self, name: str) -> None:
        """Raises `BucketMissing`, `BucketBusy`, `BucketNotEmpty`. Aborts the uploads that are open in it."""
        await self._check_empty(await self.find(name))  # refuses the usual case without a trace
        marks: set[int] = set()
        try:
            marked = await self._mark(name, marks)
            await self._check_empty(marked)
            marked = await self._abort_uploads(name, marked, marks)
            await self._step(name, marked, None, ())
        except BaseException:
            self._commits.start(lambda view: _unmark(view, name, marks))
            raise

    # --- the steps of a delete ----------------------------------------------------------------------

    async def _mark(self, name: str, marks: set[int]) -> Bucket:
        now_ms = self._clock.now_ms()

        def mutation(view: View) -> Bucket:
            bucket = replace(open_bucket(view, name, now_ms), deleting_until_ms=now_ms + DELETING_MS)
            view.put(keys.bucket(name), pack(bucket))
            marks.add(bucket.deleting_until_ms)  # not before: the mark of another delete is not ours to take off
            return bucket

        return await self._commits.run(mutation, settle=lambda error: self._forget(name))

    async def _check_empty(self, bucket: Bucket) -> None:
        prefix = keys.objects(bucket.bucket_id)
        if await self._rows.scan(prefix, keys.after_prefix(prefix), 1):
            raise BucketNotEmpty

    async def _abort_uploads(self, name: str, marked: Bucket, marks: set[int]) -> Bucket:
        """Abort what is open, a bounded number in each step; the row as it is marked then."""
        prefix = keys.uploads(marked.bucket_id)
        while uploads := await self._rows.scan(prefix, keys.after_prefix(prefix), UPLOADS_PER_STEP):
            renewed = replace(marked, deleting_until_ms=self._clock.now_ms() + DELETING_MS)
            marks.add(renewed.deleting_until_ms)
            await self._step(name, marked, renewed, uploads)
            marked = renewed
        return marked

    async def _step(
        self, name: str, marked: Bucket, changed: Bucket | None, uploads: Sequence[tuple[bytes, bytes]]
    ) -> None:
        """End `uploads` and change the bucket's row (None: delete it), provided it is as we marked it."""
        row, expected = keys.bucket(name), pack(marked)

        def mutation(view: View) -> None:
            if view.get(row) != expected:
                raise BucketBusy
            for upload_row, _ in uploads:
                value = view.get(upload_row)
                if value is not None:
                    self._end_upload(view, upload_row, value)
            if changed is None:
                view.delete(row)
            else:
                view.put(row, pack(changed))

        await self._commits.run(mutation, settle=lambda error: self._forget(name))

    # --- what is remembered ---------------------------------------------------------------------------

    def _remember(self, name: str, bucket: Bucket) -> None:
        if len(self._known) >= CACHE_BUCKETS_MAX:
            self._known.clear()
            self.object_prefixes.clear()
        self._known[name] = bucket
        self.object_prefixes[name] = keys.objects(bucket.bucket_id)

    def _forget(self, name: str) -> None:
        self._known.pop(name, None)
        self.object_prefixes.pop(name, None)


def _unmark(view: View, name: str, marks: set[int]) -> None:
    """Take a mark of ours off again."""
    row = keys.bucket(name)
    value = view.get(row)
    if value is not None:
        bucket = unpack(Bucket, value)
        if bucket.deleting_until_ms in marks:
            view.put(row, pack(replace(bucket, deleting_until_ms=0)))
