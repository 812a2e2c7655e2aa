"""Ranges of bytes as HTTP writes them, made into half-open spans. Inclusive ends exist only in this file.

RFC 9110, section 14, as S3 applies it: one range is served; several at once, another unit or a header that
does not parse are as if there were none, and so are the last bytes of what has none; a range that begins past the end
is `InvalidRange`.
"""

from __future__ import annotations

import re

from nimbus.base.span import Span
from nimbus.s3.errors import S3Error

_RANGE = re.compile(r"bytes=(?:([0-9]+)-([0-9]*)|-([0-9]+))", re.IGNORECASE | re.ASCII)
_COPY_RANGE = re.compile(r"bytes=([0-9]+)-([0-9]+)", re.ASCII)
_DIGITS_MAX = 19  # more digits than any size has; int() is not asked about longer ones


def parse_range(value: str | None, size: int) -> Span | None:
    """The span that a Range header asks of `size` bytes, or None for all of them. Raises `InvalidRange`."""
    match = _RANGE.fullmatch(value) if value else None
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        start, end = max(0, size - _number(suffix)), size
        if not size and _number(suffix):
            return None
    else:
        start, end = _number(first), min(_number(last) + 1, size) if last else size
        if last and _number(last) < start:
            return None  # such a range is invalid by the grammar's prose, so the header is ignored
    if start >= size:
        raise S3Error("InvalidRange", RangeRequested=match.string, ActualObjectSize=size)
    return Span(start, end)


def parse_copy_range(value: str, size: int) -> Span:
    """The span that x-amz-copy-source-range asks of a source of `size` bytes: both ends given, both inside.

    Raises `InvalidArgument` for what is no such range or reaches past the end, `InvalidRequest` when it begins there.
    """
    match = _COPY_RANGE.fullmatch(value)
    if match is None or _number(match[2]) < _number(match[1]):
        raise _bad_copy_range(
            value,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are "
            "the zero-based offsets of the first and last bytes to copy",
        )
    span = Span(_number(match[1]), _number(match[2]) + 1)
    if span.start >= size:
        raise S3Error("InvalidRequest", "The specified copy range is invalid for the source object size")
    if span.end > size:
        raise _bad_copy_range(value, f"Range specified is not valid for source object of size: {size}")
    return span


def _bad_copy_range(value: str, message: str) -> S3Error:
    return S3Error("InvalidArgument", message, ArgumentName="x-amz-copy-source-range", ArgumentValue=value)


def content_range(span: Span, size: int) -> str:
    """The value of Content-Range for a span of `size` bytes."""
    return f"bytes {span.start}-{span.end - 1}/{size}"


def if_range_holds(value: str, etag: str, modified_http: str) -> bool:
    """Whether the representation is still the one that If-Range names, by strong entity tag or by date.

    `etag` has no quotes; a date must be the very Last-Modified (RFC 9110, section 13.1.5).
    """
    return value in (f'"{etag}"', modified_http)


def _number(digits: str) -> int:
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= _DIGITS_MAX else 10**_DIGITS_MAX
