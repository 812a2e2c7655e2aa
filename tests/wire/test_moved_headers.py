"""Presigned URLs whose headers the presigner moved into the query: they answer as the headers would.

The AWS SDKs for JavaScript, Go and Java move what begins with x-amz- under SigV4, and other headers when they are told
to; botocore's HmacV1QueryAuth moves x-amz-*, Content-Type and Content-MD5 under SigV2. "Authenticating Requests: Using
Query Parameters" (Amazon S3 API Reference) has every parameter of the query signed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest
import urllib3
from botocore.auth import HmacV1QueryAuth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.wire.serving import Server
from tests.wire.test_raw_http import Raw

SIGNATURES = ["v4", "v2"]
BODY = b"what is sent"


def presigned(server: Server, signature: str, method: str, path: str, moved: Mapping[str, str]) -> str:
    """A URL with these headers in its query, signed there as far as the kind of signature does."""
    query = "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in moved.items())
    url = f"{server.endpoint}{path}" + (f"{'&' if '?' in path else '?'}{query}" if query else "")
    credentials = Credentials(server.access_key, server.secret_key)
    if signature == "v4":
        request = AWSRequest(method, url)
        S3SigV4QueryAuth(credentials, "s3", "us-east-1", expires=60).add_auth(request)
        return str(request.url)
    kinds = ("x-amz-", "content-type", "content-md5")
    signed = {name: value for name, value in moved.items() if name.lower().startswith(kinds)}
    request = AWSRequest(method, f"{server.endpoint}{path}", headers=signed)
    HmacV1QueryAuth(credentials, expires=60).add_auth(request)
    rest = "".join(f"&{quote(n)}={quote(v, safe='')}" for n, v in moved.items() if n not in signed)
    return f"{request.url}{rest}"


def send(
    server: Server, signature: str, method: str, path: str, moved: Mapping[str, str], body: bytes = b"", **headers: str
) -> urllib3.BaseHTTPResponse:
    url = presigned(server, signature, method, path, moved)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return urllib3.request(method, url, body=body, headers=sent, redirect=False, retries=False)


def code_of(answer: urllib3.BaseHTTPResponse) -> tuple[int, str]:
    return answer.status, answer.data.decode().partition("<Code>")[2].partition("</Code>")[0]


@pytest.mark.parametrize("signature", SIGNATURES)
def test_metadata_and_headers_of_content_are_kept(signature: str, server: Server, client: Any, bucket: str) -> None:
    moved = {
        "x-amz-meta-plain": "one two+three",
        "X-Amz-Meta-Capital": "kept",
        "Content-Type": "text/plain; a=b",
        "Cache-Control": "no-store",
        "content-disposition": "inline",
    }
    assert send(server, signature, "PUT", f"/{bucket}/key", moved, BODY).status == 200
    head = client.head_object(Bucket=bucket, Key="key")
    assert head["Metadata"] == {"plain": "one two+three", "capital": "kept"}
    assert head["ContentType"] == "text/plain; a=b"
    assert (head["CacheControl"], head["ContentDisposition"]) == ("no-store", "inline")


def test_metadata_beyond_ascii_is_that_of_the_header(server: Server, bucket: str) -> None:
    raw, text = Raw(server, bucket), "ü 漢"
    assert raw.talk(raw.head("PUT", "/head", {"x-amz-meta-a": text, "content-length": "0"})).status == 200
    assert send(server, "v4", "PUT", f"/{bucket}/query", {"x-amz-meta-a": text}).status == 200
    of_head, of_query = (raw.talk(raw.head("GET", f"/{key}")).headers["x-amz-meta-a"] for key in ("head", "query"))
    assert of_head == of_query


@pytest.mark.parametrize("signature", SIGNATURES)
@pytest.mark.parametrize("name", ["If-None-Match", "if-none-match"])
def test_a_conditional_put_does_not_overwrite(
    name: str, signature: str, server: Server, client: Any, bucket: str
) -> None:
    assert send(server, signature, "PUT", f"/{bucket}/key", {name: "*"}, BODY).status == 200
    refused = send(server, signature, "PUT", f"/{bucket}/key", {name: "*"}, b"other")
    assert code_of(refused) == (412, "PreconditionFailed")
    refused = send(server, signature, "PUT", f"/{bucket}/key", {"If-Match": '"0"'}, b"other")
    assert code_of(refused) == (412, "PreconditionFailed")
    assert client.get_object(Bucket=bucket, Key="key")["Body"].read() == BODY
    etag = client.head_object(Bucket=bucket, Key="key")["ETag"]
    assert send(server, signature, "PUT", f"/{bucket}/key", {"If-Match": etag}, b"other").status == 200


@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_conditional_multipart_upload_does_not_overwrite(
    signature: str, server: Server, client: Any, bucket: str
) -> None:
    client.put_object(Bucket=bucket, Key="key", Body=BODY)
    upload = client.create_multipart_upload(Bucket=bucket, Key="key")["UploadId"]
    part = client.upload_part(Bucket=bucket, Key="key", UploadId=upload, PartNumber=1, Body=b"other")
    parts = f"<Part><PartNumber>1</PartNumber><ETag>{part['ETag']}</ETag></Part>"
    document = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
    refused = send(server, signature, "POST", f"/{bucket}/key?uploadId={upload}", {"if-none-match": "*"}, document)
    assert code_of(refused) == (412, "PreconditionFailed")
    assert client.get_object(Bucket=bucket, Key="key")["Body"].read() == BODY


@pytest.mark.parametrize("signature", SIGNATURES)
def test_conditions_ranges_and_checksums_of_a_read_count(
    signature: str, server: Server, client: Any, bucket: str
) -> None:
    put = client.put_object(Bucket=bucket, Key="key", Body=BODY, ChecksumAlgorithm="SHA256")
    for _ in range(2):  # the second answer might come out of a cache
        assert send(server, signature, "GET", f"/{bucket}/key", {"If-None-Match": put["ETag"]}).status == 304
        assert code_of(send(server, signature, "GET", f"/{bucket}/key", {"if-match": '"0"'}))[0] == 412
        ranged = send(server, signature, "GET", f"/{bucket}/key", {"Range": "bytes=0-3"})
        assert (ranged.status, ranged.data) == (206, BODY[:4])
        whole = send(server, signature, "GET", f"/{bucket}/key", {"x-amz-checksum-mode": "ENABLED"})
        assert (whole.status, whole.headers["x-amz-checksum-sha256"]) == (200, put["ChecksumSHA256"])


@pytest.mark.parametrize("signature", SIGNATURES)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-amz-acl", "public-read"),
        ("X-Amz-Grant-Read", "id=someone"),
        ("X-Amz-Storage-Class", "GLACIER"),
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        ("x-amz-object-lock-legal-hold", "ON"),
        ("X-Amz-Tagging", "a=b"),
        ("x-amz-website-redirect-location", "/elsewhere"),
    ],
)
def test_what_is_not_there_yet_is_refused_by_name(
    name: str, value: str, signature: str, server: Server, client: Any, bucket: str
) -> None:
    refused = send(server, signature, "PUT", f"/{bucket}/key", {name: value}, BODY)
    assert code_of(refused) == (501, "NotImplemented")
    assert f"not implemented: {name.lower()}</Message>" in refused.data.decode()
    assert "Contents" not in client.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("signature", SIGNATURES)
def test_the_expected_owner_must_be_the_owner(signature: str, server: Server, client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="key", Body=BODY)
    for method in ("GET", "PUT", "DELETE"):
        refused = send(server, signature, method, f"/{bucket}/key", {"x-amz-expected-bucket-owner": "111122223333"})
        assert code_of(refused) == (403, "AccessDenied")
    right = send(server, signature, "GET", f"/{bucket}/key", {"x-amz-expected-bucket-owner": server.user.id})
    assert (right.status, right.data) == (200, BODY)


@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_copy_is_one(signature: str, server: Server, client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="from here", Body=BODY, Metadata={"a": "old"})
    moved = {
        "x-amz-copy-source": f"/{bucket}/from%20here",
        "x-amz-metadata-directive": "REPLACE",
        "x-amz-meta-a": "new",
    }
    assert send(server, signature, "PUT", f"/{bucket}/to", moved).status == 200
    copied = client.get_object(Bucket=bucket, Key="to")
    assert (copied["Body"].read(), copied["Metadata"]) == (BODY, {"a": "new"})
    refused = send(server, signature, "PUT", f"/{bucket}/to", {**moved, "x-amz-copy-source-if-match": '"0"'})
    assert code_of(refused) == (412, "PreconditionFailed")
    where = {"Bucket": bucket, "Key": "parts"}
    upload = client.create_multipart_upload(**where)["UploadId"]
    part = send(
        server,
        signature,
        "PUT",
        f"/{bucket}/parts?partNumber=1&uploadId={upload}",
        {"x-amz-copy-source": f"{bucket}/from%20here", "x-amz-copy-source-range": "bytes=0-3"},
    )
    assert (part.status, b"<CopyPartResult" in part.data) == (200, True)
    assert client.list_parts(**where, UploadId=upload)["Parts"][0]["Size"] == 4


@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_new_upload_has_its_checksum_and_metadata(signature: str, server: Server, client: Any, bucket: str) -> None:
    moved = {"x-amz-checksum-algorithm": "SHA256", "x-amz-meta-a": "b"}
    created = send(server, signature, "POST", f"/{bucket}/key?uploads", moved)
    assert (created.status, created.headers["x-amz-checksum-algorithm"]) == (200, "SHA256")


@pytest.mark.parametrize("signature", SIGNATURES)
def test_checksums_of_a_body_that_the_presigner_did_not_have_are_not_looked_at(
    signature: str, server: Server, client: Any, bucket: str
) -> None:
    """The SDK for JavaScript moves the CRC32 of an empty body there, and S3 stores what comes."""
    moved = {"x-amz-checksum-crc32": "AAAAAA==", "x-amz-sdk-checksum-algorithm": "CRC32"}
    assert send(server, signature, "PUT", f"/{bucket}/key", moved, BODY).status == 200
    assert client.get_object(Bucket=bucket, Key="key")["Body"].read() == BODY


@pytest.mark.parametrize("signature", SIGNATURES)
def test_the_md5_in_the_query_is_that_of_the_body(signature: str, server: Server, client: Any, bucket: str) -> None:
    right = {"content-md5": base64.b64encode(hashlib.md5(BODY, usedforsecurity=False).digest()).decode()}
    assert code_of(send(server, signature, "PUT", f"/{bucket}/key", right, b"other")) == (400, "BadDigest")
    assert "Contents" not in client.list_objects_v2(Bucket=bucket)
    assert send(server, signature, "PUT", f"/{bucket}/key", right, BODY).status == 200


@pytest.mark.parametrize("signature", SIGNATURES)
@pytest.mark.parametrize("name", ["x-amz-meta-a", "x-amz-meta-", "x-amz-meta-ä", "x-amz-meta-a b"])
def test_what_no_head_could_carry_is_refused(
    name: str, signature: str, server: Server, client: Any, bucket: str
) -> None:
    value = "a\r\nb" if name == "x-amz-meta-a" else "b"
    if signature == "v2":  # botocore cannot even sign it
        url = f"/{bucket}/key?{quote(name)}={quote(value)}"
        refused = send(server, "v4", "PUT", url, {}, BODY)
    else:
        refused = send(server, signature, "PUT", f"/{bucket}/key", {name: value}, BODY)
    assert code_of(refused) == (400, "InvalidArgument")
    assert "Contents" not in client.list_objects_v2(Bucket=bucket)


def test_a_header_that_says_something_else_is_refused_and_the_same_again_is_not(
    server: Server, client: Any, bucket: str
) -> None:
    """Whoever holds a URL cannot loosen what was signed there by a header, which nobody has signed."""
    client.put_object(Bucket=bucket, Key="key", Body=BODY)
    moved = {"If-None-Match": "*"}
    refused = send(server, "v4", "PUT", f"/{bucket}/key", moved, b"other", If_None_Match='"0"')
    assert code_of(refused) == (400, "InvalidArgument")
    refused = send(server, "v4", "PUT", f"/{bucket}/key", moved, b"other", If_None_Match="*")
    assert code_of(refused) == (412, "PreconditionFailed")
    refused = send(server, "v4", "PUT", f"/{bucket}/key", {"x-amz-meta-a": "1", "X-Amz-Meta-A": "2"}, b"other")
    assert code_of(refused) == (400, "InvalidArgument")
    assert client.get_object(Bucket=bucket, Key="key")["Body"].read() == BODY
    same = send(server, "v4", "PUT", f"/{bucket}/new", {"content-type": "a/b"}, BODY, Content_Type="a/b")
    assert (same.status, client.head_object(Bucket=bucket, Key="new")["ContentType"]) == (200, "a/b")


@pytest.mark.parametrize("signature", ["s3v4", "s3"])
def test_what_boto3_presigns_is_what_it_would_have_sent(signature: str, server: Server, bucket: str) -> None:
    client = server.client(signature_version=signature)
    parameters: dict[str, Any] = {"ContentType": "text/x-odd", "Metadata": {"a": "b c"}}
    url = client.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "key", **parameters})
    headers = {"Content-Type": "text/x-odd", "x-amz-meta-a": "b c"}
    ways = [headers] if signature == "s3v4" else [{}, headers, {"Content-Type": "text/x-odd"}]
    for sent in ways:
        assert urllib3.request("PUT", url, body=BODY, headers=sent).status == 200
        head = client.head_object(Bucket=bucket, Key="key")
        assert {name: head[name] for name in parameters} == parameters
        client.delete_object(Bucket=bucket, Key="key")
