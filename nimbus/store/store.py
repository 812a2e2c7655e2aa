"""The store: one door to buckets, objects, uploads and listings, over one metadata map and one data engine.

Each method is a line or two; the rules stand in the files named here. A write takes this way, small or large:
bytes into the data engine (ingest.py), one mutation that names them and queues what they displace as garbage
(objects.py, uploads.py, completion.py, reclaiming/), made durable after the bytes are (the barrier of the
commit), acknowledged. What the way leaves behind is freed by reclaiming/, after a crash by recovery/.

The engines are opened and closed by whoever made them, the store starts and ends what it runs itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from nimbus.base.clock import Clock
from nimbus.base.errors import DirectoryDamaged
from nimbus.base.limits import PART_SIZE_BYTES_MIN
from nimbus.base.span import Span
from nimbus.data.api import DataStore
from nimbus.meta import keys
from nimbus.meta.api import Committer, OrderedMap, View
from nimbus.metrics.api import Source
from nimbus.store import listing
from nimbus.store.api import (
    CompletedPart,
    Condition,
    Digests,
    Ingest,
    Listing,
    NewObject,
    PartListing,
    UploadListing,
)
from nimbus.store.buckets import Buckets
from nimbus.store.commits import Commits
from nimbus.store.completion import Completions
from nimbus.store.handover import Handover
from nimbus.store.ingest import StoreIngest
from nimbus.store.manifest import Manifests
from nimbus.store.objects import Objects
from nimbus.store.readable import ReadableRows
from nimbus.store.reading import Reader
from nimbus.store.reclaiming.collector import Collector
from nimbus.store.reclaiming.freeing import Freeing
from nimbus.store.reclaiming.garbage import GarbageQueue
from nimbus.store.reclaiming.leases import AskReaders, Leases
from nimbus.store.reclaiming.room import Room
from nimbus.store.records import Bucket, Object, Part, Upload, UploadedPart
from nimbus.store.recovery.quarantine import Custody, Quarantine
from nimbus.store.recovery.sweep import Sweeper
from nimbus.store.rows import Rows
from nimbus.store.threads import Threads
from nimbus.store.uploads import Uploads, end_upload, parse_upload_id, peek_upload_id

FORMAT: Final = b"1"  # of the rows: keys.py and records.py
SCAN_THREADS_MAX: Final = 4
SCAN_JOBS_MAX: Final = 512  # listings that wait; at 2 ms each the last one waits a second
DROP_JOBS_MAX: Final = 64
# Longer than any front takes from finding a record to opening its bytes, or a native thread for a frame that it sends.
GARBAGE_GRACE_S: Final = 15.0


class Store:
    """An `ObjectStore`. Made, started, used and closed on one event loop, which runs already.

    `readers` tells who reads bytes without a lease; None: nobody knows, and garbage waits for its grace.
    """

    def __init__(
        self,
        map: OrderedMap,
        committer: Committer,
        data: DataStore,
        clock: Clock,
        *,
        part_size_bytes_min: int = PART_SIZE_BYTES_MIN,
        garbage_grace_s: float = GARBAGE_GRACE_S,
        readers: AskReaders | None = None,
        custody: Custody | None = None,
        skips_damaged: bool = False,
    ) -> None:
        """Without `custody`, what an unclean stop left and no row names is dropped at once.

        With `skips_damaged`, listings leave out what cannot be read.
        """
        self._data = data
        self._scan_threads = Threads("store scans", SCAN_THREADS_MAX, SCAN_JOBS_MAX)
        self._drop_threads = Threads("store drops", 1, DROP_JOBS_MAX)
        quarantine = None if custody is None else Quarantine(map, committer, data, clock, custody)
        self._sweeper = Sweeper(map, data, quarantine)
        self._rows = rows = Rows(map, self._scan_threads)
        self._readable = readable = ReadableRows(map, clock, skips=skips_damaged)
        self._commits = commits = Commits(committer)
        leases = Leases()
        queue = GarbageQueue(clock)
        grace_ms = round(garbage_grace_s * 1000)
        freeing = Freeing(rows, commits, data, self._drop_threads, quarantine)
        assert readers is None or rows.is_owned, "other nodes cannot be asked what they read"
        holds_found = custody is not None and custody.holds_garbage
        self._collector = Collector(
            rows, commits, freeing, leases, queue, clock, grace_ms, readers, holds_found=holds_found
        )
        self._room = room = Room(self._collector.make_room)
        self._discard = discard = self._collector.discard
        self._buckets = buckets = Buckets(rows, commits, clock, partial(end_upload, queue))
        self._objects = objects = Objects(rows, commits, data, clock, buckets, queue, discard)
        self._uploads = Uploads(rows, commits, data, clock, buckets, queue, discard)
        check_pace = self._collector.check_pace
        self.handover = Handover(rows, committer, data, clock, queue, commits, discard, check_pace, room)
        self._completions = Completions(rows, commits, clock, buckets, queue, part_size_bytes_min)
        self._manifests = Manifests(rows)
        self._reader = Reader(data, self._manifests, leases)
        self.metrics: tuple[Source, ...] = (self._collector, readable, *(() if quarantine is None else (quarantine,)))
        # The hot path goes without a frame in between.
        self.find_object = objects.find
        self.read_now = self._reader.read_now
        # For a front that reads the bytes itself.
        self.hold = self._reader.hold
        self.extents = self._reader.extents

    async def start(self) -> None:
        """Check the layout of the rows, then begin to free garbage and, after an unclean stop, to sweep."""
        await self._check_format()
        self._collector.start()
        self._sweeper.start()

    async def close(self) -> None:
        """End what runs here; every commit under way is finished. The engines stay open."""
        self._sweeper.close()
        await self._commits.settled()
        await self._collector.close()
        await self._commits.settled()
        self._scan_threads.close()
        self._drop_threads.close()

    async def collect_garbage(self) -> None:
        """Free now all bytes that nothing names and no reader holds."""
        await self._collector.collect()

    async def _check_format(self) -> None:
        def mutation(view: View) -> bytes:
            present = view.get(keys.FORMAT)
            if present is None:
                view.put(keys.FORMAT, FORMAT)
            return present or FORMAT

        present = await self._commits.run(mutation)
        if present != FORMAT:
            raise DirectoryDamaged(f"Its metadata has the format {present!r}, this version reads {FORMAT!r}.")

    # --- buckets --------------------------------------------------------------------------------------

    async def create_bucket(self, name: str, owner_id: str, region: str) -> Bucket:
        return await self._buckets.create(name, owner_id, region)

    async def delete_bucket(self, name: str) -> None:
        await self._buckets.delete(name)

    async def find_bucket(self, name: str) -> Bucket:
        return await self._buckets.find(name)

    async def list_buckets(
        self, owner_id: str, prefix: str, after: str, limit: int
    ) -> tuple[list[tuple[str, Bucket]], bool]:
        return await self._buckets.list(owner_id, prefix, after, limit)

    # --- objects --------------------------------------------------------------------------------------

    def ingest(self, size_hint: int | None) -> Ingest:
        self._collector.check_pace()
        return StoreIngest(self._data, size_hint, self._discard, self._room)

    async def put_object(
        self, bucket: str, key: str, new: NewObject, ingest: Ingest, digests: Digests, condition: Condition | None
    ) -> Object:
        assert isinstance(ingest, StoreIngest), ingest
        return await self._objects.put(bucket, key, new, ingest, digests, condition)

    async def part_span(self, record: Object, number: int) -> tuple[Span, Part | None]:
        with self._held(record):
            return await self._manifests.part_span(record, number)

    async def list_object_parts(self, record: Object, after: int, limit: int) -> tuple[list[Part], bool]:
        with self._held(record):
            return await self._manifests.parts_after(record, after, limit)

    @contextmanager
    def _held(self, record: Object) -> Iterator[None]:
        release = self.hold(record)
        try:
            yield
        finally:
            release()

    def read(self, record: Object, span: Span) -> AsyncIterator[bytes]:
        return self._reader.read(record, span)

    async def delete_object(self, bucket: str, key: str, condition: Condition | None) -> None:
        await self._objects.delete(bucket, key, condition)

    async def replace_metadata(self, bucket: str, key: str, new: NewObject, condition: Condition | None) -> Object:
        return await self._objects.replace_metadata(bucket, key, new, condition)

    async def list_objects(self, bucket: str, prefix: str, delimiter: str, after: str, limit: int) -> Listing:
        bucket_id = (await self._buckets.find(bucket)).bucket_id
        return await self._scan_threads.run(
            listing.list_objects, self._readable, bucket_id, prefix, delimiter, after, limit
        )

    # --- multipart uploads ----------------------------------------------------------------------------

    async def create_upload(self, bucket: str, key: str, new: NewObject) -> str:
        return await self._uploads.create(bucket, key, new)

    async def find_upload(self, bucket: str, key: str, upload_id: str) -> Upload:
        return await self._uploads.find(bucket, key, upload_id)

    async def put_part(
        self, bucket: str, key: str, upload_id: str, number: int, ingest: Ingest, digests: Digests
    ) -> UploadedPart:
        assert isinstance(ingest, StoreIngest), ingest
        return await self._uploads.put_part(bucket, key, upload_id, number, ingest, digests)

    async def list_parts(self, bucket: str, key: str, upload_id: str, after: int, limit: int) -> PartListing:
        upload = await self._uploads.find(bucket, key, upload_id)
        parts, truncated = await self._scan_threads.run(
            listing.list_parts, self._readable, parse_upload_id(upload_id), after, limit
        )
        return PartListing(upload, parts, truncated, parts[-1][0] if truncated else 0)

    async def list_uploads(
        self, bucket: str, prefix: str, delimiter: str, key_after: str, upload_id_after: str, limit: int
    ) -> UploadListing:
        bucket_id = (await self._buckets.find(bucket)).bucket_id
        id_after = peek_upload_id(upload_id_after)
        return await self._scan_threads.run(
            listing.list_uploads, self._readable, bucket_id, prefix, delimiter, key_after, id_after, limit
        )

    async def complete_upload(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        parts: list[CompletedPart],
        digests: Callable[[Upload, list[UploadedPart]], Digests],
        condition: Condition | None,
    ) -> Object:
        return await self._completions.complete(bucket, key, upload_id, parts, digests, condition)

    async def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        await self._uploads.abort(bucket, key, upload_id)
