"""What the head of a request declares about its body: lengths, Content-MD5, checksums in headers or trailers.

Pure. Whatever is malformed or contradicts itself is refused here, before a byte of the body is received;
body.py then holds the body to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from nimbus.auth.api import BodyForm, Verified
from nimbus.s3.body import Declared
from nimbus.s3.checksums import ALGORITHMS, BY_HEADER, NAMES_TEXT, Algorithm, decode
from nimbus.s3.errors import S3Error

_CHUNKED: Final = frozenset(
    {BodyForm.CHUNKED_SIGNED, BodyForm.CHUNKED_SIGNED_TRAILER, BodyForm.CHUNKED_UNSIGNED_TRAILER}
)

_CHECKSUM_PREFIX: Final = "x-amz-checksum-"
_ABOUT_CHECKSUMS: Final = frozenset(_CHECKSUM_PREFIX + name for name in ("algorithm", "mode", "type"))


def is_framed(verified: Verified) -> bool:
    """Whether the body comes in aws-chunked framing."""
    return verified.body in _CHUNKED


def declare(headers: Mapping[str, str], verified: Verified, *, digests: bool = True) -> Declared:
    """The declarations of a head. `digests` False: checksum headers speak of something other than this body."""
    wire_size = _wire_size(headers)
    payload_size = verified.decoded_length if is_framed(verified) else wire_size
    if not digests:
        return Declared(wire_size, payload_size, verified)
    trailer = _trailer(verified)
    checksum = _checksum(headers)
    if checksum is not None and trailer is not None:
        raise more_than_one()
    _check_announced(headers, trailer, checksum)
    return Declared(wire_size, payload_size, verified, _content_md5(headers), checksum, trailer)


def check_checksum_names(headers: Iterable[str]) -> None:
    """A checksum that nobody can compute is refused: the client would take it for verified. Raises InvalidRequest."""
    for name in headers:
        if name.startswith(_CHECKSUM_PREFIX) and name not in BY_HEADER and name not in _ABOUT_CHECKSUMS:
            raise S3Error("InvalidRequest", "The algorithm type you specified in x-amz-checksum- header is invalid.")


def _wire_size(headers: Mapping[str, str]) -> int | None:
    text = headers.get("content-length")
    if text is None:
        return None if "transfer-encoding" in headers else 0
    if not (text.isascii() and text.isdigit()):
        message = "The Content-Length header is not a number."
        raise S3Error("InvalidArgument", message, ArgumentName="Content-Length", ArgumentValue=text)
    return int(text)


def _content_md5(headers: Mapping[str, str]) -> bytes | None:
    text = headers.get("content-md5")
    if text is None:
        return None
    digest = decode(text, 16)
    if digest is None:
        raise S3Error("InvalidDigest", "The Content-MD5 you specified was invalid.", **{"Content-MD5": text})
    return digest


def _checksum(headers: Mapping[str, str]) -> tuple[Algorithm, bytes] | None:
    names = headers.keys() & BY_HEADER.keys()
    if not names:
        return None
    if len(names) > 1:
        raise more_than_one()
    name = names.pop()
    algorithm = BY_HEADER[name]
    digest = decode(headers[name], algorithm.size_bytes)
    if digest is None:
        raise S3Error("InvalidRequest", f"Value for {name} header is invalid.")
    return algorithm, digest


def _trailer(verified: Verified) -> Algorithm | None:
    if not verified.trailers:
        return None
    if len(verified.trailers) > 1:
        raise more_than_one()
    algorithm = BY_HEADER.get(verified.trailers[0])
    if algorithm is None:
        raise S3Error("InvalidRequest", "The value specified in the x-amz-trailer header is not supported")
    return algorithm


def _check_announced(
    headers: Mapping[str, str], trailer: Algorithm | None, checksum: tuple[Algorithm, bytes] | None
) -> None:
    """x-amz-sdk-checksum-algorithm must name the checksum that comes with the request."""
    announced = headers.get("x-amz-sdk-checksum-algorithm")
    if announced is None:
        return
    if announced.upper() not in ALGORITHMS:
        raise S3Error(
            "InvalidRequest",
            f"Checksum algorithm provided is unsupported. Please try again with any of the valid types: [{NAMES_TEXT}]",
        )
    given = trailer or (checksum[0] if checksum is not None else None)
    if given is None:
        raise S3Error(
            "InvalidRequest",
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers "
            "were found.",
        )
    if given.name != announced.upper():
        raise S3Error("InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.")


def more_than_one() -> S3Error:
    """The refusal of two checksums where one is expected."""
    return S3Error(
        "InvalidRequest",
        "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
    )
