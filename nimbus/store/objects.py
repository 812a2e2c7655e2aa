"""Single objects: put, find, delete, new metadata.

Whether a write wins is decided inside its mutation, on the record as it is at that moment; what it displaces
is queued as garbage in the same step. So of two racing conditional writers exactly one wins, and no bytes are
ever named by nobody and queued by nobody.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from nimbus.base.clock import Clock
from nimbus.base.errors import ObjectMissing
from nimbus.data.api import DataStore
from nimbus.meta import keys
from nimbus.meta.api import Mutation, View
from nimbus.store.api import Condition, Digests, NewObject
from nimbus.store.buckets import Buckets, open_bucket
from nimbus.store.commits import Commits
from nimbus.store.ingest import Discard, Extents, Naming, StoreIngest
from nimbus.store.reclaiming.garbage import GarbageQueue
from nimbus.store.records import Bucket, Object, pack, unpack
from nimbus.store.rows import Rows
from nimbus.store.times import http_text, iso_text


def peek_object(view: View, row: bytes) -> Object | None:
    """The record at `row` as a mutation sees it, or None."""
    value = view.get(row)
    return None if value is None else unpack(Object, value)


def new_record(new: NewObject, digests: Digests, extents: Extents, size: int, now_ms: int) -> Object:
    """The record of an object of one stream of bytes."""
    return Object(
        size=size,
        etag=digests.etag,
        modified_ms=now_ms,
        modified_iso=iso_text(now_ms),
        modified_http=http_text(now_ms // 1000),
        owner_id=new.owner_id,
        content_type=new.content_type,
        extents=extents,
        headers=new.headers,
        metadata=new.metadata,
        checksums=digests.checksums,
        checksum_type=(new.checksum_type or "FULL_OBJECT") if digests.checksums else "",
    )


def put_mutation(
    queue: GarbageQueue,
    bucket: str,
    key: str,
    record: Object,
    condition: Condition | None,
    permit: Callable[[Bucket], None] | None = None,
) -> Mutation[bool]:
    """The step that makes `record` the object `key`; it tells whether something was displaced.

    What cannot be stored fails within it, where its bytes are discarded. `permit` refuses a writer.
    """

    def mutation(view: View) -> bool:
        opened = open_bucket(view, bucket, record.modified_ms)
        if permit is not None:
            permit(opened)
        row = keys.object(opened.bucket_id, key.encode())
        present = peek_object(view, row)
        if condition is not None:
            condition(present)
        view.put(row, pack(record))
        if present is not None:
            queue.put_object(view, present)
        return present is not None

    return mutation


class Objects:
    """The current objects of a store."""

    def __init__(
        self,
        rows: Rows,
        commits: Commits,
        data: DataStore,
        clock: Clock,
        buckets: Buckets,
        queue: GarbageQueue,
        discard: Discard,
    ) -> None:
        self._rows = rows
        self._get = rows.map.get
        self._is_owned = rows.is_owned
        self._commits = commits
        self._sync = data.sync
        self._clock = clock
        self._buckets = buckets
        self._object_prefixes = buckets.object_prefixes
        self._queue = queue
        self._discard = discard

    async def find(self, bucket: str, key: str) -> Object:
        """Raises `BucketMissing`, `ObjectMissing`. The hot path: no thread and no wait on an owned map."""
        prefix = self._object_prefixes.get(bucket)
        if prefix is None:
            prefix = keys.objects((await self._buckets.find(bucket)).bucket_id)
        row = prefix + key.encode()
        value = self._get(row) if self._is_owned else await self._rows.peek(row)
        if value is None:
            raise ObjectMissing
        return unpack(Object, value)

    async def put(
        self, bucket: str, key: str, new: NewObject, ingest: StoreIngest, digests: Digests, condition: Condition | None
    ) -> Object:
        size = ingest.size
        extents = await ingest.finish()
        now_ms = self._clock.now_ms()
        record = new_record(new, digests, extents, size, now_ms)
        naming = Naming(put_mutation(self._queue, bucket, key, record, condition), extents, self._discard)
        await self._commits.run(naming, barrier=self._sync if extents else None, settle=naming.settle)
        return record

    async def delete(self, bucket: str, key: str, condition: Condition | None) -> None:
        now_ms = self._clock.now_ms()

        def mutation(view: View) -> None:
            row = keys.object(open_bucket(view, bucket, now_ms).bucket_id, key.encode())
            present = peek_object(view, row)
            if condition is not None:
                condition(present)
            if present is not None:
                view.delete(row)
                self._queue.put_object(view, present)

        await self._commits.run(mutation)

    async def replace_metadata(self, bucket: str, key: str, new: NewObject, condition: Condition | None) -> Object:
        now_ms = self._clock.now_ms()
        changes = {
            "modified_ms": now_ms,
            "modified_iso": iso_text(now_ms),
            "modified_http": http_text(now_ms // 1000),
            "owner_id": new.owner_id,
            "content_type": new.content_type,
            "headers": new.headers,
            "metadata": new.metadata,
        }

        def mutation(view: View) -> Object:
            row = keys.object(open_bucket(view, bucket, now_ms).bucket_id, key.encode())
            present = peek_object(view, row)
            if condition is not None:
                condition(present)
            if present is None:
                raise ObjectMissing
            record = replace(present, **changes)
            view.put(row, pack(record))
            return record

        return await self._commits.run(mutation)
