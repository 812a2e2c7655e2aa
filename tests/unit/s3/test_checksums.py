"""The checksum table against independent implementations and against bytes computed whole."""

from __future__ import annotations

import base64
import hashlib
import zlib

import pytest
from awscrt.checksums import XXHash, crc32c, crc64nvme
from hypothesis import given
from hypothesis import strategies as st

from nimbus.s3.checksums import (
    ALGORITHMS,
    BY_HEADER,
    COMPOSITE,
    FULL_OBJECT,
    DigestSet,
    composite,
    decode,
    encode,
    full_object,
    multipart_etag,
)

ORACLES = {
    "CRC32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "CRC32C": lambda data: crc32c(data).to_bytes(4, "big"),
    "CRC64NVME": lambda data: crc64nvme(data).to_bytes(8, "big"),
    "SHA1": lambda data: hashlib.new("sha1", data).digest(),
    "SHA256": lambda data: hashlib.new("sha256", data).digest(),
    "SHA512": lambda data: hashlib.new("sha512", data).digest(),
    "MD5": lambda data: hashlib.new("md5", data).digest(),
    "XXHASH64": XXHash.compute_xxhash64,
    "XXHASH3": XXHash.compute_xxhash3_64,
    "XXHASH128": XXHash.compute_xxhash3_128,
}
# check values of "123456789" from the catalogues of CRC algorithms
KNOWN = {"CRC32": "cbf43926", "CRC32C": "e3069283", "CRC64NVME": "ae8b14860a799888"}


def test_every_algorithm_has_an_independent_oracle() -> None:
    assert ORACLES.keys() == ALGORITHMS.keys()
    assert [row.header for row in ALGORITHMS.values()] == list(BY_HEADER)


@pytest.mark.parametrize("name", KNOWN)
def test_crcs_have_their_published_check_values(name: str) -> None:
    digest = ALGORITHMS[name].new()
    digest.update(b"123456789")
    assert digest.digest().hex() == KNOWN[name]


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_digests_fed_in_pieces_equal_those_of_the_whole(pieces: list[bytes]) -> None:
    digests = DigestSet(tuple(ALGORITHMS), with_sha256=True)
    for piece in pieces:
        digests.update(piece)
    whole = b"".join(pieces)
    assert digests.checksums() == {name: encode(oracle(whole)) for name, oracle in ORACLES.items()}
    assert digests.etag() == hashlib.md5(whole, usedforsecurity=False).hexdigest()
    assert digests.sha256 is not None
    assert digests.sha256.digest() == hashlib.sha256(whole).digest()
    assert all(len(digests.by_name[name].digest()) == row.size_bytes for name, row in ALGORITHMS.items())


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=6))
def test_combined_part_crcs_equal_the_crc_of_the_whole(parts: list[bytes]) -> None:
    for name, algorithm in ALGORITHMS.items():
        if FULL_OBJECT in algorithm.types:
            values = [(encode(ORACLES[name](part)), len(part)) for part in parts]
            assert full_object(algorithm, values) == encode(ORACLES[name](b"".join(parts)))


def test_composite_checksum_is_the_checksum_of_checksums_with_the_count() -> None:
    parts = [b"A" * 10, b"B" * 20]
    for name, algorithm in ALGORITHMS.items():
        if COMPOSITE in algorithm.types:
            digests = [ORACLES[name](part) for part in parts]
            expected = base64.b64encode(ORACLES[name](b"".join(digests))).decode() + "-2"
            assert composite(algorithm, [encode(digest) for digest in digests]) == expected


def test_multipart_etag_is_the_one_that_amazon_computes() -> None:
    # three parts of 5 MiB of "A", "B" and "C", as in ceph/s3-tests
    etags = [hashlib.md5(letter * (5 << 20), usedforsecurity=False).hexdigest() for letter in (b"A", b"B", b"C")]
    assert multipart_etag(etags) == "b2add96cc9702bbf4efb0ccdfc6b7747-3"


@pytest.mark.parametrize("value", ["", "AAAA", "AAAAAA=", "AAAAAA==\n", "AAAAAB==", "ÄAAAAA==", "AAAAAAAA"])
def test_digest_that_is_not_canonical_base64_of_its_size_is_refused(value: str) -> None:
    assert decode(value, 4) is None


def test_digest_in_canonical_base64_is_read() -> None:
    assert decode("AAAAAA==", 4) == bytes(4)


def test_a_set_without_any_digest_says_so() -> None:
    assert DigestSet((), with_md5=False).is_empty
    assert not DigestSet(()).is_empty
