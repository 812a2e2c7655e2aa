"""The metadata map as the native plane needs it: every change of an object or a bucket is told before and after.

`CoherentMap` stands around the metadata map. It works on the commit thread, so it holds whatever becomes of the task
that asked for the change.

Must always hold: between the first moment at which a reader could see a change and its acknowledgement nothing old
is filled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
        self.get = map.get
        self.range = map.range
        self.sync = map.sync
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
        with _Changes(self._plane, self._names, ops):
            self._map.write(ops)
            self._forget_deleted(ops)

    def txn(self, checks: Mapping[bytes, bytes | None], ops: Mapping[bytes, bytes | None]) -> bool:
        with _Changes(self._plane, self._names, ops):
            is_done = self._map.txn(checks, ops)
            if is_done:
                self._forget_deleted(ops)
            return is_done

    def _forget_deleted(self, ops: Mapping[bytes, bytes | None]) -> None:
        """A deleted bucket was empty, so that the cache knows nothing of it; what is being filled finds it changed."""
        for name in (row[len(keys.BUCKETS) :] for row, value in ops.items() if value is None and _is_bucket(row)):
            for bucket_id in [known for known, of in self._names.copy().items() if of == name]:
                self._names.pop(bucket_id, None)


class _Changes:
    """The changes of one write, announced before it and ended after it."""

    __slots__ = ("_begun", "_buckets", "_names", "_ops", "_plane")

    def __init__(self, plane: Plane | None, names: Mapping[bytes, bytes], ops: Iterable[bytes]) -> None:
        self._plane = plane
        self._names = names
        self._ops = ops
        self._begun: set[tuple[bytes, bytes]] = set()
        self._buckets: list[bytes] = []

    def __enter__(self) -> None:
        if self._plane is None:
            return
        self._buckets = [row[len(keys.BUCKETS) :] for row in self._ops if _is_bucket(row)]
        for bucket in self._buckets:
            self._plane.begin_bucket_change(bucket)
        self._begun = self._objects()
        for bucket, key in self._begun:
            self._plane.begin_change(bucket, key)

    def __exit__(self, *_: object) -> None:
        if self._plane is None:
            return
        for bucket, key in self._begun:
            self._plane.end_change(bucket, key)
        # A bucket that was first looked up while we wrote: whoever read the row before our write must not fill it.
        for bucket, key in self._objects() - self._begun:
            self._plane.begin_change(bucket, key)
            self._plane.end_change(bucket, key)
        for bucket in self._buckets:
            self._plane.end_bucket_change(bucket)

    def _objects(self) -> set[tuple[bytes, bytes]]:
        """Bucket and key of the rows that are objects of buckets known to the cache."""
        found = set()
        for row in self._ops:
            if row.startswith(_OBJECTS):
                name = self._names.get(row[len(_OBJECTS) : len(_OBJECTS) + ID_SIZE_BYTES])
                if name is not None:
                    found.add((name, keys.object_key(row)))
        return found


def _is_bucket(row: bytes) -> bool:
    return row.startswith(keys.BUCKETS)
