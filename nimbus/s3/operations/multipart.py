"""Multipart uploads: begin, upload and copy parts, list, complete, abort.

A part keeps the checksum that the upload was created with; when it was created with none, CRC64NVME, so that
every finished object has a checksum of the whole. The client's own checksum of a part is verified whichever it is.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from nimbus.base.limits import PART_NUMBER_MAX, PART_SIZE_BYTES_MAX
from nimbus.base.span import Span
from nimbus.s3 import model
from nimbus.s3.api import Context, Reply
from nimbus.s3.checksums import (
    ALGORITHMS,
    COMPOSITE,
    DEFAULT_ALGORITHM,
    FULL_OBJECT,
    NAMES_TEXT,
    composite,
    full_object,
    multipart_etag,
)
from nimbus.s3.conditions import write_condition
from nimbus.s3.errors import S3Error
from nimbus.s3.operations.attributes import CHECKSUM_FIELDS, STORAGE_CLASS, checksum_fields, new_object
from nimbus.s3.operations.buckets import owner_of
from nimbus.s3.operations.copying import copy_span, find_source
from nimbus.s3.operations.listing import common_prefixes, encoding, page_limit
from nimbus.s3.operations.objects import check_early, take_in
from nimbus.s3.ranges import parse_copy_range
from nimbus.store.api import CompletedPart, Digests
from nimbus.store.records import Upload, UploadedPart


async def create_multipart_upload(ctx: Context, request: model.CreateMultipartUploadRequest) -> Reply:
    """A new upload, with the attributes that the finished object will have."""
    algorithm, checksum_type = _checksum_choice(request.checksum_algorithm, request.checksum_type)
    new = new_object(request, ctx.user.user_id, algorithm, checksum_type)
    upload_id = await ctx.store.create_upload(ctx.bucket, ctx.key, new)
    return Reply(
        model.CreateMultipartUploadOutput(
            bucket=ctx.bucket,
            key=ctx.key,
            upload_id=upload_id,
            checksum_algorithm=algorithm or None,
            checksum_type=checksum_type if algorithm else None,
        )
    )


def _checksum_choice(algorithm: str | None, checksum_type: str | None) -> tuple[str, str]:
    """The algorithm ("" for the default) and type of an upload's checksums. Raises InvalidRequest."""
    name = (algorithm or "").upper()
    if name and name not in ALGORITHMS:
        raise S3Error(
            "InvalidRequest",
            f"Checksum algorithm provided is unsupported. Please try again with any of the valid types: [{NAMES_TEXT}]",
        )
    kind = (checksum_type or "").upper()
    if kind and not name:
        raise S3Error(
            "InvalidRequest",
            "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
        )
    allowed = ALGORITHMS[name or DEFAULT_ALGORITHM].types
    if kind and kind not in (COMPOSITE, FULL_OBJECT):
        raise S3Error("InvalidRequest", "Value for x-amz-checksum-type header is invalid.")
    if kind and kind not in allowed:
        raise S3Error(
            "InvalidRequest",
            f"The {kind} checksum type cannot be used with the {name.lower()} checksum algorithm.",
        )
    return name, kind or allowed[0]


async def upload_part(ctx: Context, request: model.UploadPartRequest) -> Reply:
    """Store one part; the same number again replaces it."""
    _check_part_number(request.part_number)
    upload = await ctx.store.find_upload(ctx.bucket, ctx.key, request.upload_id)
    given = ctx.body.declared.checksum_names
    if upload.checksum_algorithm and given and given != (upload.checksum_algorithm,):
        raise S3Error(
            "InvalidRequest",
            f"Checksum Type mismatch occurred, expected checksum Type: {upload.checksum_algorithm.lower()}, "
            f"actual checksum Type: {given[0].lower()}",
        )
    ingest, received = await take_in(ctx, PART_SIZE_BYTES_MAX, (_algorithm(upload),))
    digests = Digests(received.md5.hex(), received.checksums)
    part = await ctx.store.put_part(ctx.bucket, ctx.key, request.upload_id, request.part_number, ingest, digests)
    shown = given or (_algorithm(upload),)
    fields: dict[str, Any] = {CHECKSUM_FIELDS[name]: received.checksums[name] for name in shown}
    return Reply(model.UploadPartOutput(etag=f'"{part.etag}"', **fields))


async def upload_part_copy(ctx: Context, request: model.UploadPartCopyRequest) -> Reply:
    """Store a part with bytes of another object."""
    _check_part_number(request.part_number)
    upload = await ctx.store.find_upload(ctx.bucket, ctx.key, request.upload_id)
    record = (await find_source(ctx, request)).record
    span = Span(0, record.size)
    if request.copy_source_range is not None:
        span = parse_copy_range(request.copy_source_range, record.size)
    if span.size > PART_SIZE_BYTES_MAX:
        raise S3Error("EntityTooLarge", ProposedSize=span.size, MaxSizeAllowed=PART_SIZE_BYTES_MAX)
    ingest, digests = await copy_span(ctx, record, span, (_algorithm(upload),))
    part = await ctx.store.put_part(ctx.bucket, ctx.key, request.upload_id, request.part_number, ingest, digests)
    return Reply(
        model.UploadPartCopyOutput(
            copy_part_result=model.CopyPartResult(
                etag=f'"{part.etag}"', last_modified=_moment(part.modified_ms), **_shown(upload, part)
            )
        )
    )


async def complete_multipart_upload(ctx: Context, request: model.CompleteMultipartUploadRequest) -> Reply:
    """Make the named parts the object."""
    parts = _completed_parts(request.multipart_upload)
    condition = write_condition(request.if_match, request.if_none_match)
    await check_early(ctx, condition)
    record = await ctx.store.complete_upload(
        ctx.bucket, ctx.key, request.upload_id, parts, _digests_of(request), condition
    )
    if record.etag != multipart_etag([part.etag for part in parts]):
        raise S3Error("NoSuchUpload")  # it was completed before, with other parts: this is no repetition
    host = ctx.headers.get("host", "")
    return Reply(
        model.CompleteMultipartUploadOutput(
            location=f"http://{host}/{ctx.bucket}/{quote(ctx.key)}",
            bucket=ctx.bucket,
            key=ctx.key,
            etag=f'"{record.etag}"',
            **checksum_fields(record.checksums, record.checksum_type),
        )
    )


def _completed_parts(document: model.CompletedMultipartUpload | None) -> list[CompletedPart]:
    named = (document.parts if document is not None else None) or []
    if not named:
        raise S3Error("MalformedXML")
    parts = []
    for part in named:
        if part.part_number is None or part.etag is None:
            raise S3Error("MalformedXML")
        _check_part_number(part.part_number)
        checksums = {name: value for name, field in CHECKSUM_FIELDS.items() if (value := getattr(part, field))}
        parts.append(CompletedPart(part.part_number, part.etag.strip('"'), checksums))
    return parts


def _digests_of(
    request: model.CompleteMultipartUploadRequest,
) -> Callable[[Upload, list[UploadedPart]], Digests]:
    """Computes ETag and checksum of the finished object, and holds them to what the client expects of it."""

    def compute(upload: Upload, parts: list[UploadedPart]) -> Digests:
        size = sum(part.size for part in parts)
        if request.mpu_object_size not in (None, size):
            raise S3Error(
                "InvalidRequest",
                f"The provided 'x-amz-mp-object-size' header value {request.mpu_object_size} does not match what was "
                f"computed: {size}",
            )
        if request.checksum_type is not None and request.checksum_type.upper() != upload.checksum_type:
            raise S3Error(
                "InvalidRequest",
                f"The upload was created using the {upload.checksum_type} checksum mode. The complete request must "
                "use the same checksum mode.",
            )
        name, value = _whole_checksum(upload, parts)
        _check_expected(request, name, value)
        return Digests(multipart_etag([part.etag for part in parts]), {name: value} if value else {})

    return compute


def _whole_checksum(upload: Upload, parts: list[UploadedPart]) -> tuple[str, str]:
    """Name and value of the object's checksum; no value when a part was kept without."""
    algorithm = ALGORITHMS[_algorithm(upload)]
    values = [part.checksums.get(algorithm.name, "") for part in parts]
    if not all(values):
        return algorithm.name, ""
    if upload.checksum_type == COMPOSITE:
        return algorithm.name, composite(algorithm, values)
    sizes = (part.size for part in parts)
    return algorithm.name, full_object(algorithm, zip(values, sizes, strict=True))


def _check_expected(request: model.CompleteMultipartUploadRequest, name: str, value: str) -> None:
    """The checksum headers of this request speak of the finished object."""
    for other, field in CHECKSUM_FIELDS.items():
        expected = getattr(request, field)
        if expected is None:
            continue
        if other != name:
            raise S3Error(
                "InvalidRequest",
                f"The upload was created using a {name.lower()} checksum. The complete request must use the same "
                f"checksum, not {other.lower()}.",
            )
        if value not in (expected, f"{expected}{value[value.rfind('-') :] if '-' in value else ''}"):
            raise S3Error("BadDigest", f"The {name} you specified did not match the calculated checksum.")


async def abort_multipart_upload(ctx: Context, request: model.AbortMultipartUploadRequest) -> Reply:
    await ctx.store.abort_upload(ctx.bucket, ctx.key, request.upload_id)
    return Reply()


async def list_parts(ctx: Context, request: model.ListPartsRequest) -> Reply:
    """The parts uploaded so far, by number."""
    limit = page_limit(request.max_parts, "max-parts")
    after = request.part_number_marker or 0
    page = await ctx.store.list_parts(ctx.bucket, ctx.key, request.upload_id, after, limit)
    upload = page.upload
    owner = owner_of(ctx.user)
    return Reply(
        model.ListPartsOutput(
            bucket=ctx.bucket,
            key=ctx.key,
            upload_id=request.upload_id,
            part_number_marker=after,
            next_part_number_marker=page.next_number if page.truncated else (page.parts[-1][0] if page.parts else 0),
            max_parts=limit,
            is_truncated=page.truncated,
            parts=[_part_row(upload, number, part) for number, part in page.parts],
            initiator=model.Initiator(id=owner.id, display_name=owner.display_name),
            owner=owner,
            storage_class=STORAGE_CLASS,
            checksum_algorithm=upload.checksum_algorithm or None,
            checksum_type=upload.checksum_type if upload.checksum_algorithm else None,
        )
    )


def _part_row(upload: Upload, number: int, part: UploadedPart) -> model.Part:
    return model.Part(
        part_number=number,
        last_modified=_moment(part.modified_ms),
        etag=f'"{part.etag}"',
        size=part.size,
        **_shown(upload, part),
    )


async def list_multipart_uploads(ctx: Context, request: model.ListMultipartUploadsRequest) -> Reply:
    """The uploads that are open, by key and then by upload id."""
    limit = page_limit(request.max_uploads, "max-uploads")
    prefix, delimiter = request.prefix or "", request.delimiter or ""
    key_after = request.key_marker or ""
    id_after = (request.upload_id_marker or "") if key_after else ""
    page = await ctx.store.list_uploads(ctx.bucket, prefix, delimiter, key_after, id_after, limit)
    owner = owner_of(ctx.user)
    return Reply(
        model.ListMultipartUploadsOutput(
            bucket=ctx.bucket,
            key_marker=key_after,
            upload_id_marker=id_after,
            next_key_marker=page.next_key if page.truncated else None,
            next_upload_id_marker=page.next_upload_id if page.truncated else None,
            prefix=prefix,
            delimiter=request.delimiter or None,
            max_uploads=limit,
            is_truncated=page.truncated,
            uploads=[_upload_row(key, upload_id, upload, owner) for key, upload_id, upload in page.uploads],
            common_prefixes=common_prefixes(page.prefixes),
            encoding_type=encoding(request.encoding_type),
        )
    )


def _upload_row(key: str, upload_id: str, upload: Upload, owner: model.Owner) -> model.MultipartUpload:
    return model.MultipartUpload(
        upload_id=upload_id,
        key=key,
        initiated=_moment(upload.initiated_ms),
        storage_class=STORAGE_CLASS,
        owner=owner,
        initiator=model.Initiator(id=owner.id, display_name=owner.display_name),
        checksum_algorithm=upload.checksum_algorithm or None,
        checksum_type=upload.checksum_type if upload.checksum_algorithm else None,
    )


def _shown(upload: Upload, part: UploadedPart) -> dict[str, Any]:
    """A part's checksum, when the upload was created with one."""
    name = upload.checksum_algorithm
    return {CHECKSUM_FIELDS[name]: part.checksums[name]} if name in part.checksums else {}


def _algorithm(upload: Upload) -> str:
    return upload.checksum_algorithm or DEFAULT_ALGORITHM


def _check_part_number(number: int) -> None:
    if not 1 <= number <= PART_NUMBER_MAX:
        raise S3Error(
            "InvalidArgument",
            f"Part number must be an integer between 1 and {PART_NUMBER_MAX}, inclusive",
            ArgumentName="partNumber",
            ArgumentValue=number,
        )


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
