"""Conditions, ranges, parts, integers and copy sources at their edges, with the plane and without it.

The values were recorded from AWS by public suites, or stand in its documentation or in RFC 9110; each test says which.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.wire.serving import Server
from tests.wire.test_raw_http import SECONDS_MAX, Answer, Raw, read_answer

ABSENT_CODE = (404, "NoSuchKey")
NOT_IMPLEMENTED = (501, "NotImplemented")


@pytest.fixture
def raw(server: Server, bucket: str) -> Raw:
    return Raw(server, bucket)


def refusal_of(call: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    response = refused.value.response
    return {**response["Error"], "status": response["ResponseMetadata"]["HTTPStatusCode"]}


def code_of(call: Callable[..., Any], **arguments: Any) -> tuple[int, str]:
    refusal = refusal_of(call, **arguments)
    return refusal["status"], refusal["Code"]


def ask(raw: Raw, method: str, target: str, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with socket.create_connection((raw.server.host, raw.server.port), timeout=SECONDS_MAX) as peer:
        peer.sendall(raw.head(method, target, named))
        return read_answer(peer, has_body=method != "HEAD")


# --- conditions ---


def test_a_deletion_of_an_entity_that_is_gone_is_lost(client: Any, bucket: str) -> None:
    """AWS, "How to perform conditional deletes": 404, so that a stale compare-and-swap does not think it won."""
    where = {"Bucket": bucket, "Key": "key"}
    etag = client.put_object(**where, Body=b"x")["ETag"]
    assert code_of(client.delete_object, **where, IfMatch='"other"') == (412, "PreconditionFailed")
    client.delete_object(**where, IfMatch=etag.strip('"'))
    for stale in (etag, "*", "other"):
        assert code_of(client.delete_object, **where, IfMatch=stale) == ABSENT_CODE
    client.delete_object(**where)
    client.put_object(**where, Body=b"x")
    client.delete_object(**where, IfMatch="*")


def test_deletions_of_several_entities_are_decided_one_by_one(client: Any, bucket: str) -> None:
    etag = client.put_object(Bucket=bucket, Key="right", Body=b"x")["ETag"]
    client.put_object(Bucket=bucket, Key="wrong", Body=b"x")
    doomed = [
        {"Key": "right", "ETag": etag},
        {"Key": "wrong", "ETag": "other"},
        {"Key": "gone", "ETag": etag},
        {"Key": "star", "ETag": "*"},
        {"Key": "plain"},
        {"Key": "sized", "Size": 1},
        {"Key": "timed", "LastModifiedTime": datetime(2026, 1, 1, tzinfo=UTC)},
    ]
    answer = client.delete_objects(Bucket=bucket, Delete={"Objects": doomed})
    assert [entry["Key"] for entry in answer["Deleted"]] == ["right", "plain"]
    assert {entry["Key"]: entry["Code"] for entry in answer["Errors"]} == {
        "wrong": "PreconditionFailed",
        "gone": "NoSuchKey",
        "star": "NoSuchKey",
        "sized": "NotImplemented",
        "timed": "NotImplemented",
    }
    assert client.head_object(Bucket=bucket, Key="wrong")["ContentLength"] == 1


def test_time_and_size_of_what_is_deleted_are_for_directory_buckets(client: Any, bucket: str) -> None:
    """Recorded from AWS for a general purpose bucket."""
    where = {"Bucket": bucket, "Key": "key"}
    modified = datetime(2026, 1, 1, tzinfo=UTC)
    client.put_object(**where, Body=b"x")
    assert code_of(client.delete_object, **where, IfMatchSize=1) == NOT_IMPLEMENTED
    assert code_of(client.delete_object, **where, IfMatchLastModifiedTime=modified) == NOT_IMPLEMENTED
    assert client.get_object(**where)["Body"].read() == b"x"


@pytest.mark.parametrize("size", [1, 300_000])
def test_conditions_that_a_write_does_not_have_are_refused_by_name(size: int, client: Any, bucket: str) -> None:
    """Recorded from AWS for PutObject, CopyObject and CompleteMultipartUpload."""
    where = {"Bucket": bucket, "Key": "key"}
    etag = client.put_object(**where, Body=b"first")["ETag"]
    upload_id = client.create_multipart_upload(**where)["UploadId"]
    part = client.upload_part(**where, UploadId=upload_id, PartNumber=1, Body=b"x")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}
    for conditions, header in (
        ({"IfNoneMatch": etag}, "If-None-Match"),
        ({"IfMatch": "*"}, "If-Match"),
        ({"IfMatch": etag, "IfNoneMatch": "*"}, "If-Match,If-None-Match"),
    ):
        for call in (
            lambda **more: client.put_object(**where, Body=b"x" * size, **more),
            lambda **more: client.copy_object(**where, CopySource=f"{bucket}/key", **more),
            lambda **more: client.complete_multipart_upload(**where, UploadId=upload_id, MultipartUpload=parts, **more),
        ):
            refusal = refusal_of(call, **conditions)
            assert (refusal["status"], refusal["Code"], refusal["Header"]) == (*NOT_IMPLEMENTED, header)
    assert client.get_object(**where)["Body"].read() == b"first"
    absent = {"Bucket": bucket, "Key": "absent"}
    assert code_of(client.put_object, **absent, Body=b"x" * size, IfMatch=etag) == ABSENT_CODE
    source = {"CopySource": f"{bucket}/key", "IfMatch": etag}
    assert code_of(client.copy_object, **absent, **source) == ABSENT_CODE


def test_an_upload_in_parts_that_was_overtaken_conflicts(client: Any, bucket: str) -> None:
    """Recorded from AWS: 409, also when the bytes that came in between are the same; a new upload goes through."""
    where = {"Bucket": bucket, "Key": "key"}

    def complete(upload_id: str, etag: str) -> Any:
        part = client.upload_part(**where, UploadId=upload_id, PartNumber=1, Body=b"test")["ETag"]
        parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}
        return client.complete_multipart_upload(**where, UploadId=upload_id, MultipartUpload=parts, IfMatch=etag)

    etag = client.put_object(**where, Body=b"test")["ETag"]
    upload_id = client.create_multipart_upload(**where)["UploadId"]
    assert client.put_object(**where, Body=b"test")["ETag"] == etag
    refusal = refusal_of(complete, upload_id=upload_id, etag=etag)
    assert (refusal["status"], refusal["Code"]) == (409, "ConditionalRequestConflict")
    assert refusal["Condition"] == "If-Match"
    client.delete_object(**where)
    assert code_of(complete, upload_id=upload_id, etag=etag) == ABSENT_CODE
    client.put_object(**where, Body=b"test")
    assert code_of(complete, upload_id=upload_id, etag=etag) == (409, "ConditionalRequestConflict")
    assert complete(client.create_multipart_upload(**where)["UploadId"], etag)["ETag"].endswith('-1"')


def test_a_date_in_the_future_is_no_condition(client: Any, bucket: str) -> None:
    """RFC 9110, 13.1.3, and recorded from AWS, for reads and for sources of copies."""
    where = {"Bucket": bucket, "Key": "key"}
    client.put_object(**where, Body=b"x")
    modified = client.head_object(**where)["LastModified"]
    future = datetime.now(UTC) + timedelta(days=1)
    source = {"Bucket": bucket, "Key": "copy", "CopySource": f"{bucket}/key"}
    upload_id = client.create_multipart_upload(Bucket=bucket, Key="copy")["UploadId"]
    part = {**source, "UploadId": upload_id, "PartNumber": 1}
    for _ in range(2):  # the second time the plane knows the object
        assert client.get_object(**where, IfModifiedSince=future)["Body"].read() == b"x"
        assert client.head_object(**where, IfModifiedSince=future)["ContentLength"] == 1
        assert code_of(client.get_object, **where, IfModifiedSince=modified)[0] == 304
    client.copy_object(**source, CopySourceIfModifiedSince=future)
    client.upload_part_copy(**part, CopySourceIfModifiedSince=future)
    for call, arguments in ((client.copy_object, source), (client.upload_part_copy, part)):
        for conditions, failed in (
            ({"CopySourceIfModifiedSince": modified}, "If-Modified-Since"),
            ({"CopySourceIfMatch": "etag123"}, "If-Match"),
            ({"CopySourceIfUnmodifiedSince": modified - timedelta(days=1)}, "If-Unmodified-Since"),
        ):
            refusal = refusal_of(call, **arguments, **conditions)
            assert (refusal["status"], refusal["Condition"]) == (412, f"x-amz-copy-source-{failed}")


@pytest.mark.parametrize("date", ["nonsense", "0", "2026-01-01T00:00:00Z", "Sat, 32 Jan 2000 00:00:00 GMT", ""])
def test_a_date_that_is_none_is_no_condition(date: str, raw: Raw) -> None:
    """RFC 9110, 13.1.3 and 13.1.4."""
    raw.client.put_object(Bucket=raw.bucket, Key="key", Body=b"x")
    assert ask(raw, "GET", "/key", If_Modified_Since=date, If_Unmodified_Since=date).body == b"x"
    source = f"{raw.bucket}/key"
    for name in ("modified", "unmodified"):
        copied = ask(raw, "PUT", "/copy", **{"x-amz-copy-source": source, f"x-amz-copy-source-if-{name}-since": date})
        assert copied.status == 200


# --- ranges and parts ---


def read(client: Any, method: str, **arguments: Any) -> dict[str, Any]:
    answer: dict[str, Any] = getattr(client, method)(**arguments)
    if "Body" in answer:
        answer["read"] = answer["Body"].read()
    answer["status"] = answer["ResponseMetadata"]["HTTPStatusCode"]
    return answer


@pytest.mark.parametrize("method", ["get_object", "head_object"])
def test_the_last_bytes_of_an_empty_object_are_none(method: str, client: Any, bucket: str) -> None:
    """As public suites have it from AWS: 200 and no range; `-0` asks for no byte of whatever there is."""
    where = {"Bucket": bucket, "Key": "empty"}
    client.put_object(**where, Body=b"")
    for _ in range(2):
        answer = read(client, method, **where, Range="bytes=-8")
        assert (answer["status"], answer["ContentLength"], "ContentRange" in answer) == (200, 0, False)
        for refused in ("bytes=-0", "bytes=0-", "bytes=0-0", "bytes=40-50"):
            assert refusal_of(client.get_object, **where, Range=refused)["status"] == 416


@pytest.mark.parametrize("size", [8, 300_000, 2_000_000])
@pytest.mark.parametrize("method", ["get_object", "head_object"])
def test_a_plain_object_is_its_own_first_part(method: str, size: int, client: Any, bucket: str) -> None:
    """Recorded from AWS: 206 with Content-Range and the checksum, no count of parts; 200 for an empty one."""
    where = {"Bucket": bucket, "Key": "key"}
    crc = client.put_object(**where, Body=b"x" * size, ChecksumAlgorithm="CRC32")["ChecksumCRC32"]
    for _ in range(2):
        answer = read(client, method, **where, PartNumber=1, ChecksumMode="ENABLED")
        assert (answer["status"], answer["ContentLength"]) == (206, size)
        assert answer["ContentRange"] == f"bytes 0-{size - 1}/{size}"
        assert (answer["ChecksumCRC32"], answer["ChecksumType"]) == (crc, "FULL_OBJECT")
        assert "PartsCount" not in answer
        assert answer.get("read", b"x" * size) == b"x" * size
    refusal = refusal_of(client.get_object, **where, PartNumber=2)
    assert (refusal["status"], refusal["Code"], refusal["ActualPartCount"]) == (416, "InvalidPartNumber", "1")
    client.put_object(**where, Body=b"")
    answer = read(client, method, **where, PartNumber=1)
    assert (answer["status"], answer["ContentLength"], "ContentRange" in answer) == (200, 0, False)


@pytest.mark.parametrize("size", [10, 300_000])
@pytest.mark.parametrize("method", ["get_object", "head_object"])
def test_a_range_of_all_bytes_keeps_the_checksum(method: str, size: int, client: Any, bucket: str) -> None:
    """Recorded from AWS."""
    where = {"Bucket": bucket, "Key": "key"}
    crc = client.put_object(**where, Body=b"x" * size, ChecksumAlgorithm="CRC32")["ChecksumCRC32"]
    for _ in range(2):
        for whole in ("bytes=0-", f"bytes=0-{size - 1}", f"bytes=-{size + 5}", f"bytes=0-{size * 10}"):
            answer = read(client, method, **where, Range=whole, ChecksumMode="ENABLED")
            assert (answer["status"], answer["ContentRange"]) == (206, f"bytes 0-{size - 1}/{size}")
            assert (answer["ChecksumCRC32"], answer["ChecksumType"]) == (crc, "FULL_OBJECT")
        for piece in ("bytes=0-8", "bytes=1-", "bytes=-9"):
            answer = read(client, method, **where, Range=piece, ChecksumMode="ENABLED")
            assert answer["status"] == 206
            assert not {"ChecksumCRC32", "ChecksumType"} & answer.keys()


@pytest.mark.parametrize(
    "value",
    [
        *("bytes=1-0", "bytes=-1-", "bytes=0--1", "bytes=0-1,3-4,7-9", "0-1", "bytes=-", "bytes=,", "bytes= -1"),
        *("bytes=--1", "bytes=0 -1", "bytes=abc", "foo=0-1", "bytes=1-x", "bytes=+1-2", "bytes=1_0-20"),
    ],
)
def test_what_is_no_single_range_is_ignored(value: str, raw: Raw) -> None:
    """Recorded from AWS, and RFC 9110, 14.2: a header that does not parse is as if it were not there."""
    raw.client.put_object(Bucket=raw.bucket, Key="key", Body=b"0123456789")
    for _ in range(2):
        answer = ask(raw, "GET", "/key", Range=value)
        assert (answer.status, answer.body, "content-range" in answer.headers) == (200, b"0123456789", False)


@pytest.mark.parametrize(
    "number", ["0", "-1", "10001", "%2B1", "%201", "1_0", "%D9%A1", "%EF%BC%91", "9" * 30, "x", "", "1.0", "0x1"]
)
def test_a_number_that_no_part_has_is_refused_everywhere(number: str, raw: Raw) -> None:
    """Recorded from AWS: 400 InvalidArgument, not 416, whether the object is there or not."""
    raw.client.put_object(Bucket=raw.bucket, Key="key", Body=b"x")
    upload_id = raw.client.create_multipart_upload(Bucket=raw.bucket, Key="key")["UploadId"]
    answers = [ask(raw, "GET", f"/{key}?partNumber={number}") for key in ("key", "key", "absent")]
    answers.append(ask(raw, "PUT", f"/key?partNumber={number}&uploadId={upload_id}", Content_Length="0"))
    source = {"x-amz-copy-source": f"{raw.bucket}/key"}
    answers.append(ask(raw, "PUT", f"/key?partNumber={number}&uploadId={upload_id}", **source))
    for answer in answers:
        assert (answer.status, answer.code) == (400, "InvalidArgument")
        assert b"<Message>Part number must be an integer between 1 and 10000, inclusive</Message>" in answer.body
        assert b"<ArgumentName>partNumber</ArgumentName>" in answer.body


@pytest.mark.parametrize("value", ["-1", "%2B5", "1_0", "%D9%A3", "2147483648", "9" * 30, "x", "5.0"])
def test_an_integer_of_a_listing_is_ascii_digits(value: str, raw: Raw) -> None:
    upload_id = raw.client.create_multipart_upload(Bucket=raw.bucket, Key="key")["UploadId"]
    for target, argument in (
        (f"?max-keys={value}", "max-keys"),
        (f"?list-type=2&max-keys={value}", "max-keys"),
        (f"?uploads&max-uploads={value}", "max-uploads"),
        (f"/key?uploadId={upload_id}&max-parts={value}", "max-parts"),
        (f"/key?uploadId={upload_id}&part-number-marker={value}", "part-number-marker"),
    ):
        answer = ask(raw, "GET", target)
        assert (answer.status, answer.code) == (400, "InvalidArgument")
        assert f"<ArgumentName>{argument}</ArgumentName>".encode() in answer.body


@pytest.mark.parametrize("value", ["+4", " 1 0", "1_0", "\u0663", "0x4", "9" * 30, "-1", ""])
def test_a_decoded_length_that_is_no_number_is_refused(value: str, raw: Raw) -> None:
    payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    head = raw.head("PUT", "/cut", {"x-amz-decoded-content-length": value, "Content-Length": "10"}, sha256=payload)
    answer = raw.talk(head, b"x" * 10)
    assert (answer.status, answer.code) == (411, "MissingContentLength")
    assert not raw.exists("cut")


# --- copy sources and keys ---


@pytest.mark.parametrize(
    "source", ["{0}%2Fdir%2Fa+key", "{0}/dir/a%20key", "/{0}/dir/a+key", "%2F{0}%2Fdir%2Fa%20key", "{0}/dir%2Fa+key"]
)
def test_a_copy_source_has_one_reading_in_every_encoding(source: str, raw: Raw) -> None:
    """Recorded from AWS, where SDKs encode the whole of it, and some of them a space as `+`."""
    where = {"Bucket": raw.bucket, "Key": "dir/a key"}
    raw.client.put_object(**where, Body=b"source")
    headers = {"x-amz-copy-source": source.format(raw.bucket)}
    assert ask(raw, "PUT", "/copy", **headers).status == 200
    assert raw.client.get_object(Bucket=raw.bucket, Key="copy")["Body"].read() == b"source"
    upload_id = raw.client.create_multipart_upload(Bucket=raw.bucket, Key="parts")["UploadId"]
    assert ask(raw, "PUT", f"/parts?partNumber=1&uploadId={upload_id}", **headers).status == 200
    assert (
        ask(raw, "PUT", "/copy", **{"x-amz-copy-source": headers["x-amz-copy-source"] + "?versionId=null"}).status
        == 200
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("wrongformat", "Invalid copy source object key"),
        ("{0}", "Invalid copy source object key"),
        ("{0}/", "Invalid copy source object key"),
        ("{0}/..", "Invalid copy source object key"),
        ("{0}/foo/ba/../../../r/baz", "Invalid copy source object key"),
        ("{0}%2F..%2Fkey", "Invalid copy source object key"),
        ("{0}/%ZZ", "Invalid copy source encoding"),
        ("100%/foo/bar/baz", "Invalid copy source encoding"),
        ("192.168.1.1/foo", "Invalid copy source bucket name"),
        ("my-buc@k&()t/obj", "Invalid copy source bucket name"),
    ],
)
def test_what_is_no_copy_source_is_refused_alike_by_both_copies(source: str, message: str, raw: Raw) -> None:
    """The first was recorded from AWS, the words of the others stand in a public suite that is held to it."""
    upload_id = raw.client.create_multipart_upload(Bucket=raw.bucket, Key="copy")["UploadId"]
    headers = {"x-amz-copy-source": source.format(raw.bucket)}
    parts = [f"/copy?partNumber=1&uploadId={number}" for number in (upload_id, "0" * 32, "mock-upload-id")]
    for target in ("/copy", *parts):
        answer = ask(raw, "PUT", target, **headers)
        assert (answer.status, answer.code) == (400, "InvalidArgument")
        assert f"<Message>{message}</Message>".encode() in answer.body
    assert not raw.exists("copy")


@pytest.mark.parametrize("key", ["..", "../a", "a/../../b", "videos/../../video1.wmv", "%2e%2e/a", "a%2F..%2F..%2Fb"])
def test_a_key_with_more_parents_than_names_is_refused_by_every_operation(key: str, raw: Raw) -> None:
    """AWS, "Naming Amazon S3 objects": from left to right there are never more `..` than names."""
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        answer = ask(raw, method, f"/{key}", **({"Content-Length": "0"} if method == "PUT" else {}))
        assert answer.status == 400
        assert method == "HEAD" or answer.code == "InvalidURI"
    assert ask(raw, "POST", f"/{key}?uploads").code == "InvalidURI"


@pytest.mark.parametrize("key", ["a/..", "videos/2014/../../video1.wmv", "..a/...", "./a"])
def test_a_key_with_as_many_names_as_parents_is_kept_literally(key: str, client: Any, bucket: str) -> None:
    for _ in range(2):
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())
        assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket)["Contents"]] == [key]


# --- where a listing goes on ---


def test_a_marker_within_a_common_prefix_skips_the_whole_of_it(client: Any, bucket: str) -> None:
    """Recorded from AWS: test_list_objects_marker_common_prefixes and its like for uploads; `start-after` is a key."""
    keys = ["dir/sub/1", "dir/sub/2", "dir/top"]
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=b"x")
        client.create_multipart_upload(Bucket=bucket, Key=key)
    where = {"Bucket": bucket, "Prefix": "dir/", "Delimiter": "/"}
    for marker in ("dir/sub/", "dir/sub/1", "dir/sub/2", "dir/sub/3"):
        page = client.list_objects(**where, Marker=marker)
        assert ([entry["Key"] for entry in page["Contents"]], "CommonPrefixes" in page) == (["dir/top"], False)
        assert page["Marker"] == marker
        uploads = client.list_multipart_uploads(**where, KeyMarker=marker)
        assert ([entry["Key"] for entry in uploads["Uploads"]], "CommonPrefixes" in uploads) == (["dir/top"], False)
        assert uploads["KeyMarker"] == marker
    page = client.list_objects_v2(**where, StartAfter="dir/sub/1")
    assert [entry["Prefix"] for entry in page["CommonPrefixes"]] == ["dir/sub/"]
    before = client.list_objects(**where, Marker="dir")
    assert [entry["Prefix"] for entry in before["CommonPrefixes"]] == ["dir/sub/"]


def test_an_integer_of_a_listing_may_be_empty(raw: Raw) -> None:
    """Recorded from AWS, test_list_parts_empty_part_number_marker: as if it were not given."""
    upload_id = raw.client.create_multipart_upload(Bucket=raw.bucket, Key="key")["UploadId"]
    for target in (
        "?max-keys=",
        "?list-type=2&max-keys",
        "?uploads&max-uploads=",
        f"/key?uploadId={upload_id}&max-parts=",
        f"/key?uploadId={upload_id}&part-number-marker=&max-parts=",
    ):
        answer = ask(raw, "GET", target)
        assert answer.status == 200, target
        assert b">1000</Max" in answer.body


def test_times_in_documents_are_whole_seconds(raw: Raw) -> None:
    """Recorded from AWS, test_s3_timestamp_precision and its like: `.000Z`, so that a listing says what a head says."""
    raw.client.put_object(Bucket=raw.bucket, Key="key", Body=b"x")
    upload_id = raw.client.create_multipart_upload(Bucket=raw.bucket, Key="up")["UploadId"]
    raw.client.upload_part(Bucket=raw.bucket, Key="up", UploadId=upload_id, PartNumber=1, Body=b"x")
    targets = ("", "?list-type=2", "?uploads", f"/up?uploadId={upload_id}")
    bodies = [ask(raw, "GET", target).body for target in targets]
    bodies.append(ask(raw, "PUT", "/copy", **{"x-amz-copy-source": f"{raw.bucket}/key"}).body)
    for body in bodies:
        times = re.findall(rb"<(?:LastModified|Initiated)>([^<]*)<", body)
        assert times
        assert all(re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z", time) for time in times), times


def test_a_listing_of_uploads_shows_the_prefix_that_was_asked_for(raw: Raw) -> None:
    """Recorded from AWS, test_list_multiparts_next_marker: none where none was asked for."""
    assert b"<Prefix" not in ask(raw, "GET", "?uploads").body
    assert b"<Prefix>a</Prefix>" in ask(raw, "GET", "?uploads&prefix=a").body


# --- requests that mean something else ---


@pytest.mark.parametrize(
    ("method", "target"),
    [
        *(("GET", ""), ("GET", "/key"), ("GET", "/absent"), ("HEAD", ""), ("HEAD", "/key"), ("DELETE", "/key")),
        *(("DELETE", "/key?uploadId=something"), ("POST", "/key?uploadId=something"), ("POST", "/key?uploads")),
    ],
)
def test_a_copy_source_belongs_to_copies(method: str, target: str, raw: Raw) -> None:
    """versitygw: RouterCopySourceNotAllowed; a deletion that names a source is not carried out."""
    raw.client.put_object(Bucket=raw.bucket, Key="key", Body=b"x")
    for _ in range(2):  # the second time from the cache
        answer = ask(raw, method, target, **{"x-amz-copy-source": "bucket/object"})
        assert answer.status == 400
        if method != "HEAD":
            assert answer.code == "InvalidArgument"
            assert b"<ArgumentName>x-amz-copy-source</ArgumentName><ArgumentValue>bucket/object<" in answer.body
    assert raw.exists("key")


def test_sub_resources_of_a_bucket_want_no_key(raw: Raw) -> None:
    """versitygw: RouterGetUploadsWithKey, RouterListVersionsWithKey."""
    for name in ("uploads", "versions"):
        answer = ask(raw, "GET", f"/key?{name}")
        assert (answer.status, answer.code) == (400, "InvalidRequest")
        assert name.encode() in answer.body


@pytest.mark.parametrize(
    ("given", "message", "shown"),
    [
        ("invalid_header", b"one and only one ' ' (space) required", b"invalid_header"),
        ("AWS2-HMAC-SHA1 Credential=x", b"Unsupported Authorization Type", b"AWS2-HMAC-SHA1"),
        ("Bearer secret", b"Unsupported Authorization Type", b"Bearer"),
    ],
)
def test_a_kind_of_authorization_that_is_none_is_shown(given: str, message: bytes, shown: bytes, raw: Raw) -> None:
    """versitygw: Authentication_invalid_auth_header, Authentication_unsupported_signature_version."""
    with socket.create_connection((raw.server.host, raw.server.port), timeout=SECONDS_MAX) as peer:
        peer.sendall(f"GET /{raw.bucket} HTTP/1.1\r\nHost: x\r\nAuthorization: {given}\r\n\r\n".encode())
        answer = read_answer(peer)
    assert (answer.status, answer.code) == (400, "InvalidArgument")
    assert message.replace(b"'", b"&apos;") in answer.body or message in answer.body
    assert b"<ArgumentName>Authorization</ArgumentName><ArgumentValue>" + shown + b"</ArgumentValue>" in answer.body
