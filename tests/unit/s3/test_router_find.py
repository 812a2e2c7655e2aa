"""Targets, queries and the operation that a request asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus._native.plane import parse_target
from nimbus.s3 import model
from nimbus.s3.errors import S3Error
from nimbus.s3.router import Query, check_bucket_name, find, split_copy_source, split_target

COPY = [(b"x-amz-copy-source", b"a/b")]


def found(method: str, path: str, headers: list[tuple[bytes, bytes]] | None = None) -> str:
    """The name of the operation, or the code of the refusal."""
    raw_path, _, raw_query = path.encode().partition(b"?")
    try:
        target = split_target(raw_path, "localhost:8080", ())
        return find(method, target.bucket, target.key, Query.parse(raw_query), headers or []).name
    except S3Error as error:
        return error.code


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("GET", "/", "ListBuckets"),
        ("GET", "/?x-id=ListBuckets", "ListBuckets"),
        ("PUT", "/bucket", "CreateBucket"),
        ("PUT", "/bucket/", "CreateBucket"),
        ("HEAD", "/bucket", "HeadBucket"),
        ("DELETE", "/bucket", "DeleteBucket"),
        ("GET", "/bucket", "ListObjects"),
        ("GET", "/bucket?list-type=2&prefix=a", "ListObjectsV2"),
        ("GET", "/bucket?list-type=1", "ListObjects"),
        ("GET", "/bucket?location", "GetBucketLocation"),
        ("GET", "/bucket?location=", "GetBucketLocation"),
        ("GET", "/bucket?versions", "ListObjectVersions"),
        ("GET", "/bucket?uploads&prefix=a", "ListMultipartUploads"),
        ("POST", "/bucket?delete", "DeleteObjects"),
        ("GET", "/bucket/key", "GetObject"),
        ("GET", "/bucket/key?partNumber=1", "GetObject"),
        ("GET", "/bucket/key?versionId=1&x-id=GetObject&unknown=1", "GetObject"),
        ("GET", "/bucket//", "GetObject"),
        ("HEAD", "/bucket/key", "HeadObject"),
        ("PUT", "/bucket/key", "PutObject"),
        ("PUT", "/bucket/key?uploadId=1&partNumber=1", "UploadPart"),
        ("DELETE", "/bucket/key", "DeleteObject"),
        ("DELETE", "/bucket/key?uploadId=1", "AbortMultipartUpload"),
        ("POST", "/bucket/key?uploads", "CreateMultipartUpload"),
        ("POST", "/bucket/key?uploads=", "CreateMultipartUpload"),
        ("POST", "/bucket/key?uploadId=1", "CompleteMultipartUpload"),
        ("GET", "/bucket/key?uploadId=1&part-number-marker=2", "ListParts"),
        ("GET", "/bucket/key?attributes", "GetObjectAttributes"),
        ("GET", "/bucket/key?acl&versionId=1", "GetObjectAcl"),
    ],
)
def test_a_request_finds_its_operation(method: str, path: str, operation: str) -> None:
    assert found(method, path) == operation


def test_a_copy_is_told_from_a_put_by_its_header() -> None:
    assert found("PUT", "/bucket/key", COPY) == "CopyObject"
    assert found("PUT", "/bucket/key?partNumber=1&uploadId=2", COPY) == "UploadPartCopy"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/bucket/key?torrent", "NotImplemented"),
        ("GET", "/bucket/key?torrent=", "NotImplemented"),
        ("PUT", "/bucket/key?annotation", "NotImplemented"),
        ("PUT", "/bucket/key?renameObject", "NotImplemented"),
        ("POST", "/bucket/key?restore", "NotImplemented"),
        ("POST", "/bucket/key?select&select-type=2", "NotImplemented"),
        ("PUT", "/bucket/key?policy", "NotImplemented"),
        ("GET", "/bucket?inventory", "NotImplemented"),
        ("DELETE", "/bucket?analytics", "NotImplemented"),
        ("DELETE", "/bucket?intelligent-tiering&id=1", "NotImplemented"),
        ("GET", "/?acl", "NotImplemented"),
        ("DELETE", "/bucket?acl", "MethodNotAllowed"),
        ("DELETE", "/bucket/key?acl", "MethodNotAllowed"),
        ("PUT", "/bucket/key?uploads", "MethodNotAllowed"),
        ("HEAD", "/bucket/key?uploadId=1", "MethodNotAllowed"),
        ("PATCH", "/bucket/key", "MethodNotAllowed"),
        ("get", "/bucket/key", "MethodNotAllowed"),
        ("PUT", "/", "MethodNotAllowed"),
        ("POST", "/bucket", "PreconditionFailed"),
        ("POST", "/bucket/key", "MethodNotAllowed"),
        ("PUT", "/bucket/key?uploadId=1", "InvalidArgument"),
        ("PUT", "/bucket/key?partNumber=1", "InvalidArgument"),
        ("GET", "/bucket/key?acl&tagging", "InvalidArgument"),
        ("DELETE", "/bucket?policy&cors", "InvalidArgument"),
        ("GET", "/bucket/key?acl&acl", "InvalidArgument"),
        ("GET", "/bucket?list-type=2&list-type=2", "InvalidArgument"),
    ],
)
def test_what_is_not_offered_is_refused_by_name(method: str, path: str, code: str) -> None:
    assert found(method, path) == code


@pytest.mark.parametrize("subresource", sorted(model.SUBRESOURCES))
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE"])
def test_a_subresource_never_reaches_the_operation_under_it(method: str, subresource: str) -> None:
    under = {found(method, path, COPY) for path in ("/bucket/key", "/bucket", "/")} | {"PutObject"}
    for path in ("/bucket/key", "/bucket", "/"):
        for query in (f"?{subresource}", f"?{subresource}=1", f"?a=b&{subresource}="):
            name = found(method, path + query, COPY)
            assert name in ("NotImplemented", "MethodNotAllowed") or name not in under


def test_the_raw_path_is_decoded_once_and_never_normalised() -> None:
    cases = {
        b"/bucket/a%2Fb": "a/b",
        b"/bucket/a%252Fb": "a%2Fb",
        b"/bucket//a": "/a",
        b"/bucket/a//b/": "a//b/",
        b"/bucket/.": ".",
        b"/bucket/a/..": "a/..",
        b"/bucket/a/b/../../c": "a/b/../../c",
        b"/bucket/a/%2e%2e/": "a/../",
        b"/bucket/..a/...": "..a/...",
        b"/bucket/%252e%252e/a": "%2e%2e/a",
        b"/bucket/a+b%20c": "a+b c",
        b"/bucket/%F0%9F%98%80": "\U0001f600",
        "/bucket/é".encode(): "é",
        b"/bucket/a%00b": "a\0b",
        b"/bucket/a?b".replace(b"?", b"%3F"): "a?b",
    }
    for raw, key in cases.items():
        assert split_target(raw, "localhost", ()) == ("bucket", key, False)


@pytest.mark.parametrize(
    "raw", [b"", b"*", b"bucket/key", b"/bucket/%", b"/bucket/%G0", b"/bucket/%4", b"/bucket/%FF", b"/bucket/\xff"]
)
def test_a_path_that_is_none_is_refused(raw: bytes) -> None:
    with pytest.raises(S3Error) as caught:
        split_target(raw, "localhost", ())
    assert caught.value.code == "InvalidURI"


def test_a_key_has_at_most_1024_bytes() -> None:
    assert len(split_target(b"/bucket/" + b"a" * 1024, "localhost", ()).key) == 1024
    for raw in (b"a" * 1025, "é".encode() * 513, b"%C3%A9" * 513):
        with pytest.raises(S3Error) as caught:
            split_target(b"/bucket/" + raw, "localhost", ())
        assert caught.value.code == "KeyTooLongError"


@pytest.mark.parametrize(
    ("host", "target"),
    [
        ("s3.local", ("path", "key", False)),
        ("s3.local:8080", ("path", "key", False)),
        ("bucket.s3.local", ("bucket", "path/key", True)),
        ("BUCKET.S3.Local:8080", ("bucket", "path/key", True)),
        ("a.b.s3.local.", ("a.b", "path/key", True)),
        ("bucket.eu.s3.local", ("bucket", "path/key", True)),
        ("eu.s3.local", ("path", "key", False)),
        ("xs3.local", ("path", "key", False)),
        ("127.0.0.1:8080", ("path", "key", False)),
        ("[::1]:8080", ("path", "key", False)),
        ("[::1]", ("path", "key", False)),
        ("", ("path", "key", False)),
    ],
)
def test_a_host_below_a_domain_names_the_bucket(host: str, target: tuple[str, str, bool]) -> None:
    assert split_target(b"/path/key", host, ("s3.local", "eu.s3.local")) == target


def test_the_root_of_a_virtual_host_is_its_bucket() -> None:
    assert split_target(b"/", "bucket.s3.local", ("s3.local",)) == ("bucket", "", True)
    assert split_target(b"/", "s3.local", ("s3.local",)) == ("", "", False)


@pytest.mark.parametrize("name", ["abc", "a-b", "a.b", "1bucket", "a" * 63, "a-.b", "192.168.0.a"])
def test_a_good_bucket_name_passes(name: str) -> None:
    check_bucket_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "a" * 64,
        "Bucket",
        "a_b",
        "-ab",
        "ab-",
        ".ab",
        "ab.",
        "a..b",
        "192.168.5.4",
        "abc\n",
        "a b",
        "büc",
        "xn--a",
        "a/b",
        "..",
        "a%b",
        "sthree-a",
        "a-s3alias",
        "a--ol-s3",
        "a.mrap",
        "a--x-s3",
        "٣٣٣",
    ],
)
def test_a_bad_bucket_name_is_refused(name: str) -> None:
    with pytest.raises(S3Error) as caught:
        check_bucket_name(name)
    assert caught.value.code == "InvalidBucketName"


def test_a_path_without_a_bucket_is_no_listing_of_buckets() -> None:
    for raw in (b"//", b"//key", b"/%2F"):
        with pytest.raises(S3Error) as caught:
            split_target(raw, "localhost", ())
        assert caught.value.code == "InvalidBucketName"


def test_a_query_is_decoded_with_plus_as_space() -> None:
    query = Query.parse(b"prefix=a+b%2Bc&empty=&bare&&=nameless&%C3%A9=1&a=b=c")
    assert query.values == {"prefix": "a b+c", "empty": "", "bare": "", "é": "1", "a": "b=c"}


def test_a_repeated_parameter_is_refused_when_it_is_asked_for() -> None:
    query = Query.parse(b"a=1&b=2&a=1")
    assert query.get("b") == "2"
    assert query.get("c", "none") == "none"
    with pytest.raises(S3Error) as caught:
        query.get("a")
    assert caught.value.code == "InvalidArgument"


@pytest.mark.parametrize("raw", [b"a=%", b"a=%zz", b"%1=", b"a=%FF", b"a=\xff", b"\xc3=1"])
def test_a_query_with_a_broken_escape_is_refused(raw: bytes) -> None:
    with pytest.raises(S3Error) as caught:
        Query.parse(raw)
    assert caught.value.code == "InvalidURI"


@given(st.binary(max_size=40), st.binary(max_size=40), st.text(max_size=20))
def test_any_target_is_split_or_refused_by_name(path: bytes, query: bytes, host: str) -> None:
    try:
        target = split_target(b"/" + path, host, ("s3.local",))
        assert find("GET", target.bucket, target.key, Query.parse(query), []).method == "GET"
    except S3Error as error:
        assert error.status in (400, 405, 501)  # noqa: PT017


@pytest.mark.parametrize(
    ("value", "source"),
    [
        ("bucket/key", ("bucket", "key", "")),
        ("/bucket/key", ("bucket", "key", "")),
        ("/bucket/a%2Fb%20c", ("bucket", "a/b c", "")),
        ("bucket/a%2Bb?versionId=3", ("bucket", "a+b", "3")),
        ("bucket/a+b", ("bucket", "a b", "")),
        ("bucket%2Fa%2Fb+c", ("bucket", "a/b c", "")),
        ("%2Fbucket%2Fkey?versionId=null", ("bucket", "key", "null")),
        ("bucket/a%252Fb", ("bucket", "a%2Fb", "")),
        ("bucket/a%3FversionId%3D3", ("bucket", "a?versionId=3", "")),
        ("bucket/a/../b", ("bucket", "a/../b", "")),
        ("bucket/a?b", ("bucket", "a?b", "")),
        ("bucket/é".encode().decode("latin-1"), ("bucket", "é", "")),
    ],
)
def test_a_copy_source_names_bucket_key_and_version(value: str, source: tuple[str, str, str]) -> None:
    assert split_copy_source(value) == source


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "InvalidArgument"),
        ("bucket", "InvalidArgument"),
        ("bucket/", "InvalidArgument"),
        ("//key", "InvalidArgument"),
        ("bucket/key?versionId=", "InvalidArgument"),
        ("B/key", "InvalidArgument"),
        ("192.168.1.1/foo", "InvalidArgument"),
        ("bucket/%", "InvalidArgument"),
        ("100%/foo/bar/baz", "InvalidArgument"),
        ("bucket/%C3%", "InvalidArgument"),
        ("bucket/%c0%af", "InvalidArgument"),
        ("bucket/../key", "InvalidArgument"),
        ("bucket%2F..%2Fkey", "InvalidArgument"),
        ("bucket/foo/ba/../../../r/baz", "InvalidArgument"),
        ("arn:aws:s3:us-west-2:123456789012:accesspoint/my-access-point/object/key", "NotImplemented"),
        ("arn%3Aaws%3As3%3Aus-west-2%3A123456789012%3Aaccesspoint%2Fmy%2Fobject%2Fkey", "NotImplemented"),
        ("bucket/" + "a" * 1025, "KeyTooLongError"),
    ],
)
def test_a_copy_source_that_is_none_is_refused(value: str, code: str) -> None:
    with pytest.raises(S3Error) as caught:
        split_copy_source(value)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "key",
    [
        *(
            "..",
            "../",
            "../a",
            "a/../..",
            "a/../../b",
            "videos/../../video1.wmv",
            "a/..//../b",
            "/..",
            "./..",
            "./../a",
        ),
        *("%2e%2e", "%2E./a", "a%2F..%2F..", "..%2fetc", "a/./../.."),
    ],
)
def test_a_key_with_more_parents_than_names_is_refused(key: str) -> None:
    """AWS, "Naming Amazon S3 objects": read from left to right there are never more `..` than names. A key is what was
    decoded, so that one spelling is as good as the other."""
    with pytest.raises(S3Error) as caught:
        split_target(f"/bucket/{key}".encode(), "", ())
    assert (caught.value.code, caught.value.status) == ("InvalidURI", 400)
    assert parse_target(f"/bucket/{key}".encode(), b"localhost") is None, "the plane leaves it to the S3 room"
