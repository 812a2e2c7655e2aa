"""The ordered map on this machine's disk: RocksDB, through rocksdict in raw mode (bytes in, bytes out).

A write goes unsynced into RocksDB's log; `sync` flushes and fsyncs the log for all writes before it. Of
rocksdict's calls only `flush_wal` releases the GIL, so the fsync, and nothing else that waits, happens there.
RocksDB itself shows a write at once; here nobody sees it before it is synced: while a sync is under way the rows
that it is about are read from a snapshot of what was there before (`_Unsynced`), all others as ever. Iterators
read one snapshot. RocksDB checks a checksum on every block it reads and, on opening, every record of the log: a
record cut off at the log's end was never acknowledged and is dropped, any other damage refuses to open. What a
killed process left in the log without a sync goes into a synced table before anybody reads it. What is missing of what
was durable already is told by a witness beside the folder (witness.py), before anything in the folder is changed.

Must always hold: no reader is told what a power cut can still take back; after a failed write or sync nothing is
written any more until the directory is opened anew, because a failed fsync leaves unknown what is on the disk;
memory, log and descriptors stay within bounds.
"""

from __future__ import annotations

import logging
import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final

from rocksdict import (
    AccessType,
    BlockBasedOptions,
    Cache,
    DbClosedError,
    DBCompressionType,
    DBRecoveryMode,
    Options,
    Rdict,
    RdictIter,
    ReadOptions,
    Snapshot,
    WriteBatch,
)

from nimbus.base.descriptors import descriptors_granted, shares
from nimbus.base.errors import (
    DataDamaged,
    DirectoryDamaged,
    DirectoryGone,
    DirectoryLocked,
    DiskReadOnly,
    EngineClosed,
    EngineError,
    FileTooLarge,
    MetadataBehind,
    NamesExhausted,
    QuotaExhausted,
    RowsUnreadable,
    SpaceExhausted,
    StoreReadOnly,
)
from nimbus.base.limits import MIB
from nimbus.base.registry import takes
from nimbus.base.volumes import look_at
from nimbus.meta.api import Capabilities
from nimbus.meta.ballast import Ballast
from nimbus.meta.damage import first_readable, last_readable
from nimbus.meta.envelope import check_batch
from nimbus.meta.rocksdb_options import CAPABILITIES, RocksOptions, options_of, reserves_of
from nimbus.meta.spare_names import SpareNames
from nimbus.meta.witness import (
    DAMAGE_ADVICE,
    WITNESS_NAME,
    Witness,
    check_tables,
    has_database,
    missing_of,
    open_witness,
    recorded,
)

LOG_SIZE_BYTES_MAX: Final = 64 * MIB  # replayed on opening after a crash: a quarter of a second
TABLE_SIZE_BYTES: Final = 64 * MIB
BACKGROUND_JOBS: Final = 2  # flushes and compactions beside the threads that serve
BLOOM_BITS_PER_KEY: Final = 10  # one absent key in a hundred is looked for on disk

LOST: Final = "lost"  # rows are missing that were durable, and the operator knows
UNPROVED: Final = "unproved"  # rows may be missing

_BEHIND_ADVICE: Final = (
    "Bring back the file or the folder as it was, or restore a backup (docs/damage.md); --accept-loss goes on without "
    "the objects that this costs and deletes nothing."
)

_NOT_IN_SNAPSHOT: Final = "key not found"  # what rocksdict says of a row that a snapshot lacks

_logger = logging.getLogger(__name__)

# What RocksDB says, when it is opened and afterwards; the first text found counts.
_OPENING_ERRORS: Final = (
    ("No space left", SpaceExhausted, "Free some space on its disk and start again."),
    ("LOCK", DirectoryLocked, "Stop the other process, or give this one a directory of its own."),
    ("Corruption", DirectoryDamaged, DAMAGE_ADVICE),
    ("No such file", DirectoryDamaged, DAMAGE_ADVICE),
    ("", DirectoryDamaged, ""),
)
_RUNNING_ERRORS: Final = (
    ("No space left", SpaceExhausted, ""),
    ("Disk quota exceeded", QuotaExhausted, ""),
    ("File too large", FileTooLarge, ""),
    ("Read-only file system", DiskReadOnly, ""),
    ("Corruption", DataDamaged, ""),
    ("", EngineError, ""),
)


class _Unsynced:
    """The rows that were written since the last sync, and what was there before.

    Its snapshot costs 0.15 µs to take and drop. rocksdict reads single rows of one, but its iterators take no notice
    of it, so what a range says of these rows is put right row by row.
    """

    __slots__ = ("_in_order", "_snapshot", "keys")

    def __init__(self, keys: frozenset[bytes], snapshot: Snapshot) -> None:
        self.keys = keys
        self._snapshot = snapshot
        self._in_order: list[bytes] | None = None

    def joined_by(self, ops: Iterable[bytes]) -> _Unsynced:
        """With the rows of another write before the sync."""
        return _Unsynced(self.keys.union(ops), self._snapshot)

    def before(self, key: bytes) -> bytes | None:
        """The value of `key` as it was last synced."""
        try:
            value: bytes = self._snapshot[key]
        except Exception as error:
            if str(error) == _NOT_IN_SNAPSHOT:
                return None
            raise
        return value

    def rows_before(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Of these rows, those from `start` to before `end` as they were last synced."""
        in_order = self._in_order
        if in_order is None:
            in_order = self._in_order = sorted(self.keys)
        for key in in_order[bisect_left(in_order, start) : bisect_left(in_order, end)]:
            value = self.before(key)
            if value is not None:
                yield key, value


class RocksMap:
    """An `OwnedMap` in a directory of its own."""

    def __init__(
        self,
        database: Rdict,
        ballast: Ballast,
        names: SpareNames,
        directory_fd: int,
        witness: Witness | None = None,
        doubt: str = "",
    ) -> None:
        """`doubt` says whether rows may be missing; see `RocksEngine`."""
        self.doubt = doubt
        self._witness = witness
        self._database = database
        self._get = database.get
        self._ballast = ballast
        self._names = names
        self._directory_fd = directory_fd
        self._lock = Lock()  # one write or sync at a time; readers need none
        self._unsynced: _Unsynced | None = None  # changed only under the lock, read at any time
        self._failed = ""
        self._closed = False
        if witness is not None:
            witness.start(self._lock, lambda: self._unsynced is None)

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def get(self, key: bytes) -> bytes | None:
        try:
            value = self._get(key)
            unsynced = self._unsynced  # looked at after the row: whatever is not in it now was durable when it was read
            return value if unsynced is None or key not in unsynced.keys else unsynced.before(key)
        except Exception as error:
            raise _translated(error, _RUNNING_ERRORS, f"Row {key!r}: ") from None

    def range(self, start: bytes, end: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        if start >= end or limit <= 0:
            if self._closed:
                raise EngineClosed
            return []
        try:
            return self._scan(start, end, limit, reverse)
        except Exception as error:
            told = _translated(error, _RUNNING_ERRORS)
            if type(told) is DataDamaged and not reverse:
                told = self._unreadable(told, start, end, limit)
            raise told from None

    def txn(self, checks: Mapping[bytes, bytes | None], ops: Mapping[bytes, bytes | None]) -> bool:
        size_bytes = check_batch(ops, CAPABILITIES)
        with self._lock:
            if self._unsynced is not None:
                self._sync()  # so that the checks are made on all that was written
            if any(self.get(key) != expected for key, expected in checks.items()):
                return False
            self._write(ops, size_bytes)
            self._sync()
        return True

    def write(self, ops: Mapping[bytes, bytes | None]) -> None:
        size_bytes = check_batch(ops, CAPABILITIES)
        with self._lock:
            self._write(ops, size_bytes)

    def sync(self) -> None:
        with self._lock:
            self._sync()

    def close(self) -> None:
        if self._witness is not None:
            self._witness.stop()
        with self._lock:
            if self._closed:
                return
            self._closed = True
            is_clean = self._unsynced is None and not self._failed
            try:
                self._database.close()
            except Exception as error:  # its last flush failed; whatever was synced is in the log
                _logger.warning("The metadata was closed uncleanly: %s", error)
                is_clean = False
            self._unsynced = None  # its snapshot would keep the database open
            if self._witness is not None:
                self._witness.close(is_clean=is_clean)
            os.close(self._directory_fd)

    def check_room(self) -> None:
        """Raises what a write would be refused with now. Any thread."""
        self._check_writable()
        self._ballast.check()
        self._names.check()

    def _scan(self, start: bytes, end: bytes, limit: int, reverse: bool) -> list[tuple[bytes, bytes]]:
        unsynced, cursor = self._cursor(end)
        if unsynced is None:
            return _rows_of(cursor, start, limit, reverse)
        rows = _rows_of(cursor, start, limit, reverse, unsynced.keys)
        if len(rows) == limit:  # what lies beyond its last row is not on the page
            start, end = (rows[-1][0], end) if reverse else (start, rows[-1][0])
        rows += unsynced.rows_before(start, end)
        rows.sort(reverse=reverse)
        return rows[:limit]

    def _cursor(self, end: bytes) -> tuple[_Unsynced | None, RdictIter]:
        """An iterator over what lies below `end`, and the rows it shows that are not synced.

        Only the upper bound is given to RocksDB: rocksdict's `set_iterate_lower_bound` sets the upper one.
        """
        bounds = ReadOptions()
        bounds.set_iterate_upper_bound(end)
        while True:
            before = self._unsynced
            cursor = self._database.iter(bounds)
            unsynced = self._unsynced
            if unsynced is None or unsynced is before:  # else the iterator may lack what its group rests on
                return unsynced, cursor

    def _unreadable(self, told: DataDamaged, start: bytes, end: bytes, limit: int) -> EngineError:
        """What of a range cannot be read: found by trying, since RocksDB tells the block and not its rows."""
        try:
            last = last_readable(lambda: self._cursor(end)[1], start)
            first = first_readable(lambda: self._cursor(end)[1], start if last is None else last, end)
            rows = [] if last is None else self._scan(start, last + b"\0", limit, False)
        except Exception as error:
            return _translated(error, _RUNNING_ERRORS)
        return RowsUnreadable(told.detail, rows, start if last is None else last + b"\0", first)

    def _write(self, ops: Mapping[bytes, bytes | None], size_bytes: int) -> None:
        self._check_writable()
        self._ballast.make_room(size_bytes)
        self._names.make_room()
        batch = WriteBatch(raw_mode=True)
        for key, value in ops.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        if self._unsynced is None:
            self._unsynced = _Unsynced(frozenset(ops), self._database.snapshot())
        else:
            self._unsynced = self._unsynced.joined_by(ops)
        try:
            self._database.write(batch)
        except Exception as error:
            raise self._latched(error) from None

    def _sync(self) -> None:
        self._check_writable()
        try:
            self._database.flush_wal(True)
        except Exception as error:
            raise self._latched(error) from None
        self._unsynced = None
        if self._witness is not None:
            self._witness.note(self._database.latest_sequence_number())

    def _check_writable(self) -> None:
        if self._closed:
            raise EngineClosed
        if self._failed:
            raise StoreReadOnly(self._failed)
        if os.fstat(self._directory_fd).st_nlink == 0:
            self._failed = "Its directory was removed."
            raise DirectoryGone

    def _latched(self, error: Exception) -> EngineError:
        """The error to raise, after which nothing is written any more."""
        told = _translated(error, _RUNNING_ERRORS)
        if isinstance(told, EngineClosed):
            return told
        self._failed = told.detail
        return told if isinstance(told, SpaceExhausted | StoreReadOnly) else StoreReadOnly(told.detail)


def _rows_of(
    cursor: RdictIter, start: bytes, limit: int, reverse: bool, hidden: frozenset[bytes] = frozenset()
) -> list[tuple[bytes, bytes]]:
    """From `start` on, or backwards down to it, all but the hidden ones.

    Row by row: rocksdict's own `items` takes a damaged block for the end of the range.
    """
    if reverse:
        cursor.seek_to_last()
    else:
        cursor.seek(start)
    valid, key, value = cursor.valid, cursor.key, cursor.value
    advance = cursor.prev if reverse else cursor.next
    rows: list[tuple[bytes, bytes]] = []
    while valid():
        found = key()
        if found < start:
            return rows
        if not hidden or found not in hidden:
            rows.append((found, value()))
            if len(rows) == limit:
                return rows
        advance()
    cursor.status()
    return rows


class RocksEngine:
    """The registry's factory: opens or creates `data_dir`/rocksdb.

    `look` shows what is there without changing it, and refuses what is not whole (`MetadataBehind`) unless the loss is
    accepted. The map then has the doubt `LOST`, or `UNPROVED` when there is no witness that could tell.
    """

    def __call__(self, options: Mapping[str, object], data_dir: Path) -> RocksMap:
        """Raises `ConfigInvalid`, `DirectoryLocked`, `DirectoryDamaged`, `MetadataBehind`, `SpaceExhausted`."""
        with self.look(options, data_dir) as seen:
            doubt = "" if seen is None else seen.doubt
        return self.open_seen(options, data_dir, doubt)

    def is_there(self, data_dir: Path) -> bool:
        """Whether there is anything to open."""
        return has_database(data_dir / "rocksdb")

    @contextmanager
    def look(
        self, options: Mapping[str, object], data_dir: Path, *, accepts_loss: bool = False
    ) -> Iterator[RocksMap | None]:
        """What is there, for reading; None when there is nothing. Raises as a call does."""
        chosen, directory = options_of(options), data_dir / "rocksdb"
        known = recorded(data_dir / WITNESS_NAME)
        if not has_database(directory):
            if known is not None and known.sequence and not accepts_loss:
                raise MetadataBehind(f"The folder {directory} is gone or empty. {_BEHIND_ADVICE}")
            yield None
            return
        lack = missing_of(directory, known)
        if lack and not accepts_loss:
            raise MetadataBehind(f"In {directory} {lack}. {_BEHIND_ADVICE}")
        ballast, names, buffer_bytes = reserves_of(chosen, data_dir)
        database = _open(directory, chosen, buffer_bytes, AccessType.read_only(False))
        map = RocksMap(database, ballast, names, _opened(directory))
        try:
            check_tables(directory, database.live_files())
            sequence = database.latest_sequence_number()
            if known is not None and sequence < known.sequence:
                lack = lack or f"change {sequence} is the newest, but {known.sequence} was on the disk already"
                if not accepts_loss:
                    raise MetadataBehind(f"In {directory} {lack}. {_BEHIND_ADVICE}")
            map.doubt = LOST if lack else UNPROVED if known is None else ""
            yield map
        finally:
            map.close()

    def open_seen(self, options: Mapping[str, object], data_dir: Path, doubt: str) -> RocksMap:
        """Open, with the doubt of the look just before. Raises as a call does."""
        chosen, directory = options_of(options), data_dir / "rocksdb"
        _make_directory(directory)
        creates = not has_database(directory)
        ballast, names, buffer_bytes = reserves_of(chosen, data_dir)
        try:
            database = _open(directory, chosen, buffer_bytes, AccessType.read_write(), creates=creates)
        except SpaceExhausted as error:
            reserve = names if isinstance(error, NamesExhausted) else ballast
            if not reserve.drop():
                raise
            database = _open(directory, chosen, buffer_bytes, AccessType.read_write(), creates=creates)
        ballast.hold()
        names.hold()
        witness = open_witness(data_dir / WITNESS_NAME, directory, database.latest_sequence_number())
        return RocksMap(database, ballast, names, _opened(directory), witness, doubt)


open_rocksdb: Final = takes(RocksOptions)(RocksEngine())


def _opened(directory: Path) -> int:
    return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _open(
    directory: Path, chosen: RocksOptions, buffer_bytes: int, access: AccessType, *, creates: bool = False
) -> Rdict:
    options = _database_options(chosen, buffer_bytes)
    options.create_if_missing(creates)
    try:
        return Rdict(str(directory), options, access_type=access)
    except Exception as error:
        raise _opening_refusal(error, directory) from None


def _opening_refusal(error: Exception, directory: Path) -> EngineError:
    told = _translated(error, _OPENING_ERRORS, f"{directory}: ")
    if isinstance(told, SpaceExhausted) and look_at(directory.parent).lacks_names:
        return NamesExhausted(f"{directory}: delete some files on its file system and start again.")
    return told


def _database_options(chosen: RocksOptions, buffer_bytes: int) -> Options:
    tables = BlockBasedOptions()
    tables.set_block_cache(Cache(chosen.block_cache_size_bytes))
    tables.set_cache_index_and_filter_blocks(True)  # so that the cache bounds them too
    tables.set_pin_l0_filter_and_index_blocks_in_cache(True)
    tables.set_bloom_filter(BLOOM_BITS_PER_KEY, False)
    tables.set_format_version(5)

    options = Options(raw_mode=True)
    options.set_block_based_table_factory(tables)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_paranoid_checks(True)
    options.set_wal_recovery_mode(DBRecoveryMode.tolerate_corrupted_tail_records())
    options.set_max_total_wal_size(min(LOG_SIZE_BYTES_MAX, 2 * buffer_bytes))
    options.set_write_buffer_size(buffer_bytes)
    options.set_target_file_size_base(min(TABLE_SIZE_BYTES, 2 * buffer_bytes))
    options.set_max_write_buffer_number(2)
    options.set_level_compaction_dynamic_level_bytes(True)
    options.set_max_background_jobs(BACKGROUND_JOBS)
    options.set_bytes_per_sync(MIB)  # spreads the writing back of tables, so that no log fsync waits behind one
    options.set_max_open_files(shares(descriptors_granted()).tables)
    options.set_skip_stats_update_on_db_open(True)
    options.set_max_manifest_file_size(16 * MIB)
    options.set_keep_log_file_num(4)
    options.set_max_log_file_size(4 * MIB)
    return options


def _make_directory(directory: Path) -> None:
    """Create it for this user alone, and its name durably: RocksDB syncs what is in it, not what it is in."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        parent = os.open(directory.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)
    except OSError as error:
        raise _opening_refusal(error, directory) from None


def _translated(
    error: Exception, table: tuple[tuple[str, type[EngineError], str], ...], where: str = ""
) -> EngineError:
    if isinstance(error, DbClosedError):
        return EngineClosed()
    text = str(error)
    kind, advice = next((kind, advice) for part, kind, advice in table if part in text)
    return kind(f"{where}{text}. {advice}".rstrip())
