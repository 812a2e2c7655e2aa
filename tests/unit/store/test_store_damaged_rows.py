"""Metadata of which a block cannot be read: the listing names what is affected and, when asked to, shows the rest."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nimbus.base.clock import ManualClock
from nimbus.base.errors import DataDamaged, RowsUnreadable
from nimbus.data.memory import MemoryDataStore
from nimbus.meta import keys
from nimbus.meta.committer import OwnedCommitter
from nimbus.meta.rocksdb import RocksMap, open_rocksdb
from nimbus.metrics import names
from nimbus.store.records import Object, pack
from nimbus.store.recovery.naming import NAMING_TABLES, locations_in
from nimbus.store.store import Store

OPTIONS = {"ballast_size_bytes": 0}
ROWS = 3000
BUCKET = "training"


def key_of(number: int) -> str:
    return f"epoch/{number % 7}/{number:06}"


@asynccontextmanager
async def opened(folder: Path, *, skips: bool) -> AsyncIterator[Store]:
    map = open_rocksdb(OPTIONS, folder)
    committer = OwnedCommitter(map)
    store = Store(map, committer, MemoryDataStore(), ManualClock(), skips_damaged=skips)
    try:
        await store.start()
        yield store
    finally:
        await store.close()
        committer.close()
        map.close()


def damage(folder: Path, part: float) -> None:
    """Change a byte of the table that holds the objects."""
    table = max((folder / "rocksdb").glob("*.sst"), key=lambda path: path.stat().st_size)
    content = bytearray(table.read_bytes())
    content[int(len(content) * part)] ^= 0xFF
    table.write_bytes(content)


async def fill(folder: Path) -> None:
    async with opened(folder, skips=False) as store:
        bucket = await store.create_bucket(BUCKET, "owner", "")
        map = store._rows.map
        assert isinstance(map, RocksMap)
        for number in range(ROWS):
            record = Object(0, f"etag{number * 7919}", 0, "", "", "owner", "", ())
            map.write({keys.object(bucket.bucket_id, key_of(number).encode()): pack(record)})
        map.sync()


async def listed(store: Store, delimiter: str = "", page: int = 100) -> list[str]:
    found: list[str] = []
    after = ""
    while True:
        listing = await store.list_objects(BUCKET, "", delimiter, after, page)
        found += [key for key, _ in listing.objects] + listing.prefixes
        if not listing.truncated:
            return found
        after = listing.next_after


def reading(store: Store, name: str) -> float:
    return {
        reading.metric.name: reading.value
        for source in store.metrics
        for reading in source.read()
        if not reading.labels
    }[name]  # type: ignore[return-value]


@pytest.mark.parametrize("part", [0.1, 0.25, 0.4, 0.7])
async def test_a_listing_shows_what_can_be_read_when_the_operator_wants_it(
    tmp_path: Path, part: float, caplog: pytest.LogCaptureFixture
) -> None:
    await fill(tmp_path)
    damage(tmp_path, part)
    expected = sorted(map(key_of, range(ROWS)))
    async with opened(tmp_path, skips=True) as store:
        for page in (1000, 37):
            found = await listed(store, page=page)
            missing = [key for key in expected if key not in set(found)]
            assert found == [key for key in expected if key not in set(missing)]
            assert 0 < len(missing) < ROWS // 10
            assert missing == expected[expected.index(missing[0]) : expected.index(missing[-1]) + 1]
        assert reading(store, names.METADATA_SKIPPED.name) >= 2
        assert (await listed(store, "/")) == ["epoch/"]
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert any(f"of bucket '{BUCKET}'" in line and ".sst" in line and "leave that out" in line for line in lines), lines
    assert any(repr(expected[expected.index(missing[-1]) + 1].encode()) in line for line in lines), lines


async def test_a_listing_is_refused_by_default_and_the_log_names_the_keys_and_the_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await fill(tmp_path)
    damage(tmp_path, 0.5)
    async with opened(tmp_path, skips=False) as store:
        with pytest.raises(RowsUnreadable):
            await listed(store)
        with pytest.raises(RowsUnreadable):
            await listed(store)
        assert reading(store, names.METADATA_UNREADABLE.name) == 2
        assert reading(store, names.METADATA_SKIPPED.name) == 0
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert f"of bucket '{BUCKET}'" in line
    assert "key b'epoch/" in line
    assert ".sst" in line
    assert 'metadata.damaged = "skip"' in line


async def test_what_drops_by_what_is_not_named_never_leaves_anything_out(tmp_path: Path) -> None:
    await fill(tmp_path)
    damage(tmp_path, 0.5)
    async with opened(tmp_path, skips=True) as store:
        with pytest.raises(DataDamaged):
            list(locations_in(store._rows.map, NAMING_TABLES))
