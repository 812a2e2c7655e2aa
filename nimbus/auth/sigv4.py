"""The rules of SigV4: whom a claim is from, and S3's own words for what is wrong with it.

The C core finds what is wrong; the table here says which error of S3 that is, once for requests signed in the
Authorization header and once for presigned ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from nimbus._native.sigv4 import FORMS, STATUSES, Claim
from nimbus.auth.api import AuthFailure, Head, Verified
from nimbus.auth.dates import error_text, parse_date, timestamp_text
from nimbus.auth.keys import KeyHolder, KeyRing
from nimbus.auth.payload import nonsense, verdict
from nimbus.base.limits import CLOCK_SKEW_S_MAX

_HEADER_FORM: Final = FORMS.index("SIGV4_HEADER")
_DATE_MISSING: Final = STATUSES.index("DATE_MISSING")


class Complaint(msgspec.Struct, frozen=True):
    """What was found wrong, where and when."""

    claim: Claim
    region: str
    now_s: int


def verify(claim: Claim, head: Head, ring: KeyRing, now_s: int) -> Verified:
    """The verdict on a SigV4 head of either form. Raises `AuthFailure`."""
    status = claim.status
    if status == _DATE_MISSING and claim.form == _HEADER_FORM:
        status = _date_from_http(claim, head)
    status = status or claim.check(ring.region.encode(), now_s)
    if status:
        raise failure(status, claim, ring.region, now_s)
    holder = find_holder(ring, claim.access_key, claim)
    scope = claim.scope
    kept = holder.peek_signing_key(scope)
    key = kept or holder.derive(claim.scope_date, claim.region)
    status = claim.check_signature(key)
    if status:
        raise failure(status, claim, ring.region, now_s)
    if kept is None:
        holder.keep_signing_key(scope, key)
    return verdict(holder.user, claim, head, key)


def _date_from_http(claim: Claim, head: Head) -> int:
    """Give the claim the time of a Date header in HTTP's own spelling."""
    values = [value for name, value in head.headers if name == b"date"]
    seconds = parse_date(values[0].strip()) if len(values) == 1 else None
    return _DATE_MISSING if seconds is None else claim.set_timestamp(timestamp_text(seconds))


def find_holder(ring: KeyRing, access_key: str, claim: Claim) -> KeyHolder:
    """Whose key a request names. All keys here are lasting ones, so that no session token can belong to one."""
    holder = ring.peek(access_key)
    if holder is None:
        raise _unknown_access_key(access_key)
    if claim.has_token:
        raise AuthFailure("InvalidToken", "The provided token is malformed or otherwise invalid.")
    return holder


# --- what S3 says ----------------------------------------------------------------------------------------


def _unknown_access_key(access_key: str) -> AuthFailure:
    return AuthFailure(
        "InvalidAccessKeyId",
        "The AWS Access Key Id you provided does not exist in our records.",
        AWSAccessKeyId=access_key,
    )


def too_skewed(request_time: str, now_s: int) -> AuthFailure:
    return AuthFailure(
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
        RequestTime=request_time,
        ServerTime=error_text(now_s),
        MaxAllowedSkewMilliseconds=str(CLOCK_SKEW_S_MAX * 1000),
    )


def expired(expires_s: int, now_s: int, lasted_s: int | None = None) -> AuthFailure:
    """`lasted_s` is how long it was good for, where the request says that and not until when."""
    lasted = {} if lasted_s is None else {"X-Amz-Expires": str(lasted_s)}
    times = {"Expires": error_text(expires_s), "ServerTime": error_text(now_s)}
    return AuthFailure("AccessDenied", "Request has expired", **lasted, **times)


def mismatch(access_key: str, string_to_sign: bytes, signature: str, **fields: str) -> AuthFailure:
    return AuthFailure(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method.",
        AWSAccessKeyId=access_key,
        StringToSign=string_to_sign.decode("utf-8", "replace"),
        SignatureProvided=signature,
        StringToSignBytes=string_to_sign.hex(" "),
        **fields,
    )


def no_valid_date() -> AuthFailure:
    return AuthFailure("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")


def failure(status: int, claim: Claim, region: str, now_s: int) -> AuthFailure:
    """The error for a status of the C core."""
    name = STATUSES[status]
    complaint = Complaint(claim, region, now_s)
    if name in _PLAIN:
        return AuthFailure(*_PLAIN[name])
    if name in _TOLD:
        return _TOLD[name](complaint)
    if claim.form == _HEADER_FORM:
        return _header_malformed(name, complaint)
    return _query_malformed(name, complaint)


# The same whichever way the request is signed: code and message.
_PLAIN: Final[dict[str, tuple[str, str]]] = {
    "HEAD_TOO_LARGE": (
        "RequestHeaderSectionTooLarge",
        "Your request header section exceeds the maximum allowed request header section size.",
    ),
    "HEAD_MALFORMED": ("InvalidRequest", "The head of the request is malformed."),
    "QUERY_MALFORMED": ("InvalidURI", "Couldn't parse the specified URI."),
    "PATH_MALFORMED": ("InvalidURI", "Couldn't parse the specified URI."),
    "PARAMETER_REPEATED": (
        "AuthorizationQueryParametersError",
        "A parameter of query-string authentication is given more than once.",
    ),
    "PAYLOAD_MISSING": ("InvalidRequest", "Missing required header for this request: x-amz-content-sha256"),
    "PAYLOAD_UNSUPPORTED": ("NotImplemented", "In x-amz-content-sha256 AWS4-ECDSA-P256-SHA256 is not implemented."),
    "NOT_YET_VALID": ("AccessDenied", "Request is not valid yet"),
}


def headers_not_signed(name: str) -> AuthFailure:
    return AuthFailure(
        "AccessDenied", "There were headers present in the request which were not signed", HeadersNotSigned=name
    )


def _mismatch(complaint: Complaint) -> AuthFailure:
    claim = complaint.claim
    canonical = claim.canonical_request()
    return mismatch(
        claim.access_key,
        claim.string_to_sign(),
        claim.signature,
        CanonicalRequest=canonical.decode("utf-8", "replace"),
        CanonicalRequestBytes=canonical.hex(" "),
    )


_TOLD: Final[dict[str, Callable[[Complaint], AuthFailure]]] = {
    "PAYLOAD_NONSENSE": lambda of: nonsense(of.claim.payload_hash),
    "SKEWED": lambda of: too_skewed(of.claim.timestamp, of.now_s),
    "EXPIRED": lambda of: expired(of.claim.timestamp_s + of.claim.expires_s, of.now_s, of.claim.expires_s),
    "HOST_UNSIGNED": lambda of: headers_not_signed("host"),
    "HEADER_UNSIGNED": lambda of: headers_not_signed(", ".join(of.claim.unsigned_headers)),
    "MISMATCH": _mismatch,
}

# What is wrong with a credential reads the same in both forms, behind another beginning.
_CREDENTIAL: Final[dict[str, str]] = {
    "CREDENTIAL_MALFORMED": (
        'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
    ),
    "TERMINAL_WRONG": 'incorrect terminal "{terminal}". This endpoint uses "aws4_request".',
    "SERVICE_WRONG": 'incorrect service "{service}". This endpoint belongs to "s3".',
    "REGION_WRONG": "the region '{region}' is wrong; expecting '{expected}'",
    "SCOPE_DATE_MALFORMED": (
        'incorrect date format "{date}". This date in the credential must be in the format "yyyyMMdd".'
    ),
    "SCOPE_DATE_DIFFERS": 'Invalid credential date "{date}". This date is not the same as X-Amz-Date: "{day}".',
}
_QUERY: Final[dict[str, str]] = {
    "ALGORITHM_UNKNOWN": 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"',
    "SIGNED_HEADERS_MALFORMED": "X-Amz-SignedHeaders must be lower-case header names separated by semicolons",
    "EXPIRES_MALFORMED": "X-Amz-Expires should be a number",
    "EXPIRES_NEGATIVE": "X-Amz-Expires must be non-negative",
    "EXPIRES_ZERO": "X-Amz-Expires must be at least 1 second",
    "EXPIRES_TOO_LONG": (
        "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than "
        "604800 seconds"
    ),
    "DATE_MALFORMED": "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
}
_QUERY_INCOMPLETE: Final = (
    "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
    "X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
)
_HEADER_INCOMPLETE: Final = (
    "the authorization header requires three components: Credential, SignedHeaders, and Signature."
)


def _credential_text(name: str, complaint: Complaint) -> str:
    claim = complaint.claim
    return _CREDENTIAL[name].format(
        terminal=claim.terminal,
        service=claim.service,
        region=claim.region,
        expected=complaint.region,
        date=claim.scope_date,
        day=claim.timestamp[:8],
    )


def _header_malformed(name: str, complaint: Complaint) -> AuthFailure:
    if name in ("DATE_MISSING", "DATE_MALFORMED"):
        return no_valid_date()
    text = _credential_text(name, complaint) if name in _CREDENTIAL else _HEADER_INCOMPLETE
    return AuthFailure(
        "AuthorizationHeaderMalformed", f"The authorization header is malformed; {text}", **_region(name, complaint)
    )


def _query_malformed(name: str, complaint: Complaint) -> AuthFailure:
    text = _QUERY.get(name, _QUERY_INCOMPLETE)
    if name in _CREDENTIAL:
        text = f"Error parsing the X-Amz-Credential parameter; {_credential_text(name, complaint)}"
    return AuthFailure("AuthorizationQueryParametersError", text, **_region(name, complaint))


def _region(name: str, complaint: Complaint) -> dict[str, str]:
    """The field that lets a client ask again with the right region."""
    return {"Region": complaint.region} if name == "REGION_WRONG" else {}
