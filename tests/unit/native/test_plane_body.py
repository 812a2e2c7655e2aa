"""Ranges and chunked bodies of the native plane, each against a plain-Python oracle."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus._native import plane


def range_oracle(value: str, size: int) -> tuple[int, int] | str | None:
    found = re.fullmatch(r"bytes=([0-9]*)-([0-9]*)", value)
    if not found or value == "bytes=-":
        return None
    first, last = (str(min(int(digits), 2**64 - 1)) if digits else "" for digits in found.groups())
    if not first:
        start, end = max(size - int(last), 0), size
        if not size and int(last):
            return None
        return (start, end) if start < end else "unsatisfiable"
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        return "unsatisfiable"
    return int(first), min(int(last) + 1, size) if last else size


def range_of(value: str, size: int) -> tuple[int, int] | str | None:
    try:
        return plane.parse_range(value.encode(), size)
    except ValueError as error:
        return str(error)


@given(
    st.from_regex(r"\Abytes=[0-9]{0,22}-[0-9]{0,22}\Z") | st.text("bytes=0123456789-, \t+_", max_size=30),
    st.integers(0, 2**50),
)
def test_ranges_are_read_as_the_oracle_reads_them(value: str, size: int) -> None:
    assert range_of(value, size) == range_oracle(value, size)


@pytest.mark.parametrize(
    ("value", "size", "expected"),
    [
        ("bytes=0-0", 10, (0, 1)),
        ("bytes=0-", 10, (0, 10)),
        ("bytes=-3", 10, (7, 10)),
        ("bytes=-30", 10, (0, 10)),
        ("bytes=5-99999999999999999999999", 10, (5, 10)),
        ("bytes=99999999999999999999999-", 10, "unsatisfiable"),
        ("bytes=-0", 10, "unsatisfiable"),
        ("bytes=0-0", 0, "unsatisfiable"),
        ("bytes=-8", 0, None),
        ("bytes=-0", 0, "unsatisfiable"),
        ("bytes=0-1,3-4", 10, None),
        ("Bytes=0-1", 10, None),
        ("bytes=0 - 1", 10, None),
        ("", 10, None),
    ],
)
def test_known_ranges(value: str, size: int, expected: tuple[int, int] | str | None) -> None:
    assert range_of(value, size) == expected


def chunked(payloads: list[bytes]) -> bytes:
    return (
        b"".join(b"%X;ext=1\r\n%b\r\n" % (len(payload), payload) for payload in payloads) + b"0\r\nTrailer: x\r\n\r\n"
    )


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(c % (len(data) + 1) for c in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@given(
    st.lists(st.binary(min_size=1, max_size=50), max_size=8), st.lists(st.integers(0, 999), max_size=10), st.binary()
)
def test_a_chunked_body_decodes_however_it_is_cut(payloads: list[bytes], cuts: list[int], rest: bytes) -> None:
    data = chunked(payloads)
    assert plane.decode_chunked(cut(data + rest, cuts)) == (b"".join(payloads), rest)
    assert plane.decode_chunked([data[:-1]]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b"g\r\n",
        b"-1\r\n",
        b"0x5\r\n",
        b" 5\r\n",
        b"5 \r\n",
        b"5\nhello",
        b"5\r\nhelloX",
        b"5\r\nhello\n",
        b"1234567890abcdef\r\n",
        b"5;\x01\r\n",
        b"5;" + b"x" * 300,
        b"0\r\n" + b"a: b\r\n" * 2000,
        b"0\r\nfoo\x00",
        b"0\r\n\rX",
    ],
)
def test_bad_chunk_framing_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="bad chunk framing"):
        plane.decode_chunked([data])
