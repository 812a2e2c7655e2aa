"""The contract suite of metadata engines: what the store relies on, as tests that an author runs.

For a backend of six methods:

    from nimbus.testing.metadata import BackendContract

    class TestMyBackend(BackendContract):
        def open_backend(self, directory):
            return MyBackend(directory)

For an engine that is an ordered map itself, subclass `MapContract` and give it `open_map`; for one that writes
and makes durable in two steps, `OwnedMapContract`. All need pytest alone. `directory` is new and empty for each
test and the same when a test opens the engine a second time.

Must always hold: a test here asks for nothing that nimbus/meta/api.py does not promise.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nimbus.base.errors import BatchTooLarge, EngineClosed
from nimbus.base.limits import META_KEY_SIZE_BYTES_MAX
from nimbus.meta.adapter import AdaptedMap
from nimbus.meta.api import Capabilities, MetadataBackend, OrderedMap, OwnedMap
from nimbus.meta.envelope import PORTABLE

LAST = b"\xff" * META_KEY_SIZE_BYTES_MAX

# Keys that a text column, a C string, a locale or a signed byte would put in another order or take for another.
TRICKY_KEYS = sorted(
    (
        *(b"\x00", b"\x00\x00", b"\x00\xff", b"\x01", b"'", b"%", b"A", b"B", b"b", b"\x7f", b"\x80"),
        *(b"a", b"a\x00", b"a\x00b", b"a ", b"a/", b"a/b", b"aa", b"aa\xff", b"ab"),
        *("\u00e9".encode(), "e\u0301".encode(), "\U0001f600".encode(), b"\xfe", b"\xff", b"\xff\xff"),
    )
)

Row = tuple[bytes, bytes]


class MapContract(ABC):
    """What every ordered map must do."""

    @abstractmethod
    def open_map(self, directory: Path) -> OrderedMap:
        """Open the engine under test, over what an earlier one left in `directory`."""

    @pytest.fixture
    def map(self, tmp_path: Path) -> Iterator[OrderedMap]:
        map = self.open_map(tmp_path)
        yield map
        map.close()

    # --- values ---------------------------------------------------------------------------------------

    def test_a_new_map_has_no_rows(self, map: OrderedMap) -> None:
        """Rows beside no bytes would be taken for those of a store that lost its bytes."""
        assert rows(map) == []

    def test_a_key_that_was_never_written_is_absent(self, map: OrderedMap) -> None:
        assert map.get(b"nothing") is None

    def test_a_written_value_is_read_back_byte_for_byte(self, map: OrderedMap) -> None:
        value = bytes(range(256)) * 4
        assert map.txn({}, {b"key": value})
        assert map.get(b"key") == value

    def test_an_empty_value_is_not_absence(self, map: OrderedMap) -> None:
        assert map.txn({}, {b"key": b""})
        assert map.get(b"key") == b""
        assert rows(map) == [(b"key", b"")]
        assert not map.txn({b"key": None}, {b"key": b"created"})
        assert map.txn({b"key": b""}, {b"key": b"changed"})

    def test_a_deleted_key_is_absent_and_deleting_it_again_is_no_error(self, map: OrderedMap) -> None:
        put(map, b"key")
        for _ in range(2):
            assert map.txn({}, {b"key": None})
            assert map.get(b"key") is None
            assert rows(map) == []

    # --- order ----------------------------------------------------------------------------------------

    def test_keys_sort_as_unsigned_bytes(self, map: OrderedMap) -> None:
        put(map, *reversed(TRICKY_KEYS))
        assert keys(map) == TRICKY_KEYS
        assert all(map.get(key) == value(key) for key in TRICKY_KEYS)

    def test_a_range_holds_its_start_but_not_its_end(self, map: OrderedMap) -> None:
        put(map, *TRICKY_KEYS)
        for start in TRICKY_KEYS:
            for end in TRICKY_KEYS:
                expected = [key for key in TRICKY_KEYS if start <= key < end]
                assert [key for key, _ in map.range(start, end, 100)] == expected, (start, end)

    def test_a_range_goes_on_after_a_key_without_repeating_or_missing_one(self, map: OrderedMap) -> None:
        put(map, *TRICKY_KEYS)
        seen: list[bytes] = []
        start = b"\x00"
        while page := map.range(start, LAST, 3):
            seen += [key for key, _ in page]
            start = seen[-1] + b"\0"
        assert seen == TRICKY_KEYS

    def test_a_range_is_cut_at_its_limit(self, map: OrderedMap) -> None:
        put(map, *TRICKY_KEYS)
        for limit in (0, 1, 2, len(TRICKY_KEYS), len(TRICKY_KEYS) + 1):
            assert [key for key, _ in map.range(b"\0", LAST, limit)] == TRICKY_KEYS[:limit]

    def test_a_reversed_range_holds_the_last_keys_backwards(self, map: OrderedMap) -> None:
        put(map, *TRICKY_KEYS)
        within = [key for key in TRICKY_KEYS if b"A" <= key < b"\xc3"]
        for limit in (1, 2, 100):
            found = map.range(b"A", b"\xc3", limit, reverse=True)
            assert found == [(key, value(key)) for key in reversed(within)][:limit]

    def test_a_range_that_is_empty_or_upside_down_has_no_rows(self, map: OrderedMap) -> None:
        put(map, b"a", b"b")
        for reverse in (False, True):
            assert map.range(b"a", b"a", 10, reverse) == []
            assert map.range(b"b", b"a", 10, reverse) == []
            assert map.range(b"aa", b"b", 10, reverse) == []

    def test_a_range_of_thousands_of_rows_is_whole(self, map: OrderedMap) -> None:
        expected = [b"row/%06d" % number for number in range(2500)]
        for first in range(0, len(expected), 100):
            put(map, *expected[first : first + 100])
        put(map, b"rov", b"rox")
        assert [key for key, _ in map.range(b"row/", b"row0", 5000)] == expected
        assert [key for key, _ in map.range(expected[2200], b"row0", 10)] == expected[2200:2210]
        assert [key for key, _ in map.range(b"row/", b"row0", 10, reverse=True)] == expected[:-11:-1]

    def test_it_behaves_like_a_sorted_dict(self, map: OrderedMap) -> None:
        seed = random.randrange(2**32)  # noqa: S311 (a test's data)
        print("seed", seed)
        chance = random.Random(seed)  # noqa: S311
        model: dict[bytes, bytes] = {}
        for step in range(200):
            ops = {chance.choice(TRICKY_KEYS): chance.choice((None, b"", b"%d" % step)) for _ in range(3)}
            assert map.txn({}, ops)
            model |= {key: new for key, new in ops.items() if new is not None}
            model = {key: old for key, old in model.items() if ops.get(key, b"") is not None}
            low, high = sorted(chance.choices(TRICKY_KEYS, k=2))
            expected = sorted((key, old) for key, old in model.items() if low <= key < high)
            assert map.range(low, high, 4) == expected[:4]
            assert map.range(low, high, 4, reverse=True) == expected[::-1][:4]

    # --- atomic steps ---------------------------------------------------------------------------------

    def test_a_step_whose_check_fails_changes_nothing(self, map: OrderedMap) -> None:
        put(map, b"a", b"b")
        before = rows(map)
        for checks in ({b"a": b"other"}, {b"a": None}, {b"c": b""}, {b"a": value(b"a"), b"b": b"other"}):
            assert not map.txn(checks, {b"a": b"new", b"b": None, b"c": b"new"})
            assert rows(map) == before

    def test_a_step_whose_checks_hold_is_applied_whole(self, map: OrderedMap) -> None:
        put(map, b"a", b"b")
        assert map.txn({b"a": value(b"a"), b"c": None}, {b"a": b"new", b"b": None, b"c": b"new"})
        assert rows(map) == [(b"a", b"new"), (b"c", b"new")]

    def test_a_step_without_writes_only_tells_whether_its_checks_hold(self, map: OrderedMap) -> None:
        put(map, b"a")
        assert map.txn({b"a": value(b"a"), b"b": None}, {})
        assert not map.txn({b"a": None}, {})

    def test_of_many_threads_that_create_a_key_exactly_one_does(self, map: OrderedMap) -> None:
        for turn in range(10):
            key = b"turn%d" % turn

            def create(number: int, key: bytes = key) -> bool:
                return map.txn({key: None}, {key: b"%d" % number})

            won = together(8, create)
            assert won.count(True) == 1
            assert map.get(key) == b"%d" % won.index(True)

    def test_a_counter_changed_by_comparing_loses_no_step(self, map: OrderedMap) -> None:
        def count(_: int) -> None:
            for _ in range(25):
                while True:
                    seen = map.get(b"counter")
                    if map.txn({b"counter": seen}, {b"counter": b"%d" % (int(seen or b"0") + 1)}):
                        break

        together(4, count)
        assert map.get(b"counter") == b"100"

    def test_a_range_sees_two_rows_of_one_step_change_together(self, map: OrderedMap) -> None:
        map.txn({}, {b"from": b"100", b"to": b"0"})

        def transfer(number: int) -> None:
            if number:
                for moved in range(1, 101):
                    assert map.txn({}, {b"from": b"%d" % (100 - moved), b"to": b"%d" % moved})
            else:
                for _ in range(100):
                    assert sum(int(amount) for _, amount in map.range(b"from", b"zz", 10)) == 100

        together(2, transfer)

    # --- bounds ---------------------------------------------------------------------------------------

    def test_it_holds_at_least_the_portable_envelope(self, map: OrderedMap) -> None:
        offered = map.capabilities
        assert offered.value_size_bytes_max >= PORTABLE.value_size_bytes_max
        assert offered.txn_ops_max >= PORTABLE.txn_ops_max
        assert offered.txn_size_bytes_max >= PORTABLE.txn_size_bytes_max

    def test_the_largest_step_of_the_envelope_is_applied_whole(self, map: OrderedMap) -> None:
        many: dict[bytes, bytes | None] = {b"%04d" % number: b"" for number in range(PORTABLE.txn_ops_max)}
        size_bytes = PORTABLE.txn_size_bytes_max // 16 - 8
        large: dict[bytes, bytes | None] = {b"large%02d" % number: bytes(size_bytes) for number in range(16)}
        assert map.txn({}, many)
        assert map.txn({}, large)
        assert dict(rows(map, 1000)) == many | large

    def test_the_largest_key_and_value_are_held(self, map: OrderedMap) -> None:
        key, large = b"k" * META_KEY_SIZE_BYTES_MAX, b"v" * PORTABLE.value_size_bytes_max
        assert map.txn({}, {key: large})
        assert map.get(key) == large
        assert rows(map) == [(key, large)]

    @pytest.mark.parametrize("excess", ["operations", "value", "bytes", "key", "empty key"])
    def test_a_step_beyond_the_capabilities_is_refused_whole(self, map: OrderedMap, excess: str) -> None:
        put(map, b"kept")
        before = rows(map)
        with pytest.raises(BatchTooLarge):
            map.txn({}, {b"kept": b"changed"} | beyond(map.capabilities, excess))
        assert rows(map) == before

    # --- the end, and the beginning after it ----------------------------------------------------------

    def test_a_closed_map_refuses_everything_and_closes_again(self, tmp_path: Path) -> None:
        map = self.open_map(tmp_path)
        map.close()
        map.close()
        for call in (
            lambda: map.get(b"key"),
            lambda: map.range(b"a", b"b", 1),
            lambda: map.txn({}, {b"key": b"value"}),
        ):
            with pytest.raises(EngineClosed):
                call()

    def test_a_durable_map_is_found_as_it_was_left(self, tmp_path: Path) -> None:
        map = self.open_map(tmp_path)
        put(map, *TRICKY_KEYS)
        map.txn({}, {TRICKY_KEYS[0]: None, TRICKY_KEYS[1]: b""})
        left, durable = rows(map), map.capabilities.durable
        map.close()
        again = self.open_map(tmp_path)
        found = rows(again)
        again.close()
        assert found == (left if durable else [])


class OwnedMapContract(MapContract):
    """What every ordered map must do that writes first and makes durable afterwards."""

    @abstractmethod
    def open_map(self, directory: Path) -> OwnedMap:
        """Open the engine under test, over what an earlier one left in `directory`."""

    @pytest.fixture
    def map(self, tmp_path: Path) -> Iterator[OwnedMap]:
        map = self.open_map(tmp_path)
        yield map
        map.close()

    def test_what_is_written_is_read_only_after_the_sync(self, map: OwnedMap) -> None:
        put(map, b"a", b"c", b"e")
        before = rows(map)
        map.write({b"a": b"new", b"b": b"new", b"c": None, b"never": None})
        assert [map.get(key) for key in (b"a", b"b", b"c")] == [value(b"a"), None, value(b"c")]
        for limit in (1, 2, 3, 100):
            assert rows(map, limit) == before[:limit]
            assert map.range(b"\0", LAST, limit, reverse=True) == before[::-1][:limit]
        map.sync()
        assert rows(map) == [(b"a", b"new"), (b"b", b"new"), (b"e", value(b"e"))]
        assert [map.get(key) for key in (b"a", b"b", b"c")] == [b"new", b"new", None]

    def test_several_writes_are_read_after_one_sync(self, map: OwnedMap) -> None:
        put(map, b"a")
        map.write({b"a": b"1", b"b": b"1"})
        map.write({b"a": None, b"b": b"2", b"c": b"2"})
        assert rows(map) == [(b"a", value(b"a"))]
        map.sync()
        assert rows(map) == [(b"b", b"2"), (b"c", b"2")]
        map.sync()
        assert rows(map) == [(b"b", b"2"), (b"c", b"2")]

    def test_a_step_is_checked_on_all_that_was_written_and_shows_it(self, map: OwnedMap) -> None:
        map.write({b"a": b"1"})
        assert not map.txn({b"a": None}, {b"b": b"1"})
        map.write({b"a": b"2"})
        assert map.txn({b"a": b"2"}, {b"b": b"1"})
        assert rows(map) == [(b"a", b"2"), (b"b", b"1")]

    def test_until_a_sync_it_behaves_like_the_sorted_dict_it_was(self, map: OwnedMap) -> None:
        seed = random.randrange(2**32)  # noqa: S311 (a test's data)
        print("seed", seed)
        chance = random.Random(seed)  # noqa: S311
        synced: dict[bytes, bytes] = {}
        written: dict[bytes, bytes | None] = {}
        for step in range(300):
            ops = {chance.choice(TRICKY_KEYS): chance.choice((None, b"", b"%d" % step)) for _ in range(3)}
            map.write(ops)
            written |= ops
            if chance.random() < 0.3:
                map.sync()
                synced = {key: new for key, new in (synced | written).items() if new is not None}
                written = {}
            low, high = sorted(chance.choices(TRICKY_KEYS, k=2))
            expected = sorted((key, old) for key, old in synced.items() if low <= key < high)
            for limit in (1, 4, 100):
                assert map.range(low, high, limit) == expected[:limit]
                assert map.range(low, high, limit, reverse=True) == expected[::-1][:limit]
            assert {key: old for key in TRICKY_KEYS if (old := map.get(key)) is not None} == synced

    def test_readers_see_each_group_whole_and_none_too_early_or_too_late(self, map: OwnedMap) -> None:
        """A group sets all rows to its number, takes one of them away and brings another one."""
        groups = 150
        begun = done = 0

        def group(number: int) -> dict[bytes, bytes | None]:
            moving = {b"row%02d+" % ((number - 1) % 20): None, b"row%02d+" % (number % 20): b"%d" % number}
            return moving | {b"row%02d" % row: b"%d" % number for row in range(20)}

        def write() -> None:
            nonlocal begun, done
            for number in range(1, groups + 1):
                map.write(group(number))
                begun = number
                map.sync()
                done = number

        def read() -> None:
            while done < groups:
                least = done
                page = map.range(b"row", b"rox", 100)
                assert len(page) == 21
                (found,) = {int(text) for _, text in page}
                assert least <= found <= begun
                assert found <= int(map.get(b"row07") or b"") <= begun

        assert map.txn({}, group(0))
        together(3, lambda thread: read() if thread else write())


class BackendContract(MapContract):
    """What every backend of six methods must do, by itself and as the map the store makes of it."""

    @abstractmethod
    def open_backend(self, directory: Path) -> MetadataBackend:
        """Open the backend under test, over what an earlier one left in `directory`."""

    def open_map(self, directory: Path) -> OrderedMap:
        return AdaptedMap(self.open_backend(directory))

    @pytest.fixture
    def backend(self, tmp_path: Path) -> Iterator[MetadataBackend]:
        backend = self.open_backend(tmp_path)
        yield backend
        AdaptedMap(backend).close()

    def test_the_single_methods_agree_with_each_other(self, backend: MetadataBackend) -> None:
        backend.put(b"a", b"1")
        backend.put(b"a", b"")
        assert (backend.get(b"a"), backend.exists(b"a")) == (b"", True)
        backend.delete(b"a")
        backend.delete(b"a")
        assert (backend.get(b"a"), backend.exists(b"a")) == (None, False)

    def test_a_batch_puts_and_deletes_at_once(self, backend: MetadataBackend) -> None:
        backend.put(b"old", b"1")
        backend.batch_put({b"old": None, b"new": b"2", b"never": None})
        assert list(backend.scan(b"", 10)) == [(b"new", b"2")]

    def test_a_scan_holds_the_first_keys_of_the_prefix_in_order(self, backend: MetadataBackend) -> None:
        backend.batch_put({key: value(key) for key in TRICKY_KEYS})
        for prefix in (b"", b"a", b"a\x00", b"\xff", b"\x00", b"none"):
            expected = [(key, value(key)) for key in TRICKY_KEYS if key.startswith(prefix)]
            for limit in (0, 1, 100):
                assert list(backend.scan(prefix, limit)) == expected[:limit], prefix


def value(key: bytes) -> bytes:
    """A value that tells its key."""
    return b"value of " + key


def put(map: OrderedMap, *new: bytes) -> None:
    """Write these keys in one step."""
    assert map.txn({}, {key: value(key) for key in new})


def rows(map: OrderedMap, limit: int = 100) -> list[Row]:
    """Everything in the map."""
    return map.range(b"\0", LAST, limit)


def keys(map: OrderedMap) -> list[bytes]:
    """All keys in the map."""
    return [key for key, _ in rows(map)]


def together(count: int, work: Callable[[int], object]) -> list[object]:
    """Run work(0), work(1), ... on threads at once; their results in order. Raises what one raised."""
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(work, range(count)))


def beyond(bounds: Capabilities, excess: str) -> dict[bytes, bytes | None]:
    """A batch that breaks one bound."""
    half = bytes(bounds.value_size_bytes_max // 2)
    if excess == "operations":
        return {b"%06d" % number: b"" for number in range(bounds.txn_ops_max + 1)}
    if excess == "value":
        return {b"large": bytes(bounds.value_size_bytes_max + 1)}
    if excess == "bytes":
        return {b"%06d" % number: half for number in range(bounds.txn_size_bytes_max // len(half) + 1)}
    return {b"k" * (META_KEY_SIZE_BYTES_MAX + 1) if excess == "key" else b"": b""}
