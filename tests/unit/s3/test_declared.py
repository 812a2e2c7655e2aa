"""What a head says about its body, and the refusals of heads that contradict themselves."""

from __future__ import annotations

import base64

import pytest

from nimbus.auth.api import BodyForm, Verified
from nimbus.s3.checksums import ALGORITHMS
from nimbus.s3.declared import declare
from nimbus.s3.errors import S3Error

PLAIN = Verified(None, BodyForm.UNSIGNED)
CRC = "x-amz-checksum-crc32"


def test_no_length_and_no_transfer_coding_is_no_body() -> None:
    assert declare({}, PLAIN).wire_size == 0


def test_chunked_transfer_coding_has_no_known_length() -> None:
    declared = declare({"transfer-encoding": "chunked"}, PLAIN)
    assert (declared.wire_size, declared.payload_size) == (None, None)


def test_framed_body_has_two_lengths() -> None:
    verified = Verified(None, BodyForm.CHUNKED_SIGNED, decoded_length=10)
    declared = declare({"content-length": "99"}, verified)
    assert (declared.wire_size, declared.payload_size) == (99, 10)


@pytest.mark.parametrize(
    ("headers", "trailers", "code"),
    [
        ({"content-length": "+1"}, (), "InvalidArgument"),
        ({"content-length": "1_0"}, (), "InvalidArgument"),
        ({"content-length": "²"}, (), "InvalidArgument"),
        ({"content-md5": ""}, (), "InvalidDigest"),
        ({"content-md5": "AAAA"}, (), "InvalidDigest"),
        ({CRC: "bad"}, (), "InvalidRequest"),
        ({CRC: "AAAAAA==", "x-amz-checksum-md5": "AAAAAAAAAAAAAAAAAAAAAA=="}, (), "InvalidRequest"),
        ({CRC: "AAAAAA=="}, ("x-amz-checksum-crc32",), "InvalidRequest"),
        ({}, ("x-amz-checksum-crc32", "x-amz-checksum-sha1"), "InvalidRequest"),
        ({}, ("x-amz-meta-surprise",), "InvalidRequest"),
        ({"x-amz-sdk-checksum-algorithm": "CRC32"}, (), "InvalidRequest"),
        ({"x-amz-sdk-checksum-algorithm": "CRC16"}, (), "InvalidRequest"),
        ({"x-amz-sdk-checksum-algorithm": "SHA1", CRC: "AAAAAA=="}, (), "InvalidRequest"),
    ],
)
def test_malformed_or_contradicting_declaration_is_refused(
    headers: dict[str, str], trailers: tuple[str, ...], code: str
) -> None:
    with pytest.raises(S3Error) as refused:
        declare(headers, Verified(None, BodyForm.CHUNKED_UNSIGNED_TRAILER, decoded_length=1, trailers=trailers))
    assert refused.value.code == code


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_is_known_in_header_and_trailer(name: str) -> None:
    algorithm = ALGORITHMS[name]
    header = base64.b64encode(bytes(algorithm.size_bytes)).decode()
    assert declare({algorithm.header: header}, PLAIN).checksum_names == (name,)
    trailer = Verified(None, BodyForm.CHUNKED_UNSIGNED_TRAILER, decoded_length=1, trailers=(algorithm.header,))
    assert declare({"x-amz-sdk-checksum-algorithm": name}, trailer).checksum_names == (name,)


def test_checksum_headers_of_a_completion_speak_of_the_object() -> None:
    assert declare({CRC: "bad"}, PLAIN, digests=False).checksum is None
