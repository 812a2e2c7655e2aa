"""SigV2: the old HMAC-SHA1 signatures, in the Authorization header or presigned.

Only the method, three headers, the x-amz-* headers, the raw path and most sub-resources are covered; other query
parameters and the body are not, so an operator may switch this form off.

Source: "Signing and Authenticating REST Requests", Amazon S3 User Guide.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable
from typing import Final

from nimbus._native.sigv4 import Claim
from nimbus.auth.api import AuthFailure, Head, Verified
from nimbus.auth.dates import parse_date
from nimbus.auth.keys import KeyHolder, KeyRing
from nimbus.auth.parameters import Parameter, moved_headers, parameters
from nimbus.auth.payload import verdict
from nimbus.auth.sigv4 import expired, find_holder, headers_not_signed, mismatch, no_valid_date, too_skewed
from nimbus.base.limits import CLOCK_SKEW_S_MAX

# Query parameters that choose another operation or change the answer, and therefore are signed ...
SUBRESOURCES: Final = frozenset(
    b"accelerate acl analytics cors defaultObjectAcl delete inventory lifecycle location logging metrics notification "
    b"object-lock partNumber policy replication requestPayment response-cache-control response-content-disposition "
    b"response-content-encoding response-content-language response-content-type response-expires restore select "
    b"select-type storageClass tagging torrent uploadId uploads versionId versioning versions website".split()
)
# ... and those that came to S3 when clients had stopped learning new ones for this form: either way is right.
SUBRESOURCES_LATE: Final = frozenset(
    b"attributes encryption intelligent-tiering legal-hold ownershipControls policyStatus publicAccessBlock "
    b"retention".split()
)
_EXPIRES_DIGITS_MAX: Final = 12
_POSITIONAL: Final = (b"content-md5", b"content-type", b"date")
_CONTENT: Final = frozenset(_POSITIONAL[:2])  # of those, what may stand in the query


def verify_header(claim: Claim, head: Head, ring: KeyRing, virtual_bucket: str, now_s: int) -> Verified:
    """The verdict on `Authorization: AWS AccessKeyId:Signature`. Raises `AuthFailure`."""
    authorization = next(value for name, value in head.headers if name == b"authorization").strip()
    access_key, colon, signature = authorization[len("AWS") :].strip().rpartition(b":")
    if not (colon and access_key and signature):
        raise AuthFailure(
            "InvalidArgument",
            "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature",
            ArgumentName="Authorization",
        )
    fields = _fields(head)
    _check_date(fields, now_s)
    holder = find_holder(ring, access_key.decode("latin-1"), claim)
    for moved in moved_headers(head.raw_query, _CONTENT):  # this form does not sign them there
        raise headers_not_signed(moved.name.decode("latin-1"))
    if b"x-amz-date" in fields:
        fields.pop(b"date", None)
    _check(holder, texts_to_sign(head, virtual_bucket, fields, parameters(head.raw_query)), signature)
    return verdict(holder.user, claim, head)


def verify_query(claim: Claim, head: Head, ring: KeyRing, virtual_bucket: str, now_s: int) -> Verified:
    """The verdict on a query with AWSAccessKeyId, Expires and Signature. Raises `AuthFailure`."""
    parts = parameters(head.raw_query)
    given = {p.name: p.value for p in parts if p.name in (b"AWSAccessKeyId", b"Expires", b"Signature")}
    if len(given) < 3 or not all(given.values()):
        raise AuthFailure(
            "AccessDenied",
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters",
        )
    expires_s = _expires_s([p.value for p in parts if p.name == b"Expires"])
    if now_s > expires_s:
        raise expired(expires_s, now_s)
    holder = find_holder(ring, given[b"AWSAccessKeyId"].decode("latin-1"), claim)
    fields = _fields(head)
    _add_moved(head.raw_query, fields)
    fields[b"date"] = given[b"Expires"]
    _check(holder, texts_to_sign(head, virtual_bucket, fields, parts), given[b"Signature"])
    return verdict(holder.user, claim, head)


def _add_moved(raw_query: bytes, fields: dict[bytes, bytes]) -> None:
    """Headers that a presigner signed and put into the query. One that is sent as well, with the same value, is one."""
    for moved in moved_headers(raw_query, _CONTENT):
        name = moved.name
        if name not in fields:
            fields[name] = moved.value
        elif name not in _CONTENT and fields[name] != moved.value:
            fields[name] += b"," + moved.value


def texts_to_sign(
    head: Head, virtual_bucket: str, fields: dict[bytes, bytes], parts: list[Parameter]
) -> Iterable[bytes]:
    """What may have been signed, likeliest first. `fields` has the headers that count, and the date that stands there.

    The texts differ only in how the resource is spelt: botocore sends /bucket and signs /bucket/, which names the same,
    and clients sign the late sub-resources or do not.
    """
    amz = b"".join(
        b"%b:%b\n" % (name, value) for name, value in sorted(fields.items()) if name.startswith(b"x-amz-")
    )  # fmt: skip
    lines = (head.method.encode(), *(fields.get(name, b"") for name in _POSITIONAL), amz)
    path = b"/" + virtual_bucket.encode() + head.raw_path if virtual_bucket else head.raw_path
    paths = [path, path + b"/"] if not virtual_bucket and path.count(b"/") == 1 else [path]
    queries = dict.fromkeys(_signed_query(parts, names) for names in (SUBRESOURCES | SUBRESOURCES_LATE, SUBRESOURCES))
    start = b"\n".join(lines)
    return (start + path + query for query in queries for path in paths)


def _signed_query(parts: list[Parameter], names: frozenset[bytes]) -> bytes:
    """The sub-resources among these names in order, as they stand behind the path."""
    signed = sorted((p for p in parts if p.name in names), key=lambda p: p.name)
    query = b"&".join(p.name + b"=" + p.value if p.value else p.name for p in signed)
    return b"?" + query if query else b""


def _fields(head: Head) -> dict[bytes, bytes]:
    """The headers that are signed; repeated x-amz-* headers are joined, repeated others refused."""
    fields: dict[bytes, bytes] = {}
    for name, raw in head.headers:
        if name in _POSITIONAL and name in fields:
            raise AuthFailure("InvalidRequest", f"The header {name.decode()} is given more than once.")
        if name in _POSITIONAL or name.startswith(b"x-amz-"):
            value = raw.strip()
            fields[name] = fields[name] + b"," + value if name in fields else value
    return fields


def _check_date(fields: dict[bytes, bytes], now_s: int) -> None:
    text = fields.get(b"x-amz-date", fields.get(b"date", b""))
    seconds = parse_date(text)
    if seconds is None:
        raise no_valid_date()
    if abs(seconds - now_s) > CLOCK_SKEW_S_MAX:
        raise too_skewed(text.decode("latin-1"), now_s)


def _expires_s(values: list[bytes]) -> int:
    # bytes.isdigit knows ASCII digits only.
    if len(values) != 1 or not values[0].isdigit() or len(values[0]) > _EXPIRES_DIGITS_MAX:
        raise AuthFailure("AccessDenied", "Invalid date (should be seconds since epoch)")
    return int(values[0])


def sign(secret: str, text: bytes) -> bytes:
    """The signature of a string to sign, in base64."""
    return base64.b64encode(hmac.digest(secret.encode(), text, "sha1"))


def _check(holder: KeyHolder, texts: Iterable[bytes], signature: bytes) -> None:
    secret = holder.secret.reveal()
    tried = list(texts)
    if not any(hmac.compare_digest(sign(secret, text), signature) for text in tried):
        raise mismatch(holder.user.access_key, tried[0], signature.decode("latin-1"))
