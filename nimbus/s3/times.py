"""Times as S3 writes them: HTTP dates in headers, ISO 8601 in documents. Nothing else is read or written.

Readers answer None for what is not such a time: the caller knows whether that is ignored or refused.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CLOCK = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_DAY_NAMES = "|".join(_DAYS)

# The three forms of RFC 9110, section 5.6.7.
_HTTP_FORMS = (
    re.compile(rf"(?:{_DAY_NAMES}), (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_CLOCK} GMT", re.ASCII),
    re.compile(
        rf"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_CLOCK} GMT", re.ASCII
    ),
    re.compile(rf"(?:{_DAY_NAMES}) {_MONTH} (?P<day>[ \d]\d) {_CLOCK} (?P<year>\d{{4}})", re.ASCII),
)
_ISO_FORM = re.compile(
    rf"(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d)"
    rf"(?:T{_CLOCK}(?:\.(?P<fraction>\d{{1,9}}))?(?P<zone>Z|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)


def parse_http(text: str) -> datetime | None:
    """An HTTP date as an aware datetime in UTC, None when it is none."""
    for form in _HTTP_FORMS:
        match = form.fullmatch(text)
        if match:
            return _moment(_full_year(match["year"]), _MONTHS.index(match["month"]) + 1, match)
    return None


def parse_iso(text: str) -> datetime | None:
    """An ISO 8601 time, or a date (its midnight), as an aware datetime in UTC; None when it is none.

    It is in UTC unless it names another zone.
    """
    match = _ISO_FORM.fullmatch(text)
    return _moment(int(match["year"]), int(match["month"]), match) if match else None


def http_text(moment: datetime) -> str:
    """`Sat, 31 Jan 2026 12:34:56 GMT`."""
    moment = moment.astimezone(UTC)
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day}, {moment.day:02d} {month} {moment.year:04d} {moment:%H:%M:%S} GMT"


def iso_text(moment: datetime) -> str:
    """`2026-01-31T12:34:56.789Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _full_year(digits: str) -> int:
    """Two digits are within 1970 to 2069."""
    year = int(digits)
    return year if len(digits) > 2 else year + (1900 if year >= 70 else 2000)


def _moment(year: int, month: int, match: re.Match[str]) -> datetime | None:
    parts = match.groupdict()
    hour, minute, second = (int(parts[name] or 0) for name in ("hour", "minute", "second"))
    microsecond = int((parts.get("fraction") or "0").ljust(6, "0")[:6])
    try:
        zone = _zone(parts.get("zone") or "Z")
        moment = datetime(year, month, int(parts["day"]), hour, minute, second, microsecond, zone)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):  # no such day or zone, or beyond the years that can be counted
        return None


def _zone(text: str) -> timezone:
    if text == "Z":
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))
