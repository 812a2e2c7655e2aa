"""Every single damaged byte under a stored object is found by the read that would hand it out."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from nimbus._native.blocks import FOOTER_SIZE_BYTES
from nimbus.base.errors import DataDamaged, NimbusError
from nimbus.base.limits import READ_SIZE_BYTES
from nimbus.data.blobs import HASH_SIZE_BYTES
from nimbus.data.local import LocalDataStore, LocalOptions
from nimbus.testing.data import load_bytes, payload_of, store_bytes

OPTIONS = LocalOptions(reserve_bytes=0)


def flip(path: Path, position: int, mask: int) -> None:
    fd = os.open(path, os.O_RDWR)
    byte = os.pread(fd, 1, position)
    os.pwrite(fd, bytes([byte[0] ^ mask]), position)
    os.close(fd)


@pytest.mark.parametrize("size", [1500, 262_144, 900_000])
async def test_no_flipped_byte_is_handed_out(tmp_path: Path, size: int) -> None:
    chance = random.Random(size)
    store = LocalDataStore(tmp_path, OPTIONS)
    location = await store_bytes(store, payload_of(size))
    where = store.descriptor(location)
    positions = range(size) if size < 2000 else chance.sample(range(size), 1500)
    for position in positions:
        mask = 1 << chance.randrange(8)
        flip(Path(where.path), where.offset + position, mask)
        start, end = max(0, position - 100), min(size, position + 100)
        with pytest.raises(DataDamaged):
            await load_bytes(store, location, start, end)
        flip(Path(where.path), where.offset + position, mask)
    assert await load_bytes(store, location, 0, size) == payload_of(size)
    store.close()


async def test_no_flipped_byte_of_a_table_or_footer_changes_what_is_read(tmp_path: Path) -> None:
    size = 900_000
    store = LocalDataStore(tmp_path, OPTIONS)
    location = await store_bytes(store, payload_of(size))
    path = Path(store.descriptor(location).path)
    for position in range(size, size + 4 * HASH_SIZE_BYTES + FOOTER_SIZE_BYTES):
        store.close()
        flip(path, position, 0x10)
        store = LocalDataStore(tmp_path, OPTIONS)
        try:
            assert await load_bytes(store, location, 0, size) == payload_of(size)
        except DataDamaged:
            assert position < size + 4 * HASH_SIZE_BYTES, "only the table is needed for reading"
        flip(path, position, 0x10)
    store.close()


@pytest.mark.parametrize("size", [5000, 900_000])
async def test_no_flipped_byte_of_a_location_hands_out_anything(tmp_path: Path, size: int) -> None:
    store = LocalDataStore(tmp_path, OPTIONS)
    await store_bytes(store, payload_of(size, 1))
    location = await store_bytes(store, payload_of(size))
    await store_bytes(store, payload_of(size, 2))
    for bit in range(8 * len(location)):
        wrong = bytearray(location)
        wrong[bit // 8] ^= 1 << bit % 8
        with pytest.raises(NimbusError):
            await load_bytes(store, bytes(wrong), 0, min(store.size(bytes(wrong)), READ_SIZE_BYTES))
    store.close()


@pytest.mark.parametrize("size", [5000, 900_000])
async def test_a_file_cut_short_is_found(tmp_path: Path, size: int) -> None:
    store = LocalDataStore(tmp_path, OPTIONS)
    location = await store_bytes(store, payload_of(size))
    os.truncate(store.descriptor(location).path, size // 2)
    with pytest.raises(DataDamaged):
        await load_bytes(store, location, 0, size)
    store.close()
