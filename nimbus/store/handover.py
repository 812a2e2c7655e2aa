"""Writes whose bytes were taken in outside the event loop: named on a plain thread, answered on the commit thread.

The native data plane receives, verifies and stores the bytes of an upload by itself; what is left is the record. The
steps are those of objects.py and uploads.py. The one difference is who may write: the owner of the bucket is looked
at inside the step, because nobody looked before the bytes came.

Must always hold: whoever hands extents over is rid of them, whatever happens: they are named, or discarded, or kept
for the sweep when nobody knows (see ingest.py); `join` returns when no answer is due any more, and must come before
the store is closed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from nimbus.base.clock import Clock
from nimbus.base.errors import BucketMissing, NimbusError, UploadMissing
from nimbus.data.api import DataStore
from nimbus.meta import keys
from nimbus.meta.api import Committer, Mutation, View
from nimbus.store.api import Condition, Digests, NewObject
from nimbus.store.commits import Commits
from nimbus.store.garbage import GarbageQueue
from nimbus.store.ingest import Discard, Extents, Naming
from nimbus.store.objects import new_record, put_mutation
from nimbus.store.records import Bucket, Object, Upload, UploadedPart, unpack
from nimbus.store.rows import Rows
from nimbus.store.uploads import parse_upload_id, part_mutation

Permit = Callable[[Bucket], None]
Done = Callable[[BaseException | None], None]


class Handover:
    """The door of a store for one other thread, over a map that this process owns.

    `on_group_end` is called on the commit thread after the answers of a group, so that whoever gives them on need not
    wake anybody for each.
    """

    def __init__(
        self,
        rows: Rows,
        committer: Committer,
        data: DataStore,
        clock: Clock,
        queue: GarbageQueue,
        commits: Commits,
        discard: Discard,
    ) -> None:
        self._get = rows.map.get
        self._committer = committer
        self._sync = data.sync
        self._clock = clock
        self._queue = queue
        self._commits = commits
        self._discard = discard
        self._loop = asyncio.get_running_loop()
        self._open = 0
        self._deciding: set[Naming[bool]] = set()  # decided by the commit thread and not yet answered
        self.on_group_end: Callable[[], None] = _nobody_cares
        self._changed = threading.Condition()

    def find_bucket(self, name: str) -> Bucket:
        """Raises `BucketMissing`."""
        value = self._get(keys.bucket(name))
        if value is None:
            raise BucketMissing
        return unpack(Bucket, value)

    def peek_object(self, bucket: Bucket, key: str) -> Object | None:
        """The object, or None when there is none."""
        value = self._get(keys.object(bucket.bucket_id, key.encode()))
        return None if value is None else unpack(Object, value)

    def find_upload(self, bucket: Bucket, key: str, upload_id: str) -> Upload:
        """Raises `UploadMissing`."""
        value = self._get(keys.upload(bucket.bucket_id, key.encode(), parse_upload_id(upload_id)))
        if value is None:
            raise UploadMissing
        return unpack(Upload, value)

    def put_object(
        self,
        bucket: str,
        key: str,
        new: NewObject,
        digests: Digests,
        extents: Extents,
        size: int,
        condition: Condition | None,
        permit: Permit,
        done: Done,
    ) -> None:
        """Make the bytes the object `key`; `done(error)` is called once, here or on the commit thread."""
        record = new_record(new, digests, extents, size, self._clock.now_ms())
        self._submit(put_mutation(self._queue, bucket, key, record, condition, permit), extents, done)

    def put_part(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        number: int,
        digests: Digests,
        extents: Extents,
        size: int,
        permit: Permit,
        done: Done,
    ) -> None:
        """Make the bytes the part `number`; as `put_object`."""
        part = UploadedPart(size, digests.etag, self._clock.now_ms(), extents, digests.checksums)
        raw_id = parse_upload_id(upload_id)
        self._submit(part_mutation(self._queue, bucket, key, raw_id, number, part, permit), extents, done)

    def join(self) -> None:
        """Wait until everything handed over was answered."""
        with self._changed:
            self._changed.wait_for(lambda: self._open == 0)

    def _submit(self, mutation: Mutation[bool], extents: Extents, done: Done) -> None:
        naming = Naming(mutation, extents, self._drop)
        deciding = self._deciding
        with self._changed:
            self._open += 1

        def step(view: View) -> bool:
            deciding.add(naming)
            return naming(view)

        def answer(has_displaced: Any, error: BaseException | None, is_refused: bool = False) -> None:
            deciding.discard(naming)
            naming.settle(error)
            if has_displaced:
                self._call(self._commits.on_answers)
            try:
                done(error)
                if not deciding and not is_refused:  # all of a group are decided before one of them is answered
                    self.on_group_end()
            finally:
                with self._changed:
                    self._open -= 1
                    if not self._open:
                        self._changed.notify_all()

        try:
            self._committer.submit(step, answer, barrier=self._sync if extents else None)
        except NimbusError as error:
            answer(None, error, is_refused=True)

    def _drop(self, extents: Extents) -> None:
        self._call(self._discard, extents)

    def _call(self, function: Callable[..., object], *args: object) -> None:
        """Call it on the event loop; a loop that is closed has nobody left to care."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *args)


def _nobody_cares() -> None:
    pass
