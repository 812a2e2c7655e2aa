"""Where a damaged block of an ordered engine begins and ends, found by trying to read before, in and behind it.

A cursor that enters the block is not valid any more and says so in its status; one that is set to a key behind the
block is. Where exactly that begins is looked for by doubling steps, then by halving them, with keys taken for numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

FINER_BYTES: Final = 32  # longer than the last readable key: of keys that have more in common, some may be left out


class Cursor(Protocol):
    """Of RocksDB's iterators, what is needed here."""

    def seek(self, key: bytes) -> None: ...
    def next(self) -> None: ...
    def valid(self) -> bool: ...
    def key(self) -> bytes: ...
    def status(self) -> None: ...


Open = Callable[[], Cursor]


def last_readable(open_cursor: Open, start: bytes) -> bytes | None:
    """The last key from `start` on before the damage; None when it begins there."""
    cursor = open_cursor()
    cursor.seek(start)
    last = None
    while cursor.valid():
        last = cursor.key()
        cursor.next()
    return last


def first_readable(open_cursor: Open, last: bytes, end: bytes) -> bytes:
    """The first key behind the damage that follows `last`; `end` when there is none before it."""
    size = max(len(last), len(end)) + FINER_BYTES
    low, top = int.from_bytes(last.ljust(size, b"\0")), int.from_bytes(end.ljust(size, b"\0"))
    step = 1
    while low + step < top and _behind(open_cursor, (low + step).to_bytes(size), end) is None:
        step *= 2
    low, high = low + step // 2, min(low + step, top)
    while high - low > 1:
        middle = (low + high) // 2
        if _behind(open_cursor, middle.to_bytes(size), end) is None:
            low = middle
        else:
            high = middle
    return _behind(open_cursor, high.to_bytes(size), end) or end


def _behind(open_cursor: Open, key: bytes, end: bytes) -> bytes | None:
    """The first readable key from `key` on, `end` when there is none; None when `key` lies in the damage."""
    cursor = open_cursor()
    cursor.seek(key)
    if cursor.valid():
        return cursor.key()
    try:
        cursor.status()
    except Exception:  # rocksdict raises nothing more special
        return None
    return end
