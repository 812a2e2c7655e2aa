"""What is said of an object besides its bytes: from the headers of a write into the record, and back into replies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from nimbus.base.limits import USER_METADATA_SIZE_BYTES_MAX
from nimbus.s3.checksums import ALGORITHMS, FULL_OBJECT
from nimbus.s3.errors import S3Error
from nimbus.store.api import NewObject
from nimbus.store.records import Object, Part

DEFAULT_CONTENT_TYPE: Final = "binary/octet-stream"
STORAGE_CLASS: Final = "STANDARD"
# field of the model's structures: header kept with the object
KEPT_HEADERS: Final = {
    "cache_control": "cache-control",
    "content_disposition": "content-disposition",
    "content_encoding": "content-encoding",
    "content_language": "content-language",
    "expires": "expires",
}
FIELD_OF_HEADER: Final = {header: field for field, header in KEPT_HEADERS.items()}
CHECKSUM_FIELDS: Final = {name: algorithm.field for name, algorithm in ALGORITHMS.items()}


class Attributes(Protocol):
    """The part that PutObject, CopyObject and CreateMultipartUpload have in common."""

    @property
    def content_type(self) -> str | None: ...
    @property
    def metadata(self) -> dict[str, str] | None: ...


def new_object(request: Attributes, owner_id: str, algorithm: str = "", checksum_type: str = "") -> NewObject:
    """What the headers of a write say. Raises MetadataTooLarge, InvalidArgument."""
    metadata = request.metadata or {}
    _check_metadata(metadata)
    headers = {}
    for field, header in KEPT_HEADERS.items():
        value = getattr(request, field)
        if value:
            headers[header] = value
    if "content-encoding" in headers:
        _strip_framing(headers)
    return NewObject(
        owner_id, request.content_type or DEFAULT_CONTENT_TYPE, headers, metadata, algorithm, checksum_type
    )


def _check_metadata(metadata: Mapping[str, str]) -> None:
    if "" in metadata:  # `x-amz-meta-:` could be stored, but no reply could carry it
        raise S3Error("InvalidArgument", "User metadata needs a name.", ArgumentName="x-amz-meta-")
    size = sum(len(name) + len(value) for name, value in metadata.items())
    if size > USER_METADATA_SIZE_BYTES_MAX:
        raise S3Error("MetadataTooLarge", Size=size, MaxSizeAllowed=USER_METADATA_SIZE_BYTES_MAX)


def _strip_framing(headers: dict[str, str]) -> None:
    """aws-chunked is the framing of this upload, not an encoding of the object; the others stay as they were sent."""
    codings = headers["content-encoding"].split(",")
    kept = [coding for coding in codings if coding.strip().lower() != "aws-chunked"]
    if len(kept) == len(codings):
        return
    rest = ",".join(kept).strip()
    if rest:
        headers["content-encoding"] = rest
    else:
        del headers["content-encoding"]


def checksum_fields(checksums: Mapping[str, str], checksum_type: str) -> dict[str, Any]:
    """The members of a reply that carry checksums and, when there is one, their type."""
    fields: dict[str, Any] = {CHECKSUM_FIELDS[name]: value for name, value in checksums.items()}
    if fields and checksum_type:
        fields["checksum_type"] = checksum_type
    return fields


def part_checksums(record: Object, part: Part | None) -> dict[str, str]:
    """What is told beside a part: its own checksum when parts have one, the object's when the part is all of it."""
    if part is None or (record.checksum_type == FULL_OBJECT and part.size == record.size):
        return record.checksums
    if record.checksum_type == FULL_OBJECT:
        return {}
    return {name: part.checksum for name in record.checksums if part.checksum}


def record_fields(record: Object) -> dict[str, Any]:
    """The members of a GetObject or HeadObject reply that the record alone decides."""
    fields: dict[str, Any] = {
        "accept_ranges": "bytes",
        "last_modified": record.modified_http,
        "etag": f'"{record.etag}"',
        "content_type": record.content_type,
    }
    for header, value in record.headers.items():
        fields[FIELD_OF_HEADER[header]] = value
    if record.metadata:
        fields["metadata"] = record.metadata
    return fields
