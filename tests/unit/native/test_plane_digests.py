"""The digests of the native plane against hashlib, zlib, awscrt and xxhash; the MD5 lanes against one another."""

from __future__ import annotations

import hashlib
import random
import zlib

import pytest
import xxhash
from awscrt import checksums
from hypothesis import given, settings
from hypothesis import strategies as st

from nimbus._native import plane

NAMES = ("MD5", "CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "XXHASH64", "XXHASH3", "XXHASH128")
ISAS = ("scalar", "avx2", "avx512")[: ("scalar", "avx2", "avx512").index(plane.md5_isa_best()) + 1]


def oracle(data: bytes) -> dict[str, bytes]:
    return {
        "MD5": hashlib.md5(data).digest(),
        "CRC32": zlib.crc32(data).to_bytes(4, "big"),
        "CRC32C": checksums.crc32c(data).to_bytes(4, "big"),
        "CRC64NVME": checksums.crc64nvme(data).to_bytes(8, "big"),
        "SHA1": hashlib.sha1(data).digest(),
        "SHA256": hashlib.sha256(data).digest(),
        "SHA512": hashlib.sha512(data).digest(),
        "XXHASH64": xxhash.xxh64(data).digest(),
        "XXHASH3": xxhash.xxh3_64(data).digest(),
        "XXHASH128": xxhash.xxh3_128(data).digest(),
    }


@given(st.lists(st.binary(max_size=400), max_size=8))
def test_every_digest_equals_its_reference_however_the_stream_is_cut(pieces: list[bytes]) -> None:
    digests = plane.Digests(NAMES)
    for piece in pieces:
        digests.update(piece)
    assert digests.final() == oracle(b"".join(pieces))


@pytest.mark.parametrize("size", [0, 1, 55, 56, 63, 64, 65, 127, 128, 255, 4096, 1 << 20])
def test_digests_at_the_edges_of_blocks(size: int) -> None:
    data = random.Random(size).randbytes(size)
    digests = plane.Digests(NAMES)
    digests.update(data)
    assert digests.final() == oracle(data)
    assert plane.crc64nvme_portable(data).to_bytes(8, "big") == oracle(data)["CRC64NVME"]


def test_only_what_was_asked_for_is_computed_and_names_take_any_case() -> None:
    digests = plane.Digests(["crc32c", "Sha256"])
    digests.update(b"abc")
    assert set(digests.final()) == {"CRC32C", "SHA256"}
    with pytest.raises(ValueError, match="unknown digest"):
        plane.Digests(["CRC33"])


@pytest.mark.parametrize("isa", ISAS)
@settings(max_examples=60)
@given(data=st.data())
def test_md5_of_a_stream_does_not_depend_on_its_neighbours(isa: str, data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 2**32))
    lengths = data.draw(st.lists(st.lists(st.integers(0, 700), max_size=4), max_size=40))
    chance = random.Random(seed)
    streams = [[chance.randbytes(length) for length in pieces] for pieces in lengths]
    expected = [hashlib.md5(b"".join(pieces)).digest() for pieces in streams]
    assert plane.md5_many(streams, isa) == expected


@pytest.mark.parametrize("isa", ISAS)
def test_md5_of_a_large_batch(isa: str) -> None:
    chance = random.Random(7)
    streams = [[chance.randbytes(chance.randrange(200_000))] for _ in range(37)]
    assert plane.md5_many(streams, isa) == [hashlib.md5(pieces[0]).digest() for pieces in streams]
