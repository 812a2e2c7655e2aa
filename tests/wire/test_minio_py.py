"""The MinIO Python client, against a real server."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
import urllib3
from minio import Minio
from minio.commonconfig import CopySource
from minio.deleteobjects import DeleteObject
from minio.error import S3Error


@pytest.fixture
def minio(server) -> Minio:
    return Minio(
        endpoint=f"{server.host}:{server.port}",
        access_key=server.access_key,
        secret_key=server.secret_key,
        secure=False,
        region="us-east-1",
    )


def _put(minio: Minio, bucket: str, key: str, body: bytes) -> None:
    minio.put_object(bucket_name=bucket, object_name=key, data=io.BytesIO(body), length=len(body))


def _get(minio: Minio, bucket: str, key: str, **span: int) -> bytes:
    answer = minio.get_object(bucket_name=bucket, object_name=key, **span)
    try:
        return answer.read()
    finally:
        answer.close()
        answer.release_conn()


def test_round_trip_stat_and_range(minio: Minio) -> None:
    minio.make_bucket(bucket_name="minio-basic")
    body = bytes(range(256)) * 1000
    _put(minio, "minio-basic", "dir/ключ 😀", body)
    assert _get(minio, "minio-basic", "dir/ключ 😀") == body
    assert _get(minio, "minio-basic", "dir/ключ 😀", offset=10, length=20) == body[10:30]
    assert minio.stat_object(bucket_name="minio-basic", object_name="dir/ключ 😀").size == len(body)


def test_stream_of_unknown_length_goes_up_in_parts(minio: Minio) -> None:
    minio.make_bucket(bucket_name="minio-stream")
    body = b"stream" * 2_000_000
    minio.put_object(
        bucket_name="minio-stream", object_name="s", data=io.BytesIO(body), length=-1, part_size=5 * 1024 * 1024
    )
    assert _get(minio, "minio-stream", "s") == body
    assert minio.stat_object(bucket_name="minio-stream", object_name="s").etag.endswith("-3")


def test_list_copy_and_delete_many(minio: Minio) -> None:
    minio.make_bucket(bucket_name="minio-many")
    for index in range(15):
        _put(minio, "minio-many", f"k/{index:02}", b"x")
    minio.copy_object(
        bucket_name="minio-many", object_name="copy", source=CopySource(bucket_name="minio-many", object_name="k/03")
    )
    assert [entry.object_name for entry in minio.list_objects(bucket_name="minio-many")] == ["copy", "k/"]
    keys = [entry.object_name for entry in minio.list_objects(bucket_name="minio-many", recursive=True)]
    assert len(keys) == 16
    errors = minio.remove_objects(bucket_name="minio-many", delete_object_list=[DeleteObject(key) for key in keys])
    assert list(errors) == []
    minio.remove_bucket(bucket_name="minio-many")


def test_presigned_put_and_get(minio: Minio) -> None:
    minio.make_bucket(bucket_name="minio-presign")
    put = minio.presigned_put_object(bucket_name="minio-presign", object_name="p", expires=timedelta(minutes=1))
    get = minio.presigned_get_object(bucket_name="minio-presign", object_name="p", expires=timedelta(minutes=1))
    with urllib3.PoolManager() as http:
        assert http.request("PUT", put, body=b"by url").status == 200
        assert http.request("GET", get).data == b"by url"


def test_missing_objects_and_buckets_have_s3s_codes(minio: Minio) -> None:
    minio.make_bucket(bucket_name="minio-errors")
    with pytest.raises(S3Error, match="NoSuchKey"):
        _get(minio, "minio-errors", "absent")
    with pytest.raises(S3Error, match="NoSuchBucket"):
        _get(minio, "minio-no-such", "absent")
