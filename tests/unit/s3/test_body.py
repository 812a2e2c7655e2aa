"""Request bodies: every length, hash and checksum that was declared is held, on the inline way and on the pipeline."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus.auth.api import AuthFailure, BodyForm, Verified
from nimbus.base.clock import ManualClock, SystemClock
from nimbus.s3.body import BATCH_SIZE_BYTES, INLINE_SIZE_BYTES_MAX, Pace, Received, RequestBody
from nimbus.s3.checksums import ALGORITHMS, DigestSet, encode
from nimbus.s3.declared import declare
from nimbus.s3.errors import S3Error

PACE = Pace(rate_bytes_per_s=1024, grace_s=20)
LARGE = INLINE_SIZE_BYTES_MAX * 5 + 3
UNSIGNED = Verified(None, BodyForm.UNSIGNED)


@pytest.fixture(scope="module")
def hashing() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


class Wire:
    """What a client sends: pieces, then the end, or a cut."""

    def __init__(self, pieces: list[bytes], *, cut: bool = False) -> None:
        self.messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": piece, "more_body": True} for piece in pieces
        ]
        if cut:
            self.messages.append({"type": "http.disconnect"})
        else:
            self.messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def __call__(self) -> dict[str, Any]:
        return self.messages.pop(0)


class Brackets:
    """A chunk decoder for tests: the payload is what stands between [ and ]."""

    def __init__(self, trailers: dict[str, str] | None = None) -> None:
        self.trailers = trailers or {}

    def feed(self, data: bytes) -> list[bytes]:
        if b"!" in data:
            raise AuthFailure("SignatureDoesNotMatch", "bad chunk")
        return [piece for piece in [data.replace(b"[", b"").replace(b"]", b"")] if piece]

    def finish(self) -> dict[str, str]:
        return self.trailers


def make(
    pieces: list[bytes],
    headers: dict[str, str],
    verified: Verified = UNSIGNED,
    *,
    hashing: ThreadPoolExecutor,
    decoder: Brackets | None = None,
    cut: bool = False,
) -> RequestBody:
    return RequestBody(Wire(pieces, cut=cut), declare(headers, verified), decoder, hashing, PACE, SystemClock())


async def take(body: RequestBody, *names: str) -> tuple[bytes, Received]:
    got: list[bytes] = []

    async def sink(piece: bytes) -> None:
        got.append(piece)

    received = await body.receive_into(sink, names)
    return b"".join(got), received


def sized(data: bytes, **headers: str) -> dict[str, str]:
    return {"content-length": str(len(data)), **{name.replace("_", "-"): value for name, value in headers.items()}}


def pieces_of(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def pattern(size: int) -> bytes:
    return hashlib.shake_128(b"pattern").digest(size)


@pytest.mark.parametrize("size", [0, 1, INLINE_SIZE_BYTES_MAX, INLINE_SIZE_BYTES_MAX + 1, LARGE, BATCH_SIZE_BYTES * 7])
async def test_whole_body_arrives_with_its_digests(size: int, hashing: ThreadPoolExecutor) -> None:
    data = pattern(size)
    got, received = await take(make(pieces_of(data, 70_000), sized(data), hashing=hashing), "CRC32", "XXHASH3")
    expected = DigestSet(("CRC32", "XXHASH3"))
    expected.update(data)
    assert got == data
    assert received == Received(size, hashlib.md5(data, usedforsecurity=False).digest(), expected.checksums())


@pytest.mark.parametrize("size", [1000, LARGE])
async def test_body_ends_with_its_last_declared_byte(size: int, hashing: ThreadPoolExecutor) -> None:
    data = pattern(size)
    body = make([data], sized(data), hashing=hashing, cut=True)  # what comes behind is not the body's
    assert (await take(body))[0] == data
    assert body.ended


@pytest.mark.parametrize("size", [1000, LARGE])
async def test_body_cut_short_is_incomplete(size: int, hashing: ThreadPoolExecutor) -> None:
    data = pattern(size)
    body = make(pieces_of(data[:-1], 50_000), sized(data), hashing=hashing, cut=True)
    with pytest.raises(S3Error, match="IncompleteBody"):
        await take(body)
    assert body.ended


@pytest.mark.parametrize("size", [1000, LARGE])
async def test_body_shorter_than_declared_is_incomplete(size: int, hashing: ThreadPoolExecutor) -> None:
    data = pattern(size)
    with pytest.raises(S3Error, match="IncompleteBody"):
        await take(make([data[:-1]], sized(data), hashing=hashing))


@pytest.mark.parametrize("size", [1000, LARGE])
@pytest.mark.parametrize("is_right", [True, False])
async def test_signed_payload_hash_is_held(size: int, is_right: bool, hashing: ThreadPoolExecutor) -> None:
    data = pattern(size)
    signed = hashlib.sha256(data if is_right else b"other").hexdigest()
    body = make(pieces_of(data, 60_000), sized(data), Verified(None, BodyForm.SHA256, signed), hashing=hashing)
    if is_right:
        assert (await take(body, "SHA256"))[1].checksums["SHA256"] == encode(bytes.fromhex(signed))
    else:
        with pytest.raises(S3Error, match="XAmzContentSHA256Mismatch"):
            await take(body)


async def test_wrong_content_md5_is_a_bad_digest(hashing: ThreadPoolExecutor) -> None:
    md5 = base64.b64encode(bytes(16)).decode()
    with pytest.raises(S3Error, match="BadDigest"):
        await take(make([b"abc"], sized(b"abc", content_md5=md5), hashing=hashing))


@pytest.mark.parametrize("name", ALGORITHMS)
async def test_checksum_in_a_header_is_held(name: str, hashing: ThreadPoolExecutor) -> None:
    algorithm = ALGORITHMS[name]
    digest = algorithm.new()
    digest.update(b"abc")
    value = encode(digest.digest())
    got, received = await take(make([b"abc"], {"content-length": "3", algorithm.header: value}, hashing=hashing))
    assert (got, received.checksums) == (b"abc", {name: value})
    with pytest.raises(S3Error, match="BadDigest"):
        await take(make([b"abd"], {"content-length": "3", algorithm.header: value}, hashing=hashing))


def chunked(*trailers: str, length: int | None) -> Verified:
    return Verified(None, BodyForm.CHUNKED_UNSIGNED_TRAILER, decoded_length=length, trailers=trailers)


@pytest.mark.parametrize("size", [10, LARGE])
async def test_framed_body_is_unframed_and_its_trailer_held(size: int, hashing: ThreadPoolExecutor) -> None:
    data = b"x" * size
    digest = ALGORITHMS["CRC32C"].new()
    digest.update(data)
    verified = chunked("x-amz-checksum-crc32c", length=size)
    wire = [b"[", *pieces_of(data, 90_000), b"]"]
    headers = {"content-length": str(size + 2)}
    right = Brackets({"x-amz-checksum-crc32c": encode(digest.digest())})
    got, received = await take(make(wire, headers, verified, hashing=hashing, decoder=right))
    assert (got, list(received.checksums)) == (data, ["CRC32C"])
    wrong = Brackets({"x-amz-checksum-crc32c": encode(bytes(4))})
    with pytest.raises(S3Error, match="BadDigest"):
        await take(make(wire, headers, verified, hashing=hashing, decoder=wrong))
    malformed = Brackets({"x-amz-checksum-crc32c": "nonsense"})
    with pytest.raises(S3Error, match="InvalidRequest"):
        await take(make(wire, headers, verified, hashing=hashing, decoder=malformed))


@pytest.mark.parametrize("declared", [9, 11])
async def test_decoded_length_that_differs_is_incomplete(declared: int, hashing: ThreadPoolExecutor) -> None:
    body = make(
        [b"[xxxxxxxxxx]"], {"content-length": "12"}, chunked(length=declared), hashing=hashing, decoder=Brackets()
    )
    with pytest.raises(S3Error, match="IncompleteBody"):
        await take(body)


async def test_bytes_beyond_the_decoded_length_never_reach_the_sink(hashing: ThreadPoolExecutor) -> None:
    got: list[bytes] = []

    async def sink(piece: bytes) -> None:
        got.append(piece)

    wire = [b"[xxxxx", b"yyyyy]"]
    body = make(wire, {"content-length": "12"}, chunked(length=5), hashing=hashing, decoder=Brackets())
    with pytest.raises(S3Error, match="IncompleteBody"):
        await body.receive_into(sink, ())
    assert b"".join(got) == b"xxxxx"


@pytest.mark.parametrize("size", [10, LARGE])
async def test_bad_chunk_signature_ends_the_upload(size: int, hashing: ThreadPoolExecutor) -> None:
    data = b"x" * (size - 1) + b"!"
    verified = chunked(length=size)
    with pytest.raises(AuthFailure):
        await take(make(pieces_of(data, 50_000), sized(data), verified, hashing=hashing, decoder=Brackets()))


@pytest.mark.parametrize("size", [10, LARGE])
async def test_failing_sink_is_not_masked_and_no_worker_is_left(size: int, hashing: ThreadPoolExecutor) -> None:
    async def sink(piece: bytes) -> None:
        raise OSError("disk gone")

    data = pattern(size)
    with pytest.raises(OSError, match="disk gone"):
        await make(pieces_of(data, 60_000), sized(data), hashing=hashing).receive_into(sink, ())


async def test_document_over_its_cap_is_refused_before_it_is_received(hashing: ThreadPoolExecutor) -> None:
    body = make([], {"content-length": "1000"}, hashing=hashing)
    with pytest.raises(S3Error, match="MaxMessageLengthExceeded"):
        await body.collect(999)


async def test_document_of_unknown_length_is_refused_at_its_cap(hashing: ThreadPoolExecutor) -> None:
    body = make([b"x" * 600, b"x" * 600], {"transfer-encoding": "chunked"}, hashing=hashing)
    with pytest.raises(S3Error, match="MaxMessageLengthExceeded"):
        await body.collect(999)


async def test_document_within_its_cap_is_collected(hashing: ThreadPoolExecutor) -> None:
    assert await make([b"<a", b"/>"], {"transfer-encoding": "chunked"}, hashing=hashing).collect(4) == b"<a/>"


async def test_peer_that_stalls_is_cut_off(hashing: ThreadPoolExecutor) -> None:
    async def never() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    declared = declare({"content-length": "5"}, UNSIGNED)
    body = RequestBody(never, declared, None, hashing, Pace(1024, 0.001), SystemClock())
    with pytest.raises(S3Error, match="RequestTimeout"):
        await take(body)


async def test_peer_that_trickles_is_cut_off_once_its_average_is_too_low(hashing: ThreadPoolExecutor) -> None:
    clock = ManualClock()

    async def trickle() -> dict[str, Any]:
        clock.advance(1)
        return {"type": "http.request", "body": b"x", "more_body": True}

    declared = declare({"content-length": "1000"}, UNSIGNED)
    body = RequestBody(trickle, declared, None, hashing, Pace(1024, 20), clock)
    with pytest.raises(S3Error, match="RequestTimeout"):
        await take(body)
    assert 20 <= clock.monotonic_s() - ManualClock().monotonic_s() <= 22


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_cutting_into_pieces_gives_the_same_body(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    with ThreadPoolExecutor(1) as pool:
        got, received = asyncio.run(take(make(pieces, sized(data), hashing=pool)))
    assert (got, received.size) == (data, len(data))
