"""Times as signatures spell them. Strict: what is not exactly a time is None, never a guess."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from nimbus._native.sigv4 import parse_timestamp

# RFC 9110, 5.6.7 (IMF-fixdate), with the numeric zones that old S3 clients send.
_HTTP_DATE: Final = re.compile(
    rb"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?([0-9]{1,2}) "
    rb"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) "
    rb"([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) (?:GMT|UTC|UT|Z|([+-])([0-9]{2})([0-9]{2}))"
)
_LAST_SECOND: Final = 253_402_300_799  # of the year 9999; a zone can push a time past it
_MONTHS: Final = {
    name: number
    for number, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), start=1)
}  # fmt: skip


def parse_date(text: bytes) -> int | None:
    """Seconds since the epoch of `Fri, 24 May 2013 00:00:00 GMT` or `20130524T000000Z`."""
    seconds = parse_timestamp(text)
    return seconds if seconds >= 0 else _parse_http_date(text)


def _parse_http_date(text: bytes) -> int | None:
    found = _HTTP_DATE.fullmatch(text)
    if found is None:
        return None
    day, month, year, hour, minute, second, sign, zone_hour, zone_minute = found.groups()
    try:
        zone = timezone(
            timedelta(hours=int(zone_hour or 0), minutes=int(zone_minute or 0)) * (-1 if sign == b"-" else 1)
        )
        moment = datetime(
            int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=zone
        )  # fmt: skip
    except ValueError:
        return None
    seconds = int(moment.timestamp())
    return seconds if 0 <= seconds <= _LAST_SECOND else None


def timestamp_text(seconds: int) -> bytes:
    """20130524T000000Z"""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%SZ").encode()


def error_text(seconds: int) -> str:
    """2013-05-24T00:00:00Z, as S3's error documents spell a time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
