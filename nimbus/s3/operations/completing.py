"""Completing a multipart upload: the request is held to what the upload declared and to what its parts are.

Which checksums a request must give, and with which error it is refused, follows answers recorded from Amazon (the
snapshots of LocalStack's test_s3.py) and "Checking object integrity" of the user guide: of a COMPOSITE upload every
part's checksum must be named; an upload that declared no checksum has no checksum mode to repeat, and values of
algorithms that it does not keep are not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import quote

from nimbus.base.errors import UploadMissing
from nimbus.base.limits import PART_NUMBER_MAX
from nimbus.s3 import model
from nimbus.s3.api import Context, Reply
from nimbus.s3.checksums import (
    ALGORITHMS,
    COMPOSITE,
    FULL_OBJECT,
    Algorithm,
    composite,
    decode,
    full_object,
    kept_algorithm,
    multipart_etag,
)
from nimbus.s3.conditions import write_condition
from nimbus.s3.declared import more_than_one
from nimbus.s3.errors import S3Error
from nimbus.s3.operations.attributes import CHECKSUM_FIELDS, checksum_fields
from nimbus.s3.operations.objects import check_early
from nimbus.store.api import CompletedPart, Digests
from nimbus.store.records import Upload, UploadedPart

_FINAL: Final = re.compile(
    r"([^-]*)(-[1-9][0-9]{0,4})?", re.ASCII
)  # a composite value has the number of parts behind it


async def check_upload(ctx: Context, upload_id: str) -> None:
    """What is not there is said before what is malformed. Raises `UploadMissing`."""
    await ctx.store.find_upload(ctx.bucket, ctx.key, upload_id)


async def complete_multipart_upload(ctx: Context, request: model.CompleteMultipartUploadRequest) -> Reply:
    """Make the named parts the object."""
    try:
        parts = [_completed_part(part) for part in _named(request.multipart_upload)]
        expected = _expected(request)
    except S3Error:
        await check_upload(ctx, request.upload_id)
        raise
    begun_ms = None if request.if_match is None else await _begun_ms(ctx, request.upload_id)
    condition = write_condition(request.if_match, request.if_none_match, begun_ms)
    await check_early(ctx, condition)
    record = await ctx.store.complete_upload(
        ctx.bucket, ctx.key, request.upload_id, parts, _digests_of(request, expected), condition
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


async def _begun_ms(ctx: Context, upload_id: str) -> int | None:
    """When the upload was begun; None when it is not there, which the completion has its own words for."""
    try:
        return (await ctx.store.find_upload(ctx.bucket, ctx.key, upload_id)).initiated_ms
    except UploadMissing:
        return None


# --- what the request says by itself ----------------------------------------------------------------------


def _named(document: model.CompletedMultipartUpload | None) -> Sequence[model.CompletedPart]:
    if document is None:
        raise S3Error("InvalidRequest", "You must specify at least one part")
    if not document.parts:
        raise S3Error("MalformedXML")
    return document.parts


def _completed_part(part: model.CompletedPart) -> CompletedPart:
    if part.part_number is None or part.etag is None:
        raise S3Error("MalformedXML")
    _check_part_number(part.part_number)
    _check_one_checksum(_checksums_of(part))
    return CompletedPart(part.part_number, part.etag.strip('"'))


def _check_part_number(number: int) -> None:
    if not 1 <= number <= PART_NUMBER_MAX:
        raise S3Error(
            "InvalidArgument",
            f"Part number must be an integer between 1 and {PART_NUMBER_MAX}, inclusive",
            ArgumentName="partNumber",
            ArgumentValue=number,
        )


def _checksums_of(part: model.CompletedPart) -> dict[str, str]:
    return {name: value for name, field in CHECKSUM_FIELDS.items() if (value := getattr(part, field))}


def _check_one_checksum(given: dict[str, str]) -> None:
    if len(given) <= 1 and all(decode(value, ALGORITHMS[name].size_bytes) for name, value in given.items()):
        return
    shown = "".join(f"{name}:{value};" for name, value in given.items()) if len(given) > 1 else "".join(given.values())
    raise S3Error(
        "InvalidArgument",
        "Invalid Base64 or multiple checksums present in request",
        ArgumentName="Checksum",
        ArgumentValue=shown,
    )


def _expected(request: model.CompleteMultipartUploadRequest) -> tuple[Algorithm, str] | None:
    """The checksum headers of this request speak of the finished object."""
    given = [(ALGORITHMS[name], value) for name, field in CHECKSUM_FIELDS.items() if (value := getattr(request, field))]
    if len(given) > 1:
        raise more_than_one()
    for algorithm, value in given:
        match = _FINAL.fullmatch(value)
        if match is None or decode(match[1], algorithm.size_bytes) is None:
            raise S3Error("InvalidRequest", f"Value for {algorithm.header} header is invalid.")
    return given[0] if given else None


# --- held to the upload -----------------------------------------------------------------------------------


def _digests_of(
    request: model.CompleteMultipartUploadRequest, expected: tuple[Algorithm, str] | None
) -> Callable[[Upload, list[UploadedPart]], Digests]:
    """Computes ETag and checksum of the finished object, and holds the request to them."""

    def compute(upload: Upload, parts: list[UploadedPart]) -> Digests:
        _check_mode(request, upload)
        for named, part in zip(_named(request.multipart_upload), parts, strict=True):
            _check_part(upload, named, part)
        size = sum(part.size for part in parts)
        if request.mpu_object_size not in (None, size):
            raise S3Error(
                "InvalidRequest",
                f"The provided 'x-amz-mp-object-size' header value {request.mpu_object_size} does not match what was "
                f"computed: {size}",
            )
        name, value = _whole_checksum(upload, parts)
        if expected is not None:
            _check_whole(upload, request.checksum_type, *expected, name, value)
        return Digests(multipart_etag([part.etag for part in parts]), {name: value} if value else {})

    return compute


def _check_mode(request: model.CompleteMultipartUploadRequest, upload: Upload) -> None:
    mode = upload.checksum_type if upload.checksum_algorithm else "null"
    if request.checksum_type is not None and request.checksum_type != mode:
        raise S3Error(
            "InvalidRequest",
            f"The upload was created using the {mode} checksum mode. The complete request must use the same checksum "
            "mode.",
        )


def _check_part(upload: Upload, named: model.CompletedPart, part: UploadedPart) -> None:
    declared = upload.checksum_algorithm
    given = _checksums_of(named)
    if not given:
        if declared and upload.checksum_type == COMPOSITE:
            raise S3Error(
                "InvalidRequest",
                f"The upload was created using a {declared.lower()} checksum. The complete request must include the "
                f"checksum for each part. It was missing for part {named.part_number} in the request.",
            )
        return
    ((name, value),) = given.items()
    if declared and name != declared:
        raise S3Error(
            "BadDigest",
            f"The {name.lower()} you specified for part {named.part_number} did not match what we received.",
        )
    if name != kept_algorithm(declared) or part.checksums.get(name) != value:
        assert named.part_number is not None, "checked"
        raise S3Error("InvalidPart", PartNumber=named.part_number, ETag=part.etag)


def _whole_checksum(upload: Upload, parts: list[UploadedPart]) -> tuple[str, str]:
    """Name and value of the object's checksum; no value when a part was kept without."""
    algorithm = ALGORITHMS[kept_algorithm(upload.checksum_algorithm)]
    values = [part.checksums.get(algorithm.name, "") for part in parts]
    if not all(values):
        return algorithm.name, ""
    if upload.checksum_type == COMPOSITE:
        return algorithm.name, composite(algorithm, values)
    sizes = (part.size for part in parts)
    return algorithm.name, full_object(algorithm, zip(values, sizes, strict=True))


def _check_whole(upload: Upload, mode: str | None, algorithm: Algorithm, expected: str, name: str, value: str) -> None:
    """Of a FULL_OBJECT upload Amazon takes a value only together with that mode."""
    if algorithm.name != name:
        if not upload.checksum_algorithm:
            return  # nobody keeps that one: Amazon takes any value
    elif mode is None and upload.checksum_algorithm and upload.checksum_type == FULL_OBJECT:
        pass
    elif value in (expected, f"{expected}{value[value.rfind('-') :] if '-' in value else ''}"):
        return
    raise S3Error("BadDigest", f"The {name.lower()} you specified did not match the calculated checksum.")
