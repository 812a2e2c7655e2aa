"""The local data engine on a real ext4 whose power is cut: everything that was synced is there, checked and listed.

`FS_IOC_SHUTDOWN` without a log flush stops the file system at once; what was neither synced nor written back is gone
when it is mounted again. Needs root and loop devices.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from nimbus.base.errors import NimbusError
from nimbus.base.limits import MIB
from nimbus.data.disk import Disk
from nimbus.data.local import LocalDataStore, LocalOptions
from nimbus.testing.data import load_bytes, payload_of
from tests.faults.mounts import LoopDisk, loop_disk

pytestmark = pytest.mark.serial

OPTIONS = LocalOptions(reserve_bytes=0, segment_size_bytes_max=1 << 20)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[LoopDisk]:
    with loop_disk(tmp_path, 96 * MIB) as disk:
        yield disk


async def write_group(store: LocalDataStore, chance: random.Random) -> dict[bytes, bytes]:
    """Some objects of all kinds, finished and not yet synced, by location."""
    group = {}
    for _ in range(chance.randrange(1, 8)):
        payload = payload_of(chance.choice([0, 1, 100, 4096, 30_000, 262_144, 262_145, 700_000]), chance.random())
        writer = store.writer(None)
        await writer.write(payload)
        group[await writer.finish()] = payload
    return group


async def abandon(store: LocalDataStore, disk: LoopDisk) -> None:
    """Cut the power and let go of everything, as the end of the process would."""
    disk.cut_power()
    await asyncio.to_thread(store.close)
    disk.unmount()
    disk.mount()


async def churn(store: LocalDataStore, chance: random.Random) -> dict[bytes, bytes]:
    """Fill segments and drop most of it again, so that runs of dead frames are merged; what is left."""
    kept = {}
    for index in range(300):
        payload = payload_of(5000, index)
        writer = store.writer(None)
        await writer.write(payload)
        kept[await writer.finish()] = payload
    store.sync()
    for location in chance.sample(sorted(kept), 240):
        store.drop(location)
        del kept[location]
    return kept


@pytest.mark.parametrize("seed", range(4))
async def test_a_power_cut_takes_nothing_that_was_synced(disk: LoopDisk, seed: int) -> None:
    chance = random.Random(seed)
    kept: dict[bytes, bytes] = {}
    for _ in range(3):
        store = LocalDataStore(disk.root / "data", OPTIONS)
        for _ in range(chance.randrange(1, 12)):
            group = await write_group(store, chance)
            store.sync()
            kept |= group
            if chance.random() < 0.3:
                store.drop(dropped := chance.choice(list(kept)))
                del kept[dropped]
        kept |= await churn(store, chance)
        await write_group(store, chance)  # nobody syncs these
        stream = store.writer(None)
        await stream.write(payload_of(600_000))
        await abandon(store, disk)

        store = LocalDataStore(disk.root / "data", OPTIONS)
        listed = set(store.unsettled())
        for location in listed - kept.keys():
            store.drop(location)
        store.settled()
        for location, payload in kept.items():
            assert await load_bytes(store, location, 0, len(payload)) == payload
        store.close()


class ForgetfulDisk(Disk):
    """A disk whose syncs do nothing."""

    def sync_file(self, fd: int) -> None:
        pass

    def sync_directory(self, path: Path) -> None:
        pass


async def test_the_power_cut_is_one_because_without_sync_everything_is_lost(disk: LoopDisk) -> None:
    LocalDataStore(disk.root / "data", OPTIONS).close()
    store = LocalDataStore(disk.root / "data", OPTIONS, disk_type=ForgetfulDisk)
    group = await write_group(store, random.Random(1))
    store.sync()
    await abandon(store, disk)
    store = LocalDataStore(disk.root / "data", OPTIONS)
    for location, payload in group.items():
        with pytest.raises(NimbusError):
            assert await load_bytes(store, location, 0, len(payload)) is None
    store.close()


async def test_a_disk_that_dies_under_the_engine_makes_it_read_only(disk: LoopDisk) -> None:
    store = LocalDataStore(disk.root / "data", OPTIONS)
    await write_group(store, random.Random(2))
    store.sync()
    group = await write_group(store, random.Random(3))
    disk.cut_power()
    for _ in range(2):
        with pytest.raises(NimbusError, match="no writes"):
            store.sync()
    for location in group:
        with contextlib.suppress(NimbusError):
            store.drop(location)
    store.close()
