"""The checksum algorithms of S3: one table of what each is called, how it is computed and how parts combine.

A checksum travels as base64 of its big-endian bytes. `Digest` is the running form of any of them; nothing here
reads a clock, a socket or a disk. CRCs of parts combine into the CRC of the whole without reading a byte again
(`combine`), which is what makes FULL_OBJECT checksums of multipart uploads cheap; the others of a multipart
upload are COMPOSITE: the checksum of the parts' checksums, with "-<parts>" behind it.

Source: Amazon S3 User Guide, "Checking object integrity"; xxhash values as in the XXH specification.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, Protocol

import msgspec
import xxhash
from awscrt import checksums as crt

COMPOSITE: Final = "COMPOSITE"
FULL_OBJECT: Final = "FULL_OBJECT"
DEFAULT_ALGORITHM: Final = "CRC64NVME"  # what S3 computes and keeps when a client names none


class Digest(Protocol):
    """A checksum that takes its input piece by piece."""

    def update(self, data: bytes, /) -> object: ...

    def digest(self) -> bytes: ...


class Crc:
    """A running CRC in the shape of a hashlib object."""

    __slots__ = ("_size_bytes", "_step", "_value")

    def __init__(self, step: Callable[[bytes, int], int], size_bytes: int) -> None:
        self._step = step
        self._size_bytes = size_bytes
        self._value = 0

    def update(self, data: bytes) -> None:
        self._value = self._step(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size_bytes, "big")


class Algorithm(msgspec.Struct, frozen=True):
    """One row of the table below."""

    name: str  # as it stands in x-amz-checksum-algorithm
    size_bytes: int
    new: Callable[[], Digest]
    types: tuple[str, ...]  # allowed for multipart uploads, the default first
    combine: Callable[[int, int, int], int] | None = None  # CRC of AB from the CRCs of A and B and B's length

    @property
    def header(self) -> str:
        return "x-amz-checksum-" + self.name.lower()

    @property
    def field(self) -> str:
        """The field of the S3 model's structures that carries the value."""
        return "checksum_" + self.name.lower()


def _md5() -> Digest:
    return hashlib.md5(usedforsecurity=False)


def _sha1() -> Digest:
    return hashlib.sha1(usedforsecurity=False)


_ROWS: Final = (
    Algorithm("CRC32", 4, lambda: Crc(zlib.crc32, 4), (COMPOSITE, FULL_OBJECT), crt.combine_crc32),
    Algorithm("CRC32C", 4, lambda: Crc(crt.crc32c, 4), (COMPOSITE, FULL_OBJECT), crt.combine_crc32c),
    Algorithm("CRC64NVME", 8, lambda: Crc(crt.crc64nvme, 8), (FULL_OBJECT,), crt.combine_crc64nvme),
    Algorithm("SHA1", 20, _sha1, (COMPOSITE,)),
    Algorithm("SHA256", 32, hashlib.sha256, (COMPOSITE,)),
    Algorithm("SHA512", 64, hashlib.sha512, (COMPOSITE,)),
    Algorithm("MD5", 16, _md5, (COMPOSITE,)),
    Algorithm("XXHASH64", 8, xxhash.xxh64, (COMPOSITE,)),
    Algorithm("XXHASH3", 8, xxhash.xxh3_64, (COMPOSITE,)),
    Algorithm("XXHASH128", 16, xxhash.xxh3_128, (COMPOSITE,)),
)
ALGORITHMS: Final[dict[str, Algorithm]] = {row.name: row for row in _ROWS}
BY_HEADER: Final[dict[str, Algorithm]] = {row.header: row for row in _ROWS}
NAMES_TEXT: Final = ", ".join(sorted(ALGORITHMS))


def kept_algorithm(declared: str) -> str:
    """The algorithm that an upload's parts and object are kept with; `declared` is "" when it was created with none."""
    return declared or DEFAULT_ALGORITHM


class DigestSet:
    """Several digests over the same bytes, each computed once: MD5, SHA-256 of the payload, named checksums."""

    __slots__ = ("_fed", "by_name", "md5", "sha256")

    def __init__(self, names: Collection[str], *, with_md5: bool = True, with_sha256: bool = False) -> None:
        self.by_name = {name: ALGORITHMS[name].new() for name in names}
        self.md5 = (self.by_name.get("MD5") or _md5()) if with_md5 else None
        self.sha256 = (self.by_name.get("SHA256") or hashlib.sha256()) if with_sha256 else None
        distinct = {id(digest): digest for digest in (*self.by_name.values(), self.md5, self.sha256) if digest}
        self._fed = list(distinct.values())

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to compute."""
        return not self._fed

    def update(self, data: bytes) -> None:
        """Feed every digest. Called on one thread at a time."""
        for digest in self._fed:
            digest.update(data)

    def etag(self) -> str:
        """The MD5 as S3 shows it."""
        assert self.md5 is not None, "made without MD5"
        return self.md5.digest().hex()

    def checksums(self) -> dict[str, str]:
        """The named checksums in their wire form."""
        return {name: encode(digest.digest()) for name, digest in self.by_name.items()}


def encode(digest: bytes) -> str:
    """The wire form of a digest."""
    return base64.b64encode(digest).decode("ascii")


def decode(value: str, size_bytes: int) -> bytes | None:
    """The digest in its wire form, None when it is not canonical base64 of exactly `size_bytes`."""
    try:
        digest = base64.b64decode(value.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return digest if len(digest) == size_bytes and encode(digest) == value else None


def composite(algorithm: Algorithm, values: Sequence[str]) -> str:
    """The COMPOSITE checksum of parts whose own checksums are `values`, in order."""
    whole = algorithm.new()
    for value in values:
        whole.update(base64.b64decode(value))
    return f"{encode(whole.digest())}-{len(values)}"


def full_object(algorithm: Algorithm, parts: Iterable[tuple[str, int]]) -> str:
    """The FULL_OBJECT checksum of parts given as (checksum, size in bytes), in order."""
    combine = algorithm.combine
    assert combine is not None, f"{algorithm.name} has no FULL_OBJECT form"
    crc = 0
    for value, size_bytes in parts:
        crc = combine(crc, int.from_bytes(base64.b64decode(value), "big"), size_bytes)
    return encode(crc.to_bytes(algorithm.size_bytes, "big"))


def multipart_etag(etags: Sequence[str]) -> str:
    """The ETag of a multipart object: MD5 over the parts' MD5s, with "-<parts>" behind it."""
    whole = _md5()
    for etag in etags:
        whole.update(bytes.fromhex(etag))
    return f"{whole.digest().hex()}-{len(etags)}"
