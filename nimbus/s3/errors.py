"""S3's errors: one exception, the table of codes, the document that a client reads.

Whatever goes wrong in a request ends as one `S3Error`: raised as such in this room, or translated by
`from_state` from the states of `nimbus.base.errors`, once, where the reply is written. Codes and statuses are
those of "Error Responses" in the API reference of Amazon S3; a code that is not in the table is a mistake of
the program. The text of an internal error never reaches a client.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from nimbus.auth.api import AuthFailure
from nimbus.base import errors as states

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})

# code: (status, default message)
CODES: Final[dict[str, tuple[int, str]]] = {
    # --- who may do what ---
    "AccessControlListNotSupported": (400, "The bucket does not allow ACLs"),
    "AccessDenied": (403, "Access Denied"),
    "AccessForbidden": (403, "CORSResponse: This CORS request is not allowed."),
    "AccountProblem": (403, "There is a problem with your account that prevents the operation from completing."),
    "AllAccessDisabled": (403, "All access to this object has been disabled"),
    "AmbiguousGrantByEmailAddress": (400, "The e-mail address you provided is associated with more than one account."),
    "AuthorizationHeaderMalformed": (400, "The authorization header you provided is invalid."),
    "AuthorizationQueryParametersError": (400, "The authorization query parameters that you provided are not valid."),
    "CredentialsNotSupported": (400, "This request does not support credentials."),
    "ExpiredToken": (400, "The provided token has expired."),
    "InvalidAccessKeyId": (403, "The AWS Access Key Id you provided does not exist in our records."),
    "InvalidSecurity": (403, "The provided security credentials are not valid."),
    "InvalidToken": (400, "The provided token is malformed or otherwise invalid."),
    "MissingSecurityElement": (400, "The request is missing a security element."),
    "MissingSecurityHeader": (400, "Your request is missing a required header."),
    "NotSignedUp": (403, "Your account is not signed up for this service."),
    "RequestTimeTooSkewed": (403, "The difference between the request time and the current time is too large."),
    "SignatureDoesNotMatch": (
        403,
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method.",
    ),
    "UnresolvableGrantByEmailAddress": (400, "The e-mail address you provided does not match any account on record."),
    # --- the request itself ---
    "BadRequest": (400, "Bad Request"),
    "EntityTooLarge": (400, "Your proposed upload exceeds the maximum allowed size"),
    "EntityTooSmall": (400, "Your proposed upload is smaller than the minimum allowed size"),
    "IncompleteBody": (400, "The request body terminated unexpectedly"),
    "IncorrectNumberOfFilesInPostRequest": (400, "POST requires exactly one file upload per request."),
    "InlineDataTooLarge": (400, "Inline data exceeds the maximum allowed size."),
    "InvalidAddressingHeader": (400, "You must specify the Anonymous role."),
    "InvalidArgument": (400, "Invalid Argument"),
    "InvalidChunkSizeError": (400, "Only the last chunk is allowed to have a size less than 8192 bytes"),
    "InvalidHostHeader": (400, "The host headers provided in the request used the incorrect style addressing."),
    "InvalidHttpMethod": (400, "The request was made with an unexpected HTTP method."),
    "InvalidRequest": (400, "Invalid Request"),
    "InvalidURI": (400, "Couldn't parse the specified URI."),
    "KeyTooLongError": (400, "Your key is too long"),
    "MalformedPOSTRequest": (400, "The body of your POST request is not well-formed multipart/form-data."),
    "MalformedTrailerError": (
        400,
        "The request contained trailing data that was not well-formed or did not conform to our published schema.",
    ),
    "MalformedXML": (
        400,
        "The XML you provided was not well-formed or did not validate against our published schema",
    ),
    "MaxMessageLengthExceeded": (400, "Your request was too big."),
    "MaxPostPreDataLengthExceededError": (400, "Your POST request fields preceding the upload file were too large."),
    "MetadataTooLarge": (400, "Your metadata headers exceed the maximum allowed metadata size"),
    "MethodNotAllowed": (405, "The specified method is not allowed against this resource."),
    "MissingAttachment": (400, "A SOAP attachment was expected, but none was found."),
    "MissingContentLength": (411, "You must provide the Content-Length HTTP header."),
    "MissingRequestBodyError": (400, "Request Body is empty"),
    "NotImplemented": (501, "A header you provided implies functionality that is not implemented"),
    "RequestHeaderSectionTooLarge": (
        400,
        "Your request header section exceeds the maximum allowed size.",
    ),
    "RequestIsNotMultiPartContent": (400, "Bucket POST must be of the enclosure-type multipart/form-data."),
    "RequestTimeout": (
        400,
        "Your socket connection to the server was not read from or written to within the timeout period.",
    ),
    "UnexpectedContent": (400, "This request does not support content"),
    "UnsupportedArgument": (400, "The request contained an unsupported argument."),
    "UnsupportedSignature": (400, "The provided request is signed with an unsupported STS token version."),
    "UserKeyMustBeSpecified": (400, "The bucket POST must contain the specified field name."),
    # --- digests, conditions, ranges ---
    "BadDigest": (400, "The Content-MD5 or checksum value that you specified did not match what we received."),
    "ConditionalRequestConflict": (
        409,
        "The conditional request cannot succeed due to a conflicting operation against this resource.",
    ),
    "InvalidDigest": (400, "The Content-MD5 you specified was invalid"),
    "InvalidRange": (416, "The requested range is not satisfiable"),
    "NotModified": (304, "Not Modified"),
    "OperationAborted": (
        409,
        "A conflicting conditional operation is currently in progress against this resource. Please try again.",
    ),
    "PreconditionFailed": (412, "At least one of the pre-conditions you specified did not hold"),
    "XAmzContentSHA256Mismatch": (
        400,
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
    ),
    # --- buckets ---
    "BucketAlreadyExists": (
        409,
        "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
        "Please select a different name and try again.",
    ),
    "BucketAlreadyOwnedByYou": (
        409,
        "Your previous request to create the named bucket succeeded and you already own it.",
    ),
    "BucketNotEmpty": (409, "The bucket you tried to delete is not empty"),
    "IllegalLocationConstraintException": (
        400,
        "The specified location constraint is incompatible for the region specific endpoint this request was sent to.",
    ),
    "InvalidBucketName": (400, "The specified bucket is not valid."),
    "InvalidBucketState": (409, "The request is not valid with the current state of the bucket."),
    "InvalidLocationConstraint": (400, "The specified location-constraint is not valid"),
    "NoSuchBucket": (404, "The specified bucket does not exist"),
    "TooManyBuckets": (400, "You have attempted to create more buckets than allowed"),
    # --- objects, versions, uploads ---
    "InvalidObjectName": (400, "The specified object name is not valid."),
    "InvalidObjectState": (403, "The operation is not valid for the object's storage class"),
    "InvalidPart": (
        400,
        "One or more of the specified parts could not be found.  The part may not have been uploaded, "
        "or the specified entity tag may not match the part's entity tag.",
    ),
    "InvalidPartNumber": (416, "The requested partnumber is not satisfiable"),
    "InvalidPartOrder": (
        400,
        "The list of parts was not in ascending order. Parts must be ordered by part number.",
    ),
    "InvalidStorageClass": (400, "The storage class you specified is not valid"),
    "NoSuchKey": (404, "The specified key does not exist."),
    "NoSuchUpload": (
        404,
        "The specified upload does not exist. The upload ID may be invalid, "
        "or the upload may have been aborted or completed.",
    ),
    "NoSuchVersion": (404, "The specified version does not exist."),
    "RestoreAlreadyInProgress": (409, "Object restore is already in progress."),
    # --- configurations of buckets and objects ---
    "IllegalVersioningConfigurationException": (400, "The specified versioning configuration is invalid."),
    "InvalidBucketAclWithObjectOwnership": (
        400,
        "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
    ),
    "InvalidEncryptionAlgorithmError": (400, "The encryption request you specified is not valid."),
    "InvalidPolicyDocument": (400, "Invalid Policy: the form does not meet the conditions of the policy document."),
    "InvalidRedirectLocation": (
        400,
        "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
    ),
    "InvalidRetentionPeriod": (400, "The retention period must be a positive integer value."),
    "InvalidTag": (400, "The tag provided was not a valid tag."),
    "InvalidTargetBucketForLogging": (400, "The target bucket for logging does not exist or is not owned by you."),
    "MalformedACLError": (
        400,
        "The ACL you provided was not well-formed or did not validate against our published schema",
    ),
    "MalformedPolicy": (400, "Policies must be valid JSON and the first byte must be '{'"),
    "NoSuchBucketPolicy": (404, "The bucket policy does not exist"),
    "NoSuchConfiguration": (404, "The specified configuration does not exist."),
    "NoSuchCORSConfiguration": (404, "The CORS configuration does not exist"),
    "NoSuchLifecycleConfiguration": (404, "The lifecycle configuration does not exist"),
    "NoSuchObjectLockConfiguration": (404, "The specified object does not have a ObjectLock configuration"),
    "NoSuchPublicAccessBlockConfiguration": (404, "The public access block configuration was not found"),
    "NoSuchTagSet": (404, "The TagSet does not exist"),
    "NoSuchWebsiteConfiguration": (404, "The specified bucket does not have a website configuration"),
    "ObjectLockConfigurationNotFoundError": (404, "Object Lock configuration does not exist for this bucket"),
    "OwnershipControlsNotFoundError": (404, "The bucket ownership controls were not found"),
    "ReplicationConfigurationNotFoundError": (404, "The replication configuration was not found"),
    "ServerSideEncryptionConfigurationNotFoundError": (
        404,
        "The server side encryption configuration was not found",
    ),
    # --- the service ---
    "InsufficientStorage": (507, "There is no space left to store the data."),
    "InternalError": (500, "We encountered an internal error. Please try again."),
    "PermanentRedirect": (
        301,
        "The bucket you are attempting to access must be addressed using the specified endpoint. "
        "Please send all future requests to this endpoint.",
    ),
    "ServiceUnavailable": (503, "The service is unavailable. Please retry."),
    "SlowDown": (503, "Please reduce your request rate."),
}

# What each state means to a client of S3; a state that is not named takes the row of its nearest ancestor.
STATES: Final[dict[type[states.NimbusError], str]] = {
    states.NimbusError: "InternalError",
    states.Missing: "NoSuchKey",
    states.BucketMissing: "NoSuchBucket",
    states.ObjectMissing: "NoSuchKey",
    states.UploadMissing: "NoSuchUpload",
    states.Conflict: "OperationAborted",
    states.BucketExists: "BucketAlreadyExists",
    states.BucketNotEmpty: "BucketNotEmpty",
    states.BucketBusy: "OperationAborted",
    states.ConditionLost: "PreconditionFailed",
    states.WriteRace: "SlowDown",
    states.PartInvalid: "InvalidPart",
    states.PartOrderInvalid: "InvalidPartOrder",
    states.PartTooSmall: "EntityTooSmall",
    states.ObjectTooLarge: "EntityTooLarge",
    states.SizeMismatch: "IncompleteBody",
    states.DigestMismatch: "BadDigest",
    states.EngineError: "InternalError",
    states.NotSupported: "NotImplemented",
    states.StoreReadOnly: "ServiceUnavailable",
    states.SpaceExhausted: "InsufficientStorage",
    states.EngineClosed: "ServiceUnavailable",
    states.Overloaded: "SlowDown",
    states.PeerTooSlow: "RequestTimeout",
    states.PeerGone: "IncompleteBody",
}

# What of the request an error is about: an element of its document. Whoever means something else (the source of a
# copy) names that in the fields.
_ABOUT_BUCKET: Final = frozenset(
    {
        "BucketAlreadyExists",
        "BucketAlreadyOwnedByYou",
        "BucketNotEmpty",
        "InvalidBucketAclWithObjectOwnership",
        "InvalidBucketName",
        "NoSuchBucket",
        "NoSuchBucketPolicy",
        "NoSuchCORSConfiguration",
        "NoSuchLifecycleConfiguration",
        "NoSuchPublicAccessBlockConfiguration",
        "NoSuchTagSet",
        "NoSuchWebsiteConfiguration",
        "ObjectLockConfigurationNotFoundError",
        "OwnershipControlsNotFoundError",
        "ReplicationConfigurationNotFoundError",
        "ServerSideEncryptionConfigurationNotFoundError",
    }
)
_ABOUT_KEY: Final = frozenset({"ConditionalRequestConflict", "NoSuchKey", "NoSuchVersion"})
_ABOUT_UPLOAD: Final = frozenset({"InvalidPart", "InvalidPartOrder", "NoSuchUpload"})

_TOLD: Final = (states.StoreReadOnly, states.SpaceExhausted)
_ELEMENT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_ESCAPES: Final = {
    **dict.fromkeys((*range(0x20), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF), "\ufffd"),
    **{ord("\t"): "\t", ord("\n"): "\n", ord("\r"): "&#13;"},
    **{ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;"},
}


class S3Error(Exception):
    """A request is refused with one of S3's codes; `fields` are further elements of the error document."""

    def __init__(self, code: str, message: str = "", **fields: str | int) -> None:
        assert code in CODES, f"{code} is not in the table of S3's errors"
        self.code = code
        self.status, usual = CODES[code]
        self.message = message or usual
        self.fields = {name: str(value) for name, value in fields.items()}
        self.headers: tuple[tuple[bytes, bytes], ...] = ()  # of the answer
        super().__init__(f"{code}: {self.message}")


def from_state(error: states.NimbusError) -> S3Error:
    """What a client of S3 is told about a state of the store or of the verifier."""
    if isinstance(error, AuthFailure):
        return S3Error(error.code, error.message, **error.fields)
    code = next(STATES[kind] for kind in type(error).__mro__ if kind in STATES)
    return S3Error(code, _reason(error), **_elements(error))


def _reason(error: states.NimbusError) -> str:
    """What a client may know of the state of a disk: the sentence of its kind, without the detail."""
    return str(type(error)()) if isinstance(error, _TOLD) and type(error) not in STATES else ""


def _elements(error: states.NimbusError) -> dict[str, str | int]:
    """What a state knows of its cause, in S3's words."""
    match error:
        case states.PartInvalid(number=number) if number:
            return {"PartNumber": number, "ETag": error.etag}
        case states.PartTooSmall(number=number) if number:
            sizes = {"ProposedSize": error.size_bytes, "MinSizeAllowed": error.size_bytes_min}
            return {**sizes, "PartNumber": number, "ETag": error.etag}
        case states.ObjectTooLarge(size_bytes=size) if size:
            return {"ProposedSize": size, "MaxSizeAllowed": error.size_bytes_max}
        case _:
            return {}


def about(error: S3Error, bucket: str, key: str, upload_id: str) -> dict[str, str]:
    """The elements that name what of the request the error is about, as far as S3 shows them."""
    if error.code in _ABOUT_BUCKET:
        return {"BucketName": bucket}
    if error.code in _ABOUT_KEY:
        return {"Key": key}
    return {"UploadId": upload_id} if error.code in _ABOUT_UPLOAD else {}


def error_document(
    error: S3Error, resource: str, request_id: str, host_id: str, subject: Mapping[str, str] = NOTHING
) -> bytes:
    """The XML body of a refusal; `subject` is what it is `about`.

    It is well-formed whatever the client sent: characters that XML cannot hold are replaced, because a client that
    cannot parse the document loses the code as well.
    """
    elements = {"Code": error.code, "Message": error.message, **subject, **error.fields}
    elements |= {"Resource": resource, "RequestId": request_id, "HostId": host_id}
    assert all(_ELEMENT_NAME.fullmatch(name) for name in elements), f"not names of elements: {list(elements)}"
    inner = "".join(f"<{name}>{text.translate(_ESCAPES)}</{name}>" for name, text in elements.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode()
