"""The aws-chunked decoder: AWS's published chains, every split, every kind of damage.

Sources: "Signature calculations for the Authorization header: Transferring payload in multiple chunks" and
"... Including trailing headers", Amazon S3 API Reference.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nimbus.auth.api import AuthFailure, BodyForm, ChunkDecoder, ChunkSeed, Head, Verified
from nimbus.auth.chunked import chunk_decoder
from nimbus.base.limits import CHUNK_SIZE_BYTES_MAX, KIB, MIB
from tests.unit.auth.sigv4_oracle import ACCESS_KEY, NOW_MS, SCOPE, TIMESTAMP, USER, signing_key, verifier

SEED = "0" * 64
EMPTY = hashlib.sha256().hexdigest()
CRC = "x-amz-checksum-crc32c"
KEY = signing_key()


def verified(form: BodyForm, length: int, *trailers: str) -> Verified:
    if form is BodyForm.CHUNKED_UNSIGNED_TRAILER:
        return Verified(USER, form, decoded_length=length, trailers=trailers)
    return Verified(USER, form, seed=ChunkSeed(KEY, TIMESTAMP, SCOPE, SEED), decoded_length=length, trailers=trailers)


def _sign(algorithm: str, previous: str, hashes: str) -> str:
    text = f"{algorithm}\n{TIMESTAMP}\n{SCOPE}\n{previous}\n{hashes}"
    return hmac.digest(KEY, text.encode(), "sha256").hex()


def signed_body(chunks: list[bytes], trailers: dict[str, str] | None = None, *, bare: bool = False) -> bytes:
    """A body in signed chunks. `bare` ends a trailer as clients of the MinIO family do."""
    previous, wire = SEED, b""
    for chunk in [*chunks, b""]:
        previous = _sign("AWS4-HMAC-SHA256-PAYLOAD", previous, f"{EMPTY}\n{hashlib.sha256(chunk).hexdigest()}")
        wire += b"%x;chunk-signature=%b\r\n%b" % (len(chunk), previous.encode(), chunk + b"\r\n" if chunk else b"")
    if trailers is not None:
        lines = "".join(f"{name}:{value}\n" for name, value in trailers.items())
        proof = _sign("AWS4-HMAC-SHA256-TRAILER", previous, hashlib.sha256(lines.encode()).hexdigest())
        wire += lines.encode() + b"\r\n" if bare else lines.replace("\n", "\r\n").encode()
        wire += f"x-amz-trailer-signature:{proof}\r\n".encode()
    return wire + b"\r\n"


def unsigned_body(chunks: list[bytes], trailers: bytes = b"") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n" + trailers + b"\r\n"


def run(decoder: ChunkDecoder, wire: bytes, cuts: list[int] | None = None) -> tuple[bytes, dict[str, str]]:
    """What comes out when the wire is cut at the given places."""
    places = [0, *sorted(cuts or []), len(wire)]
    payload = b"".join(piece for start, end in itertools.pairwise(places) for piece in decoder.feed(wire[start:end]))
    return payload, decoder.finish()


def code_of(terms: Verified, wire: bytes) -> str:
    with pytest.raises(AuthFailure) as caught:
        run(chunk_decoder(terms), wire)
    return caught.value.code


# --- what AWS publishes ----------------------------------------------------------------------------------

DATA = b"a" * 66_560
CHUNKED_HEADERS = [
    (b"host", b"s3.amazonaws.com"),
    (b"x-amz-date", b"20130524T000000Z"),
    (b"x-amz-storage-class", b"REDUCED_REDUNDANCY"),
    (b"x-amz-content-sha256", b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
    (b"content-encoding", b"aws-chunked"),
    (b"x-amz-decoded-content-length", b"66560"),
    (b"content-length", b"66824"),
    (
        b"authorization",
        b"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders="
        b"content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;"
        b"x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    ),
]
CHUNKED_WIRE = (
    b"10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n"
    + DATA[:65_536]
    + b"\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n"
    + DATA[65_536:]
    + b"\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
)
TRAILER_HEADERS = [
    (b"host", b"s3.amazonaws.com"),
    (b"x-amz-date", b"20130524T000000Z"),
    (b"x-amz-storage-class", b"REDUCED_REDUNDANCY"),
    (b"x-amz-content-sha256", b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"),
    (b"content-encoding", b"aws-chunked"),
    (b"x-amz-decoded-content-length", b"66560"),
    (b"x-amz-trailer", b"x-amz-checksum-crc32c"),
    (
        b"authorization",
        b"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders="
        b"content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;"
        b"x-amz-trailer,Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    ),
]
TRAILER_WIRE = (
    b"10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n"
    + DATA[:65_536]
    + b"\r\n400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n"
    + DATA[65_536:]
    + b"\r\n0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n"
    + b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
    + b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
)


def published(headers: list[tuple[bytes, bytes]]) -> Verified:
    head = Head("PUT", b"/examplebucket/chunkObject.txt", b"", headers)
    return verifier().verify(head, virtual_bucket="", now_ms=NOW_MS)


def test_the_published_chain_of_chunks_is_accepted() -> None:
    terms = published(CHUNKED_HEADERS)
    assert (terms.body, terms.decoded_length) == (BodyForm.CHUNKED_SIGNED, 66_560)
    assert run(chunk_decoder(terms), CHUNKED_WIRE) == (DATA, {})


def test_the_published_chain_with_a_trailer_is_accepted() -> None:
    terms = published(TRAILER_HEADERS)
    assert (terms.body, terms.trailers) == (BodyForm.CHUNKED_SIGNED_TRAILER, (CRC,))
    assert run(chunk_decoder(terms), TRAILER_WIRE) == (DATA, {CRC: "sOO8/Q=="})


# --- cutting the wire ------------------------------------------------------------------------------------

SMALL = b"hello, world"
CASES = {
    "signed": (verified(BodyForm.CHUNKED_SIGNED, 12), signed_body([SMALL]), {}),
    "signed, empty": (verified(BodyForm.CHUNKED_SIGNED, 0), signed_body([]), {}),
    "signed trailer": (
        verified(BodyForm.CHUNKED_SIGNED_TRAILER, 12, CRC),
        signed_body([SMALL], {CRC: "AAAAAA=="}),
        {CRC: "AAAAAA=="},
    ),
    "signed trailer, bare line end": (
        verified(BodyForm.CHUNKED_SIGNED_TRAILER, 12, CRC),
        signed_body([SMALL], {CRC: "AAAAAA=="}, bare=True),
        {CRC: "AAAAAA=="},
    ),
    "unsigned": (verified(BodyForm.CHUNKED_UNSIGNED_TRAILER, 12), unsigned_body([SMALL]), {}),
    "unsigned trailer": (
        verified(BodyForm.CHUNKED_UNSIGNED_TRAILER, 12, CRC),
        unsigned_body([SMALL], b"X-Amz-Checksum-CRC32C: AAAAAA== \r\n"),
        {CRC: "AAAAAA=="},
    ),
    "unsigned trailer, bare line end": (
        verified(BodyForm.CHUNKED_UNSIGNED_TRAILER, 0, CRC),
        unsigned_body([], CRC.encode() + b":AAAAAA==\n"),
        {CRC: "AAAAAA=="},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_split_at_any_byte_changes_nothing(name: str) -> None:
    terms, wire, trailers = CASES[name]
    payload = SMALL if terms.decoded_length else b""
    for cut in range(len(wire) + 1):
        assert run(chunk_decoder(terms), wire, [cut]) == (payload, trailers)
    assert run(chunk_decoder(terms), wire, list(range(len(wire)))) == (payload, trailers)


@pytest.mark.parametrize("name", CASES)
def test_a_body_cut_short_at_any_byte_is_incomplete(name: str) -> None:
    terms, wire, _ = CASES[name]
    for cut in range(len(wire)):
        assert code_of(terms, wire[:cut]) == "IncompleteBody"


@pytest.mark.parametrize("name", CASES)
def test_a_byte_after_the_end_is_refused(name: str) -> None:
    terms, wire, _ = CASES[name]
    assert code_of(terms, wire + b"\n") == "IncompleteBody"


@pytest.mark.parametrize("name", ["signed", "signed, empty", "signed trailer", "signed trailer, bare line end"])
def test_any_flipped_bit_of_a_signed_body_is_noticed_and_never_released(name: str) -> None:
    terms, wire, trailers = CASES[name]
    for place in range(len(wire)):
        for bit in range(8):
            damaged = bytearray(wire)
            damaged[place] ^= 1 << bit
            decoder, released = chunk_decoder(terms), b""
            try:
                released = b"".join(decoder.feed(bytes(damaged)))
                found = decoder.finish()
            except AuthFailure:
                assert released in (b"", SMALL)
                continue
            # Only the spelling of the framing may differ: the case of a letter, or the blanks after a trailer.
            assert (released, found) == (SMALL if terms.decoded_length else b"", trailers)
            assert damaged.lower().split() == wire.lower().split()


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(8_192, 20_000), max_size=3),
    last=st.integers(1, 9_000),
    form=st.sampled_from([BodyForm.CHUNKED_SIGNED, BodyForm.CHUNKED_SIGNED_TRAILER, BodyForm.CHUNKED_UNSIGNED_TRAILER]),
    data=st.data(),
)
def test_a_body_comes_out_whole_however_it_is_cut(
    sizes: list[int], last: int, form: BodyForm, data: st.DataObject
) -> None:
    chunks = [bytes([65 + number]) * size for number, size in enumerate([*sizes, last])]
    trailers = {} if form is BodyForm.CHUNKED_SIGNED else {CRC: "AAAAAA=="}
    if form is BodyForm.CHUNKED_UNSIGNED_TRAILER:
        wire = unsigned_body(chunks, CRC.encode() + b":AAAAAA==\r\n")
    else:
        wire = signed_body(chunks, trailers or None)
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=20))
    terms = verified(form, sum(map(len, chunks)), *trailers)
    assert run(chunk_decoder(terms), wire, cuts) == (b"".join(chunks), trailers)


@settings(max_examples=200, deadline=None)
@given(wire=st.binary(max_size=200), form=st.sampled_from(sorted(CASES)))
def test_random_bytes_are_refused_by_name(wire: bytes, form: str) -> None:
    terms, good, _ = CASES[form]
    assert code_of(terms, good[:1] + b"\r" + wire) in {
        "IncompleteBody",
        "SignatureDoesNotMatch",
        "InvalidChunkSizeError",
    }


# --- rules -----------------------------------------------------------------------------------------------

LONG = b"x" * 8_192
SIGNED = verified(BodyForm.CHUNKED_SIGNED, 12)
UNSIGNED = verified(BodyForm.CHUNKED_UNSIGNED_TRAILER, 12, CRC)
SIGNED_TRAILER = verified(BodyForm.CHUNKED_SIGNED_TRAILER, 12, CRC)
GOOD_TRAILER = CRC.encode() + b":AAAAAA==\r\n"

RULES: dict[str, tuple[Verified, bytes, str]] = {
    "more than declared": (verified(BodyForm.CHUNKED_SIGNED, 11), signed_body([SMALL]), "IncompleteBody"),
    "less than declared": (verified(BodyForm.CHUNKED_SIGNED, 13), signed_body([SMALL]), "IncompleteBody"),
    "more than declared, unsigned": (
        verified(BodyForm.CHUNKED_UNSIGNED_TRAILER, 11),
        unsigned_body([SMALL]),
        "IncompleteBody",
    ),
    "less than declared, unsigned": (
        verified(BodyForm.CHUNKED_UNSIGNED_TRAILER, 13),
        unsigned_body([SMALL]),
        "IncompleteBody",
    ),
    "small chunk before the last": (
        verified(BodyForm.CHUNKED_SIGNED, 8_204),
        signed_body([SMALL, LONG]),
        "InvalidChunkSizeError",
    ),
    "small unsigned chunk before the last": (
        verified(BodyForm.CHUNKED_UNSIGNED_TRAILER, 8_204),
        unsigned_body([SMALL, LONG]),
        "InvalidChunkSizeError",
    ),
    "signed chunk too large": (
        verified(BodyForm.CHUNKED_SIGNED, 2 * CHUNK_SIZE_BYTES_MAX),
        b"%x;chunk-signature=%b\r\n" % (CHUNK_SIZE_BYTES_MAX + 1, b"0" * 64),
        "InvalidChunkSizeError",
    ),
    "signature of another chunk": (
        SIGNED,
        signed_body([b"hello, there"]).replace(b"there", b"world"),
        "SignatureDoesNotMatch",
    ),
    "chunks in another order": (
        verified(BodyForm.CHUNKED_SIGNED, 16_384),
        signed_body([LONG, b"y" * 8_192]).replace(LONG, b"#").replace(b"y" * 8_192, LONG).replace(b"#", b"y" * 8_192),
        "SignatureDoesNotMatch",
    ),
    "no signature": (SIGNED, unsigned_body([SMALL]), "IncompleteBody"),
    "signature in an unsigned body": (UNSIGNED, signed_body([SMALL], {CRC: "AAAAAA=="}), "IncompleteBody"),
    "size with underscore": (UNSIGNED, b"1_0\r\n", "IncompleteBody"),
    "size with sign": (UNSIGNED, b"+c\r\n", "IncompleteBody"),
    "size with space": (UNSIGNED, b"c \r\n", "IncompleteBody"),
    "size with prefix": (UNSIGNED, b"0xc\r\n", "IncompleteBody"),
    "no size": (UNSIGNED, b"\r\n", "IncompleteBody"),
    "endless size": (UNSIGNED, b"0" * 257, "IncompleteBody"),
    "bare line feed": (UNSIGNED, b"c\n" + SMALL, "IncompleteBody"),
    "no end of chunk": (UNSIGNED, b"c\r\n" + SMALL + b"0\r\n", "IncompleteBody"),
    "trailer missing": (UNSIGNED, unsigned_body([SMALL]), "MalformedTrailerError"),
    "trailer undeclared": (
        verified(BodyForm.CHUNKED_UNSIGNED_TRAILER, 12),
        unsigned_body([SMALL], GOOD_TRAILER),
        "MalformedTrailerError",
    ),
    "another trailer": (
        UNSIGNED,
        unsigned_body([SMALL], b"x-amz-checksum-crc32:AAAAAA==\r\n"),
        "MalformedTrailerError",
    ),
    "trailer twice": (UNSIGNED, unsigned_body([SMALL], 2 * GOOD_TRAILER), "MalformedTrailerError"),
    "trailer without colon": (UNSIGNED, unsigned_body([SMALL], b"x-amz-checksum-crc32c\r\n"), "MalformedTrailerError"),
    "trailer without value": (UNSIGNED, unsigned_body([SMALL], b"x-amz-checksum-crc32c:\r\n"), "MalformedTrailerError"),
    "trailer with a control byte": (
        UNSIGNED,
        unsigned_body([SMALL], b"x-amz-checksum-crc32c:A\x00A\r\n"),
        "MalformedTrailerError",
    ),
    "endless trailer": (UNSIGNED, unsigned_body([SMALL], CRC.encode() + b":" + b"A" * 5_000), "IncompleteBody"),
    "trailer in a form without any": (
        SIGNED,
        signed_body([SMALL]).removesuffix(b"\r\n") + GOOD_TRAILER + b"\r\n",
        "MalformedTrailerError",
    ),
    "trailer signature missing": (
        SIGNED_TRAILER,
        signed_body([SMALL]).removesuffix(b"\r\n") + GOOD_TRAILER + b"\r\n",
        "MalformedTrailerError",
    ),
    "trailer signature wrong": (
        SIGNED_TRAILER,
        signed_body([SMALL], {CRC: "AAAAAA=="}).replace(b"AAAAAA", b"AAAAAB"),
        "SignatureDoesNotMatch",
    ),
    "trailer signature in an unsigned body": (
        UNSIGNED,
        unsigned_body([SMALL], GOOD_TRAILER + b"x-amz-trailer-signature:00\r\n"),
        "MalformedTrailerError",
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_each_broken_rule_has_its_code(name: str) -> None:
    terms, wire, code = RULES[name]
    assert code_of(terms, wire) == code


def test_a_decoder_that_has_failed_stays_failed() -> None:
    decoder = chunk_decoder(SIGNED)
    with pytest.raises(AuthFailure):
        decoder.feed(b"zz\r\n")
    with pytest.raises(AuthFailure):
        decoder.feed(signed_body([SMALL]))
    with pytest.raises(AuthFailure):
        decoder.finish()


def test_a_wrong_chunk_is_told_to_its_sender_without_the_key() -> None:
    with pytest.raises(AuthFailure) as caught:
        run(chunk_decoder(SIGNED), signed_body([SMALL]).replace(b"world", b"earth"))
    assert caught.value.fields["AWSAccessKeyId"] == ACCESS_KEY
    assert caught.value.fields["StringToSign"].startswith("AWS4-HMAC-SHA256-PAYLOAD\n20130524T000000Z\n")
    assert KEY.hex() not in str(caught.value.fields)


def test_no_byte_of_a_signed_chunk_leaves_before_its_last_one_came() -> None:
    wire = signed_body([LONG])
    decoder = chunk_decoder(verified(BodyForm.CHUNKED_SIGNED, len(LONG)))
    last = wire.rindex(b"x") + 1
    assert decoder.feed(wire[: last - 1]) == []
    assert decoder.feed(wire[last - 1 : last]) == [LONG]


def test_bytes_of_an_unsigned_chunk_leave_as_they_come() -> None:
    decoder = chunk_decoder(verified(BodyForm.CHUNKED_UNSIGNED_TRAILER, 5 * 2**30))
    assert decoder.feed(b"140000000\r\nabc") == [b"abc"]
    assert decoder.feed(b"def") == [b"def"]


def test_a_chunk_that_comes_byte_by_byte_takes_little_more_memory_than_its_size() -> None:
    decoder = chunk_decoder(verified(BodyForm.CHUNKED_SIGNED, MIB))
    decoder.feed(b"%x;chunk-signature=%b\r\n" % (MIB, b"0" * 64))
    tracemalloc.start()
    try:
        for _ in range(64 * KIB):
            decoder.feed(b"x")
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 256 * KIB
