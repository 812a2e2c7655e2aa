"""Times as the wire shows them, made once when a record is written: never when it is read or listed.

The same few milliseconds come again and again while objects are written in groups, so the last texts are
kept. No locale takes part.
"""

from __future__ import annotations

import time
from functools import lru_cache

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@lru_cache(maxsize=16)
def iso_text(time_ms: int) -> str:
    """2026-01-31T12:34:56.000Z (ISO 8601 as listings have it): whole seconds, the same as in `http_text`."""
    t = time.gmtime(time_ms // 1000)
    return f"{t.tm_year:04d}-{t.tm_mon:02d}-{t.tm_mday:02d}T{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}.000Z"


@lru_cache(maxsize=16)
def http_text(time_s: int) -> str:
    """Sat, 31 Jan 2026 12:34:56 GMT (RFC 9110, section 5.6.7)."""
    t = time.gmtime(time_s)
    day, month = _DAYS[t.tm_wday], _MONTHS[t.tm_mon - 1]
    return f"{day}, {t.tm_mday:02d} {month} {t.tm_year:04d} {t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d} GMT"
