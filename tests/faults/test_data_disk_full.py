"""The local data engine on a disk that is really full: writes are refused, nothing else breaks, space comes back."""

from __future__ import annotations

from collections.abc import Iterator
from glob import glob
from pathlib import Path

import pytest

from nimbus.base.errors import SpaceExhausted
from nimbus.base.limits import MIB
from nimbus.data.local import LocalDataStore, LocalOptions
from nimbus.testing.data import load_bytes, payload_of
from tests.faults.mounts import loop_disk, memory_disk

pytestmark = pytest.mark.serial

DISK_SIZE = 24 * MIB


@pytest.fixture(params=["tmpfs", "ext4"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    if request.param == "ext4":
        with loop_disk(tmp_path, DISK_SIZE) as disk:
            yield disk.root / "data"
        return
    with memory_disk(tmp_path / "disk", f"size={DISK_SIZE}") as mounted:
        yield mounted / "data"


async def fill(store: LocalDataStore, size: int, kept: dict[bytes, bytes]) -> None:
    """Write objects until the disk refuses; those that were synced go to `kept`. The failed one is cleaned up."""
    for index in range(2 * DISK_SIZE // size):
        payload = payload_of(size, index)
        writer = store.writer(None)
        try:
            await writer.write(payload)
            location = await writer.finish()
        except SpaceExhausted:
            await writer.abort()
            raise
        try:
            store.sync()
        except SpaceExhausted:
            store.drop(location)
            raise
        kept[location] = payload


@pytest.mark.parametrize("size", [100_000, 1 * MIB])
async def test_a_full_disk_refuses_and_recovers(root: Path, size: int) -> None:
    store = LocalDataStore(root, LocalOptions(reserve_bytes=0, segment_size_bytes_max=MIB))
    kept: dict[bytes, bytes] = {}
    with pytest.raises(SpaceExhausted):
        await fill(store, size, kept)
    assert len(kept) * size > DISK_SIZE // 2
    for location, payload in kept.items():
        assert await load_bytes(store, location, 0, size) == payload
    for location in list(kept)[: len(kept) // 2]:
        store.drop(location)
        del kept[location]
    before = len(kept)
    with pytest.raises(SpaceExhausted):
        await fill(store, size, kept)
    assert len(kept) > before * 1.5
    store.close()

    store = LocalDataStore(root, LocalOptions(reserve_bytes=0))
    for location, payload in kept.items():
        assert await load_bytes(store, location, 0, size) == payload
        store.drop(location)
    store.close()
    assert not glob(f"{root}/*/*/*")
