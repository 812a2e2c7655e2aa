"""The line of a request in the access log, as this front tells it.

The line itself is made by native code (nimbus/_native/plane/log.h), so that it is the same whoever answered. Of a
request that the native plane relayed only the plane knows when it came and went: it writes the line, and takes from a
header of the answer what is known here.
"""

from __future__ import annotations

import time
from typing import Final

from nimbus._native.plane import AccessLog, log_request, log_subject
from nimbus.s3.app import Exchange

RELAYED: Final = "nimbus.relayed"  # in the scope of a request that came through the plane
_HEADER: Final = b"x-nimbus-log"
# The plane takes heads of 16 KiB: an answer that is nearly that goes without the header, its line without the names.
_HEADERS_SIZE_BYTES_MAX: Final = 12 << 10


class AccessRecorder:
    """Tells an access log of requests."""

    def __init__(self, log: AccessLog) -> None:
        self._log = log

    def record(self, exchange: Exchange, took_ns: int) -> None:
        """Write the line of a request that has ended."""
        head, headers = exchange.head, exchange.headers
        target = head.raw_path + b"?" + head.raw_query if head.raw_query else head.raw_path
        total_us = took_ns // 1000
        self._log.write(
            time.time_ns() // 1000 - total_us,
            head.peer.encode(),
            exchange.request_id.encode(),
            exchange.status,
            0 if exchange.body is None else exchange.body.received_bytes,
            exchange.sent_bytes,
            exchange.first_byte_ns // 1000,  # -1 stays negative
            total_us,
            _subject(exchange),
            log_request(
                exchange.key.encode(),
                head.method.encode(),
                target,
                headers.get("user-agent", "").encode("latin-1"),
                headers.get("referer", "").encode("latin-1"),
            ),
        )

    def tell(self, exchange: Exchange, headers: list[tuple[bytes, bytes]]) -> None:
        """Add what the plane does not know to the headers of its answer."""
        if sum(len(name) + len(value) for name, value in headers) <= _HEADERS_SIZE_BYTES_MAX:
            headers.append((_HEADER, _subject(exchange)))


def _subject(exchange: Exchange) -> bytes:
    user = exchange.user
    return log_subject(
        b"" if user is None else user.user_id.encode(),
        b"" if user is None else user.access_key.encode(),
        exchange.operation.encode(),
        exchange.error.encode(),
        exchange.bucket.encode(),
    )
