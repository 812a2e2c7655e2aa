"""Objects: get, head, put, attributes."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from nimbus.base.errors import ObjectMissing, PartInvalid
from nimbus.base.limits import PUT_SIZE_BYTES_MAX
from nimbus.base.span import Span
from nimbus.s3 import model
from nimbus.s3.api import Context, ObjectBody, Reply
from nimbus.s3.body import Received, Sink
from nimbus.s3.checksums import COMPOSITE, DEFAULT_ALGORITHM, FULL_OBJECT
from nimbus.s3.codec import is_sendable
from nimbus.s3.conditions import ReadConditions, is_unmodified, write_condition
from nimbus.s3.errors import S3Error
from nimbus.s3.operations.attributes import (
    CHECKSUM_FIELDS,
    STORAGE_CLASS,
    checksum_fields,
    new_object,
    part_checksums,
    record_fields,
)
from nimbus.s3.operations.listing import page_limit
from nimbus.s3.ranges import content_range, if_range_holds, parse_range
from nimbus.s3.unsupported import check_version
from nimbus.store.api import Condition, Digests, Ingest
from nimbus.store.records import Object, Part

ReadRequest = model.GetObjectRequest | model.HeadObjectRequest
# parameter of the request: member of the reply
_OVERRIDES = {
    "response_cache_control": "cache_control",
    "response_content_disposition": "content_disposition",
    "response_content_encoding": "content_encoding",
    "response_content_language": "content_language",
    "response_content_type": "content_type",
    "response_expires": "expires",
}
_overriding = attrgetter(*_OVERRIDES)
_conditions = attrgetter("if_match", "if_none_match", "if_modified_since", "if_unmodified_since")
_UNCONDITIONAL = (None, None, None, None)
_LENGTH_HEADERS = frozenset({"content-length", "transfer-encoding"})  # a body that is stored comes with one of them


async def get_object(ctx: Context, request: model.GetObjectRequest) -> Reply:
    """An object, a range of it or one of its parts."""
    record, span, fields, status = await _read(ctx, request)
    body = ObjectBody(record, span) if span is not None else None
    return Reply(model.GetObjectOutput(**fields), body, status)


async def head_object(ctx: Context, request: model.HeadObjectRequest) -> Reply:
    """What GetObject would say, without the bytes."""
    _, _, fields, status = await _read(ctx, request)
    return Reply(model.HeadObjectOutput(**fields), None, status)


async def _read(ctx: Context, request: ReadRequest) -> tuple[Object, Span | None, dict[str, Any], int]:
    """The object, the span to be sent (None when the client has it already), the reply's members, the status."""
    check_version(request.version_id)
    if request.part_number is not None and request.range is not None:
        raise S3Error("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
    overrides = _overrides(request)
    record = await ctx.store.find_object(ctx.bucket, ctx.key)
    fields = record_fields(record)
    if _is_unmodified(ctx, record, request):
        del fields["content_type"]
        return record, None, fields, 304
    span, status = Span(0, record.size), 0
    checksums = record.checksums
    if request.part_number is not None:
        span, part = await _part(ctx, record, request.part_number)
        checksums = part_checksums(record, part)
        status = 206 if record.size or part is not None else 0
        if record.part_count:
            fields["parts_count"] = record.part_count
    elif request.range is not None:
        wanted = _range(ctx, request.range, record)
        if wanted is not None:
            span, status = wanted, 206
            checksums = checksums if wanted.size == record.size else {}
    if status == 206 and span.size:
        fields["content_range"] = content_range(span, record.size)
    fields["content_length"] = span.size
    if checksums and request.checksum_mode is not None and request.checksum_mode.upper() == "ENABLED":
        fields |= checksum_fields(checksums, record.checksum_type)
    fields |= overrides
    return record, span, fields, status


def _is_unmodified(ctx: Context, record: Object, request: ReadRequest) -> bool:
    values = _conditions(request)
    if values == _UNCONDITIONAL:
        return False
    return is_unmodified(record, ReadConditions(*values), ctx.services.clock.now_ms())


def _range(ctx: Context, value: str, record: Object) -> Span | None:
    """The span of a Range header; None when the whole object is to be sent."""
    if_range = ctx.headers.get("if-range")
    if if_range is not None and not if_range_holds(if_range, record.etag, record.modified_http):
        return None
    return parse_range(value, record.size)


async def _part(ctx: Context, record: Object, number: int) -> tuple[Span, Part | None]:
    try:
        return await ctx.store.part_span(record, number)
    except PartInvalid:
        raise S3Error("InvalidPartNumber", PartNumberRequested=number, ActualPartCount=record.part_count or 1) from None


def _overrides(request: ReadRequest) -> dict[str, str]:
    """The response-* parameters; whoever gets here has signed them. Raises `InvalidArgument`."""
    values = _overriding(request)
    if not any(values):
        return {}
    for name, value in zip(_OVERRIDES, values, strict=True):
        if value and not is_sendable(value):
            message = "Header value cannot be represented using ISO-8859-1."
            raise S3Error("InvalidArgument", message, ArgumentName=name.replace("_", "-"), ArgumentValue=value)
    return {field: value for field, value in zip(_OVERRIDES.values(), values, strict=True) if value}


async def put_object(ctx: Context, request: model.PutObjectRequest) -> Reply:
    """Store an object whole, or leave everything as it was."""
    new = new_object(request, ctx.user.user_id, checksum_type=FULL_OBJECT)
    condition = write_condition(request.if_match, request.if_none_match)
    await check_early(ctx, condition)
    ingest, received = await take_in(ctx, PUT_SIZE_BYTES_MAX, ctx.body.declared.checksum_names or (DEFAULT_ALGORITHM,))
    digests = Digests(received.md5.hex(), received.checksums)
    record = await ctx.store.put_object(ctx.bucket, ctx.key, new, ingest, digests, condition)
    return Reply(model.PutObjectOutput(etag=f'"{record.etag}"', **checksum_fields(record.checksums, FULL_OBJECT)))


async def check_early(ctx: Context, condition: Condition | None) -> None:
    """Refuse a conditional write that is lost already, before its body is invited. The commit decides again."""
    if condition is None:
        return
    condition(await find_or_none(ctx, ctx.bucket, ctx.key))


async def find_or_none(ctx: Context, bucket: str, key: str) -> Object | None:
    """The object, or None when there is none."""
    try:
        return await ctx.store.find_object(bucket, key)
    except ObjectMissing:
        return None


async def take_in(ctx: Context, size_bytes_max: int, checksums: tuple[str, ...]) -> tuple[Ingest, Received]:
    """Receive the whole body into the store; on any failure nothing of it stays.

    A body in chunked transfer coding may come without a declared size; then it is counted instead. One that is held in
    front of us is taken in there.
    """
    size = ctx.body.size_hint
    if _LENGTH_HEADERS.isdisjoint(ctx.headers):
        raise S3Error("MissingContentLength")
    if size is not None and size > size_bytes_max:
        raise _too_large(size, size_bytes_max)
    ingest = ctx.store.ingest(size)
    try:
        if ctx.body.held is not None:
            return ingest, await _take_held(ctx, ingest, size_bytes_max, checksums)
        sink = ingest.write if size is not None else _counting(ingest, size_bytes_max)
        return ingest, await ctx.body.receive_into(sink, checksums)
    except BaseException:
        await ingest.abort()
        raise


async def _take_held(ctx: Context, ingest: Ingest, size_bytes_max: int, checksums: tuple[str, ...]) -> Received:
    received, taken = await ctx.body.take(size_bytes_max, checksums)
    if taken.extents:
        ingest.adopt(taken.extents)
    else:
        await ingest.write(taken.payload)
    return received


def _counting(ingest: Ingest, size_bytes_max: int) -> Sink:
    """Writes what comes until it is too much."""
    size = 0

    async def write(piece: bytes) -> None:
        nonlocal size
        size += len(piece)
        if size > size_bytes_max:
            raise _too_large(size, size_bytes_max)
        await ingest.write(piece)

    return write


def _too_large(size: int, size_bytes_max: int) -> S3Error:
    return S3Error("EntityTooLarge", ProposedSize=size, MaxSizeAllowed=size_bytes_max)


async def get_object_attributes(ctx: Context, request: model.GetObjectAttributesRequest) -> Reply:
    """Size, ETag, checksum and parts of an object, as far as asked for."""
    check_version(request.version_id)
    wanted = set(request.object_attributes)
    if not wanted:
        raise S3Error(
            "InvalidRequest",
            "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty",
        )
    record = await ctx.store.find_object(ctx.bucket, ctx.key)
    output: dict[str, Any] = {"last_modified": record.modified_http}
    if "ETag" in wanted:
        output["etag"] = record.etag
    if "Checksum" in wanted and record.checksums:
        values = {name: value.partition("-")[0] for name, value in record.checksums.items()}
        output["checksum"] = model.Checksum(**checksum_fields(values, record.checksum_type))
    if "ObjectParts" in wanted and record.part_count:
        output["object_parts"] = await _parts(ctx, record, request)
    if "StorageClass" in wanted:
        output["storage_class"] = STORAGE_CLASS
    if "ObjectSize" in wanted:
        output["object_size"] = record.size
    return Reply(model.GetObjectAttributesOutput(**output))


async def _parts(
    ctx: Context, record: Object, request: model.GetObjectAttributesRequest
) -> model.GetObjectAttributesParts:
    """The parts themselves are shown only where they have checksums of their own."""
    if record.checksum_type != COMPOSITE:
        return model.GetObjectAttributesParts(total_parts_count=record.part_count)
    limit = page_limit(request.max_parts)
    after = request.part_number_marker or 0
    parts, more = await ctx.store.list_object_parts(record, after, limit)
    return model.GetObjectAttributesParts(
        total_parts_count=record.part_count,
        part_number_marker=after,
        next_part_number_marker=parts[-1].number if parts else 0,
        max_parts=limit,
        is_truncated=more,
        parts=[_object_part(record, part) for part in parts],
    )


def _object_part(record: Object, part: Part) -> model.ObjectPart:
    checksums: dict[str, Any] = {CHECKSUM_FIELDS[name]: part.checksum for name in record.checksums if part.checksum}
    return model.ObjectPart(part_number=part.number, size=part.size, **checksums)
