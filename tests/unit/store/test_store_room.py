"""Garbage goes as soon as nobody reads it, and a write that finds no space waits for that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from nimbus.base.errors import SpaceExhausted
from nimbus.data.api import Writer
from nimbus.data.memory import MemoryDataStore
from nimbus.store.reclaiming import collector
from nimbus.store.reclaiming.leases import IsRead, no_other_readers
from tests.unit.store.node import running


class FullData(MemoryDataStore):
    """Has room for so many locations."""

    room = 2

    def writer(self, size_hint: int | None) -> Writer:
        if len(self._objects) >= self.room:
            raise SpaceExhausted
        return super().writer(size_hint)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (it happens in another task and on threads)
            await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def rounds_are_far_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "ROUND_S", 3600.0)


async def test_a_write_that_finds_no_space_waits_for_garbage_to_be_freed() -> None:
    async with running(data=FullData(), readers=no_other_readers) as node:
        await node.store.create_bucket("b", "owner", "")
        for number in range(10):
            await node.put("k", b"%d" % number)
        assert await node.get("k") == b"9"


async def test_without_garbage_a_full_disk_is_told_at_once() -> None:
    async with running(data=FullData(), readers=no_other_readers) as node:
        await node.store.create_bucket("b", "owner", "")
        await node.put("k", b"1")
        await node.put("l", b"2")
        async with asyncio.timeout(2):
            with pytest.raises(SpaceExhausted):
                await node.put("m", b"3")


async def test_garbage_that_somebody_reads_is_no_room_and_goes_when_he_is_done() -> None:
    async with running(data=FullData(), readers=no_other_readers) as node:
        await node.store.create_bucket("b", "owner", "")
        release = node.store.hold(await node.put("k", b"1"))
        await node.put("k", b"2")
        with pytest.raises(SpaceExhausted):
            await node.put("k", b"3")
        release()
        await until(lambda: node.stored() == 1)
        await node.put("k", b"3")


async def test_what_readers_without_a_lease_read_stays_until_its_grace_is_over() -> None:
    read: set[bytes] = set()

    async def readers() -> IsRead:
        return read.__contains__

    async with running(readers=readers, garbage_grace_s=60) as node:
        await node.store.create_bucket("b", "owner", "")
        read |= {extent.location for extent in (await node.put("k", b"read")).extents}
        await node.put("k", b"not read")
        await node.put("k", b"stays")
        await node.store._collector.make_room(20)
        assert node.stored() == 2
        node.clock.advance(60)
        await node.store._collector.make_room(20)
        assert node.stored() == 1


async def test_much_that_is_displaced_begins_a_round_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "HURRY_SIZE_BYTES", 1000)
    async with running(readers=no_other_readers) as node:
        await node.store.create_bucket("b", "owner", "")
        await node.put("k", bytes(600))
        await node.put("k", bytes(600))
        assert node.stored() == 2
        await node.put("k", bytes(600))
        await until(lambda: node.stored() == 1)


async def test_parts_of_an_object_are_held_while_its_manifest_is_read() -> None:
    async with running(readers=no_other_readers) as node:
        await node.store.create_bucket("b", "owner", "")
        record = await node.put_multipart("k", dict.fromkeys(range(1, 100), b"part"))
        looking = asyncio.create_task(node.store.part_span(record, 99))
        await node.store.delete_object("b", "k", None)
        await node.store._collector.make_room(20)
        assert (await looking)[1] is not None
