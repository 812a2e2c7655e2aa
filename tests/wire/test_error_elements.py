"""Error documents say what they are about: the elements beside code and message that Amazon sends.

The authority is what was recorded from Amazon: the snapshots of LocalStack's tests/aws/services/s3 (test_s3.py,
test_s3_api.py, test_s3_list_operations.py), the element names of "Error Responses" in the API reference, and for what
neither shows, versitygw's s3err.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import botocore.auth
import pytest
import urllib3
from botocore.auth import HmacV1QueryAuth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.wire.serving import Server

WRONG_MD5 = "CYketZBSTjX8c3LN3cXVlg=="
UNKNOWN = "0" * 32
SIZES = pytest.mark.parametrize("size", [3, 200_000, 700_000], ids=["small", "segment", "file"])


def error_of(call: Callable[..., Any], **arguments: Any) -> dict[str, str]:
    """Code, and every element that is not in each error document."""
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    error: dict[str, str] = dict(refused.value.response["Error"])
    for name in ("Message", "Resource", "RequestId", "HostId"):
        error.pop(name, None)
    return error


def plain(server: Server) -> Any:
    return server.client(request_checksum_calculation="when_required")


def test_a_bucket_that_is_not_there_is_named(client: Any, bucket: str) -> None:
    absent = bucket + "-absent"
    expected = {"Code": "NoSuchBucket", "BucketName": absent}
    assert error_of(client.get_object, Bucket=absent, Key="key") == expected
    assert error_of(client.put_object, Bucket=absent, Key="key", Body=b"x") == expected
    assert error_of(client.put_object, Bucket=absent, Key="key", Body=bytes(700_000)) == expected
    assert error_of(client.list_objects_v2, Bucket=absent) == expected
    assert error_of(client.delete_bucket, Bucket=absent) == expected
    assert error_of(client.create_multipart_upload, Bucket=absent, Key="key") == expected


def test_a_bucket_that_is_not_empty_is_named(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="key")
    assert error_of(client.delete_bucket, Bucket=bucket) == {"Code": "BucketNotEmpty", "BucketName": bucket}


def test_a_bucket_of_somebody_else_is_named(client: Any, stranger: Any, bucket: str) -> None:
    expected = {"Code": "BucketAlreadyExists", "BucketName": bucket}
    assert error_of(stranger.create_bucket, Bucket=bucket) == expected


@pytest.mark.parametrize("key", ["my-key", "a/b c+d", "ünï<&>\"'", "a/%41", "\uffff", "tab\there", "x" * 1024])
def test_a_key_that_is_not_there_is_named(key: str, client: Any, bucket: str) -> None:
    """Natively, too, where one program asks for absent keys by the thousand."""
    shown = key.replace("\uffff", "\ufffd")
    for _ in range(2):  # the second time from the cache
        assert error_of(client.get_object, Bucket=bucket, Key=key) == {"Code": "NoSuchKey", "Key": shown}
    assert error_of(client.get_object_attributes, Bucket=bucket, Key=key, ObjectAttributes=["ETag"])["Key"] == shown


def test_the_source_of_a_copy_is_what_is_named(client: Any, bucket: str) -> None:
    upload_id = client.create_multipart_upload(Bucket=bucket, Key="key")["UploadId"]
    part = {"UploadId": upload_id, "PartNumber": 1}
    for call, more in ((client.copy_object, {}), (client.upload_part_copy, part)):
        names = {"Bucket": bucket, "Key": "key", **more}
        assert error_of(call, CopySource=f"{bucket}/source", **names) == {"Code": "NoSuchKey", "Key": "source"}
        expected = {"Code": "NoSuchBucket", "BucketName": f"{bucket}-source"}
        assert error_of(call, CopySource=f"{bucket}-source/source", **names) == expected


@SIZES
def test_an_upload_that_is_not_there_is_named(size: int, client: Any, bucket: str) -> None:
    """test_multipart_no_such_upload."""
    for upload_id in (UNKNOWN, "fakeid"):
        names = {"Bucket": bucket, "Key": "key", "UploadId": upload_id}
        expected = {"Code": "NoSuchUpload", "UploadId": upload_id}
        assert error_of(client.upload_part, **names, PartNumber=1, Body=bytes(size)) == expected
        assert error_of(client.list_parts, **names) == expected
        assert error_of(client.abort_multipart_upload, **names) == expected
        assert error_of(client.complete_multipart_upload, **names) == expected


@pytest.mark.parametrize("body", [b"", b"<", b"<Wrong/>", b"<CompleteMultipartUpload/>", b"not XML at all"])
def test_a_missing_upload_is_said_before_a_bad_document(body: bytes, server: Server, bucket: str) -> None:
    """test_multipart_no_such_upload: complete-exc has no document at all."""
    client = server.client()
    upload_id = client.create_multipart_upload(Bucket=bucket, Key="key")["UploadId"]
    for named, code in ((UNKNOWN, "NoSuchUpload"), (upload_id, "MalformedXML" if body else "InvalidRequest")):
        url = client.generate_presigned_url(
            "complete_multipart_upload", {"Bucket": bucket, "Key": "key", "UploadId": named}
        )
        answer = urllib3.request("POST", url, body=body)
        assert f"<Code>{code}</Code>".encode() in answer.data
    assert error_of(client.complete_multipart_upload, Bucket=bucket, Key="key", UploadId=upload_id) == {
        "Code": "InvalidRequest"
    }  # "You must specify at least one part"


def test_the_part_that_stops_a_completion_is_named(client: Any, bucket: str) -> None:
    """test_multipart_complete_multipart_wrong_part, _too_small, test_complete_multipart_parts_order."""
    names = {"Bucket": bucket, "Key": "key"}
    names["UploadId"] = client.create_multipart_upload(**names)["UploadId"]
    etag = client.upload_part(**names, PartNumber=1, Body=b"data")["ETag"]
    client.upload_part(**names, PartNumber=2, Body=b"data")
    bare = etag.strip('"')

    def refused(*parts: int, tag: str = etag) -> dict[str, str]:
        named = [{"PartNumber": number, "ETag": tag} for number in parts]
        return error_of(client.complete_multipart_upload, **names, MultipartUpload={"Parts": named})

    upload_id = names["UploadId"]
    assert refused(3) == {"Code": "InvalidPart", "UploadId": upload_id, "PartNumber": "3", "ETag": bare}
    wrong = "0" * 32
    assert refused(2, tag=wrong) == {"Code": "InvalidPart", "UploadId": upload_id, "PartNumber": "2", "ETag": wrong}
    assert refused(2, 1) == {"Code": "InvalidPartOrder", "UploadId": upload_id}
    assert refused(1, 2) == {
        "Code": "EntityTooSmall",
        "ProposedSize": "4",
        "MinSizeAllowed": "5242880",
        "PartNumber": "1",
        "ETag": bare,
    }


@SIZES
@pytest.mark.parametrize("is_part", [False, True], ids=["object", "part"])
def test_a_body_with_another_md5_is_told_both(is_part: bool, size: int, server: Server, bucket: str) -> None:
    """test_s3_invalid_content_md5: the digest that was expected is in hexadecimal of an object, in base64 of a part."""
    client = plain(server)
    arguments: dict[str, Any] = {"Bucket": bucket, "Key": "key"}
    if is_part:
        arguments |= {"UploadId": client.create_multipart_upload(**arguments)["UploadId"], "PartNumber": 1}
    body = bytes(size)
    error = error_of(client.upload_part if is_part else client.put_object, **arguments, Body=body, ContentMD5=WRONG_MD5)
    md5 = hashlib.md5(body, usedforsecurity=False).digest()
    assert error == {
        "Code": "BadDigest",
        "CalculatedDigest": base64.b64encode(md5).decode(),
        "ExpectedDigest": WRONG_MD5 if is_part else base64.b64decode(WRONG_MD5).hex(),
    }


def test_an_md5_that_is_none_is_shown(client: Any, bucket: str) -> None:
    error = error_of(client.put_object, Bucket=bucket, Key="key", Body=b"x", ContentMD5="__invalid__")
    assert error == {"Code": "InvalidDigest", "Content-MD5": "__invalid__"}


@SIZES
def test_a_body_with_another_sha256_is_told_both(size: int, server: Server, bucket: str) -> None:
    """XAmzContentSHA256Mismatch: ClientComputedContentSHA256 and S3ComputedContentSHA256."""
    client = plain(server)
    sent = bytes(size)

    def other(params: dict[str, Any], **_: Any) -> None:
        params["body"] = b"x" * size

    client.meta.events.register("before-call.s3.PutObject", other)
    client.meta.events.register("before-send.s3.PutObject", lambda request, **_: setattr(request, "body", sent))
    error = error_of(client.put_object, Bucket=bucket, Key="key", Body=sent)
    assert error == {
        "Code": "XAmzContentSHA256Mismatch",
        "ClientComputedContentSHA256": hashlib.sha256(b"x" * size).hexdigest(),
        "S3ComputedContentSHA256": hashlib.sha256(sent).hexdigest(),
    }


def test_a_wrong_signature_is_told_what_was_signed(server: Server, bucket: str) -> None:
    """test_presigned_url_signature_authentication."""
    wrong = server.client(type(server.user)("x", "", server.access_key, "wrong"))
    error = error_of(wrong.list_objects_v2, Bucket=bucket)
    assert set(error) == {
        *("Code", "AWSAccessKeyId", "StringToSign", "SignatureProvided"),
        *("StringToSignBytes", "CanonicalRequest", "CanonicalRequestBytes"),
    }
    for name in ("StringToSign", "CanonicalRequest"):
        assert bytes.fromhex(error[f"{name}Bytes"]).decode() == error[name]
    old = server.client(type(server.user)("x", "", server.access_key, "wrong"), signature_version="s3")
    error = error_of(old.list_objects_v2, Bucket=bucket)
    assert bytes.fromhex(error["StringToSignBytes"]).decode() == error["StringToSign"]
    assert "CanonicalRequest" not in error


def test_headers_that_are_not_signed_are_named(server: Server, bucket: str) -> None:
    """test_put_object_with_md5_and_chunk_signature_bad_headers."""
    url = server.client().generate_presigned_url("put_object", {"Bucket": bucket, "Key": "key"})
    headers = {"x-amz-decoded-content-length": "1", "x-amz-date": "20200101T000000Z"}
    answer = urllib3.request("PUT", url, body=b"x", headers=headers)
    assert answer.status == 403
    assert b"<HeadersNotSigned>x-amz-decoded-content-length, x-amz-date</HeadersNotSigned>" in answer.data


def test_a_signed_header_that_is_missing_is_shown_empty_and_said_after_one_that_is_not_signed(
    server: Server, bucket: str
) -> None:
    """test_put_url_metadata_with_sig_s3v4: no-meta-headers, wrong-meta-headers."""
    params = {"Bucket": bucket, "Key": "key", "Metadata": {"foo": "bar"}}
    url = server.client().generate_presigned_url("put_object", params)
    assert "x-amz-meta-foo=" not in url
    bare = urllib3.request("PUT", url, body=b"x")
    assert (bare.status, b"<Code>SignatureDoesNotMatch<" in bare.data) == (403, True)
    assert b"\nx-amz-meta-foo:\n" in bare.data
    assert b"<CanonicalRequestBytes>50 55 54 " in bare.data
    other = urllib3.request("PUT", url, body=b"x", headers={"x-amz-meta-wrong": "wrong"})
    assert (other.status, b"<Code>AccessDenied<" in other.data) == (403, True)
    assert b"<HeadersNotSigned>x-amz-meta-wrong</HeadersNotSigned>" in other.data
    empty = {**params, "Metadata": {"foo": ""}}
    signed_empty = server.client().generate_presigned_url("put_object", empty)
    assert urllib3.request("PUT", signed_empty, body=b"x").status == 403  # gone is not the same as empty


def test_a_presigned_request_that_is_over_says_how_long_it_was_good(
    server: Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """test_s3_presigned_url_expired, of both signatures."""
    who = Credentials(server.access_key, server.secret_key)
    old = AWSRequest("GET", f"{server.endpoint}/{bucket}/key")
    HmacV1QueryAuth(who, expires=-10).add_auth(old)
    answer = urllib3.request("GET", old.url)
    assert b"<Message>Request has expired</Message><Expires>" in answer.data
    assert b"Z</Expires><ServerTime>" in answer.data
    now = botocore.auth.get_current_datetime()
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: now.replace(year=now.year - 1))
    new = AWSRequest("GET", f"{server.endpoint}/{bucket}/key")
    S3SigV4QueryAuth(who, "s3", "us-east-1", expires=2).add_auth(new)
    answer = urllib3.request("GET", new.url)
    assert b"<Message>Request has expired</Message><X-Amz-Expires>2</X-Amz-Expires><Expires>" in answer.data


def test_ranges_conditions_and_classes_are_shown(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="key", Body=b"12345678")
    names = {"Bucket": bucket, "Key": "key"}
    assert error_of(client.get_object, **names, Range="bytes=1024-4096") == {
        "Code": "InvalidRange",
        "RangeRequested": "bytes=1024-4096",
        "ActualObjectSize": "8",
    }
    assert error_of(client.get_object, **names, IfMatch='"x"') == {
        "Code": "PreconditionFailed",
        "Condition": "If-Match",
    }
    error = error_of(client.put_object, **names, IfNoneMatch="*")
    assert error == {"Code": "PreconditionFailed", "Condition": "If-None-Match"}
    error = error_of(client.put_object, **names, ACL="fake-acl")
    assert error == {"Code": "InvalidArgument", "ArgumentName": "x-amz-acl", "ArgumentValue": "fake-acl"}
    error = error_of(client.put_object, **names, StorageClass="FakeClass")
    assert error == {"Code": "InvalidStorageClass", "StorageClassRequested": "FakeClass"}
    assert error_of(client.get_object, **names, PartNumber=9) == {
        "Code": "InvalidPartNumber",
        "PartNumberRequested": "9",
        "ActualPartCount": "1",
    }
    error = error_of(client.put_object, Bucket=bucket, Key="x" * 1025)
    assert error == {"Code": "KeyTooLongError", "Size": "1025", "MaxSizeAllowed": "1024"}
    error = error_of(client.put_object, **names, Metadata={"a": "x" * 2048})
    assert error == {"Code": "MetadataTooLarge", "Size": "2049", "MaxSizeAllowed": "2048"}


# --- requests without an operation ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "status", "expected"),
    [
        ("multipart/form-data; boundary=b", 501, b"<Code>NotImplemented</Code>"),
        (
            "application/x-www-form-urlencoded",
            412,
            b"<Condition>Bucket POST must be of the enclosure-type multipart/form-data</Condition>",
        ),
    ],
)
def test_an_upload_by_a_form_is_not_implemented(
    content_type: str, status: int, expected: bytes, server: Server, bucket: str
) -> None:
    """test_post_object_with_wrong_content_type. Its signature stands in the form: the head has none."""
    body = b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nkey\r\n--b--\r\n'
    for path in (f"/{bucket}", f"/{bucket}/"):
        answer = urllib3.request("POST", server.endpoint + path, body=body, headers={"Content-Type": content_type})
        assert (answer.status, expected in answer.data) == (status, True)


def test_a_method_that_is_not_allowed_is_told_those_that_are(server: Server, bucket: str) -> None:
    """RFC 9110, section 15.5.6: "The origin server MUST generate an Allow header field"."""
    answer = urllib3.request("PATCH", f"{server.endpoint}/{bucket}/key")
    assert answer.status == 405
    assert b"<Method>PATCH</Method><ResourceType>OBJECT</ResourceType>" in answer.data
    assert answer.headers["allow"] == "DELETE, GET, HEAD, PUT"


# --- buckets and listings ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["foo.-bar", "foo-.bar", "a.b-.c", "a.-b.c"])
def test_labels_of_a_bucket_s_name_begin_and_end_with_letters_or_digits(name: str, client: Any) -> None:
    """ceph/s3-tests: test_bucket_create_naming_dns_dash_dot, _dot_dash."""
    expected = {"Code": "InvalidBucketName", "BucketName": name}
    assert error_of(client.create_bucket, Bucket=name) == expected
    assert error_of(client.list_objects_v2, Bucket=name) == expected


def test_a_bucket_has_its_arn_and_its_region(client: Any, bucket: str) -> None:
    """test_create_bucket_head_bucket, test_list_buckets_with_max_buckets."""
    arn = f"arn:aws:s3:::{bucket}"
    assert client.create_bucket(Bucket=bucket)["BucketArn"] == arn
    head = client.head_bucket(Bucket=bucket)
    assert (head["BucketArn"], head["BucketRegion"]) == (arn, "us-east-1")
    (listed,) = client.list_buckets(Prefix=bucket)["Buckets"]
    assert (listed["BucketArn"], listed["BucketRegion"]) == (arn, "us-east-1")
    for listing in (client.list_objects, client.list_objects_v2, client.list_multipart_uploads):
        headers = listing(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]
        assert headers["x-amz-bucket-region"] == "us-east-1"


def test_whoever_may_not_see_a_bucket_is_told_its_region(server: Server, stranger: Any, bucket: str) -> None:
    """ "BucketRegion" of HeadBucket: clients find out by it, signed or not, where a bucket is."""
    assert urllib3.request("HEAD", f"{server.endpoint}/{bucket}").headers["x-amz-bucket-region"] == "us-east-1"
    with pytest.raises(ClientError) as refused:
        stranger.head_bucket(Bucket=bucket)
    answer = refused.value.response["ResponseMetadata"]
    assert (answer["HTTPStatusCode"], answer["HTTPHeaders"]["x-amz-bucket-region"]) == (403, "us-east-1")


@pytest.mark.parametrize("region", ["foo", "Europe", "us-east"])
def test_a_region_that_does_not_exist_is_named(region: str, client: Any) -> None:
    """test_create_bucket_with_invalid_location_constraint[us-east-1-foo]."""
    error = error_of(
        client.create_bucket, Bucket="far-away-bucket", CreateBucketConfiguration={"LocationConstraint": region}
    )
    assert error == {"Code": "InvalidLocationConstraint", "LocationConstraint": region}


def test_a_region_of_a_listing_that_cannot_be_one_is_named(client: Any, bucket: str) -> None:
    """test_list_buckets_region_validation."""
    assert error_of(client.list_buckets, BucketRegion="europe") == {
        "Code": "InvalidArgument",
        "ArgumentName": "bucket-region",
    }
    assert client.list_buckets(Prefix=bucket, BucketRegion="eu-central-1")["Buckets"] == []
    assert len(client.list_buckets(Prefix=bucket, BucketRegion="us-east-1")["Buckets"]) == 1


def test_a_marker_that_is_no_upload_is_named(client: Any, bucket: str) -> None:
    """test_list_multiparts_next_marker: list-multiparts-wrong-id-for-key."""
    assert error_of(client.list_multipart_uploads, Bucket=bucket, KeyMarker="a", UploadIdMarker="nonsense") == {
        "Code": "InvalidArgument",
        "ArgumentName": "upload-id-marker",
        "ArgumentValue": "nonsense",
    }


def test_the_last_page_of_uploads_has_markers(client: Any, bucket: str) -> None:
    """test_list_multiparts_next_marker."""
    empty = client.list_multipart_uploads(Bucket=bucket)
    assert (empty["NextKeyMarker"], empty["NextUploadIdMarker"], empty["IsTruncated"]) == ("", "", False)
    ids = [client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"] for key in ("a", "b")]
    page = client.list_multipart_uploads(Bucket=bucket)
    assert (page["NextKeyMarker"], page["NextUploadIdMarker"], page["IsTruncated"]) == ("b", ids[1], False)
    page = client.list_multipart_uploads(Bucket=bucket, KeyMarker="b")
    assert (page["NextKeyMarker"], page["NextUploadIdMarker"]) == ("", "")
    page = client.list_multipart_uploads(Bucket=bucket, MaxUploads=1)
    assert (page["NextKeyMarker"], page["NextUploadIdMarker"], page["IsTruncated"]) == ("a", ids[0], True)
