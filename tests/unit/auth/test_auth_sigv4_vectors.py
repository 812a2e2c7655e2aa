"""The signatures that AWS publishes in the Amazon S3 API Reference, verified by our verifier.

Sources: "Signature Calculations for the Authorization Header: Transferring Payload in a Single Chunk" and
"Authenticating Requests: Using Query Parameters". The chunked examples are in test_auth_chunked.py.
"""

from __future__ import annotations

import hashlib

import pytest

from nimbus.auth.api import AuthFailure, BodyForm, Head
from tests.unit.auth.sigv4_oracle import ACCESS_KEY, EMPTY_SHA256, NOW_MS, USER, verifier

HOST = (b"host", b"examplebucket.s3.amazonaws.com")
DATE = (b"x-amz-date", b"20130524T000000Z")
NO_BODY = (b"x-amz-content-sha256", EMPTY_SHA256.encode())
WELCOME = hashlib.sha256(b"Welcome to Amazon S3.").hexdigest()

# name: method, path, query, headers, names signed, signature
PUBLISHED = {
    "get with a range": (
        "GET", b"/test.txt", b"", [HOST, (b"range", b"bytes=0-9"), NO_BODY, DATE],
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    "put": (
        "PUT", b"/test%24file.text", b"",
        [HOST, (b"date", b"Fri, 24 May 2013 00:00:00 GMT"), DATE, (b"x-amz-storage-class", b"REDUCED_REDUNDANCY"),
         (b"x-amz-content-sha256", WELCOME.encode())],
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ),
    "get lifecycle": (
        "GET", b"/", b"lifecycle", [HOST, DATE, NO_BODY],
        "host;x-amz-content-sha256;x-amz-date",
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    ),
    "list objects": (
        "GET", b"/", b"max-keys=2&prefix=J", [HOST, DATE, NO_BODY],
        "host;x-amz-content-sha256;x-amz-date",
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
}  # fmt: skip


def published(name: str) -> Head:
    method, path, query, headers, signed, proof = PUBLISHED[name]
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders={signed},Signature={proof}"
    )
    return Head(method, path, query, [*headers, (b"authorization", authorization.encode())])


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_header_signature_is_accepted(name: str) -> None:
    verdict = verifier().verify(published(name), virtual_bucket="examplebucket", now_ms=NOW_MS)
    assert verdict.user == USER
    assert verdict.body is BodyForm.SHA256
    assert verdict.payload_sha256 == (WELCOME if name == "put" else EMPTY_SHA256)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_header_signature_fails_for_another_method(name: str) -> None:
    head = published(name)
    other = Head("DELETE", head.raw_path, head.raw_query, head.headers)
    with pytest.raises(AuthFailure) as caught:
        verifier().verify(other, virtual_bucket="examplebucket", now_ms=NOW_MS)
    assert caught.value.code == "SignatureDoesNotMatch"


PRESIGNED = (
    b"X-Amz-Algorithm=AWS4-HMAC-SHA256"
    b"&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
    b"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    b"&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
)


def test_the_published_presigned_url_is_accepted_until_it_expires() -> None:
    head = Head("GET", b"/test.txt", PRESIGNED, [HOST])
    for seconds in (-900, 0, 86_400):
        verdict = verifier().verify(head, virtual_bucket="examplebucket", now_ms=NOW_MS + seconds * 1000)
        assert verdict.user == USER
        assert verdict.body is BodyForm.UNSIGNED
    for seconds in (-901, 86_401):
        with pytest.raises(AuthFailure) as caught:
            verifier().verify(head, virtual_bucket="examplebucket", now_ms=NOW_MS + seconds * 1000)
        assert caught.value.code == "AccessDenied"
