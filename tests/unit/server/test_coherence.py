"""What the native plane is told of changes: before they are written, and when readers see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from nimbus.base.errors import EngineError
from nimbus.meta import keys
from nimbus.meta.memory import MemoryMap
from nimbus.server.coherence import CoherentMap

OLD, NEW = b"o" * 16, b"n" * 16


class Rows(MemoryMap):
    """A map in which something may happen while it is written to, and while that is synced."""

    def __init__(self) -> None:
        super().__init__()
        self.in_write: Callable[[], None] = lambda: None
        self.in_sync: Callable[[], None] = lambda: None

    def write(self, ops: Mapping[bytes, bytes | None]) -> None:
        self.in_write()
        super().write(ops)

    def sync(self) -> None:
        self.in_sync()
        super().sync()


class Told:
    """A plane that remembers what it was told, and what the map held at that moment."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.said: list[tuple[str, bytes, bytes | None]] = []

    def begin_change(self, bucket: bytes, key: bytes) -> None:
        self._say("begin", bucket + b"/" + key, keys.object(OLD, key))

    def end_change(self, bucket: bytes, key: bytes) -> None:
        self._say("end", bucket + b"/" + key, keys.object(OLD, key))

    def begin_bucket_change(self, bucket: bytes) -> None:
        self._say("begin", bucket, keys.bucket(bucket.decode()))

    def end_bucket_change(self, bucket: bytes) -> None:
        self._say("end", bucket, keys.bucket(bucket.decode()))

    def _say(self, what: str, name: bytes, row: bytes) -> None:
        self.said.append((what, name, self.rows.get(row)))


@pytest.fixture
def parts() -> tuple[CoherentMap, Told]:
    rows = Rows()
    map, told = CoherentMap(rows), Told(rows)
    map.tell(told)  # type: ignore[arg-type]
    return map, told


def write_by(map: CoherentMap, way: str, ops: Mapping[bytes, bytes | None]) -> None:
    if way == "write":
        map.write(ops)
        map.sync()
    else:
        assert map.txn({}, ops)


@pytest.mark.parametrize("way", ["write", "txn"])
def test_a_change_is_told_while_the_old_row_is_there_and_again_with_the_new_one(
    parts: tuple[CoherentMap, Told], way: str
) -> None:
    map, told = parts
    map.will_read(OLD, b"bucket")
    write_by(map, way, {keys.object(OLD, b"key"): b"1", keys.after(keys.GARBAGE): b"unrelated"})
    write_by(map, way, {keys.object(OLD, b"key"): None})
    write_by(map, way, {keys.bucket("bucket"): b"row"})
    assert told.said == [
        ("begin", b"bucket/key", None),
        ("end", b"bucket/key", b"1"),
        ("begin", b"bucket/key", b"1"),
        ("end", b"bucket/key", None),
        ("begin", b"bucket", None),
        ("end", b"bucket", b"row"),
    ]


def test_objects_of_buckets_that_nobody_asked_for_are_not_told(parts: tuple[CoherentMap, Told]) -> None:
    map, told = parts
    write_by(map, "write", {keys.object(OLD, b"key"): b"1"})
    assert told.said == []


@pytest.mark.parametrize("moment", ["in_write", "in_sync"])
def test_an_object_whose_bucket_is_first_asked_for_during_the_change_is_told(
    parts: tuple[CoherentMap, Told], moment: str
) -> None:
    map, told = parts
    setattr(told.rows, moment, lambda: map.will_read(OLD, b"bucket"))
    write_by(map, "write", {keys.object(OLD, b"key"): b"1"})
    assert told.said == [("begin", b"bucket/key", b"1"), ("end", b"bucket/key", b"1")]


def test_a_change_lasts_until_the_sync_shows_it(parts: tuple[CoherentMap, Told]) -> None:
    map, told = parts
    map.will_read(OLD, b"bucket")
    map.write({keys.object(OLD, b"key"): b"1"})
    assert told.said == [("begin", b"bucket/key", None)]
    told.rows.in_sync = lambda: told.said.append(("sync", b"", map.get(keys.object(OLD, b"key"))))
    map.sync()
    assert told.said[1:] == [("sync", b"", None), ("end", b"bucket/key", b"1")]
    map.sync()
    assert told.said[3:] == [("sync", b"", b"1")]


@pytest.mark.parametrize("moment", ["in_write", "in_sync"])
def test_a_write_that_fails_ends_what_it_began(parts: tuple[CoherentMap, Told], moment: str) -> None:
    map, told = parts

    def fail() -> None:
        raise EngineError

    map.will_read(OLD, b"bucket")
    setattr(told.rows, moment, fail)
    with pytest.raises(EngineError):
        write_by(map, "write", {keys.object(OLD, b"key"): b"1", keys.bucket("bucket"): None})
    assert sorted(told.said) == [
        ("begin", b"bucket", None),
        ("begin", b"bucket/key", None),
        ("end", b"bucket", None),
        ("end", b"bucket/key", None),
    ]
    setattr(told.rows, moment, lambda: None)
    write_by(map, "write", {keys.object(OLD, b"key"): b"1"})
    assert told.said[4:] == [("begin", b"bucket/key", None), ("end", b"bucket/key", b"1")]


def test_only_the_deletion_of_a_bucket_forgets_its_id(parts: tuple[CoherentMap, Told]) -> None:
    map, told = parts
    map.will_read(OLD, b"bucket")
    write_by(map, "write", {keys.bucket("bucket"): b"marked"})
    assert not map.txn({keys.bucket("bucket"): b"other"}, {keys.bucket("bucket"): None})
    write_by(map, "write", {keys.bucket("other"): None})
    told.said.clear()
    write_by(map, "write", {keys.object(OLD, b"key"): b"still told"})
    assert len(told.said) == 2
    write_by(map, "write", {keys.bucket("bucket"): None})
    told.said.clear()
    write_by(map, "write", {keys.object(OLD, b"key"): b"nobody knows it", keys.object(NEW, b"key"): b"nor this"})
    assert told.said == []
