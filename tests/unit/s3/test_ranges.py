"""Range headers in all their forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus.base.span import Span
from nimbus.s3.errors import S3Error
from nimbus.s3.ranges import content_range, if_range_holds, parse_copy_range, parse_range


@pytest.mark.parametrize(
    ("value", "size", "span"),
    [
        ("bytes=0-0", 10, Span(0, 1)),
        ("bytes=0-9", 10, Span(0, 10)),
        ("bytes=0-8388607", 10, Span(0, 10)),
        ("bytes=5-", 10, Span(5, 10)),
        ("bytes=9-", 10, Span(9, 10)),
        ("bytes=-1", 10, Span(9, 10)),
        ("bytes=-10", 10, Span(0, 10)),
        ("bytes=-11", 10, Span(0, 10)),
        ("BYTES=1-2", 10, Span(1, 3)),
        ("bytes=00000000000000000000001-2", 10, Span(1, 3)),
        ("bytes=1-" + "9" * 5000, 10, Span(1, 10)),
        ("bytes=-" + "9" * 5000, 10, Span(0, 10)),
    ],
)
def test_one_range_is_a_span(value: str, size: int, span: Span) -> None:
    assert parse_range(value, size) == span


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=2-1",
        "bytes=1-2,4-5",
        "bytes=-1,1-",
        "items=0-1",
        "bytes=0x1-2",
        "bytes=٣-٤",
        "bytes=1_0-20",
        "bytes=+1-2",
        "bytes=0-1\n",
        "bytes =0-1",
        "0-1",
        "bytes= 0-1",
        "bytes=0-1 ",
        "bytes=0 -1",
        "bytes=--1",
        "bytes=0--1",
        "bytes=-1-",
        "bytes=0-1,",
        "bytes=0-1,3-4,7-9",
    ],
)
def test_a_header_that_is_no_single_range_is_ignored(value: str | None) -> None:
    assert parse_range(value, 10) is None


def test_the_last_bytes_of_an_empty_object_are_all_of_it() -> None:
    """As S3 answers it: 200 and nothing, where RFC 9110, 14.1.2 leaves a choice."""
    assert parse_range("bytes=-8", 0) is None


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("bytes=10-", 10),
        ("bytes=10-11", 10),
        ("bytes=-0", 10),
        ("bytes=0-0", 0),
        ("bytes=-0", 0),
        ("bytes=" + "9" * 5000 + "-", 10),
    ],
)
def test_a_range_past_the_end_cannot_be_satisfied(value: str, size: int) -> None:
    with pytest.raises(S3Error) as caught:
        parse_range(value, size)
    assert (caught.value.code, caught.value.status) == ("InvalidRange", 416)
    assert caught.value.fields == {"RangeRequested": value, "ActualObjectSize": str(size)}


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 20))
def test_a_span_is_what_slicing_gives(first: int, last: int, size: int) -> None:
    content = bytes(range(size))
    if first <= last and first < size:
        span = parse_range(f"bytes={first}-{last}", size)
        assert span is not None
        assert content[span.start : span.end] == content[first : last + 1]
        assert content_range(span, size) == f"bytes {first}-{min(last, size - 1)}/{size}"
    if first:
        suffix = parse_range(f"bytes=-{first}", size)
        assert suffix is not None
        assert content[suffix.start : suffix.end] == content[-first:]


def test_a_copy_range_has_both_ends_inside_the_source() -> None:
    assert parse_copy_range("bytes=0-9", 10) == Span(0, 10)
    assert parse_copy_range("bytes=9-9", 10) == Span(9, 10)


@pytest.mark.parametrize(
    "value",
    [
        *("0-8", "bytes=1-0", "bytes=-1-", "bytes=0--1", "bytes=0-1,3-4,7-9", "bytes=-", "bytes=-0", "bytes=1-"),
        *("bytes=-2", "bytes=-15", "", "bytes=a-b", "byte=0-5", "bytes=+1-5", "bytes= 0-5", "bytes=0-٣"),
    ],
)
def test_any_other_copy_range_is_refused(value: str) -> None:
    with pytest.raises(S3Error) as caught:
        parse_copy_range(value, 10)
    assert (caught.value.code, caught.value.fields["ArgumentValue"]) == ("InvalidArgument", value)
    assert "must be of the form bytes=first-last" in caught.value.message


@pytest.mark.parametrize(
    ("value", "code", "message"),
    [
        ("bytes=0-10", "InvalidArgument", "Range specified is not valid for source object of size: 10"),
        ("bytes=0-" + "9" * 5000, "InvalidArgument", "Range specified is not valid for source object of size: 10"),
        ("bytes=10-10", "InvalidRequest", "The specified copy range is invalid for the source object size"),
        ("bytes=100-200", "InvalidRequest", "The specified copy range is invalid for the source object size"),
    ],
)
def test_a_copy_range_past_the_end_of_the_source_cannot_be_satisfied(value: str, code: str, message: str) -> None:
    """Recorded from AWS: never 416, which belongs to reads."""
    with pytest.raises(S3Error) as caught:
        parse_copy_range(value, 10)
    assert (caught.value.code, caught.value.status, caught.value.message) == (code, 400, message)


def test_if_range_holds_for_the_same_strong_tag_or_date_alone() -> None:
    modified = "Sat, 31 Jan 2026 12:34:56 GMT"
    assert if_range_holds('"abc"', "abc", modified)
    assert if_range_holds(modified, "abc", modified)
    for value in ('W/"abc"', "abc", '"abd"', '"abc", "abd"', "Sat, 31 Jan 2026 12:34:57 GMT", ""):
        assert not if_range_holds(value, "abc", modified)
