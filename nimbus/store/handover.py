"""Writes whose bytes were taken in outside the event loop: named on a plain thread, answered on the commit thread.

The native data plane receives, verifies and stores the bytes of an upload by itself; what is left is the record. The
steps are those of objects.py and uploads.py. The one difference is who may write: the owner of the bucket is looked
at inside the step, because nobody looked before the bytes came. Writes are handed over many at once, and so are their
answers: a thread that is woken for each costs more than the write.

Must always hold: whoever hands extents over is rid of them, whatever happens: they are named, or discarded, or kept
for the sweep when nobody knows (see ingest.py); `join` returns when no answer is due any more, and must come before
the store is closed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from nimbus.base.clock import Clock
from nimbus.base.errors import BucketMissing, NimbusError, UploadMissing
from nimbus.data.api import DataStore
from nimbus.meta import keys
from nimbus.meta.api import Answer, Barrier, Committer, Mutation
from nimbus.store.api import Condition, Digests, NewObject
from nimbus.store.commits import Commits
from nimbus.store.ingest import Discard, Extents, Naming
from nimbus.store.objects import new_record, put_mutation
from nimbus.store.reclaiming.garbage import GarbageQueue
from nimbus.store.reclaiming.room import Room
from nimbus.store.records import Bucket, Object, Upload, UploadedPart, unpack
from nimbus.store.rows import Rows
from nimbus.store.uploads import parse_upload_id, part_mutation

Permit = Callable[[Bucket], None]
# Told of a group of answers: of the writes that are durable now, and of those that were refused, with the reason. Each
# is what its writer has given with it.
Told = Callable[[list[Any], list[tuple[Any, BaseException]]], None]


class _Write(Naming[bool]):
    """A write on its way, and what its writer knows it by."""

    __slots__ = ("token",)

    def __init__(self, token: object, mutation: Mutation[bool], extents: Extents, discard: Discard) -> None:
        super().__init__(mutation, extents, discard)
        self.token: Final = token


class Handover:
    """The door of a store for one other thread, over a map that this process owns.

    `put_object` and `put_part` prepare, `submit` hands over; `on_answers` is called for each write once, there or on
    the commit thread. `check_pace` raises `Overloaded` while no more bytes should come in.
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
        check_pace: Callable[[], None],
        room: Room,
    ) -> None:
        self._get = rows.map.get
        self._committer = committer
        self._sync = data.sync
        self._clock = clock
        self._queue = queue
        self._commits = commits
        self._discard = discard
        self.check_pace = check_pace
        self.room = room  # of the event loop
        self.on_answers: Told = _nobody_cares
        self._loop = asyncio.get_running_loop()
        self._prepared: list[tuple[_Write, Barrier | None]] = []
        self.open_count = 0  # handed over and not yet answered; those of an answer that is being given count
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
        token: object,
        bucket: str,
        key: str,
        new: NewObject,
        digests: Digests,
        extents: Extents,
        size: int,
        condition: Condition | None,
        permit: Permit,
    ) -> None:
        """Prepare to make the bytes the object `key`."""
        record = new_record(new, digests, extents, size, self._clock.now_ms())
        self._prepare(token, put_mutation(self._queue, bucket, key, record, condition, permit), extents)

    def put_part(
        self,
        token: object,
        bucket: str,
        key: str,
        upload_id: str,
        number: int,
        digests: Digests,
        extents: Extents,
        size: int,
        permit: Permit,
    ) -> None:
        """Prepare to make the bytes the part `number`. REQUIRES: `find_upload` has found the upload."""
        part = UploadedPart(size, digests.etag, self._clock.now_ms(), extents, digests.checksums)
        raw_id = parse_upload_id(upload_id)
        self._prepare(token, part_mutation(self._queue, bucket, key, raw_id, number, part, permit), extents)

    def submit(self) -> None:
        """Hand over what was prepared."""
        prepared, self._prepared = self._prepared, []
        if not prepared:
            return
        with self._changed:
            self.open_count += len(prepared)
        try:
            self._committer.submit_all(prepared, self._answer)
        except NimbusError as error:
            self._answer([(write, None, error) for write, _ in prepared])

    def join(self) -> None:
        """Wait until everything handed over was answered."""
        with self._changed:
            self._changed.wait_for(lambda: self.open_count == 0)

    def _prepare(self, token: object, mutation: Mutation[bool], extents: Extents) -> None:
        self._prepared.append((_Write(token, mutation, extents, self._drop), self._sync if extents else None))

    def _answer(self, answers: Sequence[Answer]) -> None:
        named: list[Any] = []
        refused: list[tuple[Any, BaseException]] = []
        has_displaced = False
        for write, displaced, error in answers:
            assert isinstance(write, _Write), write
            if error is None:
                named.append(write.token)
                has_displaced = has_displaced or displaced
            else:
                write.settle(error)
                refused.append((write.token, error))
        if has_displaced:
            self._call(self._commits.on_answers)
        try:
            self.on_answers(named, refused)
        finally:
            with self._changed:
                self.open_count -= len(answers)
                if not self.open_count:
                    self._changed.notify_all()

    def _drop(self, extents: Extents) -> None:
        self._call(self._discard, extents)

    def _call(self, function: Callable[..., object], *args: object) -> None:
        """Call it on the event loop; a loop that is closed has nobody left to care."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *args)


def _nobody_cares(named: list[Any], refused: list[tuple[Any, BaseException]]) -> None:
    pass
