"""The operations of S3 that this store offers: one line for each, with the permission that it takes.

Start here. The name leads to the wire format in `nimbus/s3/model.py` (method, parameters, documents, whether the
body is a stream), the handler to what is done, the permission to who may. An operation of the model that has no
line answers NotImplemented.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from nimbus.s3.api import Context, Handler
from nimbus.s3.markers import Wire
from nimbus.s3.model import WIRES
from nimbus.s3.operations import buckets, completing, copying, deleting, listing, multipart, objects, unconfigured


class Operation(msgspec.Struct, frozen=True):
    """A line of the table."""

    name: str
    handler: Handler
    permission: str
    body_checksums: bool = True  # False: x-amz-checksum-* speak of the object, not of this request's body
    upload: Callable[[Context, str], Awaitable[None]] | None = (
        None  # raises when it is missing, before a document is bad
    )


OPERATIONS: Final = (
    Operation("ListBuckets", buckets.list_buckets, "s3:ListAllMyBuckets"),
    Operation("CreateBucket", buckets.create_bucket, "s3:CreateBucket"),
    Operation("DeleteBucket", buckets.delete_bucket, "s3:DeleteBucket"),
    Operation("HeadBucket", buckets.head_bucket, "s3:ListBucket"),
    Operation("GetBucketLocation", buckets.get_bucket_location, "s3:GetBucketLocation"),
    Operation("GetBucketVersioning", unconfigured.get_bucket_versioning, "s3:GetBucketVersioning"),
    Operation("ListObjects", listing.list_objects, "s3:ListBucket"),
    Operation("ListObjectsV2", listing.list_objects_v2, "s3:ListBucket"),
    Operation("GetObject", objects.get_object, "s3:GetObject"),
    Operation("HeadObject", objects.head_object, "s3:GetObject"),
    Operation("GetObjectAttributes", objects.get_object_attributes, "s3:GetObjectAttributes"),
    Operation("GetObjectTagging", unconfigured.get_object_tagging, "s3:GetObjectTagging"),
    Operation("PutObject", objects.put_object, "s3:PutObject"),
    Operation("CopyObject", copying.copy_object, "s3:PutObject"),
    Operation("DeleteObject", deleting.delete_object, "s3:DeleteObject"),
    Operation("DeleteObjects", deleting.delete_objects, "s3:DeleteObject"),
    Operation("CreateMultipartUpload", multipart.create_multipart_upload, "s3:PutObject"),
    Operation("UploadPart", multipart.upload_part, "s3:PutObject"),
    Operation("UploadPartCopy", multipart.upload_part_copy, "s3:PutObject"),
    Operation("ListParts", multipart.list_parts, "s3:ListMultipartUploadParts"),
    Operation("ListMultipartUploads", multipart.list_multipart_uploads, "s3:ListBucketMultipartUploads"),
    Operation(
        "CompleteMultipartUpload", completing.complete_multipart_upload, "s3:PutObject", False, completing.check_upload
    ),
    Operation("AbortMultipartUpload", multipart.abort_multipart_upload, "s3:AbortMultipartUpload"),
)

_BY_NAME: Final = {operation.name: operation for operation in OPERATIONS}
BY_WIRE: Final[dict[Wire, Operation]] = {wire: _BY_NAME[wire.name] for wire in WIRES if wire.name in _BY_NAME}
