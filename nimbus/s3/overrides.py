"""What Amazon's machine-readable model of S3 leaves out or gets wrong, as rows of data.

`ci/generate_s3_model.py` uses the first part when it writes `nimbus/s3/model.py`; the codec and the router use
the second when the program starts. No row here may contradict what S3 sends on the wire.
"""

from __future__ import annotations

from typing import Final

# --- for the generator ------------------------------------------------------------------------------------

# Root elements of reply documents ("Response Syntax" and examples of the API reference); the model has none.
REPLY_ROOTS: Final = {
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetBucketAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketLocation": "LocationConstraint",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetObjectAcl": "AccessControlPolicy",
    "GetObjectAttributes": "GetObjectAttributesResponse",
    "GetObjectTagging": "Tagging",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListParts": "ListPartsResult",
}

# The reply document of these operations is the named member itself: its text stands in the root element.
REPLY_TEXT_MEMBERS: Final = {"GetBucketLocation": "LocationConstraint"}

# Times that S3 keeps and returns as the text the client sent.
TEXT_SHAPES: Final = frozenset({"Expires", "ResponseExpires"})

# Python names where splitting at capitals reads badly.
FIELD_NAMES: Final = {
    "ETag": "etag",
    "SSEKMSKeyId": "sse_kms_key_id",
    "SSEKMSEncryptionContext": "sse_kms_encryption_context",
    "SSES3": "sse_s3",
    "SSEKMS": "sse_kms",
}

# --- for the router ---------------------------------------------------------------------------------------

# "Bucket naming rules": names that Amazon keeps for access points and other kinds of buckets.
BUCKET_NAME_PREFIXES_RESERVED: Final = ("xn--", "sthree-")
BUCKET_NAME_SUFFIXES_RESERVED: Final = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
