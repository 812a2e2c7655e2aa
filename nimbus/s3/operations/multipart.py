"""Multipart uploads: begin, upload and copy parts, list, abort; see completing.py for their end.

A part keeps the checksum that the upload was created with; when it was created with none, CRC64NVME, so that
every finished object has a checksum of the whole. The client's own checksum of a part is verified whichever it is.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from nimbus.base.limits import PART_SIZE_BYTES_MAX
from nimbus.base.span import Span
from nimbus.s3 import model
from nimbus.s3.api import Context, Reply
from nimbus.s3.body import as_of_part
from nimbus.s3.checksums import ALGORITHMS, DEFAULT_ALGORITHM, FULL_OBJECT, kept_algorithm
from nimbus.s3.errors import S3Error
from nimbus.s3.operations.attributes import CHECKSUM_FIELDS, STORAGE_CLASS, new_object
from nimbus.s3.operations.buckets import owner_of, region_headers
from nimbus.s3.operations.copying import copy_span, find_source
from nimbus.s3.operations.listing import common_prefixes, encoding, page_limit, past_group
from nimbus.s3.operations.objects import take_in
from nimbus.s3.ranges import parse_copy_range
from nimbus.s3.router import split_copy_source
from nimbus.store.api import Digests
from nimbus.store.records import Upload, UploadedPart

_UPLOAD_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


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
    if checksum_type and not algorithm:
        raise S3Error(
            "InvalidRequest",
            "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
        )
    allowed = ALGORITHMS[algorithm or DEFAULT_ALGORITHM].types
    if algorithm and checksum_type and checksum_type not in allowed:
        raise S3Error(
            "InvalidRequest",
            f"The {checksum_type} checksum type cannot be used with the {algorithm.lower()} checksum algorithm.",
        )
    return algorithm or "", checksum_type or allowed[0]


async def upload_part(ctx: Context, request: model.UploadPartRequest) -> Reply:
    """Store one part; the same number again replaces it."""
    upload = await ctx.store.find_upload(ctx.bucket, ctx.key, request.upload_id)
    given = ctx.body.declared.checksum_names
    check_part_checksum(upload, given[0] if given else None)
    try:
        ingest, received = await take_in(ctx, PART_SIZE_BYTES_MAX, (kept_algorithm(upload.checksum_algorithm),))
    except S3Error as error:
        raise as_of_part(error) from None
    digests = Digests(received.md5.hex(), received.checksums)
    part = await ctx.store.put_part(ctx.bucket, ctx.key, request.upload_id, request.part_number, ingest, digests)
    shown = given or (kept_algorithm(upload.checksum_algorithm),)
    fields: dict[str, Any] = {CHECKSUM_FIELDS[name]: received.checksums[name] for name in shown}
    return Reply(model.UploadPartOutput(etag=f'"{part.etag}"', **fields))


def check_part_checksum(upload: Upload, given: str | None) -> None:
    """Whether a part may come with this checksum. Only FULL_OBJECT ones can be had without the client's."""
    declared = upload.checksum_algorithm
    if not declared or given == declared or (given is None and upload.checksum_type == FULL_OBJECT):
        return
    raise S3Error(
        "InvalidRequest",
        f"Checksum Type mismatch occurred, expected checksum Type: {declared.lower()}, "
        f"actual checksum Type: {(given or 'null').lower()}",
    )


async def upload_part_copy(ctx: Context, request: model.UploadPartCopyRequest) -> Reply:
    """Store a part with bytes of another object."""
    named = split_copy_source(request.copy_source)
    upload = await ctx.store.find_upload(ctx.bucket, ctx.key, request.upload_id)
    record = (await find_source(ctx, request, named)).record
    span = Span(0, record.size)
    if request.copy_source_range is not None:
        span = parse_copy_range(request.copy_source_range, record.size)
    if span.size > PART_SIZE_BYTES_MAX:
        raise S3Error("EntityTooLarge", ProposedSize=span.size, MaxSizeAllowed=PART_SIZE_BYTES_MAX)
    ingest, digests = await copy_span(ctx, record, span, (kept_algorithm(upload.checksum_algorithm),))
    part = await ctx.store.put_part(ctx.bucket, ctx.key, request.upload_id, request.part_number, ingest, digests)
    return Reply(
        model.UploadPartCopyOutput(
            copy_part_result=model.CopyPartResult(
                etag=f'"{part.etag}"', last_modified=_moment(part.modified_ms), **_shown(upload, part)
            )
        )
    )


async def abort_multipart_upload(ctx: Context, request: model.AbortMultipartUploadRequest) -> Reply:
    await ctx.store.abort_upload(ctx.bucket, ctx.key, request.upload_id)
    return Reply()


async def list_parts(ctx: Context, request: model.ListPartsRequest) -> Reply:
    """The parts uploaded so far, by number."""
    limit = page_limit(request.max_parts)
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
    limit = page_limit(request.max_uploads)
    prefix, delimiter = request.prefix or "", request.delimiter or ""
    key_after = request.key_marker or ""
    id_after = _upload_id_marker(request.upload_id_marker) if key_after else ""
    start = past_group(prefix, delimiter, key_after)
    page = await ctx.store.list_uploads(ctx.bucket, prefix, delimiter, start, id_after, limit)
    last_key, last_id, _ = page.uploads[-1] if page.uploads else ("", "", None)  # S3 names them on the last page, too
    owner = owner_of(ctx.user)
    return Reply(
        model.ListMultipartUploadsOutput(
            bucket=ctx.bucket,
            key_marker=key_after,
            upload_id_marker=id_after,
            next_key_marker=page.next_key if page.truncated else last_key,
            next_upload_id_marker=page.next_upload_id if page.truncated else last_id,
            prefix=request.prefix,
            delimiter=request.delimiter or None,
            max_uploads=limit,
            is_truncated=page.truncated,
            uploads=[_upload_row(key, upload_id, upload, owner) for key, upload_id, upload in page.uploads],
            common_prefixes=common_prefixes(page.prefixes),
            encoding_type=encoding(request.encoding_type),
        ),
        headers=region_headers(ctx),
    )


def _upload_id_marker(text: str | None) -> str:
    """Raises InvalidArgument for what is no upload's id."""
    if text and not _UPLOAD_ID.fullmatch(text):
        message = "Invalid uploadId marker"
        raise S3Error("InvalidArgument", message, ArgumentName="upload-id-marker", ArgumentValue=text)
    return text or ""


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


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms // 1000, UTC)  # S3 shows whole seconds
