"""SigV4 for S3 in plain Python, written from AWS's description and not from the C code: signs what the tests
verify, and says what the canonical request of any head should be."""

from __future__ import annotations

import hashlib
import hmac
import re
from urllib.parse import quote_from_bytes, unquote_to_bytes

from nimbus.auth.api import Head, User
from nimbus.auth.keys import KeyRing, Secret
from nimbus.auth.verifier import HeadVerifier

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
USER = User("u1", "Example", "example@example.com", ACCESS_KEY)
TIMESTAMP = "20130524T000000Z"
NOW_MS = 1_369_353_600_000
SCOPE = "20130524/us-east-1/s3/aws4_request"
EMPTY_SHA256 = hashlib.sha256().hexdigest()
PLAIN_HEADERS = [
    (b"host", b"examplebucket.s3.amazonaws.com"),
    (b"x-amz-content-sha256", EMPTY_SHA256.encode()),
    (b"x-amz-date", TIMESTAMP.encode()),
]


def verifier(region: str = "us-east-1", *, sigv2: bool = True) -> HeadVerifier:
    return HeadVerifier(KeyRing([(USER, Secret(SECRET))], region), sigv2=sigv2)


def _encode(raw: bytes, safe: str = "") -> bytes:
    return quote_from_bytes(unquote_to_bytes(raw), safe=safe + "-_.~").encode()


def canonical_query(query: bytes) -> bytes:
    pairs = []
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        if part:
            pairs.append((_encode(name.replace(b"+", b" ")), _encode(value.replace(b"+", b" "))))
    return b"&".join(name + b"=" + value for name, value in sorted(pairs) if name != b"X-Amz-Signature")


def _value(raw: bytes) -> bytes:
    return re.sub(rb"[ \t\v\f]+", b" ", raw.strip(b" \t\v\f"))


def canonical_request(head: Head, signed: list[bytes], payload_hash: bytes, *, path: bytes | None = None) -> bytes:
    """`path` replaces the canonical spelling of the path."""
    lines = [
        head.method.encode(),
        _encode(head.raw_path, "/") if path is None else path,
        canonical_query(head.raw_query),
    ]
    for name in signed:
        lines.append(name + b":" + b",".join(_value(value) for found, value in head.headers if found == name))
    return b"\n".join([*lines, b"", b";".join(signed), payload_hash])


def signing_key(secret: str = SECRET, scope: str = SCOPE) -> bytes:
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def signature(canonical: bytes, *, secret: str = SECRET, timestamp: str = TIMESTAMP, scope: str = SCOPE) -> str:
    text = f"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{hashlib.sha256(canonical).hexdigest()}"
    return hmac.digest(signing_key(secret, scope), text.encode(), "sha256").hex()


def sign_header(
    method: str = "GET",
    path: bytes = b"/test.txt",
    query: bytes = b"",
    headers: list[tuple[bytes, bytes]] | None = None,
    *,
    unsigned: tuple[bytes, ...] = (),
    access_key: str = ACCESS_KEY,
    secret: str = SECRET,
    timestamp: str = TIMESTAMP,
    scope: str = SCOPE,
    path_as_signed: bytes | None = None,
) -> Head:
    """A head signed in its Authorization header; all headers are signed but those named in `unsigned`."""
    headers = list(PLAIN_HEADERS) if headers is None else list(headers)
    signed = sorted({name for name, _ in headers} - set(unsigned))
    payload_hash = next((value for name, value in headers if name == b"x-amz-content-sha256"), b"")
    canonical = canonical_request(Head(method, path, query, headers), signed, payload_hash, path=path_as_signed)
    proof = signature(canonical, secret=secret, timestamp=timestamp, scope=scope)
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, "
        f"SignedHeaders={b';'.join(signed).decode()}, Signature={proof}"
    )
    return Head(method, path, query, [*headers, (b"authorization", authorization.encode())])


def sign_query(
    path: bytes = b"/test.txt",
    query: bytes = b"",
    headers: tuple[tuple[bytes, bytes], ...] = ((b"host", b"examplebucket.s3.amazonaws.com"),),
    *,
    expires: str = "86400",
    access_key: str = ACCESS_KEY,
    timestamp: str = TIMESTAMP,
    scope: str = SCOPE,
    algorithm: str = "AWS4-HMAC-SHA256",
    payload_hash: bytes = b"UNSIGNED-PAYLOAD",
    unsigned: tuple[bytes, ...] = (),
) -> Head:
    """A presigned GET."""
    signed = sorted({name for name, _ in headers} - set(unsigned))
    credential = quote_from_bytes(f"{access_key}/{scope}".encode(), safe="")
    parameters = (
        f"X-Amz-Algorithm={algorithm}&X-Amz-Credential={credential}&X-Amz-Date={timestamp}&X-Amz-Expires={expires}"
        f"&X-Amz-SignedHeaders={'%3B'.join(name.decode() for name in signed)}"
    ).encode()
    query = query + b"&" + parameters if query else parameters
    canonical = canonical_request(Head("GET", path, query, list(headers)), signed, payload_hash)
    proof = signature(canonical, timestamp=timestamp, scope=scope)
    return Head("GET", path, query + b"&X-Amz-Signature=" + proof.encode(), list(headers))
