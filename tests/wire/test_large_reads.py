"""Large bodies in ways that few clients ask for: SigV2, parts by number, replaced headers, objects of many parts."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import pytest

from tests.wire.serving import Server

MIB = 1 << 20
BLOCK = os.urandom(MIB)


@pytest.fixture
def old(server: Server) -> Any:
    """A boto3 client of the owner that signs with SigV2."""
    return server.client(signature_version="s3")


def digest(body: Any) -> str:
    """Of a streamed answer."""
    whole = hashlib.sha256()
    for piece in body.iter_chunks(MIB):
        whole.update(piece)
    return whole.hexdigest()


def test_64_mebibytes_by_sigv2_are_byte_identical(client: Any, old: Any, bucket: str) -> None:
    content = b"".join(BLOCK[index:] + BLOCK[:index] for index in range(64))
    client.put_object(Bucket=bucket, Key="large", Body=content)
    assert digest(old.get_object(Bucket=bucket, Key="large")["Body"]) == hashlib.sha256(content).hexdigest()
    part = old.get_object(
        Bucket=bucket, Key="large", Range="bytes=1000-50000000", ResponseContentType="a/b", ResponseCacheControl="c"
    )
    assert digest(part["Body"]) == hashlib.sha256(content[1000:50_000_001]).hexdigest()
    assert (part["ContentType"], part["CacheControl"], part["ContentLength"]) == ("a/b", "c", 49_999_001)


def test_an_object_of_more_parts_than_a_record_holds_is_read_in_every_way(client: Any, old: Any, bucket: str) -> None:
    parts = [BLOCK[index:] + bytes(4 * MIB) + BLOCK[:index] for index in range(34)]
    upload = client.create_multipart_upload(Bucket=bucket, Key="many")["UploadId"]
    named = []
    for number, part in enumerate(parts, 1):
        etag = client.upload_part(Bucket=bucket, Key="many", UploadId=upload, PartNumber=number, Body=part)["ETag"]
        named.append({"PartNumber": number, "ETag": etag})
    client.complete_multipart_upload(Bucket=bucket, Key="many", UploadId=upload, MultipartUpload={"Parts": named})
    whole = b"".join(parts)
    for reader in (client, old):
        assert digest(reader.get_object(Bucket=bucket, Key="many")["Body"]) == hashlib.sha256(whole).hexdigest()
        one = reader.get_object(Bucket=bucket, Key="many", PartNumber=33)
        assert (one["PartsCount"], digest(one["Body"])) == (34, hashlib.sha256(parts[32]).hexdigest())
        span = reader.get_object(Bucket=bucket, Key="many", Range=f"bytes={7 * MIB}-{93 * MIB}")
        assert digest(span["Body"]) == hashlib.sha256(whole[7 * MIB : 93 * MIB + 1]).hexdigest()
