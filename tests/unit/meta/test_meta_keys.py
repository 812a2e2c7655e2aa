"""Keys sort as their columns do, come apart again, and no prefix reaches into another row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus.meta import keys

ids = st.binary(min_size=16, max_size=16)
object_keys = st.lists(st.sampled_from([b"\x00", b"\x00\xff", b"\xff", b"\x01", b"a", b"/"]), max_size=5).map(b"".join)
any_keys = object_keys | st.binary(max_size=20)


@given(ids, any_keys)
def test_an_object_row_gives_its_key_back(bucket_id: bytes, key: bytes) -> None:
    assert keys.object_key(keys.object(bucket_id, key)) == key


@given(ids, any_keys, ids)
def test_an_upload_row_gives_its_key_and_id_back(bucket_id: bytes, key: bytes, upload_id: bytes) -> None:
    assert keys.upload_columns(keys.upload(bucket_id, key, upload_id)) == (key, upload_id)


@given(ids, st.tuples(any_keys, ids), st.tuples(any_keys, ids))
def test_upload_rows_sort_by_key_and_then_by_id(
    bucket_id: bytes, one: tuple[bytes, bytes], other: tuple[bytes, bytes]
) -> None:
    rows = keys.upload(bucket_id, *one), keys.upload(bucket_id, *other)
    assert (rows[0] < rows[1], rows[0] == rows[1]) == (one < other, one == other)


@given(ids, any_keys, any_keys, ids)
def test_an_upload_is_under_a_prefix_exactly_when_its_key_starts_with_it(
    bucket_id: bytes, key: bytes, prefix: bytes, upload_id: bytes
) -> None:
    row = keys.upload(bucket_id, key, upload_id)
    assert row.startswith(keys.uploads(bucket_id, prefix)) == key.startswith(prefix)
    assert row.startswith(keys.uploads_of_key(bucket_id, prefix)) == (key == prefix)


@given(ids, any_keys, any_keys)
def test_object_rows_sort_by_key(bucket_id: bytes, one: bytes, other: bytes) -> None:
    assert (keys.object(bucket_id, one) < keys.object(bucket_id, other)) == (one < other)


@given(any_keys.map(lambda key: b"O" + key), st.binary(max_size=30))
def test_a_row_is_below_the_end_of_a_prefix_exactly_when_it_has_it_or_sorts_before(prefix: bytes, row: bytes) -> None:
    assert (prefix <= row < keys.after_prefix(prefix)) == row.startswith(prefix)


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_nothing_lies_between_a_row_and_what_is_after_it(row: bytes, other: bytes) -> None:
    assert (other > row) == (other >= keys.after(row))


def test_there_is_no_end_above_a_prefix_of_highest_bytes_alone() -> None:
    with pytest.raises(AssertionError):
        keys.after_prefix(b"\xff\xff")


@given(ids, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_parts_and_pages_sort_by_number(row_id: bytes, one: int, other: int) -> None:
    assert (keys.part(row_id, one) < keys.part(row_id, other)) == (one < other)
    assert (keys.manifest_page(row_id, one) < keys.manifest_page(row_id, other)) == (one < other)
    assert keys.part_number(keys.part(row_id, one)) == one
    assert keys.part(row_id, one).startswith(keys.parts(row_id))
    assert keys.manifest_page(row_id, one).startswith(keys.manifest(row_id))


@given(st.integers(0, 2**60), ids, st.integers(0, 2**60), ids)
def test_garbage_sorts_by_time(one_ms: int, one_id: bytes, other_ms: int, other_id: bytes) -> None:
    rows = keys.garbage(one_ms, one_id), keys.garbage(other_ms, other_id)
    assert (rows[0] < rows[1]) == ((one_ms, one_id) < (other_ms, other_id))
    assert keys.garbage_time_ms(rows[0]) == one_ms


@given(st.text(min_size=1, max_size=63))
def test_a_bucket_row_gives_its_name_back(name: str) -> None:
    try:
        row = keys.bucket(name)
    except UnicodeEncodeError:  # lone surrogates are no text
        return
    assert keys.bucket_name(row) == name


def test_every_table_has_a_letter_of_its_own() -> None:
    some_id = bytes(16)
    rows = [
        keys.FORMAT,
        keys.bucket("b"),
        keys.object(some_id, b"k"),
        keys.manifest_page(some_id, 0),
        keys.upload(some_id, b"k", some_id),
        keys.part(some_id, 1),
        keys.garbage(0, some_id),
    ]
    assert len({row[:1] for row in rows}) == len(rows)
