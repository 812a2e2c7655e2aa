"""One row for each way in which authentication can fail, with the code that S3 answers."""

from __future__ import annotations

import pytest

from nimbus._native.sigv4 import STATUSES, Claim
from nimbus.auth.api import AuthFailure, BodyForm, Head
from nimbus.auth.sigv4 import failure
from nimbus.s3.errors import CODES
from tests.unit.auth.sigv4_oracle import (
    ACCESS_KEY,
    EMPTY_SHA256,
    NOW_MS,
    PLAIN_HEADERS,
    SECRET,
    USER,
    sign_header,
    sign_query,
    verifier,
)

HOST = (b"host", b"localhost:8080")
DATE = (b"x-amz-date", b"20130524T000000Z")
TOKEN = (b"x-amz-security-token", b"made/up==")


def fail(head: Head, *, now_ms: int = NOW_MS, region: str = "us-east-1") -> AuthFailure:
    with pytest.raises(AuthFailure) as caught:
        verifier(region).verify(head, virtual_bucket="", now_ms=now_ms)
    assert caught.value.code in CODES
    assert SECRET not in repr(caught.value) + str(caught.value) + str(caught.value.fields)
    return caught.value


def with_payload(value: bytes, *more: tuple[bytes, bytes]) -> Head:
    return sign_header("PUT", headers=[HOST, DATE, (b"x-amz-content-sha256", value), *more])


def edited(head: Head, old: bytes, new: bytes) -> Head:
    """The same head with another text in its headers and query, signed as before."""
    assert any(old in value for _, value in head.headers) or old in head.raw_query
    headers = [(name, value.replace(old, new)) for name, value in head.headers]
    return Head(head.method, head.raw_path, head.raw_query.replace(old, new), headers)


def bare(authorization: bytes, query: bytes = b"") -> Head:
    return Head("GET", b"/b/k", query, [*PLAIN_HEADERS, (b"authorization", authorization)])


def with_signature(proof: bytes) -> Head:
    return edited(sign_header(), PROOF, proof)


V4 = b"AWS4-HMAC-SHA256 "
PROOF = sign_header().headers[-1][1][-64:]
NAMES = b"SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
MALFORMED = "AuthorizationHeaderMalformed"
PARAMETERS = "AuthorizationQueryParametersError"
LONG_KEY = "K" * 200

TABLE: dict[str, tuple[Head, str]] = {
    # --- the Authorization header ---
    "unknown scheme": (bare(b"Bearer abc"), "InvalidArgument"),
    "empty authorization": (bare(b""), "InvalidArgument"),
    "scheme without a space": (bare(b"AWS4-HMAC-SHA256Credential=a"), "InvalidArgument"),
    "sigv4a": (bare(b"AWS4-ECDSA-P256-SHA256 Credential=a"), "NotImplemented"),
    "two authorizations": (
        Head("GET", b"/", b"", [*sign_header().headers, (b"authorization", b"AWS a:b")]),
        "InvalidArgument",
    ),
    "authorization and presigned query": (
        Head("GET", b"/", sign_query().raw_query, sign_header().headers),
        "InvalidArgument",
    ),
    "authorization and a stray query signature": (bare(b"AWS a:b", b"X-Amz-Signature=0"), "InvalidArgument"),
    "authorization and an escaped query signature": (bare(b"AWS a:b", b"X%2DAmz%2dSignature=0"), "InvalidArgument"),
    "both query forms": (
        Head("GET", b"/", sign_query().raw_query + b"&AWSAccessKeyId=a", [HOST]),
        "InvalidArgument",
    ),
    "no fields": (bare(V4), MALFORMED),
    "no credential": (bare(V4 + b"SignedHeaders=host, Signature=00"), MALFORMED),
    "no signed headers": (edited(sign_header(), NAMES, b""), MALFORMED),
    "no signature": (edited(sign_header(), b", Signature=", b", Sig="), MALFORMED),
    "empty signature": (edited(sign_header(), b", Signature=", b", Signature=, Other="), MALFORMED),
    "unknown field": (edited(sign_header(), b", Signature=", b", Extra=1, Signature="), MALFORMED),
    "repeated field": (edited(sign_header(), b", Signature=", b", Signature=00, Signature="), MALFORMED),
    "short credential": (edited(sign_header(), b"/20130524/us-east-1", b"/20130524"), MALFORMED),
    "empty access key": (sign_header(access_key=""), MALFORMED),
    "endless access key": (sign_header(access_key=LONG_KEY), MALFORMED),
    "wrong terminal": (sign_header(scope="20130524/us-east-1/s3/aws4"), MALFORMED),
    "wrong service": (sign_header(scope="20130524/us-east-1/ec2/aws4_request"), MALFORMED),
    "wrong region": (sign_header(scope="20130524/eu-west-1/s3/aws4_request"), MALFORMED),
    "scope without a date": (sign_header(scope="2013/us-east-1/s3/aws4_request"), MALFORMED),
    "scope of another day": (sign_header(scope="20130523/us-east-1/s3/aws4_request"), MALFORMED),
    "signed headers in upper case": (edited(sign_header(), b"SignedHeaders=host", b"SignedHeaders=Host"), MALFORMED),
    "signed headers with a hole": (edited(sign_header(), b"SignedHeaders=host;", b"SignedHeaders=host;;"), MALFORMED),
    "signed headers twice the same": (
        edited(sign_header(), b"SignedHeaders=host;", b"SignedHeaders=host;host;"),
        MALFORMED,
    ),
    "no date": (sign_header(headers=[HOST, PLAIN_HEADERS[1]]), "AccessDenied"),
    "nonsense date": (edited(sign_header(), b"20130524T000000Z", b"20130524T000060Z"), "AccessDenied"),
    "date with underscores": (edited(sign_header(), b"20130524T000000Z", b"20130524T00_000Z"), "AccessDenied"),
    "two dates": (sign_header(headers=[*PLAIN_HEADERS, DATE]), "InvalidRequest"),
    "two hosts": (sign_header(headers=[*PLAIN_HEADERS, HOST]), "InvalidRequest"),
    "two payload hashes": (sign_header(headers=[*PLAIN_HEADERS, PLAIN_HEADERS[1]]), "InvalidRequest"),
    "unknown access key": (sign_header(access_key="NOBODY"), "InvalidAccessKeyId"),
    "access key that is not ascii": (sign_header(access_key="Ä"), "InvalidAccessKeyId"),
    "host unsigned": (sign_header(unsigned=(b"host",)), "AccessDenied"),
    "x-amz header unsigned": (
        sign_header(headers=[*PLAIN_HEADERS, (b"x-amz-acl", b"public-read")], unsigned=(b"x-amz-acl",)),
        "AccessDenied",
    ),
    "wrong secret": (sign_header(secret="wrong"), "SignatureDoesNotMatch"),
    "signature too long": (edited(sign_header(), b", Signature=", b", Signature=0"), "SignatureDoesNotMatch"),
    "signature in upper case": (with_signature(PROOF.upper()), "SignatureDoesNotMatch"),
    "signature cut short": (with_signature(PROOF[:-1]), "SignatureDoesNotMatch"),
    "signed header gone": (
        edited(sign_header(headers=[*PLAIN_HEADERS, (b"x-amz-acl", b"")]), b"host;", b"host;range;"),
        "SignatureDoesNotMatch",
    ),
    "header changed": (edited(sign_header(), b"examplebucket", b"otherbucket"), "SignatureDoesNotMatch"),
    # --- the body ---
    "no payload hash": (sign_header(headers=[HOST, DATE]), "InvalidRequest"),
    "nonsense payload hash": (with_payload(b"nonsense"), "InvalidArgument"),
    "empty payload hash": (with_payload(b""), "InvalidArgument"),
    "payload hash that is not hexadecimal": (with_payload(b"g" * 64), "InvalidArgument"),
    "sigv4a chunks": (with_payload(b"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"), "NotImplemented"),
    "chunks without a decoded length": (with_payload(b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), "MissingContentLength"),
    "decoded length with underscores": (
        with_payload(b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", (b"x-amz-decoded-content-length", b"1_0")),
        "MissingContentLength",
    ),
    "decoded length in arabic digits": (
        with_payload(b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", (b"x-amz-decoded-content-length", b"\xd9\xa1")),
        "MissingContentLength",
    ),
    "decoded length twice": (
        with_payload(
            b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            (b"x-amz-decoded-content-length", b"1"),
            (b"x-amz-decoded-content-length", b"1"),
        ),
        "MissingContentLength",
    ),
    "signed trailer without its name": (
        with_payload(b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", (b"x-amz-decoded-content-length", b"1")),
        "InvalidRequest",
    ),
    "trailer name that is none": (
        with_payload(
            b"STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            (b"x-amz-decoded-content-length", b"1"),
            (b"x-amz-trailer", b"a b"),
        ),
        "InvalidRequest",
    ),
    # --- the presigned query ---
    "presigned without algorithm": (edited(sign_query(), b"X-Amz-Algorithm=AWS4-HMAC-SHA256&", b""), PARAMETERS),
    "presigned with another algorithm": (sign_query(algorithm="AWS4-ECDSA-P256-SHA256"), PARAMETERS),
    "presigned without credential": (edited(sign_query(), b"X-Amz-Credential", b"X-Amz-Other"), PARAMETERS),
    "presigned with a line break in its region": (
        sign_query(scope="20130524/us-east-1\n/s3/aws4_request"),
        PARAMETERS,
    ),
    "presigned without date": (edited(sign_query(), b"X-Amz-Date", b"X-Amz-Other"), PARAMETERS),
    "presigned with a bad date": (sign_query(timestamp="20130524"), PARAMETERS),
    "presigned without signed headers": (edited(sign_query(), b"X-Amz-SignedHeaders", b"X-Amz-Other"), PARAMETERS),
    "presigned without signature": (edited(sign_query(), b"X-Amz-Signature", b"X-Amz-Other"), PARAMETERS),
    "presigned with two signatures": (
        edited(sign_query(), b"&X-Amz-Date", b"&X-Amz-Signature=0&X-Amz-Date"),
        PARAMETERS,
    ),
    "presigned without expiry": (edited(sign_query(), b"X-Amz-Expires", b"X-Amz-Other"), PARAMETERS),
    "presigned with expiry nonsense": (sign_query(expires="1_0"), PARAMETERS),
    "presigned with negative expiry": (sign_query(expires="-1"), PARAMETERS),
    "presigned for no time": (sign_query(expires="0"), PARAMETERS),
    "presigned for over a week": (sign_query(expires="604801"), PARAMETERS),
    "presigned for ages": (sign_query(expires="9" * 40), PARAMETERS),
    "presigned for another region": (sign_query(scope="20130524/eu-west-1/s3/aws4_request"), PARAMETERS),
    "presigned for another service": (sign_query(scope="20130524/us-east-1/sts/aws4_request"), PARAMETERS),
    "presigned by nobody": (sign_query(access_key="NOBODY"), "InvalidAccessKeyId"),
    "presigned with a changed expiry": (
        edited(sign_query(), b"Expires=86400", b"Expires=86401"),
        "SignatureDoesNotMatch",
    ),
    "presigned with one parameter more": (
        edited(sign_query(), b"&X-Amz-Date", b"&acl&X-Amz-Date"),
        "SignatureDoesNotMatch",
    ),
    "presigned with an unsigned x-amz header": (
        Head("GET", b"/test.txt", sign_query().raw_query, [*sign_query().headers, (b"x-amz-acl", b"public-read")]),
        "AccessDenied",
    ),
    # --- session tokens: no key here is a passing one ---
    "made-up token": (sign_header(headers=[*PLAIN_HEADERS, TOKEN]), "InvalidToken"),
    "made-up token with a wrong signature": (
        sign_header(headers=[*PLAIN_HEADERS, TOKEN], secret="wrong"),
        "InvalidToken",
    ),
    "made-up token of nobody": (
        sign_header(headers=[*PLAIN_HEADERS, TOKEN], access_key="NOBODY"),
        "InvalidAccessKeyId",
    ),
    "made-up token in the query of a signed head": (sign_header(query=b"X-Amz-Security-Token=x"), "InvalidToken"),
    "presigned with a made-up token": (sign_query(query=b"X-Amz-Security-Token=x%2F"), "InvalidToken"),
    "presigned with a made-up token in other letters": (
        sign_query(query=b"x-amz-Security%2DToken=" + b"x" * 5000),
        "InvalidToken",
    ),
    "presigned with a made-up token in a header": (sign_query(headers=(HOST, TOKEN)), "InvalidToken"),
    "sigv2 with a made-up token": (
        Head("GET", b"/b/k", b"", [DATE, TOKEN, (b"authorization", f"AWS {ACCESS_KEY}:c2ln".encode())]),
        "InvalidToken",
    ),
    "sigv2 presigned with a made-up token": (
        Head(
            "GET",
            b"/b/k",
            f"AWSAccessKeyId={ACCESS_KEY}&Expires=1469353600&Signature=c2ln&x-amz-security-token=x".encode(),
            [HOST],
        ),
        "InvalidToken",
    ),
    # --- bounds and broken heads ---
    "broken escape in the path": (sign_header(path=b"/a%zz", path_as_signed=b"/a%zz"), "InvalidURI"),
    "cut escape in the path": (sign_header(path=b"/a%4", path_as_signed=b"/a%4"), "InvalidURI"),
    "broken escape in the query": (sign_header(query=b"prefix=%4"), "InvalidURI"),
    "broken escape in a presigned parameter": (Head("GET", b"/", b"X-Amz-Signature=%zz", [HOST]), "InvalidURI"),
    "line break in a header": (edited(sign_header(), b"examplebucket", b"a\nb"), "InvalidRequest"),
    "too many headers": (
        sign_header(headers=[*PLAIN_HEADERS, *[(b"a%d" % i, b"") for i in range(126)]]),
        "RequestHeaderSectionTooLarge",
    ),
    "too many bytes": (sign_header(headers=[*PLAIN_HEADERS, (b"a", b"x" * 16_384)]), "RequestHeaderSectionTooLarge"),
    "too many parameters": (sign_header(query=b"&".join([b"a"] * 65)), "RequestHeaderSectionTooLarge"),
}


@pytest.mark.parametrize("name", TABLE)
def test_each_failure_has_its_code(name: str) -> None:
    head, code = TABLE[name]
    assert fail(head).code == code


def test_every_status_of_the_core_has_an_error() -> None:
    for head in (sign_header(), sign_query()):
        claim = Claim(head.method, head.raw_path, head.raw_query, head.headers)
        for status in range(1, len(STATUSES)):
            assert failure(status, claim, "us-east-1", 0).code in CODES, STATUSES[status]


def test_an_empty_token_is_none() -> None:
    """Some clients send the header whether they have a token or not."""
    head = sign_header(headers=[*PLAIN_HEADERS, (b"x-amz-security-token", b"")])
    assert verifier().verify(head, virtual_bucket="", now_ms=NOW_MS).user == USER


def test_a_presigned_request_lives_for_a_second_at_least() -> None:
    """ "The minimum value you can set is 1" (Authenticating Requests: Using Query Parameters, X-Amz-Expires)."""
    assert fail(sign_query(expires="0")).message == "X-Amz-Expires must be at least 1 second"
    assert verifier().verify(sign_query(expires="1"), virtual_bucket="", now_ms=NOW_MS + 1000).user == USER


def test_the_right_region_is_told() -> None:
    for head in (TABLE["wrong region"][0], TABLE["presigned for another region"][0]):
        found = fail(head)
        assert found.fields == {"Region": "us-east-1"}
        assert "the region 'eu-west-1' is wrong; expecting 'us-east-1'" in found.message


def test_an_empty_region_accepts_every_region() -> None:
    head = sign_header(scope="20130524/eu-west-1/s3/aws4_request")
    assert verifier("").verify(head, virtual_bucket="", now_ms=NOW_MS).user == USER


@pytest.mark.parametrize("seconds", [-901, 901])
def test_a_skewed_clock_is_told_the_times(seconds: int) -> None:
    found = fail(sign_header(), now_ms=NOW_MS + seconds * 1000)
    assert found.code == "RequestTimeTooSkewed"
    assert found.fields == {
        "RequestTime": "20130524T000000Z",
        "ServerTime": "2013-05-23T23:44:59Z" if seconds < 0 else "2013-05-24T00:15:01Z",
        "MaxAllowedSkewMilliseconds": "900000",
    }


@pytest.mark.parametrize("seconds", [-900, 900])
def test_a_quarter_of_an_hour_of_skew_is_allowed(seconds: int) -> None:
    assert verifier().verify(sign_header(), virtual_bucket="", now_ms=NOW_MS + seconds * 1000).user == USER


def test_an_expired_presigned_request_is_told_the_times() -> None:
    found = fail(sign_query(expires="10"), now_ms=NOW_MS + 11_000)
    assert (found.code, found.message) == ("AccessDenied", "Request has expired")
    assert found.fields == {
        "X-Amz-Expires": "10",
        "Expires": "2013-05-24T00:00:10Z",
        "ServerTime": "2013-05-24T00:00:11Z",
    }


def test_a_mismatch_shows_what_was_signed_but_no_secret() -> None:
    found = fail(sign_header(secret="wrong"))
    assert list(found.fields) == [
        "AWSAccessKeyId",
        "StringToSign",
        "SignatureProvided",
        "StringToSignBytes",
        "CanonicalRequest",
        "CanonicalRequestBytes",
    ]
    for name in ("StringToSign", "CanonicalRequest"):
        assert bytes.fromhex(found.fields[f"{name}Bytes"]).decode() == found.fields[name]
    assert found.fields["StringToSignBytes"].startswith("41 57 53 34 2d 48 4d 41 43")
    assert found.fields["AWSAccessKeyId"] == ACCESS_KEY
    assert found.fields["StringToSign"].startswith("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/")
    assert found.fields["CanonicalRequest"].startswith("GET\n/test.txt\n\nhost:examplebucket")


def test_the_unsigned_header_is_named() -> None:
    assert fail(TABLE["x-amz header unsigned"][0]).fields == {"HeadersNotSigned": "x-amz-acl"}
    assert fail(TABLE["host unsigned"][0]).fields == {"HeadersNotSigned": "host"}


def test_all_unsigned_headers_are_named() -> None:
    """As recorded from Amazon: "x-amz-date, x-amz-decoded-content-length"."""
    names = (b"x-amz-acl", b"x-amz-meta-a")
    for sign in (sign_header, sign_query):
        head = sign(headers=[*PLAIN_HEADERS, *((name, b"x") for name in names)], unsigned=names)
        assert fail(head).fields == {"HeadersNotSigned": "x-amz-acl, x-amz-meta-a"}


def test_the_payload_hash_need_not_be_among_the_signed_headers() -> None:
    head = sign_header(unsigned=(b"x-amz-content-sha256",))
    assert verifier().verify(head, virtual_bucket="", now_ms=NOW_MS).payload_sha256 == EMPTY_SHA256


def test_a_date_in_the_spelling_of_http_will_do() -> None:
    headers = [HOST, (b"date", b"Fri, 24 May 2013 00:00:00 GMT"), PLAIN_HEADERS[1]]
    assert verifier().verify(sign_header(headers=headers), virtual_bucket="", now_ms=NOW_MS).user == USER


def test_a_request_without_credentials_is_anonymous() -> None:
    verdict = verifier().verify(Head("GET", b"/b/k", b"prefix=x", [HOST]), virtual_bucket="", now_ms=NOW_MS)
    assert (verdict.user, verdict.body) == (None, BodyForm.UNSIGNED)


def test_an_anonymous_request_may_come_in_unsigned_chunks_but_not_in_signed_ones() -> None:
    def head(value: bytes) -> Head:
        headers = [HOST, (b"x-amz-content-sha256", value), (b"x-amz-decoded-content-length", b"5")]
        return Head("PUT", b"/b/k", b"", [*headers, (b"x-amz-trailer", b" X-Amz-Checksum-CRC32 ")])

    verdict = verifier().verify(head(b"STREAMING-UNSIGNED-PAYLOAD-TRAILER"), virtual_bucket="", now_ms=NOW_MS)
    assert verdict.user is None
    assert (verdict.body, verdict.decoded_length) == (BodyForm.CHUNKED_UNSIGNED_TRAILER, 5)
    assert verdict.trailers == ("x-amz-checksum-crc32",)
    assert fail(head(b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD")).code == "InvalidRequest"
    assert fail(head(b"nonsense")).code == "InvalidArgument"


def test_a_presigned_request_takes_its_payload_hash_from_the_query_or_the_header() -> None:
    in_query = sign_query(query=b"X-Amz-Content-Sha256=" + EMPTY_SHA256.encode(), payload_hash=EMPTY_SHA256.encode())
    assert verifier().verify(in_query, virtual_bucket="", now_ms=NOW_MS).payload_sha256 == EMPTY_SHA256
    in_header = sign_query(headers=(HOST, PLAIN_HEADERS[1]), payload_hash=EMPTY_SHA256.encode())
    assert verifier().verify(in_header, virtual_bucket="", now_ms=NOW_MS).payload_sha256 == EMPTY_SHA256


def test_seed_and_secret_do_not_show() -> None:
    head = with_payload(b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", (b"x-amz-decoded-content-length", b"1"))
    verdict = verifier().verify(head, virtual_bucket="", now_ms=NOW_MS)
    assert verdict.seed is not None
    assert verdict.seed.signing_key.hex() not in repr(verdict)
    assert repr(verdict.seed.signing_key) not in repr(verdict)
