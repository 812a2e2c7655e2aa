"""Which conditions let a request pass: RFC 9110 section 13, and what was recorded from AWS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nimbus.s3.conditions import (
    ReadConditions,
    check_copy_source,
    delete_condition,
    is_unmodified,
    write_condition,
)
from nimbus.s3.errors import S3Error
from nimbus.store.records import Object

MODIFIED = datetime(2026, 1, 31, 12, 34, 56, tzinfo=UTC)
NOW = MODIFIED + timedelta(seconds=10)
NOW_MS = int(NOW.timestamp() * 1000)
RECORD = Object(1, "abc", int(MODIFIED.timestamp() * 1000) + 789, "", "", "", "", ())
BEFORE, LATER, FUTURE = MODIFIED - timedelta(days=1), MODIFIED + timedelta(seconds=5), NOW + timedelta(days=1)


def read(**conditions: Any) -> str:
    try:
        return "304" if is_unmodified(RECORD, ReadConditions(**conditions), NOW_MS) else "200"
    except S3Error as error:
        return f"{error.status} {error.fields['Condition']}"


@pytest.mark.parametrize(
    ("conditions", "answer"),
    [
        # all at once, one fewer each time: the order in which AWS decides
        (
            {
                "if_match": "etag123",
                "if_unmodified_since": BEFORE,
                "if_none_match": '"abc"',
                "if_modified_since": LATER,
            },
            "412 If-Match",
        ),
        (
            {"if_unmodified_since": BEFORE, "if_none_match": '"abc"', "if_modified_since": LATER},
            "412 If-Unmodified-Since",
        ),
        ({"if_none_match": '"abc"', "if_modified_since": LATER}, "304"),
        ({"if_modified_since": LATER}, "304"),
        ({"if_modified_since": FUTURE}, "200"),
        ({"if_modified_since": NOW}, "304"),
        ({"if_modified_since": NOW + timedelta(seconds=1)}, "200"),
        ({"if_modified_since": MODIFIED}, "304"),
        ({"if_modified_since": BEFORE}, "200"),
        ({"if_unmodified_since": MODIFIED}, "200"),
        ({"if_unmodified_since": FUTURE}, "200"),
        ({"if_none_match": "abc", "if_modified_since": LATER}, "304"),
        (
            {"if_match": "abc", "if_none_match": "etag123", "if_modified_since": BEFORE, "if_unmodified_since": LATER},
            "200",
        ),
        # an entity tag silences the date beside it (13.2.2)
        ({"if_match": '"abc"', "if_unmodified_since": BEFORE}, "200"),
        ({"if_none_match": '"other"', "if_modified_since": LATER}, "200"),
        ({"if_match": '"abc"', "if_modified_since": LATER}, "304"),
        ({"if_none_match": '"abc"', "if_modified_since": FUTURE}, "304"),
        ({"if_none_match": '"other"', "if_unmodified_since": BEFORE}, "412 If-Unmodified-Since"),
    ],
)
def test_conditions_of_a_read_are_decided_in_the_order_of_http(conditions: dict[str, Any], answer: str) -> None:
    assert read(**conditions) == answer


@pytest.mark.parametrize(
    ("conditions", "failed"),
    [
        ({"if_match": "etag123"}, "If-Match"),
        ({"if_unmodified_since": BEFORE, "if_none_match": '"abc"'}, "If-Unmodified-Since"),
        ({"if_none_match": "abc"}, "If-None-Match"),
        ({"if_none_match": '"abc"', "if_modified_since": FUTURE}, "If-None-Match"),
        ({"if_modified_since": MODIFIED}, "If-Modified-Since"),
        ({"if_modified_since": FUTURE}, ""),
        ({"if_match": "abc", "if_unmodified_since": BEFORE}, ""),
    ],
)
def test_a_source_of_a_copy_fails_by_the_name_of_its_condition(conditions: dict[str, Any], failed: str) -> None:
    asked = ReadConditions(**conditions, prefix="x-amz-copy-source-")
    if not failed:
        check_copy_source(RECORD, asked, NOW_MS)
        return
    with pytest.raises(S3Error) as caught:
        check_copy_source(RECORD, asked, NOW_MS)
    assert (caught.value.status, caught.value.fields) == (412, {"Condition": f"x-amz-copy-source-{failed}"})


@pytest.mark.parametrize("value", ['"abc"', "abc", '"other", "abc"', '"other","abc"', "*"])
def test_a_strong_tag_is_named_in_every_spelling(value: str) -> None:
    assert (read(if_match=value), read(if_none_match=value)) == ("200", "304")


@pytest.mark.parametrize("value", ['W/"abc"', '"other", W/"abc"'])
def test_a_weak_tag_says_nothing_about_bytes(value: str) -> None:
    """RFC 9110, 13.1.1 and 13.1.2: If-Match compares strongly, If-None-Match weakly."""
    assert (read(if_match=value), read(if_none_match=value)) == ("412 If-Match", "304")


def outcome(condition: Any, present: Object | None) -> str:
    try:
        condition(present)
    except S3Error as error:
        return f"{error.status} {error.code}"
    return "goes on"


@pytest.mark.parametrize(
    ("if_match", "if_none_match", "on_it", "on_none"),
    [
        ('"abc"', None, "goes on", "404 NoSuchKey"),
        ("abc", None, "goes on", "404 NoSuchKey"),
        ("bad-char_/", None, "412 PreconditionFailed", "404 NoSuchKey"),
        (None, "*", "412 PreconditionFailed", "goes on"),
    ],
)
def test_a_write_is_conditional(if_match: str | None, if_none_match: str | None, on_it: str, on_none: str) -> None:
    condition = write_condition(if_match, if_none_match)
    assert (outcome(condition, RECORD), outcome(condition, None)) == (on_it, on_none)


@pytest.mark.parametrize(
    ("if_match", "if_none_match", "header", "reason"),
    [
        (None, '"abc"', "If-None-Match", "We don't accept the provided value of If-None-Match header for this API"),
        (None, "", "If-None-Match", "We don't accept the provided value of If-None-Match header for this API"),
        ("*", None, "If-Match", "We don't accept the provided value of If-Match header for this API"),
        ("abc", "*", "If-Match,If-None-Match", "Multiple conditional request headers present in the request"),
        ("*", '"abc"', "If-Match,If-None-Match", "Multiple conditional request headers present in the request"),
    ],
)
def test_a_condition_that_writes_do_not_have_is_refused(
    if_match: str | None, if_none_match: str | None, header: str, reason: str
) -> None:
    """Recorded from AWS, for PutObject, CopyObject and CompleteMultipartUpload alike."""
    with pytest.raises(S3Error) as caught:
        write_condition(if_match, if_none_match)
    assert (caught.value.status, caught.value.code) == (501, "NotImplemented")
    assert caught.value.fields == {"Header": header, "additionalMessage": reason}


@pytest.mark.parametrize(
    ("if_match", "on_it"), [("abc", "goes on"), ("*", "goes on"), ('"x"', "412 PreconditionFailed")]
)
def test_a_deletion_of_an_entity_that_is_not_there_is_lost(if_match: str, on_it: str) -> None:
    """AWS, "How to perform conditional deletes": whoever named an entity is not told that it went by their hand."""
    condition = delete_condition(if_match)
    assert (outcome(condition, RECORD), outcome(condition, None)) == (on_it, "404 NoSuchKey")


def test_time_and_size_of_what_is_deleted_are_for_directory_buckets() -> None:
    """Recorded from AWS, the time before the size and both before the entity tag."""
    for conditions, header in (
        ({"modified": MODIFIED}, "x-amz-if-match-last-modified-time"),
        ({"size": 1}, "x-amz-if-match-size"),
        ({"if_match": "x", "modified": MODIFIED, "size": 1}, "x-amz-if-match-last-modified-time"),
    ):
        with pytest.raises(S3Error) as caught:
            delete_condition(**{"if_match": None, **conditions})
        assert (caught.value.status, caught.value.fields) == (501, {"Header": header})
