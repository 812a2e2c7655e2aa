"""What the local engine does beside the contract: space that comes back, failures that are remembered."""

from __future__ import annotations

import asyncio
import errno
import os
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from nimbus.base.clock import ManualClock
from nimbus.base.errors import (
    ConfigInvalid,
    DataDamaged,
    DirectoryDamaged,
    DirectoryLocked,
    EngineError,
    SpaceExhausted,
    StoreReadOnly,
)
from nimbus.base.limits import MIB
from nimbus.data.disk import Disk, Health
from nimbus.data.epochs import EPOCH_AGE_S_MAX, SETTLE_S
from nimbus.data.local import LocalDataStore, LocalOptions, open_local
from nimbus.data.location import FRAME, Location, unpack
from nimbus.testing.data import load_bytes, payload_of, store_bytes

OPTIONS = LocalOptions(reserve_bytes=0, segment_size_bytes_max=1 << 20)


class FaultyDisk(Disk):
    """A disk that fails when a test says so."""

    def __init__(self, health: Health, reserve_bytes: int) -> None:
        super().__init__(health, reserve_bytes)
        self.is_full = False
        self.sync_fails = False
        self.syncs = 0

    def append_frames(self, fd: int, seed: int, offset: int, frames: list[tuple[bytes | None, int, int]]) -> None:
        if self.is_full:
            super().append_frames(fd, seed, offset, frames[: len(frames) // 2])
            raise self._write_failure(OSError(errno.ENOSPC, "No space left on device"))
        super().append_frames(fd, seed, offset, frames)

    def write(self, fd: int, chunks: list[bytes], offset: int) -> None:
        if self.is_full:
            raise self._write_failure(OSError(errno.ENOSPC, "No space left on device"))
        super().write(fd, chunks, offset)

    def sync_file(self, fd: int) -> None:
        self.syncs += 1
        if self.sync_fails:
            self.sync_fails = False  # as the kernel does: the next one would succeed
            os.close(os.dup(fd))
            self._health.fail("fdatasync: Input/output error.")
            raise StoreReadOnly("fdatasync: Input/output error.")
        super().sync_file(fd)


def open_faulty(tmp_path: Path, clock: ManualClock | None = None) -> tuple[LocalDataStore, FaultyDisk]:
    store = LocalDataStore(tmp_path / "data", OPTIONS, clock, FaultyDisk)
    assert isinstance(store.disk, FaultyDisk)
    return store, store.disk


def files_of(store: LocalDataStore) -> list[Path]:
    return sorted(path for path in store._directory.root.rglob("*") if path.suffix in (".seg", ".blob"))


def change_file(store: LocalDataStore, location: bytes, change: Callable[[bytes], bytes]) -> None:
    path = Path(store.descriptor(location).path)
    path.write_bytes(change(path.read_bytes()))


def flipped(stored: bytes, position: int) -> bytes:
    return stored[:position] + bytes([stored[position] ^ 0xFF]) + stored[position + 1 :]


async def finish_one(store: LocalDataStore, payload: bytes) -> bytes:
    writer = store.writer(None)
    await writer.write(payload)
    return await writer.finish()


async def test_a_group_costs_one_sync(tmp_path: Path) -> None:
    store, disk = open_faulty(tmp_path)
    for index in range(100):
        await finish_one(store, payload_of(1000, index))
    store.sync()
    assert disk.syncs == 1
    store.sync()
    assert disk.syncs == 1
    store.close()


async def test_a_failed_sync_makes_the_store_read_only_for_ever(tmp_path: Path) -> None:
    store, disk = open_faulty(tmp_path)
    kept = await store_bytes(store, b"kept")
    await finish_one(store, b"lost")
    disk.sync_fails = True
    with pytest.raises(StoreReadOnly):
        store.sync()
    for refused in (store.sync, lambda: store.writer(None)):
        with pytest.raises(StoreReadOnly):
            refused()
    assert await load_bytes(store, kept, 0, 4) == b"kept"
    store.close()


async def test_a_failed_sync_of_a_large_file_makes_the_store_read_only(tmp_path: Path) -> None:
    store, disk = open_faulty(tmp_path)
    writer = store.writer(None)
    await writer.write(payload_of(MIB))
    disk.sync_fails = True
    with pytest.raises(StoreReadOnly):
        await writer.finish()
    await writer.abort()
    assert files_of(store) == []
    with pytest.raises(StoreReadOnly):
        store.writer(None)
    store.close()


async def test_a_full_disk_fails_the_group_and_leaves_the_engine_usable(tmp_path: Path) -> None:
    store, disk = open_faulty(tmp_path)
    before = await store_bytes(store, b"before")
    disk.is_full = True
    failed = [await finish_one(store, payload_of(5000, index)) for index in range(4)]
    with pytest.raises(SpaceExhausted):
        store.sync()
    for location in failed:
        store.drop(location)
    store.sync()  # nothing is left to write
    disk.is_full = False
    after = await store_bytes(store, b"after")
    assert await load_bytes(store, before, 0, 6) == b"before"
    assert await load_bytes(store, after, 0, 5) == b"after"
    store.close()


async def test_no_sync_succeeds_while_a_frame_from_before_it_is_not_on_the_disk(tmp_path: Path) -> None:
    store, disk = open_faulty(tmp_path)
    disk.is_full = True
    late = await finish_one(store, b"late")
    for _ in range(2):
        with pytest.raises(SpaceExhausted):
            store.sync()
    disk.is_full = False
    store.sync()
    store.close()
    store, _ = open_faulty(tmp_path)
    assert await load_bytes(store, late, 0, 4) == b"late"
    store.close()


async def test_a_full_disk_fails_a_large_stream_and_abort_removes_it(tmp_path: Path) -> None:
    store, disk = open_faulty(tmp_path)
    writer = store.writer(None)
    await writer.write(payload_of(MIB))
    disk.is_full = True

    async def write_on() -> None:
        for _ in range(3):
            await writer.write(payload_of(MIB))

    with pytest.raises(SpaceExhausted):
        await write_on()
    with pytest.raises((SpaceExhausted, EngineError)):
        await writer.finish()
    await writer.abort()
    assert files_of(store) == []
    store.close()


async def test_the_last_bytes_of_the_disk_are_kept_free(tmp_path: Path) -> None:
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    store = LocalDataStore(tmp_path / "data", LocalOptions(reserve_bytes=free * 2))
    with pytest.raises(SpaceExhausted):
        store.writer(None)
    store.close()


def test_far_from_full_the_free_space_is_looked_at_once_in_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    free_blocks = 1 << 20

    def statvfs(directory: Path) -> SimpleNamespace:
        nonlocal looks
        looks += 1
        return SimpleNamespace(f_blocks=1 << 21, f_bavail=free_blocks, f_frsize=4096, f_files=0, f_favail=0)

    monkeypatch.setattr(os, "statvfs", statvfs)
    disk = Disk(Health(), MIB)
    for _ in range(1000):
        disk.check_space(tmp_path, 4096)
    assert looks == 1
    free_blocks = 257
    with pytest.raises(SpaceExhausted):
        disk.check_space(tmp_path, 1 << 30)
    for _ in range(3):
        disk.check_space(tmp_path, 4096)
    assert looks == 5, "near the end every write asks"


async def test_a_stream_announced_as_short_is_written_in_one_go(tmp_path: Path) -> None:
    store, _ = open_faulty(tmp_path)
    writer = store.writer(MIB)
    for start in range(0, MIB, MIB // 4):
        await writer.write(payload_of(MIB)[start : start + MIB // 4])
    assert files_of(store) == []
    location = await writer.finish()
    assert len(files_of(store)) == 1
    assert await load_bytes(store, location, 0, MIB) == payload_of(MIB)
    store.close()


async def test_a_stream_longer_than_announced_is_held_no_longer(tmp_path: Path) -> None:
    store, _ = open_faulty(tmp_path)
    writer = store.writer(1)
    for _ in range(8):  # a second batch waits for the first one, so that one is in its file
        await writer.write(payload_of(MIB))
    assert len(files_of(store)) == 1
    location = await writer.finish()
    assert await load_bytes(store, location, MIB, 3 * MIB) == payload_of(MIB) * 2
    store.close()


async def test_a_cancelled_upload_leaves_no_file(tmp_path: Path) -> None:
    store, _ = open_faulty(tmp_path)
    writer = store.writer(None)

    async def upload() -> None:
        for index in range(1000):
            await writer.write(payload_of(MIB, index % 3))

    await writer.write(payload_of(MIB))
    await writer.write(payload_of(MIB))
    assert len(files_of(store)) == 1
    task = asyncio.create_task(upload())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await writer.abort()
    assert files_of(store) == []
    store.close()


async def test_a_write_that_was_cancelled_leaves_no_gap(tmp_path: Path) -> None:
    store, _ = open_faulty(tmp_path)
    writer = store.writer(None)
    payloads = [payload_of(MIB, index) for index in range(3)]
    await writer.write(payloads[0])
    for payload in payloads[1:]:
        task = asyncio.create_task(writer.write(payload))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    location = await writer.finish()
    store.sync()
    assert await load_bytes(store, location, 0, 3 * MIB) == b"".join(payloads)
    store.close()


async def test_closing_discards_streams_in_flight(tmp_path: Path) -> None:
    store, _ = open_faulty(tmp_path)
    writer = store.writer(None)
    await writer.write(payload_of(MIB))
    store.close()
    assert files_of(store) == []
    await writer.abort()


async def test_a_segment_goes_when_its_last_frame_is_dropped(tmp_path: Path) -> None:
    store, _ = open_faulty(tmp_path)
    locations = [await store_bytes(store, payload_of(100_000, index)) for index in range(30)]
    assert len(files_of(store)) == 3
    for location in locations[:10]:
        store.drop(location)
    assert len(files_of(store)) == 2
    for location in locations[10:]:
        store.drop(location)
    store.close()
    assert files_of(store) == []


async def test_a_segment_of_an_earlier_run_is_counted_and_goes_too(tmp_path: Path) -> None:
    store, _ = open_faulty(tmp_path)
    locations = [await store_bytes(store, payload_of(5000, index)) for index in range(5)]
    store.drop(locations[0])
    store.close()
    store, _ = open_faulty(tmp_path)
    for location in locations[:4]:
        store.drop(location)
        store.drop(location)
    assert await load_bytes(store, locations[4], 0, 5000) == payload_of(5000, 4)
    store.drop(locations[4])
    assert files_of(store) == []
    assert not list(store._directory.root.glob("0*/*"))
    store.close()


async def test_a_dropped_frame_gives_its_pages_back_at_once(tmp_path: Path) -> None:
    store, _ = open_faulty(tmp_path)
    dropped = await store_bytes(store, payload_of(200_000))
    kept = await store_bytes(store, payload_of(5000))
    before = os.stat(store.descriptor(dropped).path).st_blocks * 512
    store.drop(dropped)
    after = os.stat(store.descriptor(kept).path).st_blocks * 512
    assert before - after >= 200_000 - 2 * 4096
    assert await load_bytes(store, kept, 0, 5000) == payload_of(5000)
    store.close()


@pytest.mark.parametrize("is_reopened", [False, True])
async def test_dead_neighbours_give_the_pages_between_them_back(tmp_path: Path, is_reopened: bool) -> None:
    store, _ = open_faulty(tmp_path)
    locations = [await finish_one(store, payload_of(4000, index)) for index in range(1000)]
    store.sync()
    if is_reopened:
        store.close()
        store, _ = open_faulty(tmp_path)
    path = store.descriptor(locations[0]).path
    within = [location for location in locations if store.descriptor(location).path == path]
    before = os.stat(path).st_blocks * 512
    chance = random.Random(5)
    dropped = set(chance.sample(within, len(within) * 9 // 10))
    for location in dropped:
        store.drop(location)
    after = os.stat(path).st_blocks * 512
    assert after < before * 0.35, "a tenth is alive, with at worst a page more for each run"
    for location in chance.sample(sorted(dropped), 50):
        store.drop(location)
    store.close()
    store, _ = open_faulty(tmp_path)
    for index, location in enumerate(locations):
        if location not in dropped:
            assert await load_bytes(store, location, 0, 4000) == payload_of(4000, index)
            store.drop(location)
    store.close()
    assert files_of(store) == []


async def test_a_damaged_header_does_not_cost_the_payload(tmp_path: Path) -> None:
    store, _ = open_faulty(tmp_path)
    locations = [await store_bytes(store, payload_of(5000, index)) for index in range(3)]
    change_file(store, locations[1], lambda stored: flipped(stored, unpack(locations[1]).offset + 9))
    store.close()
    store, _ = open_faulty(tmp_path)
    for location in (locations[0], locations[2]):
        store.drop(location)
    assert await load_bytes(store, locations[1], 0, 5000) == payload_of(5000, 1)
    store.close()


async def test_swapped_blocks_of_a_blob_are_found(tmp_path: Path) -> None:
    store, _ = open_faulty(tmp_path)
    location = await store_bytes(store, payload_of(MIB))
    change_file(store, location, lambda stored: stored[262_144:524_288] + stored[:262_144] + stored[524_288:])
    with pytest.raises(DataDamaged):
        await load_bytes(store, location, 0, 10)
    store.close()


async def test_a_blob_swapped_for_another_is_found(tmp_path: Path) -> None:
    store, _ = open_faulty(tmp_path)
    first, second = [await store_bytes(store, payload_of(MIB, index)) for index in range(2)]
    change_file(store, second, lambda other: change_file(store, first, lambda _: other) or other)
    with pytest.raises(DataDamaged):
        await load_bytes(store, first, 0, 10)
    store.close()


async def test_a_blob_with_a_damaged_footer_is_still_listed_under_its_name(tmp_path: Path) -> None:
    store, _ = open_faulty(tmp_path)
    location = await store_bytes(store, payload_of(MIB + 5))
    change_file(store, location, lambda stored: flipped(stored, len(stored) - 1))
    store._directory.unlock()  # as a kill does
    reopened, _ = open_faulty(tmp_path)
    assert list(reopened.unsettled()) == [location]
    reopened.close()
    store.health.close()


async def test_the_floor_follows_finished_epochs_only(tmp_path: Path) -> None:
    clock = ManualClock()
    store, _ = open_faulty(tmp_path, clock)
    await store_bytes(store, payload_of(MIB))
    stuck = store.writer(None)
    for _ in range(2):  # the second waits until the first is on the disk
        await stuck.write(payload_of(MIB))
    clock.advance(EPOCH_AGE_S_MAX)
    await store_bytes(store, payload_of(MIB))
    clock.advance(SETTLE_S)
    store.sync()
    assert store._directory.floor == 0, "a stream of epoch 0 is still open"
    await stuck.finish()
    store.sync()
    assert store._directory.floor == 0, "it has finished just now"
    clock.advance(SETTLE_S)
    store.sync()
    assert store._directory.floor == 1
    store.close()
    assert store._directory.floor == 2


async def test_an_old_open_segment_is_replaced(tmp_path: Path) -> None:
    clock = ManualClock()
    store, _ = open_faulty(tmp_path, clock)
    first = await store_bytes(store, b"a")
    clock.advance(EPOCH_AGE_S_MAX)
    second = await store_bytes(store, b"b")
    assert unpack(first).epoch == 0
    assert unpack(second).epoch == 1
    store.close()


def test_two_engines_cannot_share_a_directory(tmp_path: Path) -> None:
    store = LocalDataStore(tmp_path, OPTIONS)
    with pytest.raises(DirectoryLocked):
        LocalDataStore(tmp_path, OPTIONS)
    store.close()
    LocalDataStore(tmp_path, OPTIONS).close()


def test_a_strange_directory_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(DirectoryDamaged, match=r"holiday\.jpg"):
        LocalDataStore(tmp_path, OPTIONS)


def test_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "FORMAT").write_bytes(b"nimbus-data 2\n")
    with pytest.raises(DirectoryDamaged, match="nimbus-data 2"):
        LocalDataStore(tmp_path, OPTIONS)


def test_a_file_where_the_directory_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"")
    with pytest.raises(DirectoryDamaged):
        LocalDataStore(tmp_path / "data", OPTIONS)


async def test_a_broken_checkpoint_only_makes_the_sweep_longer(tmp_path: Path) -> None:
    store = LocalDataStore(tmp_path, OPTIONS)
    location = await store_bytes(store, b"abc")
    store.close()
    for content in (b"", b"{", b'{"floor": -5}', b'{"floor": "x"}', b"[]"):
        (tmp_path / "CHECKPOINT").write_bytes(content)
        store = LocalDataStore(tmp_path, OPTIONS)
        assert list(store.unsettled()) == [location]
        store.close()
        (tmp_path / "CHECKPOINT").unlink()


@pytest.mark.parametrize(
    "options", [{"io_threads": 0}, {"io_threads": "many"}, {"reserve_bytes": -1}, {"colour": "red"}]
)
def test_bad_options_are_named(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(ConfigInvalid, match=next(iter(options))):
        open_local(options, tmp_path)


def test_location_has_its_documented_bytes() -> None:
    location = Location(FRAME, 0x01020304, bytes(range(16)), 0x0A0B0C0D, 5, 6)
    packed = b"\x01\x04\x03\x02\x01" + bytes(range(16)) + b"\x0d\x0c\x0b\x0a" + b"\x05" + bytes(7) + b"\x06" + bytes(7)
    assert location.pack() == packed
    assert unpack(packed) == location


async def test_start_does_not_look_at_what_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = open_faulty(tmp_path)
    for index in range(3):
        await store_bytes(store, payload_of(400_000, index))
    store.close()
    listed: list[Path] = []

    def listdir(path: Path) -> list[str]:
        listed.append(Path(path))
        return [entry.name for entry in os.scandir(path)]

    monkeypatch.setattr(os, "listdir", listdir)
    store, _ = open_faulty(tmp_path)
    assert list(store.unsettled()) == []
    assert listed, "the test watches the right call"
    assert store._directory.epoch_path(0) not in listed
    store.close()
