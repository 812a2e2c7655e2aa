"""What a verified head says about its body: the form it comes in, its declared length and trailers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from nimbus._native.sigv4 import PAYLOADS, Claim
from nimbus.auth.api import AuthFailure, BodyForm, ChunkSeed, Head, User, Verified

TRAILERS_MAX: Final = 8  # one checksum and a little room
_DECODED_LENGTH_DIGITS_MAX: Final = 15
_NAME: Final = re.compile(rb"[a-z0-9-]{1,64}")

# By number of the payload; None: the request cannot have such a body.
_FORMS: Final[tuple[BodyForm | None, ...]] = tuple(
    {
        "ABSENT": BodyForm.UNSIGNED,
        "UNSIGNED": BodyForm.UNSIGNED,
        "SHA256": BodyForm.SHA256,
        "CHUNKED_SIGNED": BodyForm.CHUNKED_SIGNED,
        "CHUNKED_SIGNED_TRAILER": BodyForm.CHUNKED_SIGNED_TRAILER,
        "CHUNKED_UNSIGNED_TRAILER": BodyForm.CHUNKED_UNSIGNED_TRAILER,
    }.get(name)
    for name in PAYLOADS
)
_SIGNED_CHUNKS: Final = frozenset({BodyForm.CHUNKED_SIGNED, BodyForm.CHUNKED_SIGNED_TRAILER})


def nonsense(value: str) -> AuthFailure:
    """x-amz-content-sha256 is none of the values it may have."""
    return AuthFailure(
        "InvalidArgument",
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, or a valid sha256 value.",
        ArgumentName="x-amz-content-sha256",
        ArgumentValue=value,
    )


def verdict(user: User | None, claim: Claim, head: Head, signing_key: bytes | None = None) -> Verified:
    """The verdict on a head whose signature holds. `signing_key` is what signs the chunks of a SigV4 body."""
    form = _FORMS[claim.payload]
    if form is BodyForm.SHA256:
        return Verified(user, form, claim.payload_hash.lower())
    if form is BodyForm.UNSIGNED:
        return Verified(user, form)
    if form is None:
        raise nonsense(claim.payload_hash)
    return _chunked(user, form, claim, head, signing_key)


def _chunked(user: User | None, form: BodyForm, claim: Claim, head: Head, signing_key: bytes | None) -> Verified:
    seed = None
    if form in _SIGNED_CHUNKS:
        if signing_key is None:
            raise AuthFailure("InvalidRequest", "A body of signed chunks needs a request signed with AWS4-HMAC-SHA256.")
        seed = ChunkSeed(signing_key, claim.timestamp, claim.scope, claim.signature)
    trailers = () if form is BodyForm.CHUNKED_SIGNED else _trailers(head)
    if form is BodyForm.CHUNKED_SIGNED_TRAILER and not trailers:
        raise AuthFailure("InvalidRequest", "Missing required header for this request: x-amz-trailer")
    return Verified(user, form, seed=seed, decoded_length=_decoded_length(head), trailers=trailers)


def _values(head: Head, name: bytes) -> Iterator[bytes]:
    return (value.strip() for found, value in head.headers if found == name)


def _decoded_length(head: Head) -> int:
    values = list(_values(head, b"x-amz-decoded-content-length"))
    # bytes.isdigit knows ASCII digits only.
    if len(values) != 1 or not values[0].isdigit() or len(values[0]) > _DECODED_LENGTH_DIGITS_MAX:
        raise AuthFailure("MissingContentLength", "You must provide the Content-Length HTTP header.")
    return int(values[0])


def _trailers(head: Head) -> tuple[str, ...]:
    """The names in x-amz-trailer; S3 lets an unsigned body come without any."""
    names = [name.strip().lower() for value in _values(head, b"x-amz-trailer") for name in value.split(b",")]
    if len(names) > TRAILERS_MAX or len(set(names)) < len(names) or not all(map(_NAME.fullmatch, names)):
        raise AuthFailure("InvalidRequest", "The value specified in the x-amz-trailer header is not supported")
    return tuple(name.decode() for name in names)
