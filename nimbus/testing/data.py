"""The contract of byte engines as tests, for every engine of ours and for yours.

    from nimbus.testing.data import DataStoreContract, Harness

    class TestMyEngine(DataStoreContract):
        @pytest.fixture
        def harness(self, tmp_path): return MyHarness(tmp_path)

Needs pytest and pytest-asyncio. What an engine says it cannot do (capabilities) is not asked of it.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import aclosing, suppress
from typing import Protocol

import pytest

from nimbus.base.errors import DataDamaged, EngineClosed, Missing, NotSupported
from nimbus.base.limits import BLOCK_SIZE_BYTES, MIB, READ_SIZE_BYTES, SEGMENT_OBJECT_SIZE_BYTES_MAX
from nimbus.data.api import LOCATION_SIZE_BYTES_MAX, DataStore

SIZES = (
    *(0, 1, 31, 32, 33, 4095, 4096, 4097, 65_536),
    *(SEGMENT_OBJECT_SIZE_BYTES_MAX - 1, SEGMENT_OBJECT_SIZE_BYTES_MAX, SEGMENT_OBJECT_SIZE_BYTES_MAX + 1),
    *(2 * BLOCK_SIZE_BYTES - 1, 2 * BLOCK_SIZE_BYTES, MIB - 1, MIB, MIB + 1, 3 * MIB + 12_345),
)


class Harness(Protocol):
    """How the suite gets at an engine. One harness is one place where bytes are stored."""

    def open(self) -> DataStore:
        """Open the engine on what is stored. At most one is open at a time."""
        ...

    def crash(self, store: DataStore) -> None:
        """Let go of `store` as if its process had been killed. Only for engines that are durable."""
        ...

    def flip(self, store: DataStore, location: bytes, position: int) -> None:
        """Change one stored byte: the one that holds byte `position` of what lies at `location`."""
        ...


def payload_of(size: int, seed: int = 0) -> bytes:
    """Bytes that repeat nowhere, so that a swapped block shows."""
    return random.Random(f"{seed} {size}").randbytes(size)  # noqa: S311


async def store_bytes(store: DataStore, payload: bytes, chunk_size: int = 100_000, hint: int | None = None) -> bytes:
    """Write, finish and sync; the location."""
    writer = store.writer(hint)
    for start in range(0, len(payload), chunk_size):
        await writer.write(payload[start : start + chunk_size])
    location = await writer.finish()
    store.sync()
    return location


async def load_bytes(store: DataStore, location: bytes, start: int, end: int) -> bytes:
    """What `read` yields, with the size of its chunks checked."""
    chunks = []
    async with aclosing(store.read(location, start, end)) as stream:  # type: ignore[type-var]
        async for chunk in stream:
            assert len(chunk) <= READ_SIZE_BYTES, f"a chunk of {len(chunk)} bytes"
            chunks.append(chunk)
    return b"".join(chunks)


@pytest.mark.asyncio
class DataStoreContract:
    """Subclass it and provide the fixture `harness`."""

    @pytest.fixture
    def store(self, harness: Harness) -> Iterator[DataStore]:
        store = harness.open()
        yield store
        store.close()

    @pytest.mark.parametrize("size", SIZES)
    async def test_what_was_written_is_read(self, store: DataStore, size: int) -> None:
        payload = payload_of(size)
        location = await store_bytes(store, payload, hint=size)
        assert len(location) <= LOCATION_SIZE_BYTES_MAX
        assert store.size(location) == size
        assert await load_bytes(store, location, 0, size) == payload
        end = min(size, READ_SIZE_BYTES)
        assert store.read_now(location, 0, end) in (payload[:end], None)

    @pytest.mark.parametrize("chunk_size", [1, 1000, BLOCK_SIZE_BYTES, BLOCK_SIZE_BYTES + 1, 5 * MIB])
    async def test_the_size_of_chunks_does_not_matter(self, store: DataStore, chunk_size: int) -> None:
        payload = payload_of(5000 if chunk_size == 1 else 2 * MIB + 17)
        location = await store_bytes(store, payload, chunk_size)
        assert await load_bytes(store, location, 0, len(payload)) == payload

    async def test_empty_chunks_change_nothing(self, store: DataStore) -> None:
        writer = store.writer(3)
        for chunk in (b"", b"a", b"", b"bc", b""):
            await writer.write(chunk)
        location = await writer.finish()
        store.sync()
        assert await load_bytes(store, location, 0, 3) == b"abc"

    @pytest.mark.parametrize("hint", [None, 0, 10, 100 * MIB])
    async def test_a_wrong_size_hint_does_no_harm(self, store: DataStore, hint: int | None) -> None:
        payload = payload_of(300_000)
        location = await store_bytes(store, payload, hint=hint)
        assert await load_bytes(store, location, 0, len(payload)) == payload

    @pytest.mark.parametrize("size", [1, 5000, SEGMENT_OBJECT_SIZE_BYTES_MAX, 3 * MIB + 12_345])
    async def test_every_span_reads_as_a_slice(self, store: DataStore, size: int) -> None:
        payload = payload_of(size)
        location = await store_bytes(store, payload)
        chance = random.Random(size)  # noqa: S311
        borders = [0, size, *(chance.randrange(size + 1) for _ in range(20))]
        borders += [at for at in (BLOCK_SIZE_BYTES - 1, BLOCK_SIZE_BYTES, MIB, MIB + 1) if at <= size]
        for start, end in (sorted(chance.choices(borders, k=2)) for _ in range(60)):
            assert await load_bytes(store, location, start, end) == payload[start:end], (start, end)
            if end - start <= READ_SIZE_BYTES:
                assert store.read_now(location, start, end) in (payload[start:end], None), (start, end)

    async def test_many_writers_at_once_do_not_mix(self, store: DataStore) -> None:
        sizes = [(1000 * index) % 700_001 for index in range(60)]

        async def write_one(index: int) -> bytes:
            writer = store.writer(None)
            payload = payload_of(sizes[index], index)
            for start in range(0, len(payload), 7777):
                await writer.write(payload[start : start + 7777])
                await asyncio.sleep(0)
            return await writer.finish()

        locations = await asyncio.gather(*(write_one(index) for index in range(len(sizes))))
        store.sync()
        for index, location in enumerate(locations):
            assert await load_bytes(store, location, 0, sizes[index]) == payload_of(sizes[index], index)

    async def test_sync_on_another_thread_runs_beside_writers(self, store: DataStore) -> None:
        stop = threading.Event()
        failures: list[BaseException] = []

        def keep_syncing() -> None:
            try:
                while not stop.is_set():
                    store.sync()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=keep_syncing)
        thread.start()
        try:
            written = []
            for index in range(100):
                writer = store.writer(None)
                await writer.write(payload_of(3000, index))
                written.append(await writer.finish())
        finally:
            stop.set()
            await asyncio.to_thread(thread.join)
        store.sync()
        assert not failures
        for index, location in enumerate(written):
            assert await load_bytes(store, location, 0, 3000) == payload_of(3000, index)

    @pytest.mark.parametrize("size", [0, 5000, 3 * MIB])
    async def test_an_aborted_stream_leaves_others_alone(self, store: DataStore, size: int) -> None:
        before = await store_bytes(store, payload_of(5000, 1))
        writer = store.writer(size)
        await writer.write(payload_of(size))
        await writer.abort()
        await writer.abort()
        after = await store_bytes(store, payload_of(5000, 2))
        assert await load_bytes(store, before, 0, 5000) == payload_of(5000, 1)
        assert await load_bytes(store, after, 0, 5000) == payload_of(5000, 2)

    @pytest.mark.parametrize("size", [0, 5000, SEGMENT_OBJECT_SIZE_BYTES_MAX, 3 * MIB])
    async def test_dropping_twice_is_no_error_and_spares_neighbours(self, store: DataStore, size: int) -> None:
        locations = [await store_bytes(store, payload_of(size, index)) for index in range(3)]
        await asyncio.to_thread(store.drop, locations[1])
        await asyncio.to_thread(store.drop, locations[1])
        for index in (0, 2):
            assert await load_bytes(store, locations[index], 0, size) == payload_of(size, index)

    async def test_a_stream_can_be_dropped_before_it_is_synced(self, store: DataStore) -> None:
        locations = []
        for index in range(3):
            writer = store.writer(None)
            await writer.write(payload_of(9000, index))
            locations.append(await writer.finish())
        store.drop(locations[1])
        store.sync()
        store.drop(locations[1])
        for index in (0, 2):
            assert await load_bytes(store, locations[index], 0, 9000) == payload_of(9000, index)

    @pytest.mark.parametrize("size", [5000, 3 * MIB])
    async def test_a_dropped_location_never_yields_other_bytes(self, store: DataStore, size: int) -> None:
        location = await store_bytes(store, payload_of(size))
        store.drop(location)
        await store_bytes(store, payload_of(size, 1))
        with suppress(Missing, DataDamaged):
            assert await load_bytes(store, location, 0, size) == payload_of(size)

    async def test_dropping_while_reading_yields_the_old_bytes_or_raises(self, store: DataStore) -> None:
        payload = payload_of(5 * MIB)
        location = await store_bytes(store, payload)
        chunks = []
        try:
            async with aclosing(store.read(location, 0, len(payload))) as stream:  # type: ignore[type-var]
                async for chunk in stream:
                    chunks.append(chunk)
                    store.drop(location)
        except (Missing, DataDamaged):
            pass
        assert payload.startswith(b"".join(chunks))

    @pytest.mark.parametrize("size", [1, 5000, SEGMENT_OBJECT_SIZE_BYTES_MAX, 2 * MIB + 100])
    async def test_a_flipped_byte_is_found_by_every_read(self, harness: Harness, size: int) -> None:
        for position in {0, size // 2, size - 1}:
            store = harness.open()
            location = await store_bytes(store, payload_of(size))
            harness.flip(store, location, position)
            with pytest.raises(DataDamaged):
                await load_bytes(store, location, 0, size)
            with pytest.raises(DataDamaged):
                await load_bytes(store, location, position, position + 1)
            store.close()

    async def test_bytes_that_no_engine_made_are_no_location(self, store: DataStore) -> None:
        for location in (b"", b"\0" * LOCATION_SIZE_BYTES_MAX, b"\xff" * 41):
            with pytest.raises((DataDamaged, Missing)):
                await load_bytes(store, location, 0, 1)

    async def test_descriptor_names_the_bytes_or_is_refused(self, store: DataStore) -> None:
        for size in (5000, 2 * MIB):
            location = await store_bytes(store, payload_of(size))
            if not store.capabilities.local_files:
                with pytest.raises(NotSupported):
                    store.descriptor(location)
                continue
            where = store.descriptor(location)
            with open(where.path, "rb") as file:  # noqa: ASYNC230
                file.seek(where.offset)
                assert file.read(where.size) == payload_of(size)

    async def test_a_closed_engine_refuses_everything(self, harness: Harness) -> None:
        store = harness.open()
        location = await store_bytes(store, b"abc")
        writer = store.writer(None)
        store.close()
        store.close()
        for refused in (
            lambda: store.writer(None),
            store.sync,
            lambda: store.read_now(location, 0, 3),
            lambda: store.drop(location),
            lambda: list(store.unsettled()),
            store.settled,
        ):
            with pytest.raises(EngineClosed):
                refused()
        with pytest.raises(EngineClosed):
            await load_bytes(store, location, 0, 3)
        with pytest.raises(EngineClosed):
            await writer.write(b"late")
        await writer.abort()

    # --- durable engines ---

    async def test_bytes_outlive_a_clean_stop_and_nothing_is_unsettled(self, harness: Harness) -> None:
        store = harness.open()
        if not store.capabilities.durable:
            return store.close()
        sizes = (10, 5000, 2 * MIB)
        locations = [await store_bytes(store, payload_of(size)) for size in sizes]
        store.close()
        store = harness.open()
        assert list(store.unsettled()) == []
        for size, location in zip(sizes, locations, strict=True):
            assert await load_bytes(store, location, 0, size) == payload_of(size)
        store.close()

    async def test_a_crash_leaves_what_was_synced_and_lists_it(self, harness: Harness) -> None:
        store = harness.open()
        if not store.capabilities.durable:
            return store.close()
        sizes = (10, 5000, SEGMENT_OBJECT_SIZE_BYTES_MAX, 2 * MIB)
        locations = [await store_bytes(store, payload_of(size)) for size in sizes]
        dropped = await store_bytes(store, payload_of(777))
        store.drop(dropped)
        open_stream = store.writer(None)
        await open_stream.write(payload_of(3 * MIB))
        harness.crash(store)

        store = harness.open()
        fresh = await store_bytes(store, payload_of(5000, 9))
        listed = set(store.unsettled())
        assert listed >= set(locations)
        assert fresh not in listed
        assert dropped not in listed
        for location in listed - set(locations):
            store.drop(location)  # what the store does with those that no record names
        store.settled()
        for size, location in zip(sizes, locations, strict=True):
            assert await load_bytes(store, location, 0, size) == payload_of(size)
        store.close()
        store = harness.open()
        assert list(store.unsettled()) == []
        store.close()

    async def test_an_unfinished_sweep_is_done_again(self, harness: Harness) -> None:
        store = harness.open()
        if not store.capabilities.durable:
            return store.close()
        location = await store_bytes(store, payload_of(5000))
        harness.crash(store)
        harness.open().close()
        store = harness.open()
        assert location in set(store.unsettled())
        store.settled()
        assert await load_bytes(store, location, 0, 5000) == payload_of(5000)
        store.close()
