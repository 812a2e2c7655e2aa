"""boto3, as people use it: objects, keys of every kind, conditions, ranges, checksums."""

from __future__ import annotations

import base64
import hashlib
import io
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import urllib3
from botocore.exceptions import ClientError

from nimbus.s3.checksums import ALGORITHMS, encode
from tests.wire.serving import Server

HARD_KEYS = [
    "a",
    "a/b",
    "a//b",
    "//",
    "/leading",
    ".",
    "...",
    "./dot",
    "up/..",
    "x/../y",
    "trailing/",
    "%2F",
    "100%",
    "%",
    "plus+and space",
    " ",
    "emoji-\N{GRINNING FACE}",
    "ünïcödé",
    "e\u0301 composed é",
    "?question&amp;=#hash",
    "quote\"'<>",
    "back\\slash",
    "tab\tnewline\n",
    "~tilde*(paren)!",
    "k" * 1024,
    "\N{GRINNING FACE}" * 256,
]


def code_of(refused: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    response = refused.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


@pytest.mark.parametrize("size", [0, 1, 1023, 65_536, 262_144, 262_145, 1_048_576, 1_048_577, 9_000_001])
def test_what_was_put_is_got(size: int, client: Any, bucket: str) -> None:
    data = hashlib.shake_128(b"%d" % size).digest(size)
    put = client.put_object(Bucket=bucket, Key="key", Body=data)
    got = client.get_object(Bucket=bucket, Key="key")
    assert got["Body"].read() == data
    assert got["ContentLength"] == size
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    assert put["ETag"] == got["ETag"] == f'"{md5}"'
    assert got["ContentType"] == "binary/octet-stream"
    assert got["AcceptRanges"] == "bytes"
    assert abs(datetime.now(UTC) - got["LastModified"]) < timedelta(seconds=30)


@pytest.mark.parametrize("style", ["path", "virtual"])
@pytest.mark.parametrize("signature", ["s3v4", "s3"])
def test_hard_keys_are_distinct_objects_in_every_addressing_and_signature(
    style: str, signature: str, server: Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo  # not every resolver knows the names below localhost
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: resolve("127.0.0.1", *rest, **more))
    endpoint = server.endpoint.replace("127.0.0.1", "localhost")
    named = Server(endpoint, "localhost", server.port, server.pid, server.data_dir)
    client = named.client(signature_version=signature, s3={"addressing_style": style})
    for key in HARD_KEYS:
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for key in HARD_KEYS:
        assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode(), key
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 5})
    listed = [entry["Key"] for page in pages for entry in page["Contents"]]
    assert listed == sorted(HARD_KEYS, key=str.encode)
    pages = client.get_paginator("list_objects").paginate(Bucket=bucket, PaginationConfig={"PageSize": 4})
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == listed
    client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in HARD_KEYS if key.isprintable()]})
    for key in HARD_KEYS:
        client.delete_object(Bucket=bucket, Key=key)
    assert "Contents" not in client.list_objects_v2(Bucket=bucket)


def test_key_longer_than_1024_bytes_is_refused(client: Any, bucket: str) -> None:
    with pytest.raises(ClientError) as refused:
        client.put_object(Bucket=bucket, Key="é" * 513, Body=b"")
    assert code_of(refused) == (400, "KeyTooLongError")


def test_metadata_and_standard_headers_come_back(client: Any, bucket: str) -> None:
    headers = {
        "CacheControl": "max-age=60",
        "ContentDisposition": 'attachment; filename="x"',
        "ContentEncoding": "gzip",
        "ContentLanguage": "de",
        "ContentType": "text/plain; charset=utf-8",
        "Metadata": {"mixed-case": "Value With Spaces", "empty": ""},
    }
    expires = datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC)
    client.put_object(Bucket=bucket, Key="key", Body=b"x", Expires=expires, **headers)
    head = client.head_object(Bucket=bucket, Key="key")
    assert {name: head[name] for name in headers} == headers
    assert head["ExpiresString"] == "Thu, 02 Jan 2031 03:04:05 GMT"


def test_response_headers_are_overridden_by_signed_parameters(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="key", Body=b"x")
    got = client.get_object(
        Bucket=bucket,
        Key="key",
        ResponseContentType="text/html",
        ResponseCacheControl="no-store",
        ResponseContentDisposition="inline",
        ResponseContentLanguage="fr",
        ResponseContentEncoding="identity",
    )
    assert (got["ContentType"], got["CacheControl"], got["ContentDisposition"]) == ("text/html", "no-store", "inline")
    assert (got["ContentLanguage"], got["ContentEncoding"]) == ("fr", "identity")


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-", 5, 2_000_000),
        ("bytes=-7", 1_999_993, 2_000_000),
        ("bytes=0-8388607", 0, 2_000_000),
        ("bytes=262143-262145", 262_143, 262_146),
        ("bytes=-9999999", 0, 2_000_000),
    ],
)
def test_single_ranges_of_every_form(header: str, start: int, end: int, client: Any, bucket: str) -> None:
    data = hashlib.shake_128(b"ranges").digest(2_000_000)
    client.put_object(Bucket=bucket, Key="key", Body=data)
    got = client.get_object(Bucket=bucket, Key="key", Range=header)
    assert got["Body"].read() == data[start:end]
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert got["ContentRange"] == f"bytes {start}-{end - 1}/2000000"
    assert ("ChecksumCRC32" in got) is (end - start == 2_000_000)


def test_range_past_the_end_is_refused(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="empty", Body=b"")
    with pytest.raises(ClientError) as refused:
        client.get_object(Bucket=bucket, Key="empty", Range="bytes=0-8388607")
    assert code_of(refused) == (416, "InvalidRange")
    assert client.get_object(Bucket=bucket, Key="empty", PartNumber=1)["Body"].read() == b""


def test_read_conditions_answer_304_and_412(client: Any, bucket: str) -> None:
    etag = client.put_object(Bucket=bucket, Key="key", Body=b"x")["ETag"]
    modified = client.head_object(Bucket=bucket, Key="key")["LastModified"]
    before, after = modified - timedelta(hours=1), modified + timedelta(seconds=1)
    passing: list[dict[str, Any]] = [
        {"IfMatch": etag},
        {"IfMatch": "*"},
        {"IfNoneMatch": '"other"'},
        {"IfModifiedSince": before},
        {"IfUnmodifiedSince": modified},
        {"IfMatch": etag, "IfUnmodifiedSince": before},
        {"IfNoneMatch": '"other"', "IfModifiedSince": after},
        {"IfModifiedSince": modified + timedelta(days=1)},
    ]
    for conditions in passing:
        assert client.get_object(Bucket=bucket, Key="key", **conditions)["Body"].read() == b"x", conditions
    failing: list[tuple[int, dict[str, Any]]] = [
        (412, {"IfMatch": '"other"'}),
        (412, {"IfMatch": '""'}),
        (412, {"IfUnmodifiedSince": before}),
        (304, {"IfNoneMatch": etag}),
        (304, {"IfNoneMatch": f'"other", {etag}'}),
        (304, {"IfModifiedSince": modified}),
        (304, {"IfNoneMatch": etag, "IfModifiedSince": before}),
    ]
    for status, conditions in failing:
        for operation in (client.get_object, client.head_object):
            with pytest.raises(ClientError) as refused:
                operation(Bucket=bucket, Key="key", **conditions)
            assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status, conditions


def test_write_conditions_let_exactly_one_win(client: Any, bucket: str) -> None:
    def create(number: int) -> str:
        try:
            client.put_object(Bucket=bucket, Key="key", Body=b"%d" % number, IfNoneMatch="*")
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "won"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(create, range(16)))
    assert sorted(outcomes) == ["PreconditionFailed"] * 15 + ["won"]
    assert client.get_object(Bucket=bucket, Key="key")["Body"].read() == b"%d" % outcomes.index("won")
    etag = client.head_object(Bucket=bucket, Key="key")["ETag"]
    client.put_object(Bucket=bucket, Key="key", Body=b"next", IfMatch=etag)
    with pytest.raises(ClientError) as refused:
        client.put_object(Bucket=bucket, Key="key", Body=b"late", IfMatch=etag)
    assert code_of(refused) == (412, "PreconditionFailed")
    with pytest.raises(ClientError) as refused:
        client.put_object(Bucket=bucket, Key="absent", Body=b"late", IfMatch=etag)
    assert code_of(refused) == (404, "NoSuchKey")


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("is_stream", [True, False])
def test_checksum_of_every_algorithm_is_held_kept_and_returned(
    name: str, is_stream: bool, client: Any, bucket: str
) -> None:
    data = b"checksummed" * 20_000
    digest = ALGORITHMS[name].new()
    digest.update(data)
    expected, field = encode(digest.digest()), f"Checksum{name}"
    if name == "MD5":
        is_stream = False  # botocore verifies MD5 but does not compute it
    given: dict[str, Any] = {"ChecksumAlgorithm": name} if is_stream else {field: expected}
    body = io.BytesIO(data) if is_stream else data
    put = client.put_object(Bucket=bucket, Key="key", Body=body, **given)
    assert (put[field], put["ChecksumType"]) == (expected, "FULL_OBJECT")
    head = client.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert head[field] == expected
    assert field not in client.head_object(Bucket=bucket, Key="key")
    got = client.get_object_attributes(Bucket=bucket, Key="key", ObjectAttributes=["Checksum", "ETag", "ObjectSize"])
    assert (got["Checksum"][field], got["ObjectSize"]) == (expected, len(data))
    wrong = encode(bytes(ALGORITHMS[name].size_bytes))
    with pytest.raises(ClientError) as refused:
        client.put_object(Bucket=bucket, Key="key", Body=data, **{field: wrong})
    assert code_of(refused) == (400, "BadDigest")
    assert client.get_object(Bucket=bucket, Key="key")["Body"].read() == data


def test_object_put_without_a_checksum_gets_one(server: Server, bucket: str) -> None:
    client = server.client(request_checksum_calculation="when_required")
    put = client.put_object(Bucket=bucket, Key="key", Body=b"123456789")
    assert put["ChecksumCRC64NVME"] == encode(bytes.fromhex("ae8b14860a799888"))


def test_wrong_content_md5_leaves_nothing(client: Any, bucket: str) -> None:
    with pytest.raises(ClientError) as refused:
        client.put_object(Bucket=bucket, Key="key", Body=b"x", ContentMD5=base64.b64encode(bytes(16)).decode())
    assert code_of(refused) == (400, "BadDigest")
    with pytest.raises(ClientError) as refused:
        client.get_object(Bucket=bucket, Key="key")
    assert code_of(refused) == (404, "NoSuchKey")


@pytest.mark.parametrize("signature", ["s3v4", "s3"])
def test_presigned_urls_put_and_get(signature: str, server: Server, bucket: str) -> None:
    client = server.client(signature_version=signature)
    params = {"Bucket": bucket, "Key": "pre signed+%2F\N{GRINNING FACE}"}
    pool = urllib3.PoolManager()
    put = pool.request("PUT", client.generate_presigned_url("put_object", Params=params), body=b"by url")
    assert put.status == 200, put.data
    got = pool.request("GET", client.generate_presigned_url("get_object", Params=params))
    assert (got.status, got.data) == (200, b"by url")
    forged = client.generate_presigned_url("get_object", Params=params).replace("Signature=", "Signature=0")
    assert pool.request("GET", forged).status == 403


def test_many_threads_share_one_client(client: Any, bucket: str) -> None:
    def round_trip(number: int) -> bool:
        data = b"%d" % number * 1000
        client.put_object(Bucket=bucket, Key=f"k{number}", Body=data)
        return bool(client.get_object(Bucket=bucket, Key=f"k{number}")["Body"].read() == data)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(round_trip, range(200)))


def test_metadata_over_its_limit_is_refused(client: Any, bucket: str) -> None:
    with pytest.raises(ClientError) as refused:
        client.put_object(Bucket=bucket, Key="key", Body=b"", Metadata={"m": "x" * 2048})
    assert code_of(refused) == (400, "MetadataTooLarge")


@pytest.mark.parametrize(
    "asked",
    [
        {"ACL": "public-read"},
        {"ServerSideEncryption": "AES256"},
        {"StorageClass": "GLACIER"},
        {"Tagging": "a=b"},
        {"ObjectLockLegalHoldStatus": "ON"},
        {"WebsiteRedirectLocation": "/other"},
        {"GrantRead": "id=x"},
    ],
)
def test_feature_that_is_not_there_is_never_silently_ignored(asked: dict[str, str], client: Any, bucket: str) -> None:
    with pytest.raises(ClientError) as refused:
        client.put_object(Bucket=bucket, Key="key", Body=b"", **asked)
    assert code_of(refused) == (501, "NotImplemented")
    assert "Contents" not in client.list_objects_v2(Bucket=bucket)
