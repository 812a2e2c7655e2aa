"""A half-open range of bytes; HTTP's inclusive ends exist only in the S3 room's range parser."""

from __future__ import annotations

import msgspec


class Span(msgspec.Struct, frozen=True):
    """Bytes start (included) to end (excluded) of something."""

    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start
