"""Bodies in aws-chunked framing, right and wrong ones, sent raw."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from nimbus._native.sigv4 import derive_signing_key
from nimbus._native.sigv4 import sign as sign_text
from tests.wire.plane_node import OWNER
from tests.wire.plane_pair import ANSWER, EMPTY, Node

SIGNED, SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
FORMS = [SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER]
# What can be wrong with a body, and what it is called.
WRONGS: Final[list[tuple[str, dict[str, Any], str]]] = [
    (SIGNED, {"chunk": 0}, "SignatureDoesNotMatch"),
    (SIGNED, {"chunk": 1}, "SignatureDoesNotMatch"),
    (SIGNED, {"size_off": 1}, "IncompleteBody"),
    (SIGNED, {"size_off": -1}, "IncompleteBody"),
    (SIGNED, {"cut": -2}, "IncompleteBody"),
    (SIGNED_TRAILER, {"trailer_signature": True}, "SignatureDoesNotMatch"),
    (SIGNED_TRAILER, {"trailer": "AAAAAA=="}, "BadDigest"),
    (UNSIGNED_TRAILER, {"trailer": "AAAAAA=="}, "BadDigest"),
    (UNSIGNED_TRAILER, {"trailer": "short"}, "InvalidRequest"),
    (UNSIGNED_TRAILER, {"cut": 100}, "IncompleteBody"),
]


def framed(
    one: Node, path: str, form: str, chunks: list[bytes], more: Mapping[str, str] = MappingProxyType({}), **wrong: Any
) -> ANSWER:
    """A body in aws-chunked framing, with `more` headers; `wrong` says what is broken about it."""
    size = sum(map(len, chunks)) + wrong.get("size_off", 0)
    headers = {"x-amz-decoded-content-length": str(size), "Content-Encoding": "aws-chunked", **more}
    crc = 0
    for chunk in chunks:
        crc = zlib.crc32(chunk, crc)
    trailer = base64.b64encode(crc.to_bytes(4, "big")).decode()
    if form.endswith("TRAILER"):
        headers["x-amz-trailer"] = "x-amz-checksum-crc32"
    trailer = wrong.get("trailer", trailer)
    # Its length is signed with the head, and its signatures chain from the head's: made twice, of one length.
    _, signed = one.sign(path, {**headers, "Content-Length": "1"}, form)
    size = len(_frame(form, chunks, signed, trailer, wrong)[: wrong.get("cut")])
    head, signed = one.sign(path, {**headers, "Content-Length": str(size)}, form)
    body = _frame(form, chunks, signed, trailer, wrong)[: wrong.get("cut")]
    return one.exchange(head + body)


def _frame(form: str, chunks: list[bytes], signed: dict[str, str], trailer: str, wrong: dict[str, Any]) -> bytes:
    names = {name.lower(): value for name, value in signed.items()}
    time = names["x-amz-date"]
    scope = f"{time[:8]}/us-east-1/s3/aws4_request"
    key = derive_signing_key(OWNER[1], time[:8], "us-east-1")
    previous = names["authorization"].rsplit("=", 1)[1]
    out = b""
    for index, chunk in enumerate([*chunks, b""]):
        line = b"%x" % len(chunk)
        if form.startswith("STREAMING-AWS4"):
            digest = hashlib.sha256(chunk).hexdigest()
            text = f"AWS4-HMAC-SHA256-PAYLOAD\n{time}\n{scope}\n{previous}\n{EMPTY}\n{digest}"
            previous = sign_text(key, text.encode())
            shown = "0" * 64 if wrong.get("chunk") == index else previous
            line += b";chunk-signature=" + shown.encode()
        out += line + b"\r\n" + (chunk + b"\r\n" if chunk else b"")
    if form.endswith("TRAILER"):
        lines = f"x-amz-checksum-crc32:{trailer}\n"
        out += lines.strip().encode() + b"\r\n"
        if form.startswith("STREAMING-AWS4"):
            digest = hashlib.sha256(lines.encode()).hexdigest()
            text = f"AWS4-HMAC-SHA256-TRAILER\n{time}\n{scope}\n{previous}\n{digest}"
            shown = "0" * 64 if wrong.get("trailer_signature") else sign_text(key, text.encode())
            out += b"x-amz-trailer-signature:" + shown.encode() + b"\r\n"
    return out + b"\r\n"
