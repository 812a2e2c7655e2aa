"""Heads at the edges of HTTP/1.1: the same answer, and the same fate of the connection, in both modes.

The rules are those of RFC 9112 and RFC 9110; each row names its section.
"""

from __future__ import annotations

import socket

import pytest

from tests.wire.serving import DOMAIN, Server
from tests.wire.test_raw_http import SECONDS_MAX, Raw, read_answer

GOES_ON, ENDS = False, True


def get(*lines: str, target: str = "/", version: str = "1.1", method: str = "GET", body: str = "") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/{version}", *lines, "", body]).encode()


@pytest.mark.parametrize(
    ("request_", "status", "fate"),
    [
        # 9112 3.2: no Host, more than one, or an invalid one: 400.
        (get(), 400, ENDS),
        (get("Host:"), 400, ENDS),
        (get("Host: h", "Host: h"), 400, ENDS),
        (get("Host: h", "Host: g"), 400, ENDS),
        (get("Host: u@h"), 400, ENDS),
        (get("Host: h/x"), 400, ENDS),
        (get("Host: h g"), 400, ENDS),
        # 9112 3.2.2 to 3.2.4: absolute form is served, the forms for proxies name nothing here.
        (get("Host: h", target="http://h/"), 403, GOES_ON),
        (get("Host: h", target="HTTP://h/"), 403, GOES_ON),
        (get("Host: h", target="http://h"), 403, GOES_ON),
        (get("Host: h", target="http://h?x"), 403, GOES_ON),
        (get("Host: h", target="http:///"), 400, ENDS),
        (get("Host: h", target="h:80"), 400, ENDS),
        (get("Host: h", target="h:80", method="CONNECT"), 400, ENDS),
        (get("Host: h", target="*", method="OPTIONS"), 400, ENDS),
        (get("Host: h", target="x"), 400, ENDS),
        # 9112 2.2: one empty line before a request line is ignored.
        (b"\r\n" + get("Host: h"), 403, GOES_ON),
        # 9112 5.1, 5.2: no space before a colon, no folded line.
        (get("Host: h", "A : b"), 400, ENDS),
        (get("Host: h", "A: b", " c"), 400, ENDS),
        (get("Host: h", ": b"), 400, ENDS),
        # 9112 6.1, 6.3: unknown codings below chunked 501; chunked not the last 400.
        (get("Host: h", "Transfer-Encoding: gzip, chunked", method="PUT", body="0\r\n\r\n"), 501, ENDS),
        (
            get("Host: h", "Transfer-Encoding: gzip, chunked", "Content-Length: 5", method="PUT", body="0\r\n\r\n"),
            501,
            ENDS,
        ),
        (get("Host: h", "Transfer-Encoding: gzip", method="PUT"), 400, ENDS),
        (get("Host: h", "Transfer-Encoding: identity", method="PUT"), 400, ENDS),
        (get("Host: h", "Transfer-Encoding: chunked, gzip", method="PUT"), 400, ENDS),
        (get("Host: h", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked", method="PUT"), 400, ENDS),
        (get("Host: h", "Transfer-Encoding: chunked", version="1.0", method="PUT"), 400, ENDS),
        # 9112 9.3, 9.6: HTTP/1.0 ends; `close` among other options ends.
        (get("Host: h", version="1.0"), 403, ENDS),
        (get("Host: h", "Connection: keep-alive", version="1.0"), 403, ENDS),
        (get("Host: h", "Connection: x, Close"), 403, ENDS),
        (get("Host: h", "Connection: keep-alive", "Connection: close"), 403, ENDS),
        # 9110 10.1.1: an expectation that is not understood may be ignored.
        (get("Host: h", "Expect: 200-ok", "Content-Length: 5", body="hello"), 403, GOES_ON),
        # 9110 5.4: what is larger than is read is refused.
        (get("Host: h", *["A: b"] * 80), 400, ENDS),
        (get("Host: h", "A: " + "a" * 17_000), 400, ENDS),
    ],
)
def test_a_head_at_the_edge_has_one_answer_in_both_modes(
    server: Server, request_: bytes, status: int, fate: bool
) -> None:
    with socket.create_connection((server.host, server.port), timeout=SECONDS_MAX) as peer:
        peer.sendall(request_)
        answer = read_answer(peer, wait_for_close=True)
    assert (answer.status, answer.is_closed) == (status, fate)


def absolute(head: bytes, authority: str) -> bytes:
    method, _, rest = head.partition(b" ")
    return method + b" http://" + authority.encode() + rest


@pytest.fixture
def raw(server: Server, bucket: str) -> Raw:
    return Raw(server, bucket)


def test_signed_requests_in_absolute_form_are_served(raw: Raw) -> None:
    """The signature covers the path, as a client behind a proxy has signed it."""
    authority = f"{raw.server.host}:{raw.server.port}"
    head = raw.head("PUT", "/key%20a")[:-2] + b"Content-Length: 5\r\n\r\n"
    assert raw.talk(absolute(head, authority), b"hello").status == 200
    for _ in range(2):  # cold, and from the cache
        assert raw.talk(absolute(raw.head("GET", "/key%20a"), authority)).body == b"hello"
    listed = raw.talk(absolute(raw.head("GET", "?list-type=2"), authority))
    assert (listed.status, b"<Key>key a</Key>" in listed.body) == (200, True)


def test_a_presigned_target_in_absolute_form_is_served(raw: Raw) -> None:
    raw.client.put_object(Bucket=raw.bucket, Key="key", Body=b"hello")
    url = raw.client.generate_presigned_url("get_object", Params={"Bucket": raw.bucket, "Key": "key"})
    host = f"Host: {raw.server.host}:{raw.server.port}"
    assert raw.talk(f"GET {url} HTTP/1.1\r\n{host}\r\n\r\n".encode()).body == b"hello"


def test_a_bucket_in_the_authority_is_found(raw: Raw) -> None:
    host = f"{raw.bucket}.{DOMAIN}"
    answer = raw.talk(get(f"Host: {host}", target=f"http://{host}/key"))
    assert (answer.status, answer.code) == (403, "AccessDenied")
