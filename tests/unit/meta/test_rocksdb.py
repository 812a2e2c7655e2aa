"""The RocksDB engine: bounds on opening, damage that is seen, and what a wrong configuration is told."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from nimbus.base.errors import ConfigInvalid, DataDamaged, DirectoryDamaged, DirectoryLocked, StoreReadOnly
from nimbus.meta.rocksdb import RocksMap, open_rocksdb

OPTIONS = {"ballast_size_bytes": 1 << 20, "write_buffer_size_bytes": 1 << 20}
ROWS = {b"row%05d" % number: b"value %05d " % number * 20 for number in range(5000)}


def leave_rows_in_log(data_dir: Path) -> None:
    """Another process writes, syncs, and ends without closing, so that all rows lie in the log alone."""
    context = multiprocessing.get_context("spawn")
    writer = context.Process(target=write_and_vanish, args=(data_dir,))
    writer.start()
    writer.join(30)
    assert writer.exitcode == 7


def write_and_vanish(data_dir: Path) -> None:
    map = open_rocksdb({}, data_dir)
    for number in range(1000):
        map.write({b"%05d" % number: b"value" * 20})
    map.sync()
    os._exit(7)


def the_log(data_dir: Path) -> Path:
    return max((data_dir / "rocksdb").glob("*.log"), key=lambda path: path.stat().st_size)


def get_all(map: RocksMap) -> list[bytes | None]:
    return [map.get(key) for key in ROWS]


def count_rows(map: RocksMap) -> int:
    return len(map.range(b"\0", b"\xff", 100_000))


def test_a_second_opening_is_refused_with_what_to_do(tmp_path: Path) -> None:
    map = open_rocksdb(OPTIONS, tmp_path)
    with pytest.raises(DirectoryLocked, match=r"rocksdb: .*Stop the other process"):
        open_rocksdb(OPTIONS, tmp_path)
    map.close()
    open_rocksdb(OPTIONS, tmp_path).close()


def test_opening_lays_down_the_ballast(tmp_path: Path) -> None:
    open_rocksdb(OPTIONS, tmp_path).close()
    assert (tmp_path / "rocksdb.ballast").stat().st_blocks * 512 >= 1 << 20


def test_only_this_user_may_look_into_the_directory(tmp_path: Path) -> None:
    open_rocksdb(OPTIONS, tmp_path).close()
    assert (tmp_path / "rocksdb").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "options", [{"block_cache": 1}, {"block_cache_size_bytes": "much"}, {"write_buffer_size_bytes": 0}]
)
def test_a_wrong_option_is_a_wrong_configuration(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(ConfigInvalid, match="rocksdb"):
        open_rocksdb(options, tmp_path)


def test_a_path_that_is_a_file_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "rocksdb").write_text("not a directory")
    with pytest.raises(DirectoryDamaged, match=str(tmp_path)):
        open_rocksdb(OPTIONS, tmp_path)


def test_a_damaged_directory_is_refused_with_what_to_do(tmp_path: Path) -> None:
    open_rocksdb(OPTIONS, tmp_path).close()
    (tmp_path / "rocksdb" / "CURRENT").write_text("damaged")
    with pytest.raises(DirectoryDamaged, match="restore it"):
        open_rocksdb(OPTIONS, tmp_path)


def test_a_damaged_table_is_an_error_and_not_the_end_of_a_range(tmp_path: Path) -> None:
    map = open_rocksdb(OPTIONS, tmp_path)
    map.write(ROWS)
    map.close()  # flushes the rows into a table
    table = max((tmp_path / "rocksdb").glob("*.sst"), key=lambda path: path.stat().st_size)
    content = bytearray(table.read_bytes())
    content[len(content) // 3] ^= 0xFF
    table.write_bytes(content)

    map = open_rocksdb(OPTIONS, tmp_path)
    for reverse in (False, True):
        with pytest.raises(DataDamaged):
            map.range(b"\0", b"\xff", 10_000, reverse)
    with pytest.raises(DataDamaged):
        get_all(map)
    map.close()


def test_what_a_restart_finds_in_the_log_is_in_a_synced_table_before_it_is_read(tmp_path: Path) -> None:
    """A killed process may have left rows there that nobody synced."""
    leave_rows_in_log(tmp_path)
    assert not list((tmp_path / "rocksdb").glob("*.sst"))
    map = open_rocksdb(OPTIONS, tmp_path)
    (table,) = (tmp_path / "rocksdb").glob("*.sst")
    assert (the_log(tmp_path).stat().st_size, count_rows(map)) == (0, 1000)
    map.close()
    assert table.stat().st_size > 1000


def test_a_record_cut_off_at_the_end_of_the_log_is_dropped_where_no_witness_knows_it(tmp_path: Path) -> None:
    leave_rows_in_log(tmp_path)
    log = the_log(tmp_path)
    log.write_bytes(log.read_bytes()[:-50])
    (tmp_path / "rocksdb.durable").unlink()  # as before there was one
    map = open_rocksdb(OPTIONS, tmp_path)
    assert (count_rows(map), map.doubt) == (999, "unproved")
    map.close()
    map = open_rocksdb(OPTIONS, tmp_path)
    assert map.doubt == ""
    map.close()


def test_damage_inside_the_log_refuses_to_open(tmp_path: Path) -> None:
    leave_rows_in_log(tmp_path)
    log = the_log(tmp_path)
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 0x01
    log.write_bytes(content)
    with pytest.raises(DirectoryDamaged, match="restore it"):
        open_rocksdb(OPTIONS, tmp_path)


def test_an_iterator_reads_one_snapshot_while_rows_change(tmp_path: Path) -> None:
    map = open_rocksdb(OPTIONS, tmp_path)
    map.write(dict(ROWS))
    cursor = map._database.iter()
    cursor.seek(b"row")
    map.write(dict.fromkeys(ROWS, b"changed"))
    seen = 0
    while cursor.valid():
        assert cursor.value() == ROWS[cursor.key()]
        seen += 1
        cursor.next()
    del cursor
    assert seen == len(ROWS)
    map.close()


# --- what readers see of a sync -------------------------------------------------------------------------


class Flushing:
    """The database of a map, with something else before its log reaches the disk."""

    def __init__(self, map: RocksMap, act: Callable[[], None]) -> None:
        self._database: Any = map._database
        self._act = act
        map._database = self  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def flush_wal(self, sync: bool) -> None:
        self._act()
        self._database.flush_wal(sync)


def test_while_the_log_is_on_its_way_to_the_disk_readers_see_what_is_there(tmp_path: Path) -> None:
    map = open_rocksdb(OPTIONS, tmp_path)
    map.txn({}, {b"changed": b"old", b"deleted": b"old", b"other": b"old"})
    flushing, may_flush = Event(), Event()

    def wait() -> None:
        flushing.set()
        assert may_flush.wait(20)

    Flushing(map, wait)
    map.write({b"changed": b"new", b"created": b"new", b"deleted": None})
    syncing = Thread(target=map.sync)
    syncing.start()
    assert flushing.wait(20)
    assert map.range(b"a", b"z", 10) == [(b"changed", b"old"), (b"deleted", b"old"), (b"other", b"old")]
    assert [map.get(key) for key in (b"changed", b"created", b"deleted")] == [b"old", None, b"old"]
    may_flush.set()
    syncing.join(20)
    assert map.range(b"a", b"z", 10) == [(b"changed", b"new"), (b"created", b"new"), (b"other", b"old")]
    assert [map.get(key) for key in (b"changed", b"created", b"deleted")] == [b"new", b"new", None]
    map.close()


def test_after_a_failed_sync_readers_stay_with_what_was_synced_last(tmp_path: Path) -> None:
    map = open_rocksdb(OPTIONS, tmp_path)
    map.txn({}, {b"changed": b"old"})

    def fail() -> None:
        raise OSError(5, "Input/output error")

    Flushing(map, fail)
    map.write({b"changed": b"new", b"created": b"new"})
    for call in (map.sync, map.sync, lambda: map.txn({}, {b"later": b"new"})):
        with pytest.raises(StoreReadOnly, match="Input/output error"):
            call()
        assert map.range(b"a", b"z", 10) == [(b"changed", b"old")]
        assert (map.get(b"changed"), map.get(b"created")) == (b"old", None)
    map.close()
    open_rocksdb(OPTIONS, tmp_path).close()  # nothing of the closed map still holds the directory


def test_no_snapshot_outlives_its_sync(tmp_path: Path) -> None:
    map = open_rocksdb(OPTIONS, tmp_path)
    count = lambda: map._database.property_int_value("rocksdb.num-snapshots")  # noqa: E731
    map.write({b"key": b"value"})
    map.write({b"key": b"other"})
    assert count() == 1
    map.sync()
    assert count() == 0
    map.close()
