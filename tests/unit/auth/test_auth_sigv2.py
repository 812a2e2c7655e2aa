"""SigV2: the signatures that AWS publishes, and the rules around them.

Source: "Signing and Authenticating REST Requests", Amazon S3 User Guide.
"""

from __future__ import annotations

from urllib.parse import quote

import pytest
from botocore.auth import HmacV1Auth

from nimbus.auth.api import AuthFailure, BodyForm, Head
from nimbus.auth.dates import parse_date
from nimbus.auth.sigv2 import SUBRESOURCES, SUBRESOURCES_LATE, sign
from tests.unit.auth.sigv4_oracle import ACCESS_KEY, SECRET, USER, verifier

BUCKET = "awsexamplebucket1"
# name: method, path, query, headers, virtual-host bucket, signature
PUBLISHED = {
    "object get": (
        "GET", b"/photos/puppy.jpg", b"", [(b"date", b"Tue, 27 Mar 2007 19:36:42 +0000")],
        BUCKET, "qgk2+6Sv9/oM7G3qLEjTH1a1l1g=",
    ),
    "object put": (
        "PUT", b"/photos/puppy.jpg", b"",
        [(b"content-type", b"image/jpeg"), (b"content-length", b"94328"),
         (b"date", b"Tue, 27 Mar 2007 21:15:45 +0000")],
        BUCKET, "iqRzw+ileNPu1fhspnRs8nOjjIA=",
    ),
    "list": (
        "GET", b"/", b"prefix=photos&max-keys=50&marker=puppy",
        [(b"user-agent", b"Mozilla/5.0"), (b"date", b"Tue, 27 Mar 2007 19:42:41 +0000")],
        BUCKET, "m0WP8eCtspQl5Ahe6L1SozdX9YA=",
    ),
    "fetch acl": (
        "GET", b"/", b"acl", [(b"date", b"Tue, 27 Mar 2007 19:44:46 +0000")],
        BUCKET, "82ZHiFIjc+WbcwFKGUVEQspPn+0=",
    ),
    "delete": (
        "DELETE", b"/awsexamplebucket1/photos/puppy.jpg", b"", [(b"date", b"Tue, 27 Mar 2007 21:20:26 +0000")],
        "", "XbyTlbQdu9Xw5o8P4iMwPktxQd8=",
    ),
    "upload": (
        "PUT", b"/db-backup.dat.gz", b"",
        [(b"user-agent", b"curl/7.15.5"), (b"host", b"static.example.com:8080"),
         (b"date", b"Tue, 27 Mar 2007 21:06:08 +0000"), (b"x-amz-acl", b"public-read"),
         (b"content-type", b"application/x-download"), (b"content-md5", b"4gJE4saaMU4BqNR0kLY+lw=="),
         (b"x-amz-meta-reviewedby", b"joe@example.com"), (b"x-amz-meta-reviewedby", b"jane@example.com"),
         (b"x-amz-meta-filechecksum", b"0x02661779"), (b"x-amz-meta-checksumalgorithm", b"crc32")],
        "static.example.com", "jtBQa0Aq+DkULFI8qrpwIjGEx0E=",
    ),
    "list all my buckets": (
        "GET", b"/", b"", [(b"date", b"Wed, 28 Mar 2007 01:29:59 +0000")], "", "qGdzdERIC03wnaRNKh6OqZehG9s=",
    ),
    "unicode keys": (
        "GET", b"/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re", b"", [(b"date", b"Wed, 28 Mar 2007 01:49:49 +0000")],
        "", "DNEZGsoieTZ92F3bUfSPQcbGmlM=",
    ),
}  # fmt: skip


def published(name: str) -> tuple[Head, str, int]:
    """The head, its virtual-host bucket, and the moment it was signed."""
    method, path, query, headers, bucket, proof = PUBLISHED[name]
    seconds = parse_date(dict(headers)[b"date"])
    assert seconds is not None
    authorization = f"AWS {ACCESS_KEY}:{proof}".encode()
    return Head(method, path, query, [*headers, (b"authorization", authorization)]), bucket, seconds


def code_of(head: Head, bucket: str, now_s: int, **options: bool) -> str:
    with pytest.raises(AuthFailure) as caught:
        verifier(**options).verify(head, virtual_bucket=bucket, now_ms=now_s * 1000)
    return caught.value.code


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_signature_is_accepted(name: str) -> None:
    head, bucket, now_s = published(name)
    verdict = verifier().verify(head, virtual_bucket=bucket, now_ms=now_s * 1000)
    assert verdict.user == USER
    assert verdict.body is BodyForm.UNSIGNED


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_signature_fails_for_another_bucket_path_or_subresource(name: str) -> None:
    head, bucket, now_s = published(name)
    assert code_of(head, "another", now_s) == "SignatureDoesNotMatch"
    moved = Head(head.method, head.raw_path + b"x", head.raw_query, head.headers)
    assert code_of(moved, bucket, now_s) == "SignatureDoesNotMatch"
    for query in (b"versionId=1", b"%61cl=1", b"tagging"):
        other = Head(head.method, head.raw_path, head.raw_query + b"&" + query, head.headers)
        assert code_of(other, bucket, now_s) == "SignatureDoesNotMatch"


def test_the_time_must_be_within_a_quarter_of_an_hour() -> None:
    head, bucket, now_s = published("object get")
    for seconds in (-900, 900):
        assert verifier().verify(head, virtual_bucket=bucket, now_ms=(now_s + seconds) * 1000).user == USER
    for seconds in (-901, 901):
        assert code_of(head, bucket, now_s + seconds) == "RequestTimeTooSkewed"


def test_x_amz_date_takes_the_place_of_the_date() -> None:
    text = b"GET\n\n\n\nx-amz-date:Tue, 27 Mar 2007 21:20:26 +0000\n/b/k"
    headers = [
        (b"date", b"Tue, 27 Mar 2007 21:20:27 +0000"),
        (b"x-amz-date", b"Tue, 27 Mar 2007 21:20:26 +0000"),
        (b"authorization", f"AWS {ACCESS_KEY}:".encode() + sign(SECRET, text)),
    ]
    now_ms = 1_175_030_426_000
    assert verifier().verify(Head("GET", b"/b/k", b"", headers), virtual_bucket="", now_ms=now_ms).user == USER
    assert code_of(Head("GET", b"/b/k", b"", [(b"x-amz-acl", b"private"), *headers]), "", now_ms // 1000) == (
        "SignatureDoesNotMatch"
    )


BROKEN = {
    "no colon": (b"AWS AKIAIOSFODNN7EXAMPLE", b"Tue, 27 Mar 2007 19:36:42 +0000", "InvalidArgument"),
    "no signature": (b"AWS AKIAIOSFODNN7EXAMPLE:", b"Tue, 27 Mar 2007 19:36:42 +0000", "InvalidArgument"),
    "no access key": (b"AWS :c2ln", b"Tue, 27 Mar 2007 19:36:42 +0000", "InvalidArgument"),
    "nothing": (b"AWS ", b"Tue, 27 Mar 2007 19:36:42 +0000", "InvalidArgument"),
    "unknown key": (b"AWS NOBODY:c2ln", b"Tue, 27 Mar 2007 19:36:42 +0000", "InvalidAccessKeyId"),
    "not ascii": ("AWS AKIAIOSFODNN7EXAMPLE:ü".encode(), b"Tue, 27 Mar 2007 19:36:42 +0000", "SignatureDoesNotMatch"),
    "no date": (b"AWS AKIAIOSFODNN7EXAMPLE:c2ln", b"", "AccessDenied"),
    "impossible date": (b"AWS AKIAIOSFODNN7EXAMPLE:c2ln", b"Tue, 31 Feb 2007 19:36:42 +0000", "AccessDenied"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_header_gets_its_error(name: str) -> None:
    authorization, date, code = BROKEN[name]
    head = Head("GET", b"/photos/puppy.jpg", b"", [(b"date", date), (b"authorization", authorization)])
    assert code_of(head, BUCKET, 1_175_024_202) == code


def test_a_repeated_content_type_is_refused_because_only_one_would_be_signed() -> None:
    head, bucket, now_s = published("object put")
    twice = Head(head.method, head.raw_path, b"", [*head.headers, (b"content-type", b"text/html")])
    assert code_of(twice, bucket, now_s) == "InvalidRequest"


def presigned(expires: str = "1175139620", proof: str = "NpgCjnDzrM+WFzoENXmpNDUsSn8=") -> Head:
    query = f"AWSAccessKeyId={ACCESS_KEY}&Signature={quote(proof, safe='')}&Expires={expires}"
    return Head("GET", b"/photos/puppy.jpg", query.encode(), [(b"host", b"johnsmith.s3.amazonaws.com")])


def test_the_published_presigned_url_is_accepted_until_it_expires() -> None:
    assert verifier().verify(presigned(), virtual_bucket="johnsmith", now_ms=1_175_139_620_000).user == USER
    with pytest.raises(AuthFailure, match="Request has expired") as caught:
        verifier().verify(presigned(), virtual_bucket="johnsmith", now_ms=1_175_139_621_000)
    assert caught.value.code == "AccessDenied"
    assert caught.value.fields == {"Expires": "2007-03-29T03:40:20Z", "ServerTime": "2007-03-29T03:40:21Z"}


def test_a_bare_plus_in_a_presigned_signature_is_a_plus() -> None:
    query = presigned().raw_query.replace(b"%2B", b"+")
    head = Head("GET", b"/photos/puppy.jpg", query, [])
    assert verifier().verify(head, virtual_bucket="johnsmith", now_ms=1_175_139_620_000).user == USER


@pytest.mark.parametrize("expires", ["", "x", "1_0", "-1", "+5", "%D9%A1", "9" * 13, "1175139620%0A"])
def test_an_expiry_that_is_not_plain_digits_is_refused(expires: str) -> None:
    assert code_of(presigned(expires), "johnsmith", 0) == "AccessDenied"


@pytest.mark.parametrize("name", [b"AWSAccessKeyId", b"Signature", b"Expires"])
def test_a_presigned_query_needs_all_three_parameters(name: bytes) -> None:
    query = b"&".join(part for part in presigned().raw_query.split(b"&") if not part.startswith(name))
    assert code_of(Head("GET", b"/photos/puppy.jpg", query, []), "johnsmith", 0) == "AccessDenied"


def test_the_old_form_can_be_switched_off() -> None:
    head, bucket, now_s = published("object get")
    assert code_of(head, bucket, now_s, sigv2=False) == "InvalidRequest"
    assert code_of(presigned(), "johnsmith", 1_175_139_620, sigv2=False) == "InvalidRequest"


@pytest.mark.parametrize("late", sorted(SUBRESOURCES_LATE))
@pytest.mark.parametrize("signed", [True, False], ids=["signed", "not signed"])
def test_a_late_subresource_may_be_signed_or_not_because_clients_differ(signed: bool, late: bytes) -> None:
    """botocore's HmacV1Auth.QSAOfInterest has none of these; what it has must be signed."""
    assert late.decode() not in HmacV1Auth.QSAOfInterest
    covered = b"?%b&versionId=1" % late if signed else b"?versionId=1"
    if signed and late > b"versionId":
        covered = b"?versionId=1&%b" % late
    date = b"Tue, 27 Mar 2007 19:36:42 +0000"
    proof = sign(SECRET, b"GET\n\n\n" + date + b"\n/b/k" + covered)
    headers = [(b"date", date), (b"authorization", f"AWS {ACCESS_KEY}:".encode() + proof)]
    head = Head("GET", b"/b/k", b"versionId=1&" + late, headers)
    assert verifier().verify(head, virtual_bucket="", now_ms=1_175_024_202_000).user == USER
    other = Head("GET", b"/b/k", b"versionId=2&" + late, headers)
    assert code_of(other, "", 1_175_024_202) == "SignatureDoesNotMatch"


def test_every_subresource_that_botocore_signs_must_be_signed() -> None:
    assert {name.encode() for name in HmacV1Auth.QSAOfInterest} <= SUBRESOURCES


@pytest.mark.parametrize("query", [b"x-amz-acl=public-read", b"X-Amz-Meta-A=1", b"content-md5=a", b"Content-Type=b"])
def test_a_header_in_the_query_of_a_signed_head_is_refused_because_this_form_does_not_sign_it(query: bytes) -> None:
    head, bucket, now_s = published("object get")
    moved = Head(head.method, head.raw_path, query, head.headers)
    assert code_of(moved, bucket, now_s) == "AccessDenied"


def moved(query: bytes, headers: tuple[tuple[bytes, bytes], ...], lines: bytes) -> Head:
    """A presigned PUT of /b/k; `lines` is what its signature covers between the method and the resource."""
    proof = quote(sign(SECRET, b"PUT\n" + lines + b"/b/k").decode(), safe="")
    query += f"&AWSAccessKeyId={ACCESS_KEY}&Signature={proof}&Expires=1175139620".encode()
    return Head("PUT", b"/b/k", query, [(b"host", b"h"), *headers])


MOVED: dict[str, tuple[Head, bool]] = {
    "content type": (moved(b"content-type=text%2Fplain", (), b"\ntext/plain\n1175139620\n"), True),
    "content type in capitals": (moved(b"Content-Type=a%20b", (), b"\na b\n1175139620\n"), True),
    "content md5": (moved(b"content-md5=a%2B%3D%3D", (), b"a+==\n\n1175139620\n"), True),
    "content type that is sent as well": (
        moved(b"content-type=text%2Fplain", ((b"content-type", b"text/plain"),), b"\ntext/plain\n1175139620\n"),
        True,
    ),
    "another content type is sent": (
        moved(b"content-type=text%2Fplain", ((b"content-type", b"text/html"),), b"\ntext/plain\n1175139620\n"),
        False,
    ),
    "metadata": (moved(b"X-Amz-Meta-A=a+b", (), b"\n\n1175139620\nx-amz-meta-a:a b\n"), True),
    "metadata that is sent as well": (
        moved(b"x-amz-meta-a=1", ((b"x-amz-meta-a", b"1"),), b"\n\n1175139620\nx-amz-meta-a:1\n"),
        True,
    ),
    "other metadata is sent": (
        moved(b"x-amz-meta-a=1", ((b"x-amz-meta-a", b"2"),), b"\n\n1175139620\nx-amz-meta-a:1\n"),
        False,
    ),
    "unsigned content type": (moved(b"content-type=text%2Fplain", (), b"\n\n1175139620\n"), False),
}


@pytest.mark.parametrize("name", MOVED)
def test_headers_that_a_presigner_moved_into_the_query_are_signed_there(name: str) -> None:
    """As botocore's HmacV1QueryAuth puts x-amz-*, content-md5 and content-type there."""
    head, is_right = MOVED[name]
    if is_right:
        assert verifier().verify(head, virtual_bucket="", now_ms=1_175_139_620_000).user == USER
    else:
        assert code_of(head, "", 1_175_139_620) == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("path", "signed", "accepted"),
    [
        (b"/bucket", b"/bucket", True),
        (b"/bucket", b"/bucket/", True),
        (b"/bucket/", b"/bucket", False),
        (b"/bucket/key", b"/bucket/key/", False),
    ],
)
def test_a_bucket_may_be_signed_with_a_slash_that_is_not_sent(path: bytes, signed: bytes, accepted: bool) -> None:
    date = b"Tue, 27 Mar 2007 19:36:42 +0000"
    proof = sign(SECRET, b"GET\n\n\n" + date + b"\n" + signed)
    head = Head("GET", path, b"", [(b"date", date), (b"authorization", f"AWS {ACCESS_KEY}:".encode() + proof)])
    if accepted:
        assert verifier().verify(head, virtual_bucket="", now_ms=1_175_024_202_000).user == USER
    else:
        assert code_of(head, "", 1_175_024_202) == "SignatureDoesNotMatch"
