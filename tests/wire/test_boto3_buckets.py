"""boto3: buckets, listings, copies and deletions."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.wire.serving import OTHER, OWNER, Server


def code_of(refused: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    response = refused.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def fill(client: Any, bucket: str, keys: list[str]) -> None:
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())


def test_bucket_is_created_seen_and_deleted(client: Any) -> None:
    created = client.create_bucket(Bucket="life-of-a-bucket")
    assert created["Location"] == "/life-of-a-bucket"
    listed = client.list_buckets()
    assert "life-of-a-bucket" in [entry["Name"] for entry in listed["Buckets"]]
    assert listed["Owner"] == {"ID": OWNER.id, "DisplayName": "Owner"}
    assert client.head_bucket(Bucket="life-of-a-bucket")["BucketRegion"] == "us-east-1"
    assert client.get_bucket_location(Bucket="life-of-a-bucket")["LocationConstraint"] is None
    client.put_object(Bucket="life-of-a-bucket", Key="key", Body=b"")
    with pytest.raises(ClientError) as refused:
        client.delete_bucket(Bucket="life-of-a-bucket")
    assert code_of(refused) == (409, "BucketNotEmpty")
    client.delete_object(Bucket="life-of-a-bucket", Key="key")
    client.delete_bucket(Bucket="life-of-a-bucket")
    for operation in (client.head_bucket, client.delete_bucket, client.list_objects_v2):
        with pytest.raises(ClientError) as refused:
            operation(Bucket="life-of-a-bucket")
        assert code_of(refused)[0] == 404


def test_creating_ones_own_bucket_again_is_no_error_and_loses_nothing(client: Any, stranger: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="key", Body=b"kept")
    client.create_bucket(Bucket=bucket)
    assert client.get_object(Bucket=bucket, Key="key")["Body"].read() == b"kept"
    with pytest.raises(ClientError) as refused:
        stranger.create_bucket(Bucket=bucket)
    assert code_of(refused) == (409, "BucketAlreadyExists")


def test_location_constraint_must_be_this_region(client: Any) -> None:
    with pytest.raises(ClientError) as refused:
        client.create_bucket(Bucket="far-away", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert code_of(refused) == (400, "IllegalLocationConstraintException")


@pytest.mark.parametrize("name", ["ab", "UPPER", "under_score", "-start", "end-", "a..b", "192.168.0.1", "x" * 64])
def test_bucket_name_against_the_rules_is_refused(name: str, client: Any) -> None:
    client.meta.events.unregister("before-parameter-build.s3", unique_id=None)
    with pytest.raises(ClientError) as refused:
        client.create_bucket(Bucket=name)
    assert code_of(refused) == (400, "InvalidBucketName")


def test_buckets_are_listed_in_pages(server: Server) -> None:
    client = server.client(OTHER)
    names = [f"page-{number}" for number in range(5)]
    for name in names:
        client.create_bucket(Bucket=name)
    pages = client.get_paginator("list_buckets").paginate(Prefix="page-", PaginationConfig={"PageSize": 2})
    found = [[entry["Name"] for entry in page["Buckets"]] for page in pages]
    assert found == [names[:2], names[2:4], names[4:]]


@pytest.mark.parametrize("version", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("page_size", [1, 2, 3, 1000])
def test_prefix_and_delimiter_group_keys_in_pages_of_any_size(
    version: str, page_size: int, client: Any, bucket: str
) -> None:
    fill(client, bucket, ["a", "b/1", "b/2", "b/c/3", "c//d", "c/e", "d", "b", "é/x"])
    pages = list(
        client.get_paginator(version).paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": page_size})
    )
    assert [entry["Key"] for page in pages for entry in page.get("Contents", [])] == ["a", "b", "d"]
    assert [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])] == ["b/", "c/", "é/"]
    pages = list(client.get_paginator(version).paginate(Bucket=bucket, Delimiter="/", Prefix="b/"))
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == ["b/1", "b/2"]
    assert [entry["Prefix"] for page in pages for entry in page["CommonPrefixes"]] == ["b/c/"]


def test_listing_tells_of_each_object_what_head_tells(client: Any, bucket: str) -> None:
    fill(client, bucket, ["key"])
    head = client.head_object(Bucket=bucket, Key="key")
    (entry,) = client.list_objects_v2(Bucket=bucket, FetchOwner=True)["Contents"]
    assert (entry["ETag"], entry["Size"]) == (head["ETag"], head["ContentLength"])
    assert entry["LastModified"].replace(microsecond=0) == head["LastModified"]
    assert entry["Owner"]["ID"] == OWNER.id
    assert entry["StorageClass"] == "STANDARD"
    assert "Owner" not in client.list_objects_v2(Bucket=bucket)["Contents"][0]


def test_listing_starts_after_a_key_and_stops_at_max_keys(client: Any, bucket: str) -> None:
    fill(client, bucket, ["a", "b", "c", "d"])
    page = client.list_objects_v2(Bucket=bucket, StartAfter="a", MaxKeys=2)
    assert [entry["Key"] for entry in page["Contents"]] == ["b", "c"]
    assert (page["IsTruncated"], page["KeyCount"], page["MaxKeys"], page["StartAfter"]) == (True, 2, 2, "a")
    rest = client.list_objects_v2(Bucket=bucket, ContinuationToken=page["NextContinuationToken"])
    assert [entry["Key"] for entry in rest["Contents"]] == ["d"]
    empty = client.list_objects_v2(Bucket=bucket, MaxKeys=0)
    assert (empty["KeyCount"], empty["IsTruncated"]) == (0, False)
    assert [e["Key"] for e in client.list_objects(Bucket=bucket, Marker="b")["Contents"]] == ["c", "d"]


@pytest.mark.parametrize("token", ["nonsense", "AAAA", "aGVsbG8=", "%%%"])
def test_continuation_token_that_is_not_ours_is_refused(token: str, client: Any, bucket: str) -> None:
    with pytest.raises(ClientError) as refused:
        client.list_objects_v2(Bucket=bucket, ContinuationToken=token)
    assert code_of(refused) == (400, "InvalidArgument")


def test_an_empty_continuation_token_is_that_of_the_first_page(client: Any, bucket: str) -> None:
    fill(client, bucket, ["a", "b"])
    page = client.list_objects_v2(Bucket=bucket, ContinuationToken="")
    assert [entry["Key"] for entry in page["Contents"]] == ["a", "b"]


def test_objects_are_deleted_many_at_a_time(client: Any, bucket: str) -> None:
    keys = [f"k{number:04}" for number in range(150)]
    fill(client, bucket, keys)
    asked = [{"Key": key} for key in [*keys[:100], "never-was"]]
    done = client.delete_objects(Bucket=bucket, Delete={"Objects": asked})
    assert [entry["Key"] for entry in done["Deleted"]] == [entry["Key"] for entry in asked]
    quiet = client.delete_objects(
        Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys[100:]], "Quiet": True}
    )
    assert "Deleted" not in quiet
    assert "Contents" not in client.list_objects_v2(Bucket=bucket)


def test_refusals_of_a_multiple_deletion_are_reported_by_key(client: Any, bucket: str) -> None:
    fill(client, bucket, ["good", "versioned"])
    done = client.delete_objects(
        Bucket=bucket,
        Delete={
            "Objects": [{"Key": "good"}, {"Key": "versioned", "VersionId": "v1"}, {"Key": "x" * 1025}],
            "Quiet": True,
        },
    )
    assert [(e["Key"][:9], e["Code"]) for e in done["Errors"]] == [
        ("versioned", "NotImplemented"),
        ("xxxxxxxxx", "KeyTooLongError"),
    ]
    assert [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket)["Contents"]] == ["versioned"]


def test_deleting_what_is_not_there_succeeds(client: Any, bucket: str) -> None:
    assert client.delete_object(Bucket=bucket, Key="nothing")["ResponseMetadata"]["HTTPStatusCode"] == 204


@pytest.mark.parametrize("source", ["{0}/src key+%2F?é", "/{0}/src key+%2F?é"])
def test_copy_carries_bytes_and_metadata(source: str, client: Any, bucket: str) -> None:
    data = hashlib.shake_128(b"copy").digest(3_000_000)
    key = "src key+%2F?é"
    put = client.put_object(Bucket=bucket, Key=key, Body=data, Metadata={"m": "1"}, ContentType="text/x")
    copied = client.copy_object(Bucket=bucket, Key="dst", CopySource={"Bucket": bucket, "Key": key})
    assert copied["CopyObjectResult"]["ETag"] == put["ETag"]
    got = client.get_object(Bucket=bucket, Key="dst", ChecksumMode="ENABLED")
    assert (got["Body"].read(), got["Metadata"], got["ContentType"]) == (data, {"m": "1"}, "text/x")
    assert got["ChecksumCRC32"] == put["ChecksumCRC32"]
    client.copy_object(
        Bucket=bucket, Key="dst", CopySource={"Bucket": bucket, "Key": key}, MetadataDirective="REPLACE",
        Metadata={"m": "2"}, ChecksumAlgorithm="SHA256",
    )  # fmt: skip
    got = client.get_object(Bucket=bucket, Key="dst", ChecksumMode="ENABLED")
    assert (got["Body"].read(), got["Metadata"], got["ContentType"]) == (data, {"m": "2"}, "binary/octet-stream")
    assert "ChecksumSHA256" in got


def test_copy_onto_itself_needs_a_change(client: Any, bucket: str) -> None:
    etag = client.put_object(Bucket=bucket, Key="key", Body=b"same")["ETag"]
    itself = {"Bucket": bucket, "Key": "key", "CopySource": {"Bucket": bucket, "Key": "key"}}
    with pytest.raises(ClientError) as refused:
        client.copy_object(**itself)
    assert code_of(refused) == (400, "InvalidRequest")
    client.copy_object(**itself, MetadataDirective="REPLACE", Metadata={"new": "yes"}, ContentType="text/plain")
    got = client.get_object(Bucket=bucket, Key="key")
    assert (got["Body"].read(), got["ETag"], got["Metadata"]) == (b"same", etag, {"new": "yes"})


def test_copy_conditions_are_those_of_the_source(client: Any, bucket: str) -> None:
    etag = client.put_object(Bucket=bucket, Key="src", Body=b"x")["ETag"]
    modified = client.head_object(Bucket=bucket, Key="src")["LastModified"]
    copy = {"Bucket": bucket, "Key": "dst", "CopySource": {"Bucket": bucket, "Key": "src"}}
    for failing in (
        {"CopySourceIfMatch": '"other"'},
        {"CopySourceIfNoneMatch": etag},
        {"CopySourceIfModifiedSince": modified},
        {"CopySourceIfUnmodifiedSince": modified - timedelta(hours=1)},
    ):
        with pytest.raises(ClientError) as refused:
            client.copy_object(**copy, **failing)
        assert code_of(refused) == (412, "PreconditionFailed"), failing
    client.copy_object(**copy, CopySourceIfMatch=etag, CopySourceIfUnmodifiedSince=modified - timedelta(hours=1))
    client.copy_object(**copy, CopySourceIfNoneMatch='"other"', CopySourceIfModifiedSince=modified)


def test_strangers_reach_nothing(client: Any, stranger: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="key", Body=b"secret")
    attempts: list[Any] = [
        lambda: stranger.get_object(Bucket=bucket, Key="key"),
        lambda: stranger.get_object(Bucket=bucket, Key="absent"),
        lambda: stranger.put_object(Bucket=bucket, Key="key", Body=b"theirs"),
        lambda: stranger.delete_object(Bucket=bucket, Key="key"),
        lambda: stranger.list_objects_v2(Bucket=bucket),
        lambda: stranger.delete_bucket(Bucket=bucket),
        lambda: stranger.create_multipart_upload(Bucket=bucket, Key="key"),
    ]
    for attempt in attempts:
        with pytest.raises(ClientError) as refused:
            attempt()
        assert code_of(refused) == (403, "AccessDenied")
    assert client.get_object(Bucket=bucket, Key="key")["Body"].read() == b"secret"
