"""The metadata map as the native plane needs it: every change of an object or a bucket is told before and after.

`CoherentMap` stands around the metadata map. It works on the commit thread, so it holds whatever becomes of the task
that asked for the change. A change is announced before it is written and ended after the sync that shows it to readers:
in between a look-up answers with what was there before, and nothing of it is kept.

Must always hold: between the first moment at which a reader could see a change and its acknowledgement nothing old
is filled; whatever was announced is ended, also when the write or the sync failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from nimbus._native.plane import Plane
from nimbus.base.ids import ID_SIZE_BYTES
from nimbus.meta import keys
from nimbus.meta.api import Capabilities, OwnedMap

_OBJECTS: Final = keys.objects(b"")


class CoherentMap:
    """A metadata map that tells the plane of every change of an object's or a bucket's row."""

    def __init__(self, map: OwnedMap) -> None:
        self._map = map
        self._names: dict[bytes, bytes] = {}  # bucket id -> name, of the buckets that were ever looked up
        self._plane: Plane | None = None
        self._written: list[_Changes] = []  # announced, and to be ended by the next sync
        self.get = map.get
        self.range = map.range
        self.close = map.close

    @property
    def capabilities(self) -> Capabilities:
        return self._map.capabilities

    def tell(self, plane: Plane) -> None:
        """Tell this plane from now on. Before it accepts its first connection."""
        self._plane = plane

    def will_read(self, bucket_id: bytes, name: bytes) -> None:
        """An object of this bucket is about to be read for the cache."""
        self._names[bucket_id] = name

    def write(self, ops: Mapping[bytes, bytes | None]) -> None:
        changes = self._announce(ops)
        try:
            self._map.write(ops)
        except BaseException:
            changes.end()
            raise
        self._written.append(changes)

    def sync(self) -> None:
        try:
            self._map.sync()
            for changes in self._written:
                self._forget_deleted(changes.ops)
        finally:
            for changes in self._written:
                changes.end()
            self._written.clear()

    def txn(self, checks: Mapping[bytes, bytes | None], ops: Mapping[bytes, bytes | None]) -> bool:
        changes = self._announce(ops)
        try:
            is_done = self._map.txn(checks, ops)
            if is_done:
                self._forget_deleted(ops)
            return is_done
        finally:
            changes.end()

    def _announce(self, ops: Mapping[bytes, bytes | None]) -> _Changes:
        changes = _Changes(self._plane, self._names, ops)
        changes.begin()
        return changes

    def _forget_deleted(self, ops: Mapping[bytes, bytes | None]) -> None:
        """A deleted bucket was empty, so that the cache knows nothing of it; what is being filled finds it changed."""
        for name in (row[len(keys.BUCKETS) :] for row, value in ops.items() if value is None and _is_bucket(row)):
            for bucket_id in [known for known, of in self._names.copy().items() if of == name]:
                self._names.pop(bucket_id, None)


class _Changes:
    """The changes of one write, announced before it and ended after the sync that shows it."""

    __slots__ = ("_begun", "_buckets", "_names", "_plane", "ops")

    def __init__(self, plane: Plane | None, names: Mapping[bytes, bytes], ops: Mapping[bytes, bytes | None]) -> None:
        self._plane = plane
        self._names = names
        self.ops = ops
        self._begun: set[tuple[bytes, bytes]] = set()
        self._buckets: list[bytes] = []

    def begin(self) -> None:
        if self._plane is None:
            return
        self._buckets = [row[len(keys.BUCKETS) :] for row in self.ops if _is_bucket(row)]
        for bucket in self._buckets:
            self._plane.begin_bucket_change(bucket)
        self._begun = self._objects()
        for bucket, key in self._begun:
            self._plane.begin_change(bucket, key)

    def end(self) -> None:
        if self._plane is None:
            return
        for bucket, key in self._begun:
            self._plane.end_change(bucket, key)
        # A bucket that was first looked up meanwhile: whoever read the row as it was before must not fill it, and what
        # was filled is dropped.
        for bucket, key in self._objects() - self._begun:
            self._plane.begin_change(bucket, key)
            self._plane.end_change(bucket, key)
        for bucket in self._buckets:
            self._plane.end_bucket_change(bucket)

    def _objects(self) -> set[tuple[bytes, bytes]]:
        """Bucket and key of the rows that are objects of buckets known to the cache."""
        found = set()
        for row in self.ops:
            if row.startswith(_OBJECTS):
                name = self._names.get(row[len(_OBJECTS) : len(_OBJECTS) + ID_SIZE_BYTES])
                if name is not None:
                    found.add((name, keys.object_key(row)))
        return found


def _is_bucket(row: bytes) -> bool:
    return row.startswith(keys.BUCKETS)
