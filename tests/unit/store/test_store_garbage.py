"""The collector and the sweep: everything is freed once, nothing that is named or read is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from nimbus.base.clock import ManualClock
from nimbus.base.errors import BucketMissing, EngineError, Overloaded
from nimbus.data.memory import MemoryDataStore
from nimbus.meta import keys
from nimbus.meta.memory import MemoryMap
from nimbus.store.reclaiming.collector import DISCARDED_MAX
from nimbus.store.reclaiming.garbage import bitmap, is_in_bitmap
from nimbus.store.records import Extent, Object, UploadedPart, pack
from nimbus.store.recovery.quarantine import Custody
from nimbus.store.recovery.sweep import Sweeper
from nimbus.store.times import http_text, iso_text
from tests.unit.store.node import Node, running


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until the background task has done it."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (what it waits for happens in another task and on threads)
            await asyncio.sleep(0)


async def test_garbage_waits_for_its_grace(node: Node) -> None:
    await node.put("k", b"first")
    await node.put("k", b"second")
    await node.store._collector._collect(3_600_000)
    assert node.stored() == 2
    node.clock.advance(3600)
    await node.store._collector._collect(3_600_000)
    assert node.stored() == 1


async def test_task_frees_on_its_own_what_commits_leave() -> None:
    async with running(garbage_grace_s=0) as node:
        await node.store.create_bucket("b", "owner", "")
        for number in range(50):
            await node.put("k", b"%d" % number)
        await until(lambda: node.stored() == 1 and not node.garbage())


async def test_rows_of_an_earlier_run_are_freed_at_the_start() -> None:
    map, data = MemoryMap(), MemoryDataStore()
    async with running(map, data) as node:
        await node.store.create_bucket("b", "owner", "")
        await node.put_multipart("k", dict.fromkeys(range(1, 100), b"part"))
        await node.store.delete_object("b", "k", None)
        await node.upload("k", {1: b"body"})
        await node.put("l", b"stays")
    assert len(data._objects) == 101
    async with running(map, data) as node:
        await node.check_nothing_leaked()
        assert node.stored() == 2
        assert await node.get("l") == b"stays"


async def test_what_accepted_metadata_wanted_freed_is_held_and_what_is_deleted_since_is_freed() -> None:
    """It may be that of a clone, whose garbage the original still names."""
    map, data = MemoryMap(), MemoryDataStore()
    async with running(map, data) as node:
        await node.store.create_bucket("b", "owner", "")
        await node.put_multipart("k", dict.fromkeys(range(1, 100), b"part"))
        await node.store.delete_object("b", "k", None)
        await node.store.abort_upload("b", "m", await node.upload("m", {1: b"first", 2: b"second"}))
        await node.put("l", b"overwritten")
        await node.put("l", b"stays")
    stored = set(data._objects)
    assert len(stored) == 103
    for _ in range(2):
        async with running(map, data, custody=Custody(b"d" * 16, 0, is_in_doubt=True, holds_garbage=True)) as node:
            await node.store.collect_garbage()
            assert (node.garbage(), node.rows(keys.parts(b"")), node.rows(keys.manifest(b""))) == ([], [], [])
            assert set(data._objects) == stored
            held = {reading.labels: reading.value for source in node.store.metrics for reading in source.read()}
            assert held["held",] == 4 * 1 + 98 * 4 + len(b"firstsecondoverwritten")
            await node.put("n", b"new")
            await node.store.delete_object("b", "n", None)
            await node.store.collect_garbage()
            assert set(data._objects) == stored
    async with running(map, data, custody=Custody(b"d" * 16, 0, is_emptied=True)) as node:
        await until(lambda: node.stored() == 1)
        await node.check_nothing_leaked()
        assert await node.get("l") == b"stays"


async def test_clock_that_went_back_hides_no_garbage() -> None:
    map, data = MemoryMap(), MemoryDataStore()
    async with running(map, data, ManualClock(2_000_000_000_000)) as node:
        await node.store.create_bucket("b", "owner", "")
        await node.put("k", b"1")
        await node.put("k", b"2")
    async with running(map, data, clock := ManualClock(1_000_000_000_000)) as node:
        await node.store.collect_garbage()
        for number in range(3):
            clock.advance(-10)
            await node.put("k", b"%d" % number)
        await node.check_nothing_leaked()
        assert node.stored() == 1


async def test_old_garbage_behind_young_garbage_is_not_passed_over() -> None:
    map, data, clock = MemoryMap(), MemoryDataStore(), ManualClock()
    for _ in range(3):  # each run writes its rows above the last run's, hence ahead of a clock that stands still
        async with running(map, data, clock) as node:
            if map.get(keys.bucket("b")) is None:
                await node.store.create_bucket("b", "owner", "")
            await node.store._collector._collect(3_600_000)
            await node.put("k", b"1")
            await node.put("k", b"2")
    async with running(map, data, clock) as node:
        await node.store._collector._collect(3_600_000)
        await node.check_nothing_leaked()
        assert node.stored() == 1


async def test_many_rows_are_freed_in_bounded_steps(node: Node) -> None:
    for number in range(2500):
        await node.put(f"k{number % 7}", b"body")
    assert len(node.garbage()) == 2493
    await node.check_nothing_leaked()
    assert node.stored() == 7


async def test_drop_that_fails_is_tried_again() -> None:
    class Data(MemoryDataStore):
        failures = 3

        def drop(self, location: bytes) -> None:
            if self.failures:
                self.failures -= 1
                raise EngineError("The disk does not answer.")
            super().drop(location)

    async with running(data=(data := Data())) as node:
        await node.store.create_bucket("b", "owner", "")
        await node.put("k", b"1")
        await node.put("k", b"2")
        for _ in range(3):
            with pytest.raises(EngineError):
                await node.store.collect_garbage()
        await node.check_nothing_leaked()
        assert data.failures == 0


class StickyData(MemoryDataStore):
    """Cannot drop what is in `stuck`."""

    stuck: frozenset[bytes] = frozenset()

    def drop(self, location: bytes) -> None:
        if location in self.stuck:
            raise EngineError("The disk does not answer.")
        super().drop(location)


async def test_row_that_cannot_be_freed_holds_up_no_other() -> None:
    async with running(data=(data := StickyData())) as node:
        await node.store.create_bucket("b", "owner", "")
        await node.put("k", b"stuck")
        data.stuck = frozenset(node.named())
        for number in range(20):
            await node.put("k", b"%d" % number)
        for _ in range(2):
            with pytest.raises(EngineError):
                await node.store.collect_garbage()
            assert len(node.garbage()) == 1
            assert node.stored() == 2
        data.stuck = frozenset()
        await node.check_nothing_leaked()


@pytest.mark.parametrize("parts", [5, 40], ids=["part rows", "manifest"])
async def test_upload_of_which_one_part_cannot_be_freed_is_freed_later(parts: int) -> None:
    async with running(data=(data := StickyData())) as node:
        await node.store.create_bucket("b", "owner", "")
        bodies = {number: b"part %d" % number for number in range(1, parts)}
        upload_id = await node.upload("m", bodies)
        data.stuck = frozenset(list(node.named())[:1])
        await node.complete("m", upload_id, bodies)
        await node.store.delete_object("b", "m", None)
        await node.put("k", b"1")
        await node.put("k", b"2")
        with pytest.raises(EngineError):
            await node.store.collect_garbage()
        assert len(node.garbage()) == 1
        assert node.stored() == 2
        data.stuck = frozenset()
        await node.check_nothing_leaked()
        assert node.stored() == 1


async def test_refused_bytes_that_cannot_be_dropped_are_queued_at_the_close() -> None:
    class BrokenData(MemoryDataStore):
        is_broken = True

        def drop(self, location: bytes) -> None:
            if self.is_broken:
                raise EngineError("The disk does not answer.")
            super().drop(location)

    map, data = MemoryMap(), BrokenData()
    async with running(map, data) as node:
        for _ in range(3):
            with pytest.raises(BucketMissing):
                await node.put("k", b"body", bucket="none")
    data.is_broken = False
    assert len(data._objects) == 3
    async with running(map, data) as node:
        await node.check_nothing_leaked()
        assert node.stored() == 0


async def test_too_many_refused_bytes_stop_further_writes(node: Node) -> None:
    location = node.data.keep(b"x")  # type: ignore[attr-defined]
    node.store._collector.discard(Extent(location[:-4] + n.to_bytes(4), 1) for n in range(DISCARDED_MAX))
    with pytest.raises(Overloaded):
        node.store.ingest(None)
    await node.store.collect_garbage()
    await node.put("k", b"body")


# --- the sweep ------------------------------------------------------------------------------------------


class CrashedData(MemoryDataStore):
    """Lists everything that was there at its start, as an engine does after an unclean stop."""

    candidates: tuple[bytes, ...] = ()
    is_settled = False

    def unsettled(self) -> Iterator[bytes]:
        return iter(self.candidates)

    def settled(self) -> None:
        self.is_settled = True


async def test_sweep_drops_what_no_row_names_and_nothing_else() -> None:
    map, data = MemoryMap(), CrashedData()
    async with running(map, data) as node:
        await node.store.create_bucket("b", "owner", "")
        await node.put("single", b"body")
        await node.put_multipart("inline", dict.fromkeys(range(1, 10), b"part"))
        await node.put_multipart("paged", dict.fromkeys(range(1, 300), b"part"))
        await node.upload("open", dict.fromkeys(range(1, 10), b"part"))
        await node.put("gone", b"body")
        await node.store.delete_object("b", "gone", None)
        named = node.named() | set(node.garbage()[-1].locations)
    orphans = [data.keep(b"orphan %d" % number) for number in range(20)]
    data.candidates = (*named, *orphans)
    sweeper = Sweeper(map, data)
    assert sweeper.sweep() == 20
    assert data.is_settled
    async with running(map, data) as node:
        await node.check_nothing_leaked()
        assert await node.get("paged") == b"part" * 299


async def test_sweep_in_turns_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nimbus.store.recovery.sweep.CANDIDATES_MAX", 7)
    map, data = MemoryMap(), CrashedData()
    named = [data.keep(b"%d" % number) for number in range(20)]
    orphans = [data.keep(b"%d" % number) for number in range(20)]
    record = Object(1, "", 0, "", "", "", "", tuple(Extent(location, 1) for location in named))
    map.txn({}, {keys.object(b"i" * 16, b"k"): pack(record)})
    data.candidates = tuple(name for pair in zip(named, orphans, strict=True) for name in pair)
    assert Sweeper(map, data).sweep() == 20
    assert len(data._objects) == 20


async def test_sweep_that_is_stopped_drops_nothing_unsure_and_settles_nothing() -> None:
    map, data = MemoryMap(), CrashedData()
    data.candidates = tuple(data.keep(b"%d" % number) for number in range(20))
    sweeper = Sweeper(map, data)
    sweeper.close()
    assert sweeper.sweep() == 0
    assert not data.is_settled
    assert len(data._objects) == 20


async def test_bytes_that_move_on_during_the_sweep_are_kept() -> None:
    """A completion takes parts into the object while the sweep is between the two tables."""
    data = CrashedData()

    class Map(MemoryMap):
        def range(self, start: bytes, end: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
            if start == keys.objects(b"") and self.part in self._rows:
                self.txn({}, {self.part: None, keys.object(b"i" * 16, b"k"): pack(self.record)})
            return super().range(start, end, limit, reverse)

        part = keys.part(b"u" * 16, 1)
        record = Object(1, "", 0, "", "", "", "", ())

    map = Map()
    location = data.keep(b"body")
    map.record = Object(4, "", 0, "", "", "", "", (Extent(location, 4),))
    map.txn({}, {map.part: pack(UploadedPart(4, "", 0, map.record.extents))})
    data.candidates = (location,)
    assert Sweeper(map, data).sweep() == 0
    assert len(data._objects) == 1


# --- small leaves ---------------------------------------------------------------------------------------


def test_bitmap_holds_exactly_its_numbers() -> None:
    numbers = [1, 2, 8, 9, 255, 10_000]
    bits = bitmap(numbers)
    assert [number for number in range(10_100) if is_in_bitmap(bits, number)] == numbers
    assert not is_in_bitmap(bitmap([]), 1)


@pytest.mark.parametrize(
    ("time_ms", "iso", "http"),
    [
        (0, "1970-01-01T00:00:00.000Z", "Thu, 01 Jan 1970 00:00:00 GMT"),
        (951_782_400_007, "2000-02-29T00:00:00.000Z", "Tue, 29 Feb 2000 00:00:00 GMT"),
        (1_767_225_599_999, "2025-12-31T23:59:59.000Z", "Wed, 31 Dec 2025 23:59:59 GMT"),
    ],
)
def test_times_are_shown_as_the_wire_wants_them(time_ms: int, iso: str, http: str) -> None:
    assert iso_text(time_ms) == iso
    assert http_text(time_ms // 1000) == http
