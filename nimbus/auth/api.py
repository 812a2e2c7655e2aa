"""Who asks: the contract of the one verifier that every request passes, whatever signature form it uses.

Pure: bytes in, verdict out, no I/O. `verify` looks only at the raw head, exactly as it came over the wire;
what it returns says who asks and how the body must be checked before its bytes count.

Must always hold: default deny; no body byte is released before its signature or hash was checked, or the
write that took it is discarded; secrets are compared in constant time and never appear in errors or logs.
"""

from __future__ import annotations

import enum
from typing import Protocol

import msgspec

from nimbus.base.errors import NimbusError


class Head(msgspec.Struct, frozen=True):
    """A request head as it came: nothing decoded, header names in lower case, order kept."""

    method: str
    raw_path: bytes  # percent-encoded, without query
    raw_query: bytes  # without the question mark
    headers: list[tuple[bytes, bytes]]
    peer: str = ""


class User(msgspec.Struct, frozen=True):
    """Somebody with an access key."""

    user_id: str
    display_name: str
    email: str
    access_key: str


class BodyForm(enum.Enum):
    """How the body is protected."""

    UNSIGNED = "unsigned"  # nothing to check beyond length and checksums
    SHA256 = "sha256"  # the whole payload's hash is signed
    CHUNKED_SIGNED = "chunked-signed"  # STREAMING-AWS4-HMAC-SHA256-PAYLOAD
    CHUNKED_SIGNED_TRAILER = "chunked-signed-trailer"  # STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER
    CHUNKED_UNSIGNED_TRAILER = "chunked-unsigned-trailer"  # STREAMING-UNSIGNED-PAYLOAD-TRAILER


class ChunkSeed(msgspec.Struct, frozen=True):
    """What the signatures of chunks and trailer chain from."""

    signing_key: bytes
    timestamp: str  # 20130524T000000Z
    scope: str  # 20130524/us-east-1/s3/aws4_request
    signature: str  # of the head, lower-case hexadecimal

    def __repr__(self) -> str:
        return "ChunkSeed(...)"


class Verified(msgspec.Struct, frozen=True):
    """The verdict on a head. `user` is None for an anonymous request."""

    user: User | None
    body: BodyForm
    payload_sha256: str = ""  # lower-case hexadecimal, for BodyForm.SHA256
    seed: ChunkSeed | None = None  # for the signed chunked forms
    decoded_length: int | None = None  # x-amz-decoded-content-length, for the chunked forms
    trailers: tuple[str, ...] = ()  # names declared in x-amz-trailer, lower case


class AuthFailure(NimbusError):
    """The request could not be authenticated."""

    def __init__(self, code: str, message: str, **fields: str) -> None:
        super().__init__(message)
        self.code = code  # S3's error code, e.g. "SignatureDoesNotMatch"
        self.message = message
        self.fields = fields  # further elements of S3's error document, e.g. Region


class Verifier(Protocol):
    """Checks heads against the users it was made with."""

    def verify(self, head: Head, *, virtual_bucket: str, now_ms: int) -> Verified:
        """Who asks. `virtual_bucket` is the bucket named by the Host header, "" in path style (SigV2 signs it).

        A head without any credential is anonymous, which is a verdict, not a failure. Raises `AuthFailure`.
        """
        ...


class ChunkDecoder(Protocol):
    """Takes an aws-chunked body apart, sans I/O. Releases only verified bytes."""

    def feed(self, data: bytes) -> list[bytes]:
        """The payload that `data` completes. Raises `AuthFailure` for broken framing or signatures."""
        ...

    def finish(self) -> dict[str, str]:
        """The body has ended: the verified trailers, lower-case names. Raises `AuthFailure` when it is not whole."""
        ...
