"""Lengths that no body has, and headers that contradict each other: refused in the same words in both modes, at once.

Nothing is stored, nobody waits for bytes that will not come, and memory is not set aside for what was only announced.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.wire.serving import Server
from tests.wire.test_raw_abuse import await_until, connected, descriptors, resident_bytes
from tests.wire.test_raw_http import MIB, Answer, Raw, read_answer

FRAMED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
HUGE = "9" * 18
GROWTH_BYTES_MAX = 64 * MIB


@pytest.fixture
def raw(server: Server, bucket: str) -> Iterator[Raw]:
    """A signing socket; afterwards nothing is stored but what was there before, and nothing is held."""
    speaker = Raw(server, bucket)
    speaker.client.put_object(Bucket=bucket, Key="before", Body=b"fine")
    held, resident = descriptors(server), resident_bytes(server)
    yield speaker
    assert speaker.client.get_object(Bucket=bucket, Key="before")["Body"].read() == b"fine"
    assert [entry["Key"] for entry in speaker.client.list_objects_v2(Bucket=bucket)["Contents"]] == ["before"]
    await_until(lambda: descriptors(server) <= held + 8)
    assert resident_bytes(server) - resident < GROWTH_BYTES_MAX


def talk(raw: Raw, head: bytes, *more: str, body: bytes = b"") -> Answer:
    """Send a head with further lines, which the signature does not cover."""
    lines = "".join(f"{line}\r\n" for line in more).encode("latin-1")
    return raw.talk(head[:-2] + lines + b"\r\n" + body)


@pytest.mark.parametrize(
    ("length", "status", "code"),
    [
        (HUGE, 400, "EntityTooLarge"),
        (str(5 << 30 | 1), 400, "EntityTooLarge"),
        ("-1", 400, ""),
        ("9" * 19, 400, None),
        ("18446744073709551616", 400, None),
    ],
)
def test_a_length_that_no_object_has_is_refused_before_the_body(
    length: str, status: int, code: str | None, raw: Raw
) -> None:
    answer = talk(raw, raw.head("PUT", "/key"), f"Content-Length: {length}", body=b"x")
    assert answer.status == status
    assert code in (None, answer.code)


@pytest.mark.parametrize("decoded", [HUGE, "-1", "x", "4", "6", "", "9" * 19, "5, 5"])
def test_a_decoded_length_that_is_none_or_wrong_is_refused(decoded: str, raw: Raw) -> None:
    body = b"5\r\nhello\r\n0\r\n\r\n"
    head = raw.head("PUT", "/key", {"x-amz-decoded-content-length": decoded}, sha256=FRAMED)
    answer = talk(raw, head, f"Content-Length: {len(body)}", body=body)
    assert (answer.status, answer.code) in {
        (400, "EntityTooLarge"),
        (400, "IncompleteBody"),
        (400, "InvalidArgument"),
        (400, "InvalidRequest"),
        (411, "MissingContentLength"),
    }


@pytest.mark.parametrize(
    ("coding", "size"),
    [
        *(("http", size) for size in ("fffffffffffffffff", "-5", "0x5", " 5", "")),
        *(
            ("aws", size)
            for size in ("fffffffffffffffff", "ffffffffffffffff", "7fffffffffffffff", "-5", "0x5", "5 ", "")
        ),
    ],
)
def test_a_chunk_whose_size_is_none_ends_the_request(size: str, coding: str, raw: Raw) -> None:
    body = f"{size}\r\nhello\r\n0\r\n\r\n".encode()
    if coding == "http":
        answer = talk(raw, raw.head("PUT", "/key"), "Transfer-Encoding: chunked", body=body)
    else:
        head = raw.head("PUT", "/key", {"x-amz-decoded-content-length": "5"}, sha256=FRAMED)
        answer = talk(raw, head, f"Content-Length: {len(body)}", body=body)
    assert 400 <= answer.status < 500


@pytest.mark.parametrize(
    ("header", "again"),
    [
        ("x-amz-date", "20200101T000000Z"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("Authorization", "AWS4-HMAC-SHA256 Credential=a/20200101/us-east-1/s3/aws4_request"),
        ("x-amz-meta-a", "b"),
        ("x-amz-copy-source", "/other/key"),
        ("x-amz-checksum-crc32", "AAAAAA=="),
        ("Host", "elsewhere"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_header_of_the_signature_cannot_be_added_or_doubled(header: str, again: str, method: str, raw: Raw) -> None:
    length = ["Content-Length: 4"] if method == "PUT" else []
    head = raw.head(method, "/before")[:-2] + f"{header}: {again}\r\n".encode()
    lines = "".join(f"{line}\r\n" for line in length).encode()
    with connected(raw.server) as peer:
        peer.sendall(head + lines + b"\r\n" + (b"evil" if length else b""))
        assert read_answer(peer).status in (400, 403)
