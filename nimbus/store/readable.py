"""The metadata as listings read it: rows that cannot be read are named to the operator, and left out if that is wanted.

Only listings read so. Whoever would delete on the strength of what is not there (the sweep, the deletion of a bucket,
the completion of an upload) gets the error.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from threading import Lock
from typing import Final

from nimbus.base.clock import Clock
from nimbus.base.errors import DataDamaged, RowsUnreadable
from nimbus.base.ids import ID_SIZE_BYTES
from nimbus.meta import keys
from nimbus.meta.api import OrderedMap
from nimbus.metrics import names
from nimbus.metrics.api import Reading

TOLD_AGAIN_S: Final = 60.0  # the same rows are named again after so long
TOLD_MAX: Final = 1000  # runs of rows that are remembered for that

Row = tuple[bytes, bytes]

_logger = logging.getLogger(__name__)


class ReadableRows:
    """Ranges of a map. Any thread."""

    def __init__(self, map: OrderedMap, clock: Clock, *, skips: bool) -> None:
        self._map = map
        self._clock = clock
        self._skips = skips
        self._lock = Lock()
        self._told_s: dict[tuple[bytes, bytes], float] = {}
        self._unreadable = 0
        self._skipped = 0

    def range(self, start: bytes, end: bytes, limit: int) -> list[Row]:
        """As of the map; when the operator wants it so, without the rows that cannot be read.

        Raises `RowsUnreadable` otherwise.
        """
        rows: list[Row] = []
        while True:
            try:
                return rows + self._map.range(start, end, limit - len(rows))
            except RowsUnreadable as damage:
                self._count(damage)
                if not self._skips:
                    raise
                rows += damage.rows
                start = damage.end
            if start >= end or len(rows) >= limit:
                return rows[:limit]

    def read(self) -> Iterator[Reading]:
        """How often that was; see nimbus/metrics/names.py."""
        yield Reading(names.METADATA_UNREADABLE, self._unreadable)
        yield Reading(names.METADATA_SKIPPED, self._skipped)

    def _count(self, damage: RowsUnreadable) -> None:
        run, now_s = (damage.start, damage.end), self._clock.monotonic_s()
        with self._lock:
            self._unreadable += 1
            self._skipped += self._skips
            told_s = self._told_s.get(run)
            if told_s is not None and now_s - told_s < TOLD_AGAIN_S:
                return
            if len(self._told_s) >= TOLD_MAX:
                self._told_s.clear()
            self._told_s[run] = now_s
        _logger.error(
            "Metadata cannot be read from %s to before %s; listings %s: %s",
            *(self._described(row) for row in run),
            "leave that out" if self._skips else 'of that are refused (metadata.damaged = "skip" leaves it out)',
            damage.detail,
        )

    def _described(self, row: bytes) -> str:
        """What a row, or where one might be, means to the operator."""
        for prefix, kind in _KINDS:
            if row.startswith(prefix):
                bucket_id = row[len(prefix) : len(prefix) + ID_SIZE_BYTES]
                return f"{kind} {row[len(prefix) + ID_SIZE_BYTES :]!r} of bucket {self._bucket_name(bucket_id)}"
        return f"row {row!r}"

    def _bucket_name(self, bucket_id: bytes) -> str:
        start, end = keys.BUCKETS, keys.after_prefix(keys.BUCKETS)
        try:
            while rows := self._map.range(start, end, 1000):
                for row, value in rows:
                    if bucket_id in value:  # 16 random bytes
                        return repr(keys.bucket_name(row))
                start = keys.after(rows[-1][0])
        except DataDamaged:
            pass
        return f"with the id {bucket_id.hex()}"


_KINDS: Final = ((keys.objects(b""), "key"), (keys.uploads(b""), "upload to key"))
