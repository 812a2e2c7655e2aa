"""Bytes are freed only when nothing, not even a power cut, can bring their record back."""

from __future__ import annotations

import asyncio
import threading

from nimbus.data.memory import MemoryDataStore
from nimbus.meta.memory import MemoryMap
from tests.unit.store.node import running


class HeldSyncMap(MemoryMap):
    """While `may_sync` is clear, nothing becomes durable."""

    def __init__(self) -> None:
        super().__init__()
        self.may_sync = threading.Event()
        self.may_sync.set()
        self.is_syncing = threading.Event()

    def sync(self) -> None:
        if not self.may_sync.is_set():
            self.is_syncing.set()
        assert self.may_sync.wait(20)
        super().sync()


class WatchedData(MemoryDataStore):
    """Notes whether each drop came while a sync was held up."""

    def __init__(self, map: HeldSyncMap) -> None:
        super().__init__()
        self._map = map
        self.early_drops = 0

    def drop(self, location: bytes) -> None:
        self.early_drops += not self._map.may_sync.is_set()
        super().drop(location)


async def test_displaced_bytes_stay_until_the_step_that_displaced_them_is_durable() -> None:
    map = HeldSyncMap()
    data = WatchedData(map)
    async with running(map, data) as node:
        await node.store.create_bucket("b", "owner", "")
        await node.put("k", b"old")
        map.may_sync.clear()
        overwrite = asyncio.ensure_future(node.put("k", b"new"))
        await asyncio.to_thread(map.is_syncing.wait, 20)
        await asyncio.wait_for(node.store.collect_garbage(), 20)
        assert await node.get("k") == b"old"
        assert node.stored() == 2
        map.may_sync.set()
        await overwrite
        await node.store.collect_garbage()
        assert data.early_drops == 0
        assert node.stored() == 1
