"""boto3: multipart uploads, by hand and by the transfer manager."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from nimbus.s3.checksums import ALGORITHMS, COMPOSITE, FULL_OBJECT, composite, encode

MIB = 1 << 20
PART = 5 * MIB


def code_of(refused: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    response = refused.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def data_of(size: int, seed: bytes = b"multipart") -> bytes:
    return hashlib.shake_128(seed).digest(size)


def begin(client: Any, bucket: str, **more: Any) -> str:
    upload_id: str = client.create_multipart_upload(Bucket=bucket, Key="key", **more)["UploadId"]
    return upload_id


def upload(client: Any, bucket: str, upload_id: str, number: int, data: bytes, **more: Any) -> dict[str, Any]:
    answer = client.upload_part(Bucket=bucket, Key="key", UploadId=upload_id, PartNumber=number, Body=data, **more)
    checksums = {name: answer[name] for name in answer if more and name.startswith("Checksum")}
    return {"PartNumber": number, "ETag": answer["ETag"], **checksums}


def complete(client: Any, bucket: str, upload_id: str, parts: list[dict[str, Any]], **more: Any) -> Any:
    return client.complete_multipart_upload(
        Bucket=bucket, Key="key", UploadId=upload_id, MultipartUpload={"Parts": parts}, **more
    )


def test_parts_become_one_object(client: Any, bucket: str) -> None:
    whole = data_of(2 * PART + 12_345)
    pieces = [whole[:PART], whole[PART : 2 * PART], whole[2 * PART :]]
    upload_id = begin(client, bucket, Metadata={"m": "1"}, ContentType="text/x")
    parts = [upload(client, bucket, upload_id, 2 * i + 1, piece) for i, piece in enumerate(pieces)]
    done = complete(client, bucket, upload_id, parts)
    md5s = b"".join(hashlib.md5(piece, usedforsecurity=False).digest() for piece in pieces)
    assert done["ETag"] == f'"{hashlib.md5(md5s, usedforsecurity=False).hexdigest()}-3"'
    got = client.get_object(Bucket=bucket, Key="key")
    assert (got["Body"].read(), got["Metadata"], got["ContentType"]) == (whole, {"m": "1"}, "text/x")
    part = client.get_object(Bucket=bucket, Key="key", PartNumber=2 * 1 + 1)
    assert part["PartsCount"] == 3
    across = client.get_object(Bucket=bucket, Key="key", Range=f"bytes={PART - 10}-{PART + 9}")
    assert across["Body"].read() == whole[PART - 10 : PART + 10]
    assert complete(client, bucket, upload_id, parts)["ETag"] == done["ETag"]


def test_each_part_is_read_by_its_number(client: Any, bucket: str) -> None:
    upload_id = begin(client, bucket)
    pieces = [data_of(PART, b"1"), data_of(PART, b"2"), b"tail"]
    complete(client, bucket, upload_id, [upload(client, bucket, upload_id, i + 1, p) for i, p in enumerate(pieces)])
    for number, piece in enumerate(pieces, 1):
        got = client.get_object(Bucket=bucket, Key="key", PartNumber=number)
        assert (got["Body"].read(), got["PartsCount"]) == (piece, 3)
    with pytest.raises(ClientError) as refused:
        client.get_object(Bucket=bucket, Key="key", PartNumber=4)
    assert code_of(refused) == (416, "InvalidPartNumber")
    attributes = client.get_object_attributes(Bucket=bucket, Key="key", ObjectAttributes=["ObjectParts", "ObjectSize"])
    assert (attributes["ObjectParts"], attributes["ObjectSize"]) == ({"TotalPartsCount": 3}, 2 * PART + 4)


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("kind", [COMPOSITE, FULL_OBJECT])
def test_checksums_of_both_types_are_those_of_amazon(name: str, kind: str, client: Any, bucket: str) -> None:
    algorithm, field = ALGORITHMS[name], f"Checksum{name}"
    if kind not in algorithm.types:
        with pytest.raises(ClientError) as refused:
            begin(client, bucket, ChecksumAlgorithm=name, ChecksumType=kind)
        assert code_of(refused) == (400, "InvalidRequest")
        return
    pieces = [data_of(PART, name.encode()), b"tail" * 100]
    digests = []
    for piece in pieces:
        digest = algorithm.new()
        digest.update(piece)
        digests.append(encode(digest.digest()))
    upload_id = begin(client, bucket, ChecksumAlgorithm=name, ChecksumType=kind)
    parts = [upload(client, bucket, upload_id, i + 1, piece, **{field: digests[i]}) for i, piece in enumerate(pieces)]
    assert [part[field] for part in parts] == digests
    whole = algorithm.new()
    whole.update(b"".join(pieces))
    expected = composite(algorithm, digests) if kind == COMPOSITE else encode(whole.digest())
    with pytest.raises(ClientError) as refused:
        complete(client, bucket, upload_id, parts, ChecksumType=kind, **{field: encode(bytes(algorithm.size_bytes))})
    assert code_of(refused) == (400, "BadDigest")
    done = complete(client, bucket, upload_id, parts, ChecksumType=kind, **{field: expected})
    assert (done[field], done["ChecksumType"]) == (expected, kind)
    head = client.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert (head[field], head["ChecksumType"]) == (expected, kind)
    got = client.get_object(Bucket=bucket, Key="key", PartNumber=2)
    assert (got["Body"].read(), got.get(field)) == (pieces[1], digests[1] if kind == COMPOSITE else None)


def test_parts_and_uploads_are_listed_in_pages(client: Any, bucket: str) -> None:
    upload_id = begin(client, bucket, ChecksumAlgorithm="CRC32C")
    for number in (7, 3, 5):
        upload(client, bucket, upload_id, number, b"%d" % number, ChecksumAlgorithm="CRC32C")
    upload(client, bucket, upload_id, 5, b"replaced", ChecksumAlgorithm="CRC32C")
    pages = list(
        client.get_paginator("list_parts").paginate(
            Bucket=bucket, Key="key", UploadId=upload_id, PaginationConfig={"PageSize": 2}
        )
    )
    listed = [(part["PartNumber"], part["Size"]) for page in pages for part in page["Parts"]]
    assert listed == [(3, 1), (5, 8), (7, 1)]
    assert (pages[0]["ChecksumAlgorithm"], pages[0]["ChecksumType"]) == ("CRC32C", "COMPOSITE")
    others = [client.create_multipart_upload(Bucket=bucket, Key=f"dir/{n}")["UploadId"] for n in range(3)]
    pages = list(
        client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    )
    assert {u["UploadId"] for page in pages for u in page["Uploads"]} == {upload_id, *others}
    grouped = client.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [entry["Prefix"] for entry in grouped["CommonPrefixes"]] == ["dir/"]
    client.abort_multipart_upload(Bucket=bucket, Key="key", UploadId=upload_id)
    with pytest.raises(ClientError) as refused:
        client.list_parts(Bucket=bucket, Key="key", UploadId=upload_id)
    assert code_of(refused) == (404, "NoSuchUpload")


def test_completion_that_cannot_be_is_refused_and_the_upload_stays(client: Any, bucket: str) -> None:
    upload_id = begin(client, bucket)
    first, second = upload(client, bucket, upload_id, 1, b"small"), upload(client, bucket, upload_id, 2, b"tail")
    refusals: list[tuple[str, list[dict[str, Any]]]] = [
        ("InvalidPartOrder", [second, first]),
        ("EntityTooSmall", [first, second]),
        ("InvalidPart", [{**first, "ETag": '"' + "0" * 32 + '"'}]),
        ("InvalidPart", [{"PartNumber": 9, "ETag": first["ETag"]}]),
        ("InvalidArgument", [{"PartNumber": 10_001, "ETag": first["ETag"]}]),
        ("MalformedXML", []),
    ]
    for code, parts in refusals:
        with pytest.raises(ClientError) as refused:
            complete(client, bucket, upload_id, parts)
        assert code_of(refused) == (400, code)
    with pytest.raises(ClientError) as refused:
        complete(client, bucket, upload_id, [first], MpuObjectSize=4)
    assert code_of(refused) == (400, "InvalidRequest")
    complete(client, bucket, upload_id, [first], MpuObjectSize=5)
    assert client.get_object(Bucket=bucket, Key="key")["Body"].read() == b"small"


@pytest.mark.parametrize("number", [0, 10_001, -1])
def test_part_number_out_of_range_is_refused(number: int, client: Any, bucket: str) -> None:
    upload_id = begin(client, bucket)
    with pytest.raises(ClientError) as refused:
        upload(client, bucket, upload_id, number, b"")
    assert code_of(refused) == (400, "InvalidArgument")


@pytest.mark.parametrize("upload_id", ["0" * 32, "nonsense", "../../etc"])
def test_upload_that_never_was_is_refused(upload_id: str, client: Any, bucket: str) -> None:
    for attempt in (
        lambda: upload(client, bucket, upload_id, 1, b"x"),
        lambda: complete(client, bucket, upload_id, [{"PartNumber": 1, "ETag": "x"}]),
        lambda: client.abort_multipart_upload(Bucket=bucket, Key="key", UploadId=upload_id),
        lambda: client.list_parts(Bucket=bucket, Key="key", UploadId=upload_id),
    ):
        with pytest.raises(ClientError) as refused:
            attempt()
        assert code_of(refused) == (404, "NoSuchUpload")


def test_completion_is_conditional(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="key", Body=b"first")
    upload_id = begin(client, bucket)
    parts = [upload(client, bucket, upload_id, 1, b"second")]
    with pytest.raises(ClientError) as refused:
        complete(client, bucket, upload_id, parts, IfNoneMatch="*")
    assert code_of(refused) == (412, "PreconditionFailed")
    complete(client, bucket, upload_id, parts, IfMatch=client.head_object(Bucket=bucket, Key="key")["ETag"])
    assert client.get_object(Bucket=bucket, Key="key")["Body"].read() == b"second"


def test_parts_are_copied_from_ranges_of_objects(client: Any, bucket: str) -> None:
    whole = data_of(PART + 1000)
    client.put_object(Bucket=bucket, Key="src", Body=whole)
    upload_id = begin(client, bucket)
    source = {"Bucket": bucket, "Key": "src"}
    copied = [
        client.upload_part_copy(
            Bucket=bucket, Key="key", UploadId=upload_id, PartNumber=number, CopySource=source, CopySourceRange=piece
        )["CopyPartResult"]["ETag"]
        for number, piece in enumerate([f"bytes=0-{PART - 1}", f"bytes={PART}-{PART + 999}"], 1)
    ]
    complete(client, bucket, upload_id, [{"PartNumber": i, "ETag": etag} for i, etag in enumerate(copied, 1)])
    assert client.get_object(Bucket=bucket, Key="key")["Body"].read() == whole
    refusals = dict.fromkeys(("bytes=0-", "bytes=-5", "0-5", "bytes=5-2"), (400, "InvalidArgument"))
    refusals[f"bytes=0-{PART + 1000}"] = (400, "InvalidArgument")
    refusals[f"bytes={PART + 1000}-{PART + 1001}"] = (400, "InvalidRequest")
    for bad, refusal in refusals.items():
        with pytest.raises(ClientError) as refused:
            client.upload_part_copy(
                Bucket=bucket, Key="key", UploadId=begin(client, bucket), PartNumber=1, CopySource=source,
                CopySourceRange=bad,
            )  # fmt: skip
        assert code_of(refused) == refusal


def test_transfer_manager_moves_large_objects_both_ways(client: Any, bucket: str) -> None:
    whole = data_of(40 * MIB + 1)
    config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB, max_concurrency=6)
    client.upload_fileobj(io.BytesIO(whole), bucket, "key", Config=config, ExtraArgs={"Metadata": {"m": "1"}})
    head = client.head_object(Bucket=bucket, Key="key")
    assert head["ETag"].endswith('-6"')
    back = io.BytesIO()
    client.download_fileobj(bucket, "key", back, Config=config)
    assert back.getvalue() == whole
    client.copy({"Bucket": bucket, "Key": "key"}, bucket, "copy", Config=config)
    back = io.BytesIO()
    client.download_fileobj(bucket, "copy", back, Config=config)
    assert back.getvalue() == whole


def test_deleting_a_bucket_with_open_uploads_ends_them(client: Any, bucket: str) -> None:
    upload_id = begin(client, bucket)
    upload(client, bucket, upload_id, 1, b"x")
    client.delete_bucket(Bucket=bucket)
    client.create_bucket(Bucket=bucket)
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)
