"""Times as text, there and back."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus.s3.times import http_text, iso_text, parse_http, parse_iso

MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 30), timezones=st.just(UTC))


@given(MOMENTS)
def test_an_http_date_is_what_the_standard_library_writes_and_comes_back(moment: datetime) -> None:
    whole = moment.replace(microsecond=0)
    assert http_text(moment) == format_datetime(whole, usegmt=True)
    assert parse_http(http_text(moment)) == whole


@given(MOMENTS)
def test_an_iso_time_keeps_its_milliseconds(moment: datetime) -> None:
    assert parse_iso(iso_text(moment)) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:34:56Z", datetime(2026, 1, 31, 12, 34, 56, tzinfo=UTC)),
        ("2026-01-31T12:34:56.7Z", datetime(2026, 1, 31, 12, 34, 56, 700_000, tzinfo=UTC)),
        ("2026-01-31T12:34:56.123456789Z", datetime(2026, 1, 31, 12, 34, 56, 123_456, tzinfo=UTC)),
        ("2026-01-31T12:34:56+01:30", datetime(2026, 1, 31, 11, 4, 56, tzinfo=UTC)),
        ("2026-01-31T12:34:56-0100", datetime(2026, 1, 31, 13, 34, 56, tzinfo=UTC)),
        ("2026-01-31T12:34:56", datetime(2026, 1, 31, 12, 34, 56, tzinfo=UTC)),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
    ],
)
def test_an_iso_time_may_have_a_fraction_and_a_zone(text: str, moment: datetime) -> None:
    assert parse_iso(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-02-30",
        "2026-13-01",
        "2026-01-01T25:00:00Z",
        "2026-01-01T00:00:00+99:99",
        "0001-01-01T00:00:00+23:00",
        "2026-01-31T12:34:56Z\n",
        "\uff12\uff10\uff12\uff16-01-31",
        "20260131T123456Z",
        "2026-1-1",
    ],
)
def test_what_is_no_iso_time_is_none(text: str) -> None:
    assert parse_iso(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "06 Nov 1994",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "sun, 06 nov 1994 08:49:37 GMT",
        "1994-11-06T08:49:37Z",
        "Sun, 06 Nov 94 08:49:37 GMT",
    ],
)
def test_what_is_no_http_date_is_none(text: str) -> None:
    assert parse_http(text) is None


def test_two_digits_of_a_year_are_within_a_century() -> None:
    for text, year in (("69", 2069), ("70", 1970), ("99", 1999), ("00", 2000)):
        moment = parse_http(f"Sunday, 06-Nov-{text} 08:49:37 GMT")
        assert moment is not None
        assert moment.year == year
