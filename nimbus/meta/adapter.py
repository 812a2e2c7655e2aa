"""The ordered map over a backend of six methods.

Correct because one committer owns the node: its compare-and-set steps are kept atomic by a lock here, and
ranges take the same lock, so that no batch lands between two scans of one range. `batch_put` is durable on
return, so `sync` has nothing to do and a group of mutations costs one `batch_put`.

Besides the six methods a backend may offer, each found by its name:
    scan(prefix, limit, start)   so that a page deep in a prefix need not be read from the prefix's beginning
    capabilities                 when it holds more, or less, than the portable envelope
    close()                      when it has something to release
Must always hold: an answer of `range` lies within its bounds, whatever the backend's scan yields besides.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import islice
from threading import Lock
from typing import Any, Final

from nimbus.base.errors import ConfigInvalid, EngineClosed
from nimbus.meta.api import Capabilities, MetadataBackend
from nimbus.meta.envelope import PORTABLE, check_batch
from nimbus.meta.keys import after, after_prefix

METHODS: Final = ("batch_put", "delete", "exists", "get", "put", "scan")
PAGE_ROWS: Final = 1000  # rows asked of one scan at least: a page of a listing

Row = tuple[bytes, bytes]


class AdaptedMap:
    """An `OwnedMap` made of a `MetadataBackend`."""

    def __init__(self, backend: MetadataBackend) -> None:
        missing = [method for method in METHODS if not callable(getattr(backend, method, None))]
        if missing:
            raise ConfigInvalid(f"{type(backend).__name__} is no metadata backend: it lacks {', '.join(missing)}.")
        self._backend = backend
        self._capabilities: Capabilities = getattr(backend, "capabilities", PORTABLE)
        self._scans_from = "start" in inspect.signature(backend.scan).parameters
        self._lock = Lock()
        self._closed = False

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def get(self, key: bytes) -> bytes | None:
        self._check_open()
        return self._backend.get(key)

    def range(self, start: bytes, end: bytes, limit: int, reverse: bool = False) -> list[Row]:
        if start >= end or limit <= 0:
            return []
        with self._lock:
            self._check_open()
            if not reverse:
                return list(islice(self._rows(start, end, limit), limit))
            return list(reversed(deque(self._rows(start, end, PAGE_ROWS), maxlen=limit)))

    def txn(self, checks: Mapping[bytes, bytes | None], ops: Mapping[bytes, bytes | None]) -> bool:
        check_batch(ops, self._capabilities)
        with self._lock:
            self._check_open()
            if any(self._backend.get(key) != expected for key, expected in checks.items()):
                return False
            if ops:
                self._backend.batch_put(ops)
            return True

    def write(self, ops: Mapping[bytes, bytes | None]) -> None:
        check_batch(ops, self._capabilities)
        with self._lock:
            self._check_open()
            self._backend.batch_put(ops)

    def sync(self) -> None:
        self._check_open()

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            close = getattr(self._backend, "close", None)
            if close is not None:
                close()

    # --- ranges out of scans --------------------------------------------------------------------------

    def _rows(self, start: bytes, end: bytes, limit: int) -> Iterator[Row]:
        rows = self._rows_from if self._scans_from else self._rows_from_prefix
        for row in rows(start, end, max(limit, PAGE_ROWS)):
            if row[0] >= end:
                return
            if row[0] >= start:
                yield row

    def _rows_from(self, start: bytes, end: bytes, limit: int) -> Iterator[Row]:
        """Scan page by page, each from where the last one ended."""
        prefix = covering_prefix(start, end)
        scan: Any = self._backend.scan
        while True:
            page: list[Row] = list(scan(prefix, limit, start=start))
            yield from page
            if len(page) < limit:
                return
            start = after(page[-1][0])

    def _rows_from_prefix(self, start: bytes, end: bytes, limit: int) -> Iterator[Row]:
        """Scan from the prefix's beginning, twice as far each time: at most twice the rows are read."""
        prefix = covering_prefix(start, end)
        seen = 0
        while True:
            page = list(self._backend.scan(prefix, seen + limit))
            yield from page[seen:]
            if len(page) < seen + limit:
                return
            seen = limit = len(page)

    def _check_open(self) -> None:
        if self._closed:
            raise EngineClosed


def covering_prefix(start: bytes, end: bytes) -> bytes:
    """The longest prefix that every key from `start` to below `end` has."""
    size = next((at for at, (one, other) in enumerate(zip(start, end, strict=False)) if one != other), len(start))
    longer = start[: size + 1]
    if longer.rstrip(b"\xff") and after_prefix(longer) >= end:
        return longer
    return start[:size]
