"""The native decoder of aws-chunked bodies against nimbus/auth/chunked.py, however a body is cut and broken."""

from __future__ import annotations

import base64
import hashlib
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nimbus._native.plane import AwsChunkedFault, decode_aws_chunked, decode_base64
from nimbus._native.sigv4 import derive_signing_key, sign
from nimbus.auth.api import AuthFailure, BodyForm, ChunkSeed, User, Verified
from nimbus.auth.chunked import chunk_decoder, chunk_failure
from nimbus.s3.checksums import decode

KEY = derive_signing_key("secret", "20130524", "us-east-1")
TIMESTAMP = "20130524T000000Z"
SCOPE = "20130524/us-east-1/s3/aws4_request"
SIGNATURE = hashlib.sha256(b"head").hexdigest()
EMPTY = hashlib.sha256().hexdigest()
FORMS = {
    "signed": BodyForm.CHUNKED_SIGNED,
    "signed-trailer": BodyForm.CHUNKED_SIGNED_TRAILER,
    "unsigned-trailer": BodyForm.CHUNKED_UNSIGNED_TRAILER,
}
USER = User("user", "User", "user@example.com", "AKID")


def sign_next(previous: str, algorithm: str, hashes: str) -> str:
    return sign(KEY, f"{algorithm}\n{TIMESTAMP}\n{SCOPE}\n{previous}\n{hashes}".encode())


def body_of(form: str, chunks: list[bytes], trailers: dict[str, str], line_end: bytes = b"\r\n") -> bytes:
    """A body as a client makes it."""
    previous, out = SIGNATURE, b""
    for chunk in [*chunks, b""]:
        head = b"%x" % len(chunk)
        if form != "unsigned-trailer":
            hashes = f"{EMPTY}\n{hashlib.sha256(chunk).hexdigest()}"
            previous = sign_next(previous, "AWS4-HMAC-SHA256-PAYLOAD", hashes)
            head += b";chunk-signature=" + previous.encode()
        out += head + b"\r\n" + (chunk + b"\r\n" if chunk else b"")
    for name, value in trailers.items():
        out += f"{name}:{value}".encode() + line_end
    if form == "signed-trailer":
        if line_end == b"\n":
            out += b"\r\n"
        lines = "".join(f"{name}:{value}\n" for name, value in sorted(trailers.items()))
        previous = sign_next(previous, "AWS4-HMAC-SHA256-TRAILER", hashlib.sha256(lines.encode()).hexdigest())
        out += b"x-amz-trailer-signature:" + previous.encode() + b"\r\n"
    return out + b"\r\n"


def by_oracle(form: str, pieces: list[bytes], length: int, declared: list[str]) -> Any:
    seed = ChunkSeed(KEY, TIMESTAMP, SCOPE, SIGNATURE)
    decoder = chunk_decoder(Verified(USER, FORMS[form], seed=seed, decoded_length=length, trailers=tuple(declared)))
    try:
        payload = b"".join(b"".join(decoder.feed(piece)) for piece in pieces)
        return payload, decoder.finish()
    except AuthFailure as failure:
        return failure.code, failure.message, failure.fields


def by_native(form: str, pieces: list[bytes], length: int, declared: list[str]) -> Any:
    seed = (KEY, TIMESTAMP.encode(), SCOPE.encode(), SIGNATURE.encode())
    try:
        return decode_aws_chunked(form, pieces, length, seed, [name.encode() for name in declared])
    except AwsChunkedFault as fault:
        failure = chunk_failure(fault.fault, USER.access_key, fault.string_to_sign, fault.provided)
        return failure.code, failure.message, failure.fields


def both(form: str, pieces: list[bytes], length: int, declared: list[str]) -> Any:
    native = by_native(form, pieces, length, declared)
    assert native == by_oracle(form, pieces, length, declared)
    return native


def cut(body: bytes, places: list[int]) -> list[bytes]:
    at = sorted({place % (len(body) + 1) for place in places})
    return [body[start:end] for start, end in zip([0, *at], [*at, len(body)], strict=True)]


TRAILERS = {"x-amz-checksum-crc32": "AAAAAA=="}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_a_body_decodes_alike_when_it_is_cut_at_any_byte(form: str, line_end: bytes) -> None:
    trailers = {} if form == "signed" else TRAILERS
    chunks = [bytes(8192), b"tail"]
    body = body_of(form, chunks, trailers, line_end)
    whole = (b"".join(chunks), trailers)
    interesting = [*range(120), *range(8150, len(body) + 1)]
    for place in interesting:
        assert both(form, [body[:place], body[place:]], 8196, [*trailers]) == whole
    assert both(form, [body[i : i + 1] for i in range(len(body))], 8196, [*trailers]) == whole


@pytest.mark.parametrize("form", FORMS)
def test_a_body_cut_short_anywhere_is_incomplete(form: str) -> None:
    trailers = {} if form == "signed" else TRAILERS
    body = body_of(form, [b"short"], trailers)
    for end in range(len(body)):
        assert both(form, [body[:end]], 5, [*trailers])[0] in ("IncompleteBody", "MalformedTrailerError")


@pytest.mark.parametrize("form", FORMS)
def test_every_flipped_byte_is_judged_as_the_oracle_judges_it(form: str) -> None:
    trailers = {} if form == "signed" else TRAILERS
    body = bytearray(body_of(form, [b"short"], trailers))
    for at in range(len(body)):
        for flip in (0x01, 0x20, 0x80):
            body[at] ^= flip
            both(form, [bytes(body)], 5, [*trailers])
            body[at] ^= flip


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_random_bodies_are_judged_as_the_oracle_judges_them(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(sorted(FORMS)))
    sizes = data.draw(st.lists(st.sampled_from([1, 5, 8191, 8192, 8193, 20000]), max_size=4))
    names = data.draw(
        st.lists(st.sampled_from(["x-amz-checksum-crc32", "x-a", "X-B", "x-amz-trailer-signature"]), max_size=3)
    )
    trailers = {name: data.draw(st.sampled_from(["AAAA", "a b", "a\tb", "", " a "])) for name in names}
    seed = data.draw(st.integers(0, 2**32))
    chance = random.Random(seed)
    body = body_of(
        form, [chance.randbytes(size) for size in sizes], trailers, data.draw(st.sampled_from([b"\r\n", b"\n"]))
    )
    for _ in range(data.draw(st.integers(0, 2))):
        at = chance.randrange(len(body))
        body = (
            body[:at]
            + data.draw(st.sampled_from([b"", b"\n", b"\r\n", b"0", b":", bytes([body[at] ^ 1])]))
            + body[at + 1 :]
        )
    length = sum(sizes) + data.draw(st.sampled_from([0, 0, 0, 1, -1]))
    declared = data.draw(st.sampled_from([[name.lower() for name in trailers], [], ["x-amz-checksum-crc32"]]))
    pieces = cut(body, data.draw(st.lists(st.integers(0, 1 << 20), max_size=6)))
    both(form, pieces, max(length, 0), list(dict.fromkeys(declared)))


def test_a_signed_chunk_above_the_limit_is_refused() -> None:
    size = (16 << 20) + 1
    head = b"%x;chunk-signature=" % size + b"0" * 64 + b"\r\n"
    assert both("signed", [head], size, [])[0] == "InvalidChunkSizeError"


def test_nothing_may_follow_the_end_of_a_body() -> None:
    assert both("signed", [body_of("signed", [b"x"], {}), b"y"], 1, [])[0] == "IncompleteBody"


@given(st.binary(max_size=64), st.integers(0, 64))
def test_base64_is_decoded_as_the_oracle_decodes_it(raw: bytes, size: int) -> None:
    assert decode_base64(base64.b64encode(raw), len(raw)) == raw
    assert decode_base64(base64.b64encode(raw), size) == decode(base64.b64encode(raw).decode(), size)


@given(st.text("ABCDwxyz019+/= ", max_size=12), st.integers(0, 9))
def test_text_that_is_no_canonical_base64_is_none(text: str, size: int) -> None:
    assert decode_base64(text.encode(), size) == decode(text, size)
