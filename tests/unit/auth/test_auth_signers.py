"""Other people's signers against our verifier: botocore's and awscrt's, over hard keys, queries and headers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from unittest.mock import patch
from urllib.parse import quote, urlsplit

import pytest
from awscrt.auth import (
    AwsCredentialsProvider,
    AwsSignatureType,
    AwsSignedBodyHeaderType,
    AwsSigningAlgorithm,
    AwsSigningConfig,
    aws_sign_request,
)
from awscrt.http import HttpHeaders, HttpRequest
from botocore.auth import HmacV1Auth, HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nimbus.auth.api import AuthFailure, BodyForm, Head, Verified
from tests.unit.auth.sigv4_oracle import ACCESS_KEY, EMPTY_SHA256, NOW_MS, SECRET, USER, sign_header, verifier

NOW = datetime.fromtimestamp(NOW_MS / 1000, UTC)
HTTP_NOW = "Fri, 24 May 2013 00:00:00 GMT"
CREDENTIALS = Credentials(ACCESS_KEY, SECRET)

HARD = " +%/~&=?#!$'()*,;:@[]{}|\\^`\"<>.-_aZ09éß漢🚀"
texts = st.text(st.sampled_from(HARD), max_size=12) | st.text(st.characters(codec="utf-8"), max_size=8)
keys = texts.filter(lambda text: text != "")
queries = st.lists(st.tuples(texts.filter(bool), texts), max_size=6)
metadata = st.dictionaries(
    st.from_regex(r"x-amz-meta-[a-z0-9-]{1,8}", fullmatch=True),
    st.text(st.sampled_from("ab ,;=\"'%\t"), max_size=12).map(str.strip),
    max_size=3,
)
cases = given(key=keys, query=queries, headers=metadata)


def url_of(key: str, query: list[tuple[str, str]]) -> str:
    """As botocore's serializer spells it."""
    text = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query)
    return f"http://localhost:8080/bucket/{quote(key, safe='/~')}" + (f"?{text}" if text else "")


def sent(method: str, url: str, headers: list[tuple[str, str]]) -> Head:
    """What a server receives of a signed request."""
    parts = urlsplit(url)
    raw = [(name.lower().encode(), value.strip().encode("latin-1")) for name, value in headers]
    if not any(name == b"host" for name, _ in raw):
        raw.append((b"host", parts.netloc.encode()))
    return Head(method, parts.path.encode(), parts.query.encode(), raw)


def sign_with_botocore(auth: object, request: AWSRequest) -> Head:
    with patch("botocore.auth.get_current_datetime", lambda **_: NOW.replace(tzinfo=None)):
        auth.add_auth(request)  # type: ignore[attr-defined]
    return sent(request.method, request.url, list(request.headers.items()))


def check(head: Head, now_ms: int = NOW_MS, virtual_bucket: str = "") -> Verified:
    verdict = verifier().verify(head, virtual_bucket=virtual_bucket, now_ms=now_ms)
    assert verdict.user == USER
    for other in (
        Head("PATCH", head.raw_path, head.raw_query, head.headers),
        Head(head.method, head.raw_path + b"x", head.raw_query, head.headers),
    ):
        with pytest.raises(AuthFailure):
            verifier().verify(other, virtual_bucket=virtual_bucket, now_ms=now_ms)
    return verdict


@settings(max_examples=80, deadline=None)
@cases
@example(key="a%2Fb/../c//d", query=[("prefix", ""), ("a", "2"), ("a", "1"), ("a-b", ""), ("a", "1")], headers={})
def test_botocore_signs_headers_as_we_verify_them(
    key: str, query: list[tuple[str, str]], headers: dict[str, str]
) -> None:
    request = AWSRequest("PUT", url_of(key, query), headers=headers, data=b"body")
    assert check(sign_with_botocore(S3SigV4Auth(CREDENTIALS, "s3", "us-east-1"), request)).body is BodyForm.SHA256


@settings(max_examples=80, deadline=None)
@cases
def test_botocore_presigns_as_we_verify_it(key: str, query: list[tuple[str, str]], headers: dict[str, str]) -> None:
    request = AWSRequest("GET", url_of(key, query), headers=headers)
    head = sign_with_botocore(S3SigV4QueryAuth(CREDENTIALS, "s3", "us-east-1", expires=60), request)
    assert check(head).body is BodyForm.UNSIGNED


subresources = st.sampled_from(
    ["acl", "uploads", "versionId=a%2Bb", "response-content-type=text%2Fplain", "prefix=x%20"]
)


def _frozen(auth: HmacV1Auth, date: str) -> HmacV1Auth:
    auth._get_date = lambda: date
    return auth


@settings(max_examples=60, deadline=None)
@given(key=keys, query=st.lists(subresources, max_size=4, unique=True), headers=metadata)
@pytest.mark.parametrize("virtual", [False, True])
def test_botocore_signs_v2_headers_as_we_verify_them(
    virtual: bool, key: str, query: list[str], headers: dict[str, str]
) -> None:
    path = ("/" if virtual else "/bucket/") + quote(key, safe="/~")
    url = f"http://localhost{path}" + ("?" + "&".join(query) if query else "")
    request = AWSRequest(
        "PUT", url, headers={**headers, "Content-Type": "text/plain"}, auth_path=f"/bucket{path}" if virtual else None
    )
    head = sign_with_botocore(_frozen(HmacV1Auth(CREDENTIALS), HTTP_NOW), request)
    check(head, virtual_bucket="bucket" if virtual else "")


@settings(max_examples=60, deadline=None)
@given(key=keys, query=st.lists(subresources, max_size=4, unique=True), headers=metadata)
def test_botocore_presigns_v2_as_we_verify_it(key: str, query: list[str], headers: dict[str, str]) -> None:
    url = f"http://localhost/bucket/{quote(key, safe='/~')}" + ("?" + "&".join(query) if query else "")
    content = {"Content-Type": "text/plain; a=b", "Content-MD5": "t+/="}
    request = AWSRequest("PUT", url, headers={**headers, **content})
    head = sign_with_botocore(_frozen(HmacV1QueryAuth(CREDENTIALS), "1369353660"), request)
    sent_again = [(name.encode(), value.encode()) for name, value in headers.items()]
    for more in ([], [(b"content-type", content["Content-Type"].encode())], sent_again):
        check(Head(head.method, head.raw_path, head.raw_query, [(b"host", b"localhost"), *more]))
    for name in (b"content-type", b"x-amz-meta-other"):
        with pytest.raises(AuthFailure):
            check(Head(head.method, head.raw_path, head.raw_query, [(b"host", b"localhost"), (name, b"text/html")]))


def _sign_with_awscrt(kind: AwsSignatureType, url: str, headers: dict[str, str], **options: object) -> Head:
    parts = urlsplit(url)
    request = HttpRequest(
        "GET", parts.path + ("?" + parts.query if parts.query else ""),
        HttpHeaders([("host", parts.netloc), *headers.items()]),
    )  # fmt: skip
    config = AwsSigningConfig(
        algorithm=AwsSigningAlgorithm.V4,
        signature_type=kind,
        credentials_provider=AwsCredentialsProvider.new_static(ACCESS_KEY, SECRET),
        region="us-east-1",
        service="s3",
        date=NOW,
        use_double_uri_encode=False,
        should_normalize_uri_path=False,
        **options,
    )
    aws_sign_request(request, config).result(10)
    path, _, query = request.path.partition("?")
    return sent("GET", f"http://{parts.netloc}{path}?{query}", list(request.headers))


@settings(max_examples=60, deadline=None)
@cases
def test_awscrt_signs_headers_as_we_verify_them(
    key: str, query: list[tuple[str, str]], headers: dict[str, str]
) -> None:
    head = _sign_with_awscrt(
        AwsSignatureType.HTTP_REQUEST_HEADERS,
        url_of(key, query),
        headers,
        signed_body_value=EMPTY_SHA256,
        signed_body_header_type=AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256,
    )
    assert check(head).payload_sha256 == EMPTY_SHA256


@settings(max_examples=60, deadline=None)
@cases
def test_awscrt_presigns_as_we_verify_it(key: str, query: list[tuple[str, str]], headers: dict[str, str]) -> None:
    head = _sign_with_awscrt(
        AwsSignatureType.HTTP_REQUEST_QUERY_PARAMS,
        url_of(key, query),
        headers,
        signed_body_value="UNSIGNED-PAYLOAD",
        expiration_in_seconds=60,
    )
    assert check(head).body is BodyForm.UNSIGNED


SPELLINGS: dict[str, tuple[bytes, bytes]] = {
    # as sent, as signed
    "lower-case escapes": (b"/b/%c3%a9%2b", b"/b/%C3%A9%2B"),
    "lower-case escapes signed as sent": (b"/b/%c3%a9", b"/b/%c3%a9"),
    "raw bytes that should be escaped": (b"/b/a(b)!*'$,;:@=&+", b"/b/a%28b%29%21%2A%27%24%2C%3B%3A%40%3D%26%2B"),
    "raw bytes signed as sent": (b"/b/a(b)!*'$,;:@=&+", b"/b/a(b)!*'$,;:@=&+"),
    "raw utf-8": ("/b/é".encode(), b"/b/%C3%A9"),
    "a plus in a path is a plus": (b"/b/a+b", b"/b/a%2Bb"),
    "an escaped slash is a slash": (b"/b/a%2Fb", b"/b/a/b"),
    "an escaped slash signed as sent": (b"/b/a%2Fb", b"/b/a%2Fb"),
    "needless escapes": (b"/b/%61%7E", b"/b/a~"),
    "dots and empty segments stay": (b"/b/./../a//c/", b"/b/./../a//c/"),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_path_may_be_signed_canonically_or_as_it_was_sent(name: str) -> None:
    as_sent, as_signed = SPELLINGS[name]
    head = sign_header(path=as_sent, path_as_signed=as_signed)
    assert verifier().verify(head, virtual_bucket="", now_ms=NOW_MS).user == USER


WRONG: dict[str, Callable[[], Head]] = {
    "plus signed as space": lambda: sign_header(path=b"/b/a+b", path_as_signed=b"/b/a%20b"),
    "normalised dots": lambda: sign_header(path=b"/b/../c", path_as_signed=b"/c"),
    "doubly encoded": lambda: sign_header(path=b"/b/a%20b", path_as_signed=b"/b/a%2520b"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_path_signed_as_another_key_is_refused(name: str) -> None:
    with pytest.raises(AuthFailure) as caught:
        verifier().verify(WRONG[name](), virtual_bucket="", now_ms=NOW_MS)
    assert caught.value.code == "SignatureDoesNotMatch"
