"""What Amazon's machine-readable model of S3 leaves out or gets wrong, as rows of data.

`ci/generate_s3_model.py` uses the first part and the names of CHECKED_VALUES when it writes `nimbus/s3/model.py`;
the codec and the router use the others when the program starts. No row here may contradict what S3 sends on the wire.
"""

from __future__ import annotations

from typing import Final

import msgspec

from nimbus.base.limits import (
    DELETE_KEYS_MAX,
    PART_NUMBER_MAX,
    XML_COMPLETE_SIZE_BYTES_MAX,
    XML_DELETE_SIZE_BYTES_MAX,
)
from nimbus.s3.checksums import NAMES_TEXT

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

# --- for the codec ----------------------------------------------------------------------------------------

# Bodies that are documents, where they may be larger than XML_SIZE_BYTES_MAX.
DOCUMENT_SIZES_BYTES_MAX: Final = {
    "CompleteMultipartUpload": XML_COMPLETE_SIZE_BYTES_MAX,
    "DeleteObjects": XML_DELETE_SIZE_BYTES_MAX,
}

# What a reply says of itself, by how the names begin, stands behind what it says of the object, which the native plane
# keeps ready in one piece.
REPLY_HEADERS_LAST: Final = ("x-amz-checksum-", "x-amz-mp-parts-count", "content-range", "content-length")

# Runs of elements that S3's schema bounds, by shape and field.
LIST_SIZES_MAX: Final = {
    ("Delete", "objects"): DELETE_KEYS_MAX,
    ("CompletedMultipartUpload", "parts"): PART_NUMBER_MAX,
}

# What `encoding-type=url` encodes in the listings that have an EncodingType element (API reference of each).
URL_ENCODED_FIELDS: Final = frozenset(
    {
        "key",
        "prefix",
        "delimiter",
        "marker",
        "next_marker",
        "start_after",
        "key_marker",
        "next_key_marker",
    }
)

# Of those, what clients of the first version of the listing take as it comes, so that it must be plain text. What
# no document can hold is encoded all the same.
URL_ENCODED_IF_UNWRITABLE: Final = frozenset({("ListObjectsOutput", "prefix")})

# HTTP ignores a conditional date that does not parse (RFC 9110, section 13.1); every other time is refused.
IGNORABLE_TIMES: Final = frozenset(
    {
        "if-modified-since",
        "if-unmodified-since",
        "x-amz-copy-source-if-modified-since",
        "x-amz-copy-source-if-unmodified-since",
    }
)


class Bounds(msgspec.Struct, frozen=True):
    """The integers that a header or parameter may be, and what S3 says when it is none of them."""

    first: int
    last: int
    out_of_bounds: str = "Argument {name} must be an integer between {first} and {last}"
    no_integer: str = "Provided {name} not an integer or within integer range"
    code: str = "InvalidArgument"
    may_be_empty: bool = True  # a parameter without a value counts as not given


_BYTES_MAX: Final = (1 << 63) - 1
_NUMBER_OF_A_PART = f"Part number must be an integer between 1 and {PART_NUMBER_MAX}, inclusive"
_COUNT = Bounds(0, (1 << 31) - 1)
# Those that are not in the table count bytes.
INTEGERS: Final = {
    "partNumber": Bounds(1, PART_NUMBER_MAX, _NUMBER_OF_A_PART, _NUMBER_OF_A_PART, may_be_empty=False),
    "max-buckets": Bounds(1, 10_000),
    "max-keys": _COUNT,
    "max-parts": _COUNT,
    "max-uploads": _COUNT,
    "part-number-marker": _COUNT,
    "x-amz-max-parts": _COUNT,
    "x-amz-mp-object-size": Bounds(
        0,
        _BYTES_MAX,
        "Value for {name} header is less than zero.",
        "Value for {name} header is invalid.",
        "InvalidRequest",
    ),
    "x-amz-object-lock-event-hold-duration-days": _COUNT,
    "x-amz-object-lock-event-hold-duration-years": _COUNT,
    "x-amz-part-number-marker": _COUNT,
}
BYTES: Final = Bounds(0, _BYTES_MAX)

# Content types of replies whose body is a document or the text of the named operation.
DOCUMENT_TYPE: Final = b"application/xml"
TEXT_TYPES: Final = {"GetBucketPolicy": b"application/json"}


class Refusal(msgspec.Struct, frozen=True):
    """How S3 refuses a value that the model's enumeration does not have."""

    code: str
    message: str = ""  # the code's own when empty
    element: str = ""  # of the error document that shows the value; an InvalidArgument always shows it


_UNKNOWN_ALGORITHM: Final = Refusal(
    "InvalidRequest",
    f"Checksum algorithm provided is unsupported. Please try again with any of the valid types: [{NAMES_TEXT}]",
)

# Headers and parameters whose value must be one of the model's; all others reach the operation as they are.
CHECKED_VALUES: Final = {
    "encoding-type": Refusal("InvalidArgument", "Invalid Encoding Method specified in Request"),
    "x-amz-acl": Refusal("InvalidArgument"),
    "x-amz-checksum-algorithm": _UNKNOWN_ALGORITHM,
    "x-amz-checksum-type": Refusal("InvalidRequest", "Value for x-amz-checksum-type header is invalid."),
    "x-amz-metadata-directive": Refusal("InvalidArgument", "Unknown metadata directive."),
    "x-amz-object-attributes": Refusal("InvalidArgument", "Invalid attribute name specified."),
    "x-amz-object-lock-legal-hold": Refusal("InvalidArgument", "Legal Hold must be either of 'ON' or 'OFF'"),
    "x-amz-object-lock-mode": Refusal("InvalidArgument", "Unknown wormMode directive."),
    "x-amz-object-ownership": Refusal("InvalidArgument", "Invalid x-amz-object-ownership header"),
    "x-amz-optional-object-attributes": Refusal("InvalidArgument", "Invalid attribute name specified."),
    "x-amz-sdk-checksum-algorithm": _UNKNOWN_ALGORITHM,
    "x-amz-storage-class": Refusal("InvalidStorageClass", element="StorageClassRequested"),
    "x-amz-tagging-directive": Refusal("InvalidArgument", "Unknown tagging directive."),
}

# Of those, the ones that clients also write in lower case; the operation sees them in upper case.
CASELESS_VALUES: Final = frozenset({"x-amz-checksum-algorithm", "x-amz-checksum-type", "x-amz-sdk-checksum-algorithm"})
