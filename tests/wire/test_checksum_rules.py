"""What S3 demands of checksums around multipart uploads and copies, and what it shows of them.

The answers are those that were recorded from Amazon: the snapshots of LocalStack's tests/aws/services/s3/test_s3.py
(named at each test), and for algorithms that are newer than those, versitygw's integration tests, written to match it.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import Any

import pytest
from botocore.exceptions import ClientError

from nimbus.s3.checksums import ALGORITHMS, COMPOSITE, FULL_OBJECT, composite, encode
from tests.wire.serving import Server

PART = 5 << 20
FIRST, LAST = hashlib.shake_128(b"first").digest(PART), b"the last part"
WITH_COMPOSITE = [name for name, row in ALGORITHMS.items() if COMPOSITE in row.types]
WITH_FULL_OBJECT = [name for name, row in ALGORITHMS.items() if FULL_OBJECT in row.types]
MISSING = (
    "The upload was created using a {} checksum. The complete request must include the checksum for each part. "
    "It was missing for part {} in the request."
)
MODE = "The upload was created using the {} checksum mode. The complete request must use the same checksum mode."


@pytest.fixture
def plain(server: Server) -> Any:
    """A client that adds no checksum by itself."""
    return server.client(request_checksum_calculation="when_required")


def digest(name: str, data: bytes) -> str:
    running = ALGORITHMS[name].new()
    running.update(data)
    return encode(running.digest())


def refusal(call: Any, **arguments: Any) -> dict[str, Any]:
    """Code, message and further elements of the refusal."""
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    error: dict[str, Any] = refused.value.response["Error"]
    return error


def said(call: Any, **arguments: Any) -> tuple[str, str]:
    error = refusal(call, **arguments)
    return error["Code"], error["Message"]


class Upload:
    """An upload to the key `key`."""

    def __init__(self, client: Any, bucket: str, **more: Any) -> None:
        self.client = client
        self.names = {"Bucket": bucket, "Key": "key"}
        self.names["UploadId"] = client.create_multipart_upload(**self.names, **more)["UploadId"]

    def part(self, number: int, data: bytes, **more: Any) -> dict[str, Any]:
        answer = self.client.upload_part(**self.names, PartNumber=number, Body=data, **more)
        shown = {name: value for name, value in answer.items() if name == "ETag" or name.startswith("Checksum")}
        return {"PartNumber": number, **shown}

    def request(self, parts: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        return {**self.names, "MultipartUpload": {"Parts": parts}, **more}

    def complete(self, parts: list[dict[str, Any]], **more: Any) -> Any:
        return self.client.complete_multipart_upload(**self.request(parts, **more))


def bare(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]


# --- parts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_COMPOSITE)
@pytest.mark.parametrize("size", [10, 300_000])
def test_a_part_of_a_composite_upload_must_bring_its_checksum(name: str, size: int, plain: Any, bucket: str) -> None:
    """versitygw: UploadPart_no_checksum_with_composite_checksum_type."""
    upload = Upload(plain, bucket, ChecksumAlgorithm=name)
    expected = f"Checksum Type mismatch occurred, expected checksum Type: {name.lower()}, actual checksum Type: null"
    request = {**upload.names, "PartNumber": 1, "Body": bytes(size)}
    assert said(plain.upload_part, **request) == ("InvalidRequest", expected)
    assert "Parts" not in plain.list_parts(**upload.names)
    upload.part(1, bytes(size), **{f"Checksum{name}": digest(name, bytes(size))})


@pytest.mark.parametrize("name", WITH_FULL_OBJECT)
def test_a_part_of_a_full_object_upload_gets_the_checksum_that_it_did_not_bring(
    name: str, plain: Any, bucket: str
) -> None:
    """versitygw: UploadPart_no_checksum_with_full_object_checksum_type."""
    upload = Upload(plain, bucket, ChecksumAlgorithm=name, ChecksumType=FULL_OBJECT)
    assert upload.part(1, LAST)[f"Checksum{name}"] == digest(name, LAST)


@pytest.mark.parametrize("kind", [COMPOSITE, FULL_OBJECT])
def test_a_part_with_the_checksum_of_another_algorithm_is_refused(kind: str, client: Any, bucket: str) -> None:
    """test_multipart_parts_checksum_exceptions_*: upload-part-different-checksum-exc."""
    upload = Upload(client, bucket, ChecksumAlgorithm="CRC32C", ChecksumType=kind)
    request = {**upload.names, "PartNumber": 1, "Body": b"abc", "ChecksumAlgorithm": "SHA256"}
    expected = "Checksum Type mismatch occurred, expected checksum Type: crc32c, actual checksum Type: sha256"
    assert said(client.upload_part, **request) == ("InvalidRequest", expected)


def test_an_upload_without_algorithm_takes_parts_with_any_checksum(client: Any, bucket: str) -> None:
    """test_complete_multipart_parts_checksum_default."""
    upload = Upload(client, bucket)
    part = upload.part(1, b"aaa", ChecksumAlgorithm="CRC32C")
    assert part["ChecksumCRC32C"] == "45fn2Q=="
    done = upload.complete(
        bare([part]), ChecksumCRC32C=digest("CRC32C", b"other") + "-2"
    )  # of no algorithm that is kept
    assert (done["ChecksumCRC64NVME"], done["ChecksumType"]) == ("Rnr2/5P7Gsk=", FULL_OBJECT)


# --- completion -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_COMPOSITE)
def test_completing_a_composite_upload_needs_every_part_s_checksum(name: str, client: Any, bucket: str) -> None:
    """test_complete_multipart_parts_checksum_composite: complete-multipart-no-checksum."""
    upload = Upload(client, bucket, ChecksumAlgorithm=name)
    field = f"Checksum{name}"
    parts = [upload.part(i, data, **{field: digest(name, data)}) for i, data in ((1, FIRST), (2, LAST))]
    complete = client.complete_multipart_upload
    for given, missing in ((bare(parts), 1), ([parts[0], *bare(parts[1:])], 2)):
        assert said(complete, **upload.request(given)) == ("InvalidRequest", MISSING.format(name.lower(), missing))
    wrong = [{**parts[0], field: parts[1][field]}, parts[1]]
    error = refusal(complete, **upload.request(wrong))
    assert (error["Code"], error["PartNumber"], error["UploadId"], error["ETag"]) == (
        "InvalidPart",
        "1",
        upload.names["UploadId"],
        parts[0]["ETag"].strip('"'),
    )
    done = upload.complete(parts)
    expected = composite(ALGORITHMS[name], [part[field] for part in parts])
    assert (done[field], done["ChecksumType"]) == (expected, COMPOSITE)


def test_completing_a_full_object_upload_needs_no_checksum_of_a_part(client: Any, bucket: str) -> None:
    upload = Upload(client, bucket, ChecksumAlgorithm="CRC32C", ChecksumType=FULL_OBJECT)
    parts = [upload.part(1, LAST, ChecksumAlgorithm="CRC32C")]
    assert upload.complete(bare(parts))["ChecksumCRC32C"] == digest("CRC32C", LAST)


@pytest.mark.parametrize("kind", [COMPOSITE, FULL_OBJECT])
def test_a_part_named_with_the_checksum_of_another_algorithm_is_a_bad_digest(
    kind: str, client: Any, bucket: str
) -> None:
    """test_multipart_parts_checksum_exceptions_composite: complete-part-with-checksum."""
    upload = Upload(client, bucket, ChecksumAlgorithm="CRC32", ChecksumType=kind)
    (named,) = bare([upload.part(1, b"abc")])
    named["ChecksumSHA256"] = digest("SHA256", b"abc")
    assert said(client.complete_multipart_upload, **upload.request([named])) == (
        "BadDigest",
        "The sha256 you specified for part 1 did not match what we received.",
    )


@pytest.mark.parametrize("name", ["CRC32C", "SHA256"])
def test_an_upload_without_algorithm_names_no_part_with_a_checksum(name: str, client: Any, bucket: str) -> None:
    """test_complete_multipart_parts_checksum_default: complete-multipart-[wrong-]parts-checksum."""
    upload = Upload(client, bucket)
    part = upload.part(1, b"aaa", ChecksumAlgorithm="CRC32C")
    named = {**bare([part])[0], f"Checksum{name}": digest(name, b"aaa")}
    error = refusal(client.complete_multipart_upload, **upload.request([named]))
    assert (error["Code"], error["PartNumber"], error["ETag"]) == ("InvalidPart", "1", part["ETag"].strip('"'))


@pytest.mark.parametrize(
    ("declared", "asked", "mode"),
    [
        ({}, FULL_OBJECT, "null"),
        ({}, COMPOSITE, "null"),
        ({"ChecksumAlgorithm": "CRC32"}, FULL_OBJECT, COMPOSITE),
        ({"ChecksumAlgorithm": "SHA256"}, FULL_OBJECT, COMPOSITE),
        ({"ChecksumAlgorithm": "CRC32", "ChecksumType": FULL_OBJECT}, COMPOSITE, FULL_OBJECT),
        ({"ChecksumAlgorithm": "CRC64NVME"}, COMPOSITE, FULL_OBJECT),
    ],
)
def test_completion_repeats_the_type_that_was_declared_or_none(
    declared: dict[str, str], asked: str, mode: str, client: Any, bucket: str
) -> None:
    """test_multipart_parts_checksum_exceptions_* and test_complete_multipart_parts_checksum_default."""
    upload = Upload(client, bucket, **declared)
    part = upload.part(1, b"abc", **({"ChecksumAlgorithm": declared["ChecksumAlgorithm"]} if declared else {}))
    parts = [part] if declared else bare([part])
    request = upload.request(parts, ChecksumType=asked)
    assert said(client.complete_multipart_upload, **request) == ("InvalidRequest", MODE.format(mode))
    upload.complete(parts, **({"ChecksumType": mode} if declared else {}))


@pytest.mark.parametrize(
    "given",
    [
        {"ChecksumCRC32C": digest("CRC32C", base64.b64decode(digest("CRC32C", b"abc"))) + "-1"},
        {"ChecksumCRC32C": digest("CRC32C", b"abc")},  # right, but in no mode
        {"ChecksumCRC64NVME": digest("CRC64NVME", b"abc")},
        {"ChecksumCRC32C": digest("CRC32C", b"bad string"), "ChecksumType": FULL_OBJECT},
        {"ChecksumCRC32": digest("CRC32", b"bad string"), "ChecksumType": FULL_OBJECT},
    ],
)
def test_a_checksum_of_the_whole_that_is_not_the_object_s_is_a_bad_digest(
    given: dict[str, str], client: Any, bucket: str
) -> None:
    """test_multipart_parts_checksum_exceptions_full_object."""
    upload = Upload(client, bucket, ChecksumAlgorithm="CRC32C", ChecksumType=FULL_OBJECT)
    part = upload.part(1, b"abc", ChecksumAlgorithm="CRC32C")
    assert said(client.complete_multipart_upload, **upload.request([part], **given)) == (
        "BadDigest",
        "The crc32c you specified did not match the calculated checksum.",
    )
    upload.complete([part], ChecksumCRC32C=part["ChecksumCRC32C"], ChecksumType=FULL_OBJECT)


@pytest.mark.parametrize("name", WITH_COMPOSITE)
@pytest.mark.parametrize("ending", ["-smth", "-12a", "-10-20", "--3", "-0", "-"])
def test_a_checksum_of_the_whole_that_is_none_is_an_invalid_header(
    name: str, ending: str, client: Any, bucket: str
) -> None:
    """versitygw: CompleteMultipartUpload_invalid_final_composite_checksum."""
    upload = Upload(client, bucket, ChecksumAlgorithm=name)
    value = digest(name, b"abc")
    part = upload.part(1, b"abc", **{f"Checksum{name}": value})
    for text in (value + ending, "invalid_checksum"):
        request = upload.request([part], **{f"Checksum{name}": text})
        expected = f"Value for x-amz-checksum-{name.lower()} header is invalid."
        assert said(client.complete_multipart_upload, **request) == ("InvalidRequest", expected)


def test_two_checksums_of_the_whole_are_one_too_many(client: Any, bucket: str) -> None:
    """versitygw: CompleteMultipartUpload_multiple_final_checksums."""
    upload = Upload(client, bucket, ChecksumAlgorithm="CRC32")
    request = upload.request([upload.part(1, b"abc")], ChecksumCRC32="sGc9Hg==", ChecksumCRC32C="/2NsFg==")
    expected = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
    assert said(client.complete_multipart_upload, **request) == ("InvalidRequest", expected)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"ChecksumCRC32": "invalid_checksum"}, "invalid_checksum"),
        ({"ChecksumCRC32": "NSRBwg==", "ChecksumSHA1": "Kq5sNclPz7QV2+lfQIuc6R7oRu0="}, None),
    ],
)
def test_a_part_is_named_with_one_checksum_that_is_one(
    given: dict[str, str], shown: str | None, client: Any, bucket: str
) -> None:
    """versitygw: CompleteMultipartUpload_invalid_checksum_part and _multiple_checksum_part."""
    upload = Upload(client, bucket, ChecksumAlgorithm="CRC32")
    named = {**bare([upload.part(1, b"abc")])[0], **given}
    error = refusal(client.complete_multipart_upload, **upload.request([named]))
    assert (error["Code"], error["Message"], error["ArgumentName"]) == (
        "InvalidArgument",
        "Invalid Base64 or multiple checksums present in request",
        "Checksum",
    )
    assert error["ArgumentValue"] == (shown or "CRC32:NSRBwg==;SHA1:Kq5sNclPz7QV2+lfQIuc6R7oRu0=;")


# --- creation ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("kind", [COMPOSITE, FULL_OBJECT])
def test_an_algorithm_has_the_types_that_amazon_gives_it(name: str, kind: str, client: Any, bucket: str) -> None:
    """test_multipart_checksum_type_compatibility; versitygw: CreateMultipartUpload_type_algo_mismatch."""
    request = {"Bucket": bucket, "Key": "key", "ChecksumAlgorithm": name, "ChecksumType": kind}
    if (kind in (COMPOSITE,) and name == "CRC64NVME") or (kind == FULL_OBJECT and not name.startswith("CRC")):
        expected = f"The {kind} checksum type cannot be used with the {name.lower()} checksum algorithm."
        assert said(client.create_multipart_upload, **request) == ("InvalidRequest", expected)
    else:
        created = client.create_multipart_upload(**request)
        assert (created["ChecksumAlgorithm"], created["ChecksumType"]) == (name, kind)


def test_an_algorithm_that_does_not_exist_is_named_with_those_that_do(client: Any, bucket: str) -> None:
    expected = (
        "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
        "[CRC32, CRC32C, CRC64NVME, MD5, SHA1, SHA256, SHA512, XXHASH128, XXHASH3, XXHASH64]"
    )
    client.put_object(Bucket=bucket, Key="source")
    names = {"Bucket": bucket, "Key": "key", "ChecksumAlgorithm": "TEST"}
    assert said(client.create_multipart_upload, **names) == ("InvalidRequest", expected)
    assert said(client.copy_object, **names, CopySource=f"{bucket}/source") == ("InvalidRequest", expected)


@pytest.mark.parametrize(
    "call", ["put_object", "upload_part", "create_multipart_upload", "copy_object", "get_object", "list_objects_v2"]
)
def test_a_checksum_header_that_nobody_knows_is_refused(call: str, client: Any, bucket: str) -> None:
    """versitygw: ErrInvalidChecksumHeader."""
    upload = Upload(client, bucket)
    client.put_object(Bucket=bucket, Key="key", Body=b"abc")

    def add(params: dict[str, Any], **_: Any) -> None:
        params["headers"]["x-amz-checksum-crc16"] = "AAA="

    client.meta.events.register("before-call.s3", add)
    arguments: dict[str, Any] = {"Bucket": bucket} if call == "list_objects_v2" else {"Bucket": bucket, "Key": "key"}
    if call == "upload_part":
        arguments |= {"UploadId": upload.names["UploadId"], "PartNumber": 1}
    if call == "copy_object":
        arguments["CopySource"] = f"{bucket}/key"
    assert said(getattr(client, call), **arguments) == (
        "InvalidRequest",
        "The algorithm type you specified in x-amz-checksum- header is invalid.",
    )


# --- what is shown ----------------------------------------------------------------------------------------


def test_attributes_show_a_composite_checksum_without_its_count_and_the_parts_beside_it(
    client: Any, bucket: str
) -> None:
    """test_complete_multipart_parts_checksum_composite: get-object-attrs, get-object-part-checksum."""
    upload = Upload(client, bucket, ChecksumAlgorithm="SHA256")
    parts = [upload.part(i, data, ChecksumAlgorithm="SHA256") for i, data in ((1, FIRST), (2, LAST))]
    value = upload.complete(parts)["ChecksumSHA256"]
    shown = client.get_object_attributes(Bucket=bucket, Key="key", ObjectAttributes=["Checksum", "ETag", "ObjectParts"])
    assert value.endswith("-2")
    assert shown["Checksum"] == {"ChecksumSHA256": value.removesuffix("-2"), "ChecksumType": COMPOSITE}
    assert shown["ObjectParts"] == {
        "TotalPartsCount": 2,
        "PartNumberMarker": 0,
        "NextPartNumberMarker": 2,
        "MaxParts": 1000,
        "IsTruncated": False,
        "Parts": [
            {"PartNumber": 1, "Size": PART, "ChecksumSHA256": parts[0]["ChecksumSHA256"]},
            {"PartNumber": 2, "Size": len(LAST), "ChecksumSHA256": parts[1]["ChecksumSHA256"]},
        ],
    }
    for read in (client.get_object, client.head_object):
        part = read(Bucket=bucket, Key="key", PartNumber=2, ChecksumMode="ENABLED")
        assert (part["ChecksumSHA256"], part["ChecksumType"]) == (parts[1]["ChecksumSHA256"], COMPOSITE)


@pytest.mark.parametrize("declared", [{}, {"ChecksumAlgorithm": "CRC32C", "ChecksumType": FULL_OBJECT}])
def test_attributes_show_the_count_alone_of_parts_without_checksums_of_their_own(
    declared: dict[str, str], client: Any, bucket: str
) -> None:
    """test_complete_multipart_parts_checksum_full_object: get-object-attrs, get-object-part-checksum."""
    name = declared.get("ChecksumAlgorithm", "CRC64NVME")
    upload = Upload(client, bucket, **declared)
    parts = [upload.part(i, data, ChecksumAlgorithm=name) for i, data in ((1, FIRST), (2, LAST))]
    value = upload.complete(bare(parts))[f"Checksum{name}"]
    shown = client.get_object_attributes(Bucket=bucket, Key="key", ObjectAttributes=["Checksum", "ObjectParts"])
    assert shown["Checksum"] == {f"Checksum{name}": value, "ChecksumType": FULL_OBJECT}
    assert shown["ObjectParts"] == {"TotalPartsCount": 2}
    for read in (client.get_object, client.head_object):
        part = read(Bucket=bucket, Key="key", PartNumber=2, ChecksumMode="ENABLED")
        assert f"Checksum{name}" not in part
        assert "ChecksumType" not in part


@pytest.mark.parametrize("kind", [COMPOSITE, FULL_OBJECT])
def test_a_part_that_is_the_whole_object_is_shown_with_its_checksum(kind: str, client: Any, bucket: str) -> None:
    """test_get_object_part_checksum."""
    upload = Upload(client, bucket, ChecksumAlgorithm="CRC32C", ChecksumType=kind)
    upload.complete([upload.part(1, b"test content 123", ChecksumAlgorithm="CRC32C")])
    for read in (client.get_object, client.head_object):
        part = read(Bucket=bucket, Key="key", PartNumber=1, ChecksumMode="ENABLED")
        assert (part["ChecksumCRC32C"], part["ChecksumType"], part["PartsCount"]) == ("fwuu0Q==", kind, 1)


@pytest.mark.parametrize(
    ("attributes", "code", "argument"),
    [(["ETag", "Invalid"], "InvalidArgument", "Invalid"), ([""], "InvalidRequest", None)],
)
def test_attributes_that_do_not_exist_are_refused(
    attributes: list[str], code: str, argument: str | None, client: Any, bucket: str
) -> None:
    """versitygw: GetObjectAttributes_invalid_attrs, _empty_attrs."""
    client.put_object(Bucket=bucket, Key="key")
    error = refusal(client.get_object_attributes, Bucket=bucket, Key="key", ObjectAttributes=attributes)
    assert (error["Code"], error.get("ArgumentValue")) == (code, argument)


# --- copies -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{"MetadataDirective": "REPLACE"}, {"StorageClass": "STANDARD"}])
def test_a_multipart_object_copied_onto_itself_is_whole_and_has_an_md5(
    how: dict[str, str], client: Any, bucket: str
) -> None:
    """test_multipart_copy_object_etag: copy-object-in-place."""
    upload = Upload(client, bucket, ChecksumAlgorithm="CRC32")
    upload.complete([upload.part(i, data) for i, data in ((1, FIRST), (2, LAST))])
    copied = client.copy_object(Bucket=bucket, Key="key", CopySource=f"{bucket}/key", **how)["CopyObjectResult"]
    md5 = hashlib.md5(FIRST + LAST, usedforsecurity=False).hexdigest()
    assert copied["ETag"] == f'"{md5}"'
    assert copied["ChecksumType"] == FULL_OBJECT
    assert copied["ChecksumCRC32"] == encode(zlib.crc32(FIRST + LAST).to_bytes(4, "big"))
    got = client.get_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert (got["ETag"], got["Body"].read()) == (f'"{md5}"', FIRST + LAST)
    shown = client.get_object_attributes(Bucket=bucket, Key="key", ObjectAttributes=["ObjectParts", "ETag"])
    assert "ObjectParts" not in shown


def test_naming_a_storage_class_makes_a_copy_onto_itself_legal(client: Any, bucket: str) -> None:
    """test_s3_copy_object_in_place_storage_class; metadata stays."""
    client.put_object(Bucket=bucket, Key="key", Body=b"test", Metadata={"key": "value"}, ContentType="text/plain")
    itself = {"Bucket": bucket, "Key": "key", "CopySource": f"{bucket}/key"}
    assert said(client.copy_object, **itself)[0] == "InvalidRequest"
    copied = client.copy_object(**itself, StorageClass="STANDARD")["CopyObjectResult"]
    assert copied["ETag"] == '"098f6bcd4621d373cade4e832627b4f6"'
    head = client.head_object(Bucket=bucket, Key="key")
    assert (head["Metadata"], head["ContentType"]) == ({"key": "value"}, "text/plain")


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("target", ["key", "other"])
def test_a_copy_gets_the_checksum_that_it_is_asked_for(name: str, target: str, client: Any, bucket: str) -> None:
    """test_s3_copy_object_with_checksum."""
    client.put_object(Bucket=bucket, Key="key", Body=b"abc")
    asked = {"ChecksumAlgorithm": name, "MetadataDirective": "REPLACE"}
    copied = client.copy_object(Bucket=bucket, Key=target, CopySource=f"{bucket}/key", **asked)["CopyObjectResult"]
    assert copied[f"Checksum{name}"] == digest(name, b"abc")
    shown = client.get_object_attributes(Bucket=bucket, Key=target, ObjectAttributes=["Checksum"])["Checksum"]
    assert shown == {f"Checksum{name}": digest(name, b"abc"), "ChecksumType": FULL_OBJECT}
