"""What clients send whether or not it matters here: the ordinary answer, and a refusal by name of what would matter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.wire.serving import Server
from tests.wire.test_boto3_objects import code_of
from tests.wire.test_raw_http import Raw

BODY = b"body"


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
def test_a_listing_may_ask_for_the_restore_status_which_no_object_has(operation: str, client: Any, bucket: str) -> None:
    """s3torchconnector and Mountpoint always ask. Only archived objects have one (ListObjectsV2: RestoreStatus)."""
    client.put_object(Bucket=bucket, Key="key", Body=BODY)
    listed = getattr(client, operation)(Bucket=bucket, OptionalObjectAttributes=["RestoreStatus"])
    assert [(entry["Key"], "RestoreStatus" in entry) for entry in listed["Contents"]] == [("key", False)]


@pytest.mark.parametrize("place", ["header", "query"])
@pytest.mark.parametrize("version", ["", "list-type=2&"])
@pytest.mark.parametrize(
    ("value", "status", "code"),
    [
        ("RestoreStatus", 200, ""),
        ("RestoreStatus,RestoreStatus", 200, ""),
        ("", 200, ""),
        ("Nonsense", 400, "InvalidArgument"),
        ("RestoreStatus,restorestatus", 400, "InvalidArgument"),
    ],
)
def test_optional_attributes_are_those_that_exist(
    value: str, status: int, code: str, version: str, place: str, server: Server, bucket: str
) -> None:
    raw = Raw(server, bucket)
    name = "x-amz-optional-object-attributes"
    if place == "header":
        head = raw.head("GET", f"?{version.rstrip('&')}", {name: value})
    else:
        head = raw.head("GET", f"?{version}{name}={value.replace(',', '%2C')}")
    answer = raw.talk(head)
    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-acl": "private", "x-amz-storage-class": "STANDARD"},
        {"x-amz-acl": "bucket-owner-full-control", "x-amz-tagging": ""},
        {"x-amz-server-side-encryption-bucket-key-enabled": "false", "x-amz-object-lock-legal-hold": "OFF"},
        {"x-amz-request-payer": "requester", "x-amz-expected-bucket-owner": "owner"},
        {"x-amz-te": "append-md5", "x-amz-api-version": "2006-03-01", "amz-sdk-request": "attempt=1; max=3"},
    ],
    ids=lambda headers: ",".join(headers),
)
def test_what_asks_for_what_happens_anyway_is_taken(headers: dict[str, str], server: Server, bucket: str) -> None:
    raw = Raw(server, bucket)
    assert raw.talk(raw.head("PUT", "/key", {**headers, "content-length": "4"}) + BODY).status == 200
    assert raw.talk(raw.head("GET", "/key", headers)).body == BODY
    assert raw.talk(raw.head("GET", "?list-type=2", headers)).status == 200


REFUSED: dict[str, Callable[[Any, str], Any]] = {
    "x-amz-acl": lambda client, bucket: client.put_object(Bucket=bucket, Key="key", ACL="public-read"),
    "x-amz-storage-class": lambda client, bucket: client.put_object(Bucket=bucket, Key="key", StorageClass="GLACIER"),
    "x-amz-if-match-initiated-time": lambda client, bucket: client.abort_multipart_upload(
        Bucket=bucket, Key="key", UploadId="0", IfMatchInitiatedTime="2026-01-01T00:00:00Z"
    ),
    "versionId": lambda client, bucket: client.get_object(Bucket=bucket, Key="key", VersionId="3"),
    "GetBucketAcl": lambda client, bucket: client.get_bucket_acl(Bucket=bucket),
    "Tags": lambda client, bucket: client.create_bucket(
        Bucket=f"{bucket}-2", CreateBucketConfiguration={"Tags": [{"Key": "a", "Value": "b"}]}
    ),
    "Location": lambda client, bucket: client.create_bucket(
        Bucket=f"{bucket}-2", CreateBucketConfiguration={"Location": {"Type": "AvailabilityZone", "Name": "a"}}
    ),
    "ListObjectVersions": lambda client, bucket: client.list_object_versions(Bucket=bucket),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_501_names_what_it_refuses(name: str, client: Any, bucket: str) -> None:
    with pytest.raises(ClientError) as refused:
        REFUSED[name](client, bucket)
    assert code_of(refused) == (501, "NotImplemented")
    assert name in refused.value.response["Error"]["Message"]


def test_a_501_for_a_transfer_coding_names_its_header(server: Server, bucket: str) -> None:
    raw = Raw(server, bucket)
    answer = raw.talk(raw.head("PUT", "/key")[:-2] + b"Transfer-Encoding: gzip, chunked\r\n\r\n")
    assert answer.status == 501
    assert b"Transfer-Encoding" in answer.body
