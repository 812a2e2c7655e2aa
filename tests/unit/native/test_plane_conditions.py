"""Conditions of a read as the native plane decides them, against those of the S3 room."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nimbus._native import plane
from nimbus.s3.conditions import ReadConditions, is_unmodified
from nimbus.s3.errors import S3Error
from nimbus.s3.times import parse_http
from nimbus.store.records import Object

MODIFIED_S = 1_700_000_000
NOW_S = MODIFIED_S + 100
DATES = [
    "Tue, 14 Nov 2023 22:13:19 GMT",
    "Tue, 14 Nov 2023 22:13:20 GMT",
    "Tue, 14 Nov 2023 22:13:21 GMT",
    "Tue, 14 Nov 2023 22:15:00 GMT",
    "Tue, 14 Nov 2023 22:15:01 GMT",
    "Fri, 01 Jan 2100 00:00:00 GMT",
    "Tuesday, 14-Nov-23 22:13:20 GMT",
    "yesterday",
    "",
]
TAGS = ['"abc"', "abc", 'W/"abc"', '"x"', "x", "*", '"x", "abc"', ""]
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "if_match": st.sampled_from(TAGS),
        "if_none_match": st.sampled_from(TAGS),
        "if_modified_since": st.sampled_from(DATES),
        "if_unmodified_since": st.sampled_from(DATES),
    },
)


def oracle(conditions: dict[str, str]) -> str:
    values: dict[str, Any] = {
        name: parse_http(value) if name.endswith("since") else value for name, value in conditions.items()
    }
    record = Object(1, "abc", MODIFIED_S * 1000 + 999, "", "", "", "", ())
    try:
        return "unmodified" if is_unmodified(record, ReadConditions(**values), NOW_S * 1000) else "pass"
    except S3Error:
        return "failed"


@given(HEADERS)
def test_the_plane_decides_as_the_s3_room_or_leaves_it_to_it(conditions: dict[str, str]) -> None:
    headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in conditions.items()]
    verdict = plane.check_conditions(headers, b"abc", MODIFIED_S, NOW_S)
    assert verdict in ("other", oracle(conditions))


def test_plain_conditions_are_decided_by_the_plane() -> None:
    for conditions, verdict in (
        ({"if_modified_since": DATES[4]}, "pass"),
        ({"if_modified_since": DATES[3]}, "unmodified"),
        ({"if_none_match": '"abc"', "if_modified_since": DATES[4]}, "unmodified"),
        ({"if_match": "abc"}, "pass"),
    ):
        headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in conditions.items()]
        assert plane.check_conditions(headers, b"abc", MODIFIED_S, NOW_S) == verdict == oracle(conditions)
