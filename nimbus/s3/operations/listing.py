"""Listings of objects: version 1 with markers, version 2 with continuation tokens."""

from __future__ import annotations

import base64
import binascii

from nimbus.base.limits import LIST_KEYS_MAX
from nimbus.s3 import model
from nimbus.s3.api import Context, Reply
from nimbus.s3.errors import S3Error
from nimbus.s3.operations.attributes import STORAGE_CLASS
from nimbus.s3.operations.buckets import owner_of, region_headers
from nimbus.store.api import Listing
from nimbus.store.records import Object

_TOKEN_MARK = b"\x01"  # a token is this and the key it continues after; the mark leaves room for another form


async def list_objects(ctx: Context, request: model.ListObjectsRequest) -> Reply:
    """A page of keys; the next one starts after `NextMarker`, or after the last key when there is no delimiter."""
    limit = page_limit(request.max_keys)
    prefix, delimiter = request.prefix or "", request.delimiter or ""
    marker = request.marker or ""
    page = await _page(ctx, prefix, delimiter, past_group(prefix, delimiter, marker), limit)
    owner = owner_of(ctx.user)
    return Reply(
        model.ListObjectsOutput(
            is_truncated=page.truncated,
            marker=marker,
            next_marker=page.next_after if page.truncated and delimiter else None,
            contents=[_entry(key, record, owner) for key, record in page.objects],
            name=ctx.bucket,
            prefix=prefix,
            delimiter=request.delimiter or None,
            max_keys=limit,
            common_prefixes=common_prefixes(page.prefixes),
            encoding_type=encoding(request.encoding_type),
        ),
        headers=region_headers(ctx),
    )


async def list_objects_v2(ctx: Context, request: model.ListObjectsV2Request) -> Reply:
    """A page of keys; the next one is asked for with the token."""
    limit = page_limit(request.max_keys)
    prefix, delimiter = request.prefix or "", request.delimiter or ""
    token = request.continuation_token  # empty: what a client has before its first page
    after = _from_token(token) if token else request.start_after or ""
    page = await _page(ctx, prefix, delimiter, after, limit)
    owner = owner_of(ctx.user) if request.fetch_owner else None
    return Reply(
        model.ListObjectsV2Output(
            is_truncated=page.truncated,
            contents=[_entry(key, record, owner) for key, record in page.objects],
            name=ctx.bucket,
            prefix=prefix,
            delimiter=request.delimiter or None,
            max_keys=limit,
            common_prefixes=common_prefixes(page.prefixes),
            encoding_type=encoding(request.encoding_type),
            key_count=len(page.objects) + len(page.prefixes),
            continuation_token=request.continuation_token,
            next_continuation_token=_to_token(page.next_after) if page.truncated else None,
            start_after=request.start_after or None,
        ),
        headers=region_headers(ctx),
    )


async def _page(ctx: Context, prefix: str, delimiter: str, after: str, limit: int) -> Listing:
    if limit == 0:
        return Listing([], [], False, "")
    return await ctx.store.list_objects(ctx.bucket, prefix, delimiter, after, limit)


def _entry(key: str, record: Object, owner: model.Owner | None) -> model.Object:
    """One row. Times are stored as the text that goes out; nothing is formatted here but the ETag's quotes."""
    return model.Object(
        key=key,
        last_modified=record.modified_iso,
        etag=f'"{record.etag}"',
        checksum_algorithm=list(record.checksums) or None,
        checksum_type=record.checksum_type if record.checksums else None,
        size=record.size,
        storage_class=STORAGE_CLASS,
        owner=owner,
    )


def past_group(prefix: str, delimiter: str, marker: str) -> str:
    """Where a page goes on after `marker`: behind the whole common prefix that it lies in, as in Amazon's markers.

    Version 2 is another: `start-after` is a key, and a common prefix that has keys behind it is shown.
    """
    if not delimiter or not marker.startswith(prefix):
        return marker
    found = marker.find(delimiter, len(prefix))
    return marker if found < 0 else marker[: found + len(delimiter)]


def common_prefixes(prefixes: list[str]) -> list[model.CommonPrefix]:
    return [model.CommonPrefix(prefix=prefix) for prefix in prefixes]


def page_limit(asked: int | None) -> int:
    """How many entries a page may have."""
    return LIST_KEYS_MAX if asked is None else min(asked, LIST_KEYS_MAX)


def encoding(asked: str | None) -> str | None:
    """The encoding of keys in the reply: plain or URL."""
    if asked and asked != "url":
        raise S3Error(
            "InvalidArgument",
            "Invalid Encoding Method specified in Request",
            ArgumentName="encoding-type",
            ArgumentValue=asked,
        )
    return asked or None


def _to_token(after: str) -> str:
    return base64.urlsafe_b64encode(_TOKEN_MARK + after.encode()).decode()


def _from_token(token: str) -> str:
    try:
        plain = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        if plain.startswith(_TOKEN_MARK):
            return plain[1:].decode()
    except (binascii.Error, UnicodeError):
        pass
    raise S3Error("InvalidArgument", "The continuation token provided is incorrect", ArgumentName="continuation-token")
