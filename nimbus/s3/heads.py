"""What is wrong with a request head before anybody asks what it wants: the rules of HTTP, and bounds.

The listener behind us lets more pass than RFC 9112 does; what the native plane refuses is refused here alike, and so is
the connection's fate. Some it never shows us, and takes in its own way: bare LF for CRLF, identical lengths given
twice, a length beside chunks, a fragment behind a target, a Host that differs from the target's authority.

Must always hold: who may go on, goes on from a head that has one reading.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from nimbus.auth.api import Head
from nimbus.s3.errors import S3Error

HEADERS_MAX: Final = 64  # the native plane's NB_HTTP_HEADERS_MAX, and the next its NB_HTTP_HEAD_SIZE_BYTES_MAX
HEAD_SIZE_BYTES_MAX: Final = 16384
_SINGLE: Final = ("host", "content-length", "transfer-encoding", "authorization", "range", "x-amz-content-sha256")
_OF_CONNECTION: Final = frozenset(_SINGLE[:3])  # in doubt about one of these, nobody knows who or where is meant
_is_host: Final = re.compile(r"[-._:\[\]~%0-9A-Za-z]+").fullmatch


class Refusal(msgspec.Struct, frozen=True):
    """Why a head is refused, and whether its connection ends with that."""

    error: S3Error
    is_last: bool = True


def refusal_of(head: Head, headers: dict[str, str], is_relayed: bool) -> Refusal | None:
    """None: there is nothing wrong. The bounds of a relayed head were kept in front of us."""
    host = headers.get("host")
    if not host:
        return Refusal(S3Error("InvalidRequest", "The Host header is missing."))
    if not _is_host(host):
        return Refusal(S3Error("InvalidRequest", "The Host header is not valid."))
    if head.raw_path[:1] != b"/":  # `*` and `host:port` (RFC 9112, 3.2.3 and 3.2.4) name nothing here
        return Refusal(S3Error("InvalidURI"))
    if len(headers) != len(head.headers):
        names = [name for name, _ in head.headers]
        for name in _SINGLE:
            if names.count(name.encode()) > 1:
                error = S3Error("InvalidRequest", f"The header {name} was given more than once.")
                return Refusal(error, is_last=name in _OF_CONNECTION)
    coding = headers.get("transfer-encoding")
    if coding is not None and (coding.lower() != "chunked" or "content-length" in headers):
        message = "Of the header Transfer-Encoding only the value chunked is implemented."
        return Refusal(S3Error("NotImplemented", message, Header="Transfer-Encoding"))
    if not is_relayed and (len(head.headers) > HEADERS_MAX or _size(head) > HEAD_SIZE_BYTES_MAX):
        return Refusal(S3Error("InvalidRequest", "The head of the request is too large."))
    return None


def _size(head: Head) -> int:
    """What the head took on the wire, about."""
    lines = sum([len(name) + len(value) for name, value in head.headers]) + 4 * len(head.headers)
    return lines + len(head.raw_path) + len(head.raw_query)
