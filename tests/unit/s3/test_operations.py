"""The rules of the operations that no client of the wire tests happens to ask for."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from awscrt.checksums import crc64nvme

from nimbus.auth.sigv2 import SUBRESOURCES, SUBRESOURCES_LATE
from nimbus.s3 import codec
from nimbus.s3.operations import objects
from nimbus.s3.operations.table import BY_WIRE, OPERATIONS
from tests.unit.s3.front import Answered, Front, open_front


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    async with open_front() as opened:
        assert (await opened("PUT", "/bucket")).status == 200
        yield opened


def element(answered: Answered, name: str) -> str:
    found = re.search(f"<{name}>(.*?)</{name}>", answered.body.decode(), re.DOTALL)
    assert found, f"no {name} in {answered.body!r}"
    return found[1]


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def crc64(data: bytes) -> str:
    return base64.b64encode(crc64nvme(data).to_bytes(8, "big")).decode()


async def begin(front: Front, **headers: str) -> str:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return element(await front("POST", "/bucket/key?uploads", headers=given), "UploadId")


async def part(front: Front, upload_id: str, number: int, data: bytes, headers: dict[str, str] | None = None) -> str:
    answered = await front("PUT", f"/bucket/key?partNumber={number}&uploadId={upload_id}", data, headers=headers or {})
    assert answered.status == 200, answered.body
    return answered.headers["etag"]


async def complete(front: Front, upload_id: str, *etags: str, headers: dict[str, str] | None = None) -> Answered:
    parts = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>" for n, etag in enumerate(etags, 1))
    body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
    return await front("POST", f"/bucket/key?uploadId={upload_id}", body, headers=headers or {})


def test_the_table_names_each_operation_once_with_a_permission_of_s3() -> None:
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)
    assert all(re.fullmatch(r"s3:[A-Z][A-Za-z]+", operation.permission) for operation in OPERATIONS)


async def test_a_lost_condition_is_told_before_the_body_is_invited(front: Front) -> None:
    await front("PUT", "/bucket/key", b"first")
    lost = await front("PUT", "/bucket/key", b"x", headers={"if-none-match": "*", "expect": "100-continue"})
    assert (lost.status, lost.code, front.received) == (412, "PreconditionFailed", 0)
    upload_id = await begin(front)
    etag = await part(front, upload_id, 1, b"second")
    lost = await complete(front, upload_id, etag, headers={"if-none-match": "*"})
    assert (lost.status, lost.code) == (412, "PreconditionFailed")


async def test_upload_created_without_a_checksum_ends_with_crc64nvme_of_the_whole(front: Front) -> None:
    upload_id = await begin(front)
    etags = [await part(front, upload_id, 1, b"first"), await part(front, upload_id, 2, b"second")]
    done = await complete(front, upload_id, *etags, headers={"x-amz-checksum-crc64nvme": crc64(b"firstsecond")})
    assert element(done, "ChecksumCRC64NVME") == crc64(b"firstsecond")
    assert element(done, "ChecksumType") == "FULL_OBJECT"


async def test_part_with_another_algorithm_than_its_upload_is_refused(front: Front) -> None:
    upload_id = await begin(front, x_amz_checksum_algorithm="SHA256")
    answered = await front(
        "PUT",
        f"/bucket/key?partNumber=1&uploadId={upload_id}",
        b"x",
        headers={"x-amz-checksum-crc32": crc32(b"x"), "expect": "100-continue"},
    )
    assert (answered.status, answered.code, front.received) == (400, "InvalidRequest", 0)


async def test_part_without_a_checksum_gets_that_of_its_upload(front: Front) -> None:
    upload_id = await begin(front, x_amz_checksum_algorithm="CRC32", x_amz_checksum_type="FULL_OBJECT")
    etags = [await part(front, upload_id, 1, b"first"), await part(front, upload_id, 2, b"second")]
    done = await complete(front, upload_id, *etags)
    assert element(done, "ChecksumCRC32") == crc32(b"firstsecond")


async def test_copy_of_a_multipart_object_has_the_md5_of_its_bytes(front: Front) -> None:
    upload_id = await begin(front, x_amz_checksum_algorithm="CRC32", x_amz_checksum_type="FULL_OBJECT")
    etags = [await part(front, upload_id, 1, b"first"), await part(front, upload_id, 2, b"second")]
    await complete(front, upload_id, *etags)
    copied = await front("PUT", "/bucket/copy", headers={"x-amz-copy-source": "bucket/key"})
    md5 = hashlib.md5(b"firstsecond", usedforsecurity=False).hexdigest()
    assert element(copied, "ETag") == f"&quot;{md5}&quot;"
    assert (element(copied, "ChecksumCRC32"), element(copied, "ChecksumType")) == (crc32(b"firstsecond"), "FULL_OBJECT")


async def test_copy_onto_itself_with_another_checksum_computes_it(front: Front) -> None:
    await front("PUT", "/bucket/key", b"data", headers={"x-amz-meta-a": "1"})
    copied = await front(
        "PUT", "/bucket/key", headers={"x-amz-copy-source": "bucket/key", "x-amz-checksum-algorithm": "CRC32"}
    )
    assert element(copied, "ChecksumCRC32") == crc32(b"data")
    head = await front("HEAD", "/bucket/key", headers={"x-amz-checksum-mode": "ENABLED"})
    assert (head.headers["x-amz-checksum-crc32"], head.headers["x-amz-meta-a"]) == (crc32(b"data"), "1")


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("bucket", "InvalidArgument"),
        ("/bucket/", "InvalidArgument"),
        ("bucket/key?versionId=v1", "NotImplemented"),
        ("bucket/%zz", "InvalidArgument"),
        ("bucket/absent", "NoSuchKey"),
        ("no-such-bucket/key", "NoSuchBucket"),
    ],
)
async def test_bad_copy_source_is_refused(source: str, code: str, front: Front) -> None:
    await front("PUT", "/bucket/key", b"data")
    answered = await front("PUT", "/bucket/copy", headers={"x-amz-copy-source": source})
    assert answered.code == code
    assert (await front("HEAD", "/bucket/copy")).status == 404


async def test_copy_source_may_name_the_null_version(front: Front) -> None:
    await front("PUT", "/bucket/key", b"data")
    headers = {"x-amz-copy-source": "bucket/key?versionId=null"}
    assert (await front("PUT", "/bucket/copy", headers=headers)).status == 200


async def test_not_modified_carries_the_headers_of_the_object_and_no_body(front: Front) -> None:
    put = await front("PUT", "/bucket/key", b"data", headers={"cache-control": "no-cache"})
    answered = await front("GET", "/bucket/key", headers={"if-none-match": put.headers["etag"]})
    assert answered.status == 304
    assert (answered.headers["etag"], answered.headers["cache-control"]) == (put.headers["etag"], "no-cache")
    assert "content-length" not in answered.headers


async def test_if_range_of_another_object_sends_the_whole(front: Front) -> None:
    put = await front("PUT", "/bucket/key", b"0123456789")
    ranged = {"range": "bytes=2-3"}
    assert (await front("GET", "/bucket/key", headers={**ranged, "if-range": '"other"'})).body == b"0123456789"
    assert (await front("GET", "/bucket/key", headers={**ranged, "if-range": put.headers["etag"]})).body == b"23"


async def test_range_and_part_number_exclude_each_other(front: Front) -> None:
    await front("PUT", "/bucket/key", b"0123456789")
    answered = await front("GET", "/bucket/key?partNumber=1", headers={"range": "bytes=0-1"})
    assert (answered.status, answered.code) == (400, "InvalidRequest")


async def test_listing_keeps_its_order_across_pages_and_tokens(front: Front) -> None:
    keys = sorted({f"{first}{second}" for first in "ab/é~" for second in ("", "/", "//x", "\N{GRINNING FACE}")})
    for key in keys:
        await front("PUT", "/bucket/" + "".join(f"%{byte:02X}" for byte in key.encode()), b"x")
    listed: list[str] = []
    token = ""
    while True:
        page = await front("GET", f"/bucket?list-type=2&max-keys=3{token}")
        listed += re.findall("<Key>(.*?)</Key>", page.body.decode())
        if element(page, "IsTruncated") == "false":
            break
        token = "&continuation-token=" + element(page, "NextContinuationToken").replace("=", "%3D")
    assert listed == sorted(keys, key=str.encode)


async def test_failed_uploads_leave_no_bytes(front: Front) -> None:
    upload_id = await begin(front)
    await front("PUT", "/bucket/key", [b"x" * 400_000, b"y"], cut=True, headers={"content-length": "500000"})
    await front("PUT", "/bucket/key", b"x", headers={"content-md5": base64.b64encode(bytes(16)).decode()})
    await front(
        "PUT", f"/bucket/key?partNumber=1&uploadId={upload_id}", b"x", headers={"x-amz-checksum-crc32": "AAAAAA=="}
    )
    await front.store.collect_garbage()
    assert front.data_size_bytes() == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-amz-acl", "private"),
        ("x-amz-acl", "bucket-owner-full-control"),
        ("x-amz-storage-class", "STANDARD"),
        ("x-amz-tagging", ""),
        ("x-amz-request-payer", "requester"),
        ("x-amz-object-lock-legal-hold", "OFF"),
    ],
)
async def test_what_clients_send_by_default_is_accepted(name: str, value: str, front: Front) -> None:
    assert (await front("PUT", "/bucket/key", b"x", headers={name: value})).status == 200


async def test_only_the_null_version_is_there(front: Front) -> None:
    await front("PUT", "/bucket/key", b"data")
    assert (await front("GET", "/bucket/key?versionId=null")).body == b"data"
    for method in ("GET", "DELETE"):
        assert (await front(method, "/bucket/key?versionId=v1")).code == "NotImplemented"
    assert (await front("GET", "/bucket/key")).body == b"data"


async def test_in_other_regions_a_bucket_is_created_once() -> None:
    async with open_front(region="eu-central-1") as front:
        root = "CreateBucketConfiguration"
        document = f"<{root}><LocationConstraint>eu-central-1</LocationConstraint></{root}>".encode()
        assert (await front("PUT", "/bucket", document)).status == 200
        again = await front("PUT", "/bucket", document)
        assert (again.status, again.code) == (409, "BucketAlreadyOwnedByYou")
        assert "eu-central-1" in (await front("GET", "/bucket?location")).body.decode()
        assert (await front("HEAD", "/bucket")).headers["x-amz-bucket-region"] == "eu-central-1"


async def test_a_body_of_unknown_size_is_counted_while_it_comes(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "PUT_SIZE_BYTES_MAX", 300_000)
    chunked = {"transfer-encoding": "chunked"}
    pieces = [b"x" * 100_000] * 3
    assert (await front("PUT", "/bucket/key", pieces, headers=chunked)).status == 200
    assert len((await front("GET", "/bucket/key")).body) == 300_000
    refused = await front("PUT", "/bucket/key", [*pieces, b"x"], headers=chunked)
    assert (refused.status, refused.code) == (400, "EntityTooLarge")
    await front.store.collect_garbage()
    assert front.data_size_bytes() == 300_000


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("deflate, gzip", "deflate, gzip"),
        ("aws-chunked", None),
        ("aws-chunked, gzip", "gzip"),
        ("gzip ,aws-chunked", "gzip"),
        ("deflate, AWS-Chunked, gzip", "deflate, gzip"),
        ("gzip,deflate,aws-chunked", "gzip,deflate"),
    ],
)
async def test_content_codings_stay_as_they_were_sent_but_for_the_framing(
    front: Front, sent: str, kept: str | None
) -> None:
    await front("PUT", "/bucket/key", b"x", headers={"content-encoding": sent})
    assert (await front("GET", "/bucket/key")).headers.get("content-encoding") == kept


async def test_an_empty_continuation_token_begins_at_the_beginning(front: Front) -> None:
    await front("PUT", "/bucket/key", b"x")
    listed = await front("GET", "/bucket?list-type=2&continuation-token=")
    assert (listed.status, element(listed, "Key"), element(listed, "ContinuationToken")) == (200, "key", "")


async def test_a_part_is_not_copied_from_past_the_end_of_its_source(front: Front) -> None:
    await front("PUT", "/bucket/source", b"12345")
    upload_id = await begin(front)
    refused = await front(
        "PUT",
        f"/bucket/key?partNumber=1&uploadId={upload_id}",
        headers={"x-amz-copy-source": "bucket/source", "x-amz-copy-source-range": "bytes=0-21"},
    )
    assert (refused.status, refused.code) == (400, "InvalidArgument")


@pytest.mark.parametrize("target", ["/bucket/key", "/bucket/key?uploads"])
async def test_metadata_without_a_name_is_refused_where_it_comes_in(front: Front, target: str) -> None:
    await front("PUT", "/bucket/key", b"x", headers={"x-amz-meta-a": ""})
    assert (await front("GET", "/bucket/key")).headers["x-amz-meta-a"] == ""
    method = "POST" if "?" in target else "PUT"
    refused = await front(method, target, headers={"x-amz-meta-": "v"})
    assert (refused.status, refused.code) == (400, "InvalidArgument")
    assert (await front("GET", "/bucket/key")).body == b"x"


@pytest.mark.parametrize(("keys", "is_on_the_loop"), [(10, True), (1000, False)])
async def test_a_large_document_is_read_beside_the_event_loop(
    front: Front, monkeypatch: pytest.MonkeyPatch, keys: int, is_on_the_loop: bool
) -> None:
    threads: list[threading.Thread] = []
    decode = codec.decode

    def watched(*arguments: Any) -> Any:
        threads.append(threading.current_thread())
        return decode(*arguments)

    monkeypatch.setattr(codec, "decode", watched)
    names = "".join(f"<Object><Key>{'k' * 40}{number}</Key></Object>" for number in range(keys))
    body = f"<Delete>{names}</Delete>".encode()
    md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    deleted = await front("POST", "/bucket?delete", body, headers={"content-md5": md5})
    assert (deleted.status, deleted.body.count(b"<Deleted>")) == (200, keys)
    assert (threads == [threading.current_thread()]) is is_on_the_loop
    refused = await front("POST", "/bucket?delete", body[:-1], headers={"x-amz-checksum-crc32": crc32(body[:-1])})
    assert (refused.status, refused.code) == (400, "MalformedXML")


async def test_a_completion_is_repeated_only_with_the_same_parts(front: Front) -> None:
    upload_id = await begin(front)
    etags = [await part(front, upload_id, number, b"part %d" % number) for number in (1, 2, 3)]
    first = await complete(front, upload_id, *etags[:2])
    assert (await complete(front, upload_id, *etags[:2])).body == first.body
    for other in (etags, etags[:1], [etags[0], etags[2]]):
        refused = await complete(front, upload_id, *other)
        assert (refused.status, refused.code) == (404, "NoSuchUpload")
    assert (await front("GET", "/bucket/key")).body == b"part 1part 2"


def test_all_that_chooses_an_operation_is_covered_by_signature_version_2() -> None:
    for wire in BY_WIRE:
        choosing = {name for name, _ in wire.query} | set(wire.needs_query)
        assert {name.encode() for name in choosing - {"list-type"}} <= SUBRESOURCES | SUBRESOURCES_LATE, wire.name
