"""Conditional requests: which of If-Match, If-None-Match, If-Modified-Since and If-Unmodified-Since lets one pass.

Pure. The order is that of RFC 9110 section 13.2.2: an ETag condition silences the date condition beside it.
Dates on the wire have whole seconds, so an object's time is compared without its milliseconds. A date that
cannot be read counts as absent (the decoder hands over None).
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from nimbus.s3.errors import S3Error
from nimbus.store.api import Condition
from nimbus.store.records import Object


class ReadConditions(msgspec.Struct, frozen=True):
    """The conditions of a read, or of the source of a copy."""

    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: datetime | None = None
    if_unmodified_since: datetime | None = None


def is_unmodified(record: Object, conditions: ReadConditions) -> bool:
    """Whether the caller has the object already (304). Raises `S3Error` PreconditionFailed."""
    if conditions.if_match is not None:
        if not _names(conditions.if_match, record.etag):
            raise precondition_failed("If-Match")
    elif conditions.if_unmodified_since is not None and _is_newer(record, conditions.if_unmodified_since):
        raise precondition_failed("If-Unmodified-Since")
    if conditions.if_none_match is not None:
        return _names(conditions.if_none_match, record.etag)
    return conditions.if_modified_since is not None and not _is_newer(record, conditions.if_modified_since)


def check_copy_source(record: Object, conditions: ReadConditions) -> None:
    """Raises PreconditionFailed where a read would have answered 304, too."""
    if is_unmodified(record, conditions):
        failed = "If-None-Match" if conditions.if_none_match is not None else "If-Modified-Since"
        raise precondition_failed("x-amz-copy-source-" + failed)


def write_condition(if_match: str | None, if_none_match: str | None) -> Condition | None:
    """The condition of a write, decided on the object that the write would replace."""
    if if_match is None and if_none_match is None:
        return None

    def check(present: Object | None) -> None:
        if if_match is not None:
            if present is None:
                raise S3Error("NoSuchKey", "The specified key does not exist.")
            if not _names(if_match, present.etag):
                raise precondition_failed("If-Match")
        if if_none_match is not None and present is not None and _names(if_none_match, present.etag):
            raise precondition_failed("If-None-Match")

    return check


def delete_condition(
    if_match: str | None, modified: datetime | None = None, size: int | None = None
) -> Condition | None:
    """The condition of a deletion; what is not there may always be deleted."""
    if if_match is None and modified is None and size is None:
        return None

    def check(present: Object | None) -> None:
        if present is None:
            return
        if if_match is not None and not _names(if_match, present.etag):
            raise precondition_failed("If-Match")
        if modified is not None and present.modified_ms // 1000 != int(modified.timestamp()):
            raise precondition_failed("x-amz-if-match-last-modified-time")
        if size is not None and present.size != size:
            raise precondition_failed("x-amz-if-match-size")

    return check


def precondition_failed(condition: str) -> S3Error:
    """S3's answer to a condition that does not hold."""
    return S3Error(
        "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", Condition=condition
    )


def _names(value: str, etag: str) -> bool:
    """Whether a list of entity tags, or `*`, names this one. Quotes are optional, as in S3."""
    if value == f'"{etag}"' or value == etag:
        return True
    for tag in value.split(","):
        bare = tag.strip().removeprefix("W/")
        if bare == "*" or bare.strip('"') == etag:
            return True
    return False


def _is_newer(record: Object, moment: datetime) -> bool:
    return record.modified_ms // 1000 > int(moment.timestamp())
