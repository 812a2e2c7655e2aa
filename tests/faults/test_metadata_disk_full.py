"""The RocksDB engine on a disk that is really full: writes are refused, deletes and restarts live on the ballast."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nimbus.base.errors import SpaceExhausted, StoreReadOnly
from nimbus.base.limits import MIB
from nimbus.meta.ballast import Ballast
from nimbus.meta.committer import OwnedCommitter
from nimbus.meta.rocksdb import RocksMap, open_rocksdb
from tests.faults.mounts import loop_disk

pytestmark = pytest.mark.serial

DISK_SIZE_BYTES = 64 * MIB
OPTIONS = {"ballast_size_bytes": 8 * MIB, "write_buffer_size_bytes": MIB}
ROWS = {b"row%04d" % number: b"value" * 100 for number in range(100)}


class FilledDisk:
    """A disk that something else fills up, to the byte, and empties again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._filler = root / "filler"

    def fill(self, left_bytes: int = 0) -> None:
        """Also what the file system keeps for root, who runs these tests."""
        status = os.statvfs(self.root)
        with self._filler.open("ab", buffering=0) as file:
            file.write(bytes(max(0, status.f_bfree * status.f_frsize - left_bytes)))
            with contextlib.suppress(OSError):
                while left_bytes == 0:
                    file.write(bytes(4096))
            os.fsync(file.fileno())

    def empty(self) -> None:
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FilledDisk]:
    with loop_disk(tmp_path, DISK_SIZE_BYTES) as mounted:
        yield FilledDisk(mounted.root)


def write_on(write: Callable[[dict[bytes, bytes]], None], wanted: type[Exception]) -> dict[bytes, bytes]:
    """Write until it is refused so: all rows that were acknowledged."""
    kept: dict[bytes, bytes] = {}
    with pytest.raises(wanted):  # noqa: PT012 (the loop is what must end)
        for turn in range(10_000):
            ops = {b"%06d/%03d" % (turn, number): os.urandom(500) for number in range(100)}
            write(ops)
            kept |= ops
    return kept


def found(map: RocksMap) -> dict[bytes, bytes]:
    return dict(map.range(b"\0", b"\xff", 10_000_000))


def test_a_full_disk_refuses_writes_and_goes_on_when_there_is_room_again(disk: FilledDisk) -> None:
    map = open_rocksdb(OPTIONS, disk.root)
    committer = OwnedCommitter(map)

    def commit(ops: dict[bytes, bytes]) -> None:
        committer.commit_now(lambda view: [view.put(*row) for row in ops.items()])

    commit(ROWS)
    disk.fill(left_bytes=MIB)
    committer.commit_now(lambda view: view.delete(b"row0000"))  # lives on the ballast
    assert not (disk.root / "rocksdb.ballast").exists()
    kept = ROWS | write_on(commit, SpaceExhausted)
    del kept[b"row0000"]
    assert found(map) == kept
    disk.empty()
    commit({b"key": b"value"})
    assert found(map) == kept | {b"key": b"value"}
    assert (disk.root / "rocksdb.ballast").exists()
    committer.close()
    map.close()


def test_a_directory_on_a_full_disk_can_be_opened_and_cleaned_up(disk: FilledDisk) -> None:
    map = open_rocksdb(OPTIONS, disk.root)
    map.write(dict(ROWS))
    map.sync()
    map.close()
    disk.fill()
    map = open_rocksdb(OPTIONS, disk.root)
    assert found(map) == ROWS
    map.write(dict.fromkeys(ROWS))
    map.sync()
    map.close()
    map = open_rocksdb(OPTIONS, disk.root)
    assert found(map) == {}
    map.close()


def test_without_a_ballast_a_directory_on_a_full_disk_stays_closed_until_there_is_room(disk: FilledDisk) -> None:
    options = OPTIONS | {"ballast_size_bytes": 0}
    map = open_rocksdb(options, disk.root)
    map.write(dict(ROWS))
    map.sync()
    map.close()
    disk.fill()
    with pytest.raises(SpaceExhausted, match="Free some space"):
        open_rocksdb(options, disk.root)
    disk.empty()
    map = open_rocksdb(options, disk.root)
    assert found(map) == ROWS
    map.close()


def test_a_new_directory_on_a_full_disk_is_refused(disk: FilledDisk) -> None:
    disk.fill()
    with pytest.raises(SpaceExhausted, match="Free some space"):
        open_rocksdb(OPTIONS, disk.root)


def test_an_engine_that_ran_into_the_end_of_the_disk_takes_no_writes_until_reopened(
    disk: FilledDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ballast, "make_room", lambda self, size_bytes: None)
    map = open_rocksdb(OPTIONS, disk.root)
    disk.fill(left_bytes=4 * MIB)

    def write(ops: dict[bytes, bytes]) -> None:
        map.write(ops)
        map.sync()

    kept = write_on(write, SpaceExhausted)
    for _ in range(2):
        with pytest.raises(StoreReadOnly):
            map.write({b"key": b"value"})
        with pytest.raises(StoreReadOnly):
            map.sync()
    assert found(map).items() >= kept.items()
    map.close()
    map = open_rocksdb(OPTIONS, disk.root)
    assert found(map).items() >= kept.items()
    disk.empty()
    map.write({b"key": b"value"})
    map.sync()
    map.close()
