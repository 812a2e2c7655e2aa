"""What was durable is missed when it is missing: a RocksDB whose files were cut, deleted or replaced by older ones."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nimbus.base.errors import DirectoryDamaged, MetadataBehind
from nimbus.meta.rocksdb import RocksMap, open_rocksdb
from nimbus.meta.witness import recorded

OPTIONS = {"ballast_size_bytes": 0, "write_buffer_size_bytes": 1 << 20}
ROWS = 200


def killed(folder: Path, work: Callable[[RocksMap], object]) -> None:
    """Another process works on the map and is gone without closing it."""
    child = multiprocessing.get_context("spawn").Process(target=work_and_vanish, args=(folder, work))
    child.start()
    child.join(30)
    assert child.exitcode == 7


def work_and_vanish(folder: Path, work: Callable[[RocksMap], object]) -> None:
    work(open_rocksdb(OPTIONS, folder))
    os._exit(7)


def write_one_row(map: RocksMap) -> None:
    map.txn({}, {b"newer": b"value"})


def write_rows_and_one_unsynced(map: RocksMap) -> None:
    write_rows(map)
    map.write({b"unsynced": b""})


def write_rows(map: RocksMap) -> None:
    for number in range(ROWS):
        map.txn({}, {b"row%04d" % number: os.urandom(2000)})


def write_a_table_and_a_log(map: RocksMap) -> None:
    write_rows(map)
    map._database.flush()
    map.txn({}, {b"later": b"value"})
    assert map._witness is not None
    for _ in range(2):  # logs count once the MANIFEST rests
        map._witness._look(map._lock, lambda: True)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def count(map: RocksMap) -> int:
    return len(map.range(b"row", b"rox", 10_000))


def the_log(folder: Path) -> Path:
    return max((folder / "rocksdb").glob("*.log"))


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.3, 0.5, 0.9, 0.999])
def test_a_log_that_was_cut_is_missed_and_nothing_is_touched(tmp_path: Path, kept: float) -> None:
    killed(tmp_path, write_rows)
    log = the_log(tmp_path)
    os.truncate(log, int(log.stat().st_size * kept))
    before = contents(tmp_path)
    for _ in range(2):
        with pytest.raises(MetadataBehind, match="--accept-loss"):
            open_rocksdb(OPTIONS, tmp_path)
        assert contents(tmp_path) == before


def test_a_log_that_was_deleted_is_missed(tmp_path: Path) -> None:
    killed(tmp_path, write_rows)
    the_log(tmp_path).unlink()
    with pytest.raises(MetadataBehind):
        open_rocksdb(OPTIONS, tmp_path)


def test_the_empty_log_of_a_clean_stop_may_be_gone(tmp_path: Path) -> None:
    map = open_rocksdb(OPTIONS, tmp_path)
    write_rows(map)
    map.close()
    the_log(tmp_path).unlink()
    map = open_rocksdb(OPTIONS, tmp_path)
    assert (count(map), map.doubt) == (ROWS, "")
    map.close()


def test_an_older_log_that_was_deleted_is_missed_although_the_newest_is_there(tmp_path: Path) -> None:
    """The newest number is there, what is missing lies before it."""
    killed(tmp_path, write_a_table_and_a_log)
    known = recorded(tmp_path / "rocksdb.durable")
    assert known is not None
    (number, size_bytes) = known.files.logs[-1]
    os.truncate(tmp_path / "rocksdb" / f"{number:06}.log", size_bytes - 1)
    with pytest.raises(MetadataBehind):
        open_rocksdb(OPTIONS, tmp_path)


def test_a_manifest_that_ends_before_its_last_table_is_missed(tmp_path: Path) -> None:
    killed(tmp_path, write_a_table_and_a_log)
    (manifest,) = (tmp_path / "rocksdb").glob("MANIFEST-*")
    size_bytes = manifest.stat().st_size
    for cut in (1, 20, 60, size_bytes // 2):
        whole = manifest.read_bytes()
        os.truncate(manifest, size_bytes - cut)
        before = contents(tmp_path)
        with pytest.raises(MetadataBehind, match="MANIFEST"):
            open_rocksdb(OPTIONS, tmp_path)
        assert contents(tmp_path) == before
        manifest.write_bytes(whole)
    map = open_rocksdb(OPTIONS, tmp_path)
    assert (count(map), map.get(b"later")) == (ROWS, b"value")
    map.close()


def test_logs_that_just_became_tables_and_are_about_to_be_deleted_are_not_missed(tmp_path: Path) -> None:
    map = open_rocksdb(OPTIONS, tmp_path)
    write_rows(map)
    map._database.flush()
    assert map._witness is not None
    map._witness._look(map._lock, lambda: True)
    known = recorded(tmp_path / "rocksdb.durable")
    assert known is not None
    assert known.files.logs == ()
    map.close()


@pytest.mark.parametrize("gone", ["CURRENT", "MANIFEST-*", "*.sst"])
def test_a_file_that_is_gone_is_one_error_and_nothing_is_made_in_its_place(tmp_path: Path, gone: str) -> None:
    killed(tmp_path, write_a_table_and_a_log)
    for victim in (tmp_path / "rocksdb").glob(gone):
        victim.unlink()
    before = contents(tmp_path)
    with pytest.raises(DirectoryDamaged, match="restore it"):
        open_rocksdb(OPTIONS, tmp_path)
    assert contents(tmp_path) == before


def test_files_that_only_repeat_the_options_may_be_gone(tmp_path: Path) -> None:
    killed(tmp_path, write_a_table_and_a_log)
    for victim in (*(tmp_path / "rocksdb").glob("OPTIONS-*"), tmp_path / "rocksdb" / "rocksdict-config.json"):
        victim.unlink()
    map = open_rocksdb(OPTIONS, tmp_path)
    assert (count(map), map.doubt) == (ROWS, "")
    map.close()


def test_a_folder_that_is_gone_or_older_is_missed(tmp_path: Path) -> None:
    killed(tmp_path, write_rows)
    shutil.copytree(tmp_path / "rocksdb", tmp_path / "older")
    killed(tmp_path, write_one_row)
    (tmp_path / "rocksdb").rename(tmp_path / "kept")
    with pytest.raises(MetadataBehind):
        open_rocksdb(OPTIONS, tmp_path)
    assert not (tmp_path / "rocksdb").exists()
    (tmp_path / "older").rename(tmp_path / "rocksdb")
    with pytest.raises(MetadataBehind, match="older copy"):
        open_rocksdb(OPTIONS, tmp_path)


def test_an_accepted_loss_opens_in_doubt_and_is_no_loss_the_next_time(tmp_path: Path) -> None:
    killed(tmp_path, write_rows)
    log = the_log(tmp_path)
    os.truncate(log, log.stat().st_size // 2)
    with open_rocksdb.look(OPTIONS, tmp_path, accepts_loss=True) as seen:
        assert seen is not None
        assert (0 < count(seen) < ROWS, seen.doubt) == (True, "lost")
    map = open_rocksdb.open_seen(OPTIONS, tmp_path, "lost")
    assert map.doubt == "lost"
    map.txn({}, {b"after": b"value"})
    map.close()
    map = open_rocksdb(OPTIONS, tmp_path)
    assert (map.get(b"after"), map.doubt) == (b"value", "")
    map.close()


def test_a_witness_that_is_damaged_proves_nothing_and_is_made_anew(tmp_path: Path) -> None:
    killed(tmp_path, write_rows)
    (tmp_path / "rocksdb.durable").write_bytes(b"damaged")
    map = open_rocksdb(OPTIONS, tmp_path)
    assert (count(map), map.doubt) == (ROWS, "unproved")
    map.close()
    known = recorded(tmp_path / "rocksdb.durable")
    assert known is not None
    assert known.sequence >= ROWS


def test_a_killed_process_leaves_the_number_of_its_last_sync(tmp_path: Path) -> None:
    killed(tmp_path, write_rows)
    known = recorded(tmp_path / "rocksdb.durable")
    assert known is not None
    with open_rocksdb.look(OPTIONS, tmp_path) as seen:
        assert seen is not None
        assert known.sequence == seen._database.latest_sequence_number() == ROWS


def test_what_was_written_and_not_synced_is_not_asked_for(tmp_path: Path) -> None:
    killed(tmp_path, write_rows_and_one_unsynced)
    known = recorded(tmp_path / "rocksdb.durable")
    assert known is not None
    assert known.sequence == ROWS
