"""Ranges out of scans: the right prefix, no rows read twice, nothing outside the bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus.base.errors import BatchTooLarge, ConfigInvalid
from nimbus.meta.adapter import PAGE_ROWS, AdaptedMap, covering_prefix
from nimbus.meta.envelope import PORTABLE

bounds = st.lists(st.sampled_from([b"\x00", b"\xff", b"\xfe", b"a", b"b"]), max_size=5).map(b"".join)


@given(bounds, bounds, bounds)
def test_every_key_of_a_range_has_its_covering_prefix(one: bytes, two: bytes, three: bytes) -> None:
    start, key, last = sorted((one, two, three))
    end = last + b"\x00"  # the range is half-open, and never empty
    assert key.startswith(covering_prefix(start, end))
    assert start.startswith(covering_prefix(start, end))


def test_a_range_over_one_prefix_is_scanned_with_that_prefix() -> None:
    assert covering_prefix(b"Oid", b"Oie") == b"Oid"
    assert covering_prefix(b"Oid/after", b"Oie") == b"Oid"
    assert covering_prefix(b"B", b"C") == b"B"


class Recording:
    """A backend that notes its scans; with `start` in the subclass, without here."""

    def __init__(self, rows: int) -> None:
        self.rows = [(b"P%06d" % number, b"") for number in range(rows)]
        self.limits: list[int] = []
        self.batches: list[Mapping[bytes, bytes | None]] = []

    def put(self, key: bytes, value: bytes) -> None: ...

    def get(self, key: bytes) -> bytes | None:
        return None

    def delete(self, key: bytes) -> None: ...

    def exists(self, key: bytes) -> bool:
        return False

    def batch_put(self, items: Mapping[bytes, bytes | None]) -> None:
        self.batches.append(items)

    def scan(self, prefix: bytes, limit: int) -> Iterator[tuple[bytes, bytes]]:
        return self.found(prefix, limit, b"")

    def found(self, prefix: bytes, limit: int, start: bytes) -> Iterator[tuple[bytes, bytes]]:
        self.limits.append(limit)
        return iter([row for row in self.rows if row[0].startswith(prefix) and row[0] >= start][:limit])


class RecordingFromStart(Recording):
    def scan(self, prefix: bytes, limit: int, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        return self.found(prefix, limit, start)


def test_a_backend_that_scans_from_a_start_reads_only_the_page() -> None:
    backend = RecordingFromStart(5000)
    assert AdaptedMap(backend).range(b"P004000", b"Q", 10) == backend.rows[4000:4010]
    assert backend.limits == [PAGE_ROWS]


def test_a_backend_that_does_not_reads_at_most_twice_the_rows() -> None:
    backend = Recording(5000)
    assert AdaptedMap(backend).range(b"P004000", b"Q", 10) == backend.rows[4000:4010]
    assert backend.limits == [1000, 2000, 4000, 8000]


@pytest.mark.parametrize("kind", [Recording, RecordingFromStart])
def test_a_reversed_range_over_several_pages_holds_the_last_rows(kind: type[Recording]) -> None:
    backend = kind(2500)
    assert AdaptedMap(backend).range(b"P", b"P002400", 3, reverse=True) == backend.rows[2397:2400][::-1]


def test_a_group_is_one_batch_and_a_step_without_writes_is_none() -> None:
    backend = Recording(0)
    map = AdaptedMap(backend)
    map.write({b"a": b"1", b"b": None})
    map.sync()
    assert map.txn({b"a": None}, {})
    assert backend.batches == [{b"a": b"1", b"b": None}]


def test_without_capabilities_of_its_own_a_backend_has_the_portable_envelope() -> None:
    map = AdaptedMap(Recording(0))
    assert map.capabilities == PORTABLE
    with pytest.raises(BatchTooLarge):
        map.write({b"%d" % number: b"" for number in range(101)})


def test_an_object_without_the_six_methods_is_refused_by_name() -> None:
    class Half:
        def get(self, key: bytes) -> bytes | None:
            return None

    with pytest.raises(ConfigInvalid, match="batch_put, delete, exists, put, scan"):
        AdaptedMap(Half())  # type: ignore[arg-type]
