"""Conditional requests: which of If-Match, If-None-Match, If-Modified-Since and If-Unmodified-Since lets one pass.

Pure. The order is that of RFC 9110 section 13.2.2: an ETag condition silences the date condition beside it.
Dates on the wire have whole seconds, so an object's time is compared without its milliseconds. A date that
cannot be read counts as absent (the decoder hands over None), and so does an If-Modified-Since in the future
(section 13.1.3).

Writes and deletions know less than reads, as in S3 ("Conditional requests" of its user guide): If-None-Match of a
write is `*`, its If-Match an entity tag, and it has one of the two; the time and the size of what is deleted are
for directory buckets. Whatever else they ask is refused and never guessed at.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from nimbus.s3.errors import S3Error
from nimbus.store.api import Condition
from nimbus.store.records import Object


class ReadConditions(msgspec.Struct, frozen=True):
    """The conditions of a read, or of the source of a copy; `prefix` is what their names begin with."""

    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: datetime | None = None
    if_unmodified_since: datetime | None = None
    prefix: str = ""


def is_unmodified(record: Object, conditions: ReadConditions, now_ms: int) -> bool:
    """Whether the caller has the object already (304). Raises `S3Error` PreconditionFailed."""
    if conditions.if_match is not None:
        if not _is_named(conditions.if_match, record.etag, is_strong=True):
            raise precondition_failed(conditions.prefix + "If-Match")
    elif conditions.if_unmodified_since is not None and _is_newer(record, conditions.if_unmodified_since):
        raise precondition_failed(conditions.prefix + "If-Unmodified-Since")
    if conditions.if_none_match is not None:
        return _is_named(conditions.if_none_match, record.etag)
    since = conditions.if_modified_since
    return since is not None and since.timestamp() * 1000 <= now_ms and not _is_newer(record, since)


def check_copy_source(record: Object, conditions: ReadConditions, now_ms: int) -> None:
    """Raises PreconditionFailed where a read would have answered 304, too."""
    if is_unmodified(record, conditions, now_ms):
        failed = "If-None-Match" if conditions.if_none_match is not None else "If-Modified-Since"
        raise precondition_failed(conditions.prefix + failed)


def write_condition(if_match: str | None, if_none_match: str | None, begun_ms: int | None = None) -> Condition | None:
    """The condition of a write, decided on the object that the write would replace. Raises NotImplemented.

    `begun_ms` is when a write of many requests began: an object of a later time has come in between.
    """
    if if_match is not None and if_none_match is not None:
        raise _not_for_writes("If-Match,If-None-Match", "Multiple conditional request headers present in the request")
    if if_none_match is not None:
        if if_none_match != "*":
            raise _not_taken("If-None-Match")
        return _check_absent
    if if_match == "*":
        raise _not_taken("If-Match")
    return None if if_match is None else _same_entity(if_match, begun_ms)


def delete_condition(
    if_match: str | None, modified: datetime | None = None, size: int | None = None
) -> Condition | None:
    """The condition of a deletion, `*` being that there is something to delete. Raises NotImplemented."""
    if modified is not None:
        raise _not_for_writes("x-amz-if-match-last-modified-time")
    if size is not None:
        raise _not_for_writes("x-amz-if-match-size")
    return None if if_match is None else _same_entity(if_match)


def _check_absent(present: Object | None) -> None:
    if present is not None:
        raise precondition_failed("If-None-Match")


def _same_entity(if_match: str, begun_ms: int | None = None) -> Condition:
    def check(present: Object | None) -> None:
        if present is None:
            raise S3Error("NoSuchKey")
        if not _is_named(if_match, present.etag, is_strong=True):
            raise precondition_failed("If-Match")
        if begun_ms is not None and present.modified_ms > begun_ms:
            raise S3Error("ConditionalRequestConflict", Condition="If-Match")

    return check


def precondition_failed(condition: str) -> S3Error:
    """S3's answer to a condition that does not hold."""
    return S3Error(
        "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", Condition=condition
    )


def _not_taken(header: str) -> S3Error:
    return _not_for_writes(header, f"We don't accept the provided value of {header} header for this API")


def _not_for_writes(header: str, reason: str = "") -> S3Error:
    """S3's answer to a condition that it does not know on this operation."""
    message = "A header you provided implies functionality that is not implemented"
    reasons = {"additionalMessage": reason} if reason else {}
    return S3Error("NotImplemented", message, Header=header, **reasons)


def _is_named(value: str, etag: str, *, is_strong: bool = False) -> bool:
    """Whether a list of entity tags, or `*`, names this one. Quotes are optional, as in S3.

    A weak tag says nothing about bytes: it never names a thing in the strong comparison (RFC 9110, 8.8.3.2).
    """
    if value == f'"{etag}"' or value == etag:
        return True
    tags = [tag.strip() for tag in value.split(",")]
    if not is_strong:
        tags = [tag.removeprefix("W/") for tag in tags]
    return any(tag == "*" or tag.strip('"') == etag for tag in tags)


def _is_newer(record: Object, moment: datetime) -> bool:
    return record.modified_ms // 1000 > int(moment.timestamp())
