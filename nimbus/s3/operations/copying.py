"""Copies inside the store: CopyObject, and UploadPartCopy's share of it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from nimbus.base.errors import BucketMissing, ObjectMissing
from nimbus.base.limits import PUT_SIZE_BYTES_MAX
from nimbus.base.span import Span
from nimbus.s3 import model
from nimbus.s3.api import Context, Reply
from nimbus.s3.checksums import DEFAULT_ALGORITHM, FULL_OBJECT, DigestSet
from nimbus.s3.conditions import ReadConditions, check_copy_source, write_condition
from nimbus.s3.errors import S3Error
from nimbus.s3.identity import permit_source
from nimbus.s3.operations.attributes import checksum_fields, new_object
from nimbus.s3.router import split_copy_source
from nimbus.s3.unsupported import check_version
from nimbus.store.api import Condition, Digests, Ingest, NewObject
from nimbus.store.records import Object


class Source(msgspec.Struct, frozen=True):
    """The object that a copy reads; the caller may read it and its conditions held."""

    bucket: str
    key: str
    record: Object


async def copy_object(ctx: Context, request: model.CopyObjectRequest) -> Reply:
    """A new object with the bytes of another. Onto itself only metadata changes, and no byte is moved, unless the bytes
    must be read for a checksum, or for the ETag of the whole that a copy of parts has."""
    directive = request.metadata_directive
    algorithm = request.checksum_algorithm
    condition = write_condition(request.if_match, request.if_none_match)
    source = await find_source(ctx, request, split_copy_source(request.copy_source))
    record = source.record
    if record.size > PUT_SIZE_BYTES_MAX:
        raise S3Error(
            "InvalidRequest",
            f"The specified copy source is larger than the maximum allowable size for a copy source: "
            f"{PUT_SIZE_BYTES_MAX}",
        )
    to_itself = (source.bucket, source.key) == (ctx.bucket, ctx.key)
    if directive == "REPLACE":
        new = new_object(request, ctx.user.user_id, checksum_type=FULL_OBJECT)
    elif to_itself and not algorithm and request.storage_class is None:
        raise _nothing_changes()
    else:
        new = NewObject(ctx.user.user_id, record.content_type, record.headers, record.metadata, "", FULL_OBJECT)
    if to_itself and not record.part_count and algorithm in (None, *record.checksums):
        written = await ctx.store.replace_metadata(ctx.bucket, ctx.key, new, _same_as(record, condition))
    else:
        written = await _copy(ctx, record, new, algorithm, condition)
    return Reply(
        model.CopyObjectOutput(
            copy_object_result=model.CopyObjectResult(
                etag=f'"{written.etag}"',
                last_modified=written.modified_iso,
                **checksum_fields(written.checksums, written.checksum_type),
            )
        )
    )


async def find_source(
    ctx: Context, request: model.CopyObjectRequest | model.UploadPartCopyRequest, named: tuple[str, str, str]
) -> Source:
    """The source that the headers name, as they were split. Raises AccessDenied, NoSuchKey, PreconditionFailed."""
    bucket, key, version_id = named
    check_version(version_id or None)
    try:
        await permit_source(ctx.store, ctx.user, "s3:GetObject", bucket, ctx.headers)
        record = await ctx.store.find_object(bucket, key)
    except BucketMissing:
        raise S3Error("NoSuchBucket", BucketName=bucket) from None
    except ObjectMissing:
        raise S3Error("NoSuchKey", Key=key) from None
    conditions = ReadConditions(
        request.copy_source_if_match,
        request.copy_source_if_none_match,
        request.copy_source_if_modified_since,
        request.copy_source_if_unmodified_since,
        "x-amz-copy-source-",
    )
    check_copy_source(record, conditions, ctx.services.clock.now_ms())
    return Source(bucket, key, record)


async def _copy(
    ctx: Context, record: Object, new: NewObject, algorithm: str | None, condition: Condition | None
) -> Object:
    """Write the bytes again. What is known of them already is not computed twice."""
    name = algorithm or next(iter(record.checksums), DEFAULT_ALGORITHM)
    known = record.checksum_type == FULL_OBJECT and name in record.checksums
    ingest, digests = await copy_span(ctx, record, Span(0, record.size), () if known else (name,))
    if known:
        digests = Digests(digests.etag, {name: record.checksums[name]})
    return await ctx.store.put_object(ctx.bucket, ctx.key, new, ingest, digests, condition)


async def copy_span(ctx: Context, record: Object, span: Span, checksums: tuple[str, ...]) -> tuple[Ingest, Digests]:
    """The bytes of a span on their way back into the store, with their MD5 as ETag and the named checksums."""
    is_md5_known = span.size == record.size and not record.part_count
    digests = DigestSet(checksums, with_md5=not is_md5_known)
    loop = asyncio.get_running_loop()
    ingest = ctx.store.ingest(span.size)
    reading = ctx.store.read(record, span)
    try:
        async for chunk in reading:
            if digests.is_empty:
                await ingest.write(chunk)
                continue
            work = loop.run_in_executor(ctx.services.hashing, digests.update, chunk)
            try:
                await ingest.write(chunk)
            finally:
                await work
    except BaseException:
        await ingest.abort()
        raise
    finally:
        await _close(reading)
    return ingest, Digests(record.etag if is_md5_known else digests.etag(), digests.checksums())


async def _close(reading: Any) -> None:
    """Release what an iterator holds; generators have `aclose`, plain iterators need none."""
    close = getattr(reading, "aclose", None)
    if close is not None:
        await close()


def _same_as(record: Object, condition: Condition | None) -> Condition:
    """Refuses when the object changed since it was found: its new bytes are not the ones that were asked for."""

    def check(present: Object | None) -> None:
        if condition is not None:
            condition(present)
        if present is None or (present.etag, present.modified_ms) != (record.etag, record.modified_ms):
            raise S3Error("OperationAborted")

    return check


def _nothing_changes() -> S3Error:
    return S3Error(
        "InvalidRequest",
        "This copy request is illegal because it is trying to copy an object to itself without changing the object's "
        "metadata, storage class, website redirect location or encryption attributes.",
    )
