"""Open multipart uploads: begin, take in parts, abort.

An upload is a row; its parts are rows under its id. Whatever happens to an upload happens in a step that reads
its row, and a part that comes in raises the revision in it. So a part that races with a completion or an abort
is either seen by it or refused, and a completion that read the parts notices that one changed. When the row
goes, one garbage row stands for all parts; they are freed in the background.

Upload ids begin with the time, so that the uploads of one key sort by their beginning, as S3 lists them.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from msgspec.structs import replace

from nimbus.base.clock import Clock
from nimbus.base.errors import PartInvalid, UploadMissing
from nimbus.base.limits import PART_NUMBER_MAX
from nimbus.data.api import DataStore
from nimbus.meta import keys
from nimbus.meta.api import Mutation, View
from nimbus.store.api import Digests, NewObject
from nimbus.store.buckets import Buckets, open_bucket
from nimbus.store.commits import Commits
from nimbus.store.ingest import Discard, Naming, StoreIngest
from nimbus.store.reclaiming.garbage import GarbageQueue
from nimbus.store.records import Bucket, Garbage, Upload, UploadedPart, pack, unpack
from nimbus.store.rows import Rows

_TIME_SIZE_BYTES = 6
_ID_SIZE_BYTES = 16


def new_upload_id(now_ms: int) -> bytes:
    """16 bytes: milliseconds since the epoch, then chance."""
    return now_ms.to_bytes(_TIME_SIZE_BYTES) + os.urandom(_ID_SIZE_BYTES - _TIME_SIZE_BYTES)


def peek_upload_id(text: str) -> bytes | None:
    """The id that `text` shows in hexadecimal, or None when no upload can have it."""
    try:
        upload_id = bytes.fromhex(text)
    except ValueError:
        return None
    return upload_id if len(upload_id) == _ID_SIZE_BYTES and upload_id.hex() == text else None


def parse_upload_id(text: str) -> bytes:
    """The same, or `UploadMissing`."""
    upload_id = peek_upload_id(text)
    if upload_id is None:
        raise UploadMissing
    return upload_id


def end_upload(queue: GarbageQueue, view: View, row: bytes, value: bytes, kept_parts: bytes = b"") -> None:
    """Take an upload's row away and queue its parts but the kept ones.

    Pages that attempts to complete it wrote name nothing but its parts, now or earlier, so an abort queues
    them too; a completion keeps or deletes them itself.
    """
    upload = unpack(Upload, value)
    _, upload_id = keys.upload_columns(row)
    pages = keys.manifest(upload_id) if upload.pages and not kept_parts else b""
    view.delete(row)
    queue.put(view, Garbage(upload_rows=keys.parts(upload_id), kept_parts=kept_parts, manifest_rows=pages))


def part_mutation(
    queue: GarbageQueue,
    bucket: str,
    key: str,
    raw_id: bytes,
    number: int,
    part: UploadedPart,
    permit: Callable[[Bucket], None] | None = None,
) -> Mutation[bool]:
    """The step that makes `part` the part `number`; it tells whether something was displaced."""
    part_row = keys.part(raw_id, number)

    def mutation(view: View) -> bool:
        opened = open_bucket(view, bucket, part.modified_ms)
        if permit is not None:
            permit(opened)
        row = keys.upload(opened.bucket_id, key.encode(), raw_id)
        upload = _find_in(view, row)
        displaced = view.get(part_row)
        view.put(row, pack(replace(upload, revision=upload.revision + 1)))
        view.put(part_row, pack(part))
        if displaced is not None:
            queue.put_part(view, unpack(UploadedPart, displaced))
        return displaced is not None

    return mutation


class Uploads:
    """The open multipart uploads of a store."""

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
        self._commits = commits
        self._sync = data.sync
        self._clock = clock
        self._buckets = buckets
        self._queue = queue
        self._discard = discard

    async def create(self, bucket: str, key: str, new: NewObject) -> str:
        now_ms = self._clock.now_ms()
        upload_id = new_upload_id(now_ms)
        value = pack(
            Upload(
                initiated_ms=now_ms,
                owner_id=new.owner_id,
                content_type=new.content_type,
                headers=new.headers,
                metadata=new.metadata,
                checksum_algorithm=new.checksum_algorithm,
                checksum_type=new.checksum_type,
            )
        )

        def mutation(view: View) -> None:
            view.put(keys.upload(open_bucket(view, bucket, now_ms).bucket_id, key.encode(), upload_id), value)

        await self._commits.run(mutation)
        return upload_id.hex()

    async def find(self, bucket: str, key: str, upload_id: str) -> Upload:
        """Raises `BucketMissing`, `UploadMissing`."""
        bucket_id = (await self._buckets.find(bucket)).bucket_id
        value = await self._rows.peek(keys.upload(bucket_id, key.encode(), parse_upload_id(upload_id)))
        if value is None:
            raise UploadMissing
        return unpack(Upload, value)

    async def put_part(
        self, bucket: str, key: str, upload_id: str, number: int, ingest: StoreIngest, digests: Digests
    ) -> UploadedPart:
        try:
            raw_id = parse_upload_id(upload_id)
            if not 1 <= number <= PART_NUMBER_MAX:
                raise PartInvalid(f"Part numbers are 1 to {PART_NUMBER_MAX}.")
        except (UploadMissing, PartInvalid):
            await ingest.abort()
            raise
        size = ingest.size
        extents = await ingest.finish()
        now_ms = self._clock.now_ms()
        part = UploadedPart(size, digests.etag, now_ms, extents, digests.checksums)
        naming = Naming(part_mutation(self._queue, bucket, key, raw_id, number, part), extents, self._discard)
        await self._commits.run(naming, barrier=self._sync if extents else None, settle=naming.settle)
        return part

    async def abort(self, bucket: str, key: str, upload_id: str) -> None:
        raw_id = parse_upload_id(upload_id)
        now_ms = self._clock.now_ms()

        def mutation(view: View) -> None:
            row = keys.upload(open_bucket(view, bucket, now_ms).bucket_id, key.encode(), raw_id)
            value = view.get(row)
            if value is None:
                raise UploadMissing
            end_upload(self._queue, view, row, value)

        await self._commits.run(mutation)


def _find_in(view: View, row: bytes) -> Upload:
    value = view.get(row)
    if value is None:
        raise UploadMissing
    return unpack(Upload, value)
