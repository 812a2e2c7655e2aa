"""The ordered map on this machine's disk: RocksDB, through rocksdict in raw mode (bytes in, bytes out).

A write goes unsynced into RocksDB's log and is visible at once; `sync` flushes and fsyncs the log for all
writes before it. Of rocksdict's calls only `flush_wal` releases the GIL, so the fsync, and nothing else that
waits, happens there. Iterators read one snapshot. RocksDB checks a checksum on every block it reads and, on
opening, every record of the log: a record cut off at the log's end was never acknowledged and is dropped,
any other damage refuses to open.

Must always hold: after a failed write or sync nothing is written any more until the directory is opened anew,
because a failed fsync leaves unknown what is on the disk; memory, log and descriptors stay within bounds.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Annotated, Final

import msgspec
from rocksdict import (
    BlockBasedOptions,
    Cache,
    DbClosedError,
    DBCompressionType,
    DBRecoveryMode,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
)

from nimbus.base.errors import (
    ConfigInvalid,
    DataDamaged,
    DirectoryDamaged,
    DirectoryLocked,
    EngineClosed,
    EngineError,
    SpaceExhausted,
    StoreReadOnly,
)
from nimbus.base.limits import MIB
from nimbus.meta.api import Capabilities
from nimbus.meta.ballast import Ballast
from nimbus.meta.envelope import check_batch

CAPABILITIES: Final = Capabilities(
    value_size_bytes_max=16 * MIB,
    txn_ops_max=100_000,
    txn_size_bytes_max=64 * MIB,
    linearizable=True,
    shared=False,
    durable=True,
)
LOG_SIZE_BYTES_MAX: Final = 64 * MIB  # replayed on opening after a crash: a quarter of a second
OPEN_FILES_MAX: Final = 512  # tables of 64 MiB: enough for a hundred million objects
BACKGROUND_JOBS: Final = 2  # flushes and compactions beside the threads that serve
BLOOM_BITS_PER_KEY: Final = 10  # one absent key in a hundred is looked for on disk

_logger = logging.getLogger(__name__)

# What RocksDB says, when it is opened and afterwards; the first text found counts.
_OPENING_ERRORS: Final = (
    ("No space left", SpaceExhausted, "Free some space on its disk and start again."),
    ("LOCK", DirectoryLocked, "Stop the other process, or give this one a directory of its own."),
    ("Corruption", DirectoryDamaged, "Its metadata is damaged; restore it from a backup or a replica."),
    ("", DirectoryDamaged, ""),
)
_RUNNING_ERRORS: Final = (
    ("No space left", SpaceExhausted, ""),
    ("Corruption", DataDamaged, ""),
    ("", EngineError, ""),
)


class RocksOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the configuration may say of this engine."""

    block_cache_size_bytes: Annotated[int, msgspec.Meta(ge=MIB)] = 64 * MIB  # blocks kept uncompressed in memory
    write_buffer_size_bytes: Annotated[int, msgspec.Meta(ge=MIB)] = 32 * MIB  # two of these before writers wait
    ballast_size_bytes: Annotated[int, msgspec.Meta(ge=0)] = 128 * MIB  # room for two write buffers and as much again


class RocksMap:
    """An `OwnedMap` in a directory of its own."""

    def __init__(self, database: Rdict, ballast: Ballast) -> None:
        self._database = database
        self._get = database.get
        self._ballast = ballast
        self._lock = Lock()  # one writer at a time; readers need none
        self._failed = ""
        self._closed = False

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def get(self, key: bytes) -> bytes | None:
        try:
            return self._get(key)
        except Exception as error:
            raise _translated(error, _RUNNING_ERRORS) from None

    def range(self, start: bytes, end: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        if start >= end or limit <= 0:
            if self._closed:
                raise EngineClosed
            return []
        try:
            return self._scan(start, end, limit, reverse)
        except Exception as error:
            raise _translated(error, _RUNNING_ERRORS) from None

    def txn(self, checks: Mapping[bytes, bytes | None], ops: Mapping[bytes, bytes | None]) -> bool:
        size_bytes = check_batch(ops, CAPABILITIES)
        with self._lock:
            if any(self.get(key) != expected for key, expected in checks.items()):
                return False
            self._write(ops, size_bytes)
        self.sync()
        return True

    def write(self, ops: Mapping[bytes, bytes | None]) -> None:
        size_bytes = check_batch(ops, CAPABILITIES)
        with self._lock:
            self._write(ops, size_bytes)

    def sync(self) -> None:
        self._check_writable()
        try:
            self._database.flush_wal(True)
        except Exception as error:
            raise self._latched(error) from None

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                self._database.close()
            except Exception as error:  # its last flush failed; whatever was synced is in the log
                _logger.warning("The metadata was closed uncleanly: %s", error)

    def _scan(self, start: bytes, end: bytes, limit: int, reverse: bool) -> list[tuple[bytes, bytes]]:
        """Row by row: rocksdict's own `items` takes a damaged block for the end of the range.

        Only the upper bound is given to RocksDB: rocksdict's `set_iterate_lower_bound` sets the upper one.
        """
        bounds = ReadOptions()
        bounds.set_iterate_upper_bound(end)
        cursor = self._database.iter(bounds)
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
            rows.append((found, value()))
            if len(rows) == limit:
                return rows
            advance()
        cursor.status()
        return rows

    def _write(self, ops: Mapping[bytes, bytes | None], size_bytes: int) -> None:
        self._check_writable()
        self._ballast.make_room(size_bytes)
        batch = WriteBatch(raw_mode=True)
        for key, value in ops.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        try:
            self._database.write(batch)
        except Exception as error:
            raise self._latched(error) from None

    def _check_writable(self) -> None:
        if self._closed:
            raise EngineClosed
        if self._failed:
            raise StoreReadOnly(self._failed)

    def _latched(self, error: Exception) -> EngineError:
        """The error to raise, after which nothing is written any more."""
        told = _translated(error, _RUNNING_ERRORS)
        if isinstance(told, EngineClosed):
            return told
        self._failed = told.detail
        return told if isinstance(told, SpaceExhausted) else StoreReadOnly(told.detail)


def open_rocksdb(options: Mapping[str, object], data_dir: Path) -> RocksMap:
    """The registry's factory: opens or creates `data_dir`/rocksdb.

    Raises `ConfigInvalid`, `DirectoryLocked`, `DirectoryDamaged`, `SpaceExhausted`.
    """
    try:
        chosen = msgspec.convert(dict(options), RocksOptions)
    except msgspec.ValidationError as error:
        raise ConfigInvalid(f"Of the metadata backend rocksdb: {error}.") from None
    directory = data_dir / "rocksdb"
    ballast = Ballast(data_dir / "rocksdb.ballast", chosen.ballast_size_bytes, 2 * chosen.write_buffer_size_bytes)
    try:
        _make_directory(directory)
        database = _open(directory, chosen)
    except SpaceExhausted:
        if not ballast.drop():
            raise
        database = _open(directory, chosen)
    ballast.hold()
    return RocksMap(database, ballast)


def _open(directory: Path, chosen: RocksOptions) -> Rdict:
    try:
        return Rdict(str(directory), _database_options(chosen))
    except Exception as error:
        raise _translated(error, _OPENING_ERRORS, f"{directory}: ") from None


def _database_options(chosen: RocksOptions) -> Options:
    tables = BlockBasedOptions()
    tables.set_block_cache(Cache(chosen.block_cache_size_bytes))
    tables.set_cache_index_and_filter_blocks(True)  # so that the cache bounds them too
    tables.set_pin_l0_filter_and_index_blocks_in_cache(True)
    tables.set_bloom_filter(BLOOM_BITS_PER_KEY, False)
    tables.set_format_version(5)

    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_block_based_table_factory(tables)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_paranoid_checks(True)
    options.set_wal_recovery_mode(DBRecoveryMode.tolerate_corrupted_tail_records())
    options.set_max_total_wal_size(LOG_SIZE_BYTES_MAX)
    options.set_write_buffer_size(chosen.write_buffer_size_bytes)
    options.set_max_write_buffer_number(2)
    options.set_level_compaction_dynamic_level_bytes(True)
    options.set_max_background_jobs(BACKGROUND_JOBS)
    options.set_bytes_per_sync(MIB)  # spreads the writing back of tables, so that no log fsync waits behind one
    options.set_max_open_files(OPEN_FILES_MAX)
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
        raise _translated(error, _OPENING_ERRORS) from None


def _translated(
    error: Exception, table: tuple[tuple[str, type[EngineError], str], ...], where: str = ""
) -> EngineError:
    if isinstance(error, DbClosedError):
        return EngineClosed()
    text = str(error)
    kind, advice = next((kind, advice) for part, kind, advice in table if part in text)
    return kind(f"{where}{text}. {advice}".rstrip())
