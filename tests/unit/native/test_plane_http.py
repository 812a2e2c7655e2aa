"""The strict HTTP parser of the native plane: what it takes, what it refuses, and that cutting changes nothing."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus._native import plane

GOOD = b"GET /bucket/key%20x?versionId=1&x HTTP/1.1\r\nHost: localhost:8080\r\nX-Amz-Date:  20260101T000000Z \t\r\n\r\n"


def head(*lines: bytes, start: bytes = b"PUT /b/k HTTP/1.1") -> bytes:
    return b"\r\n".join([start, *lines, b"", b""])


def refusal(data: bytes) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        plane.parse_request(data)
    return str(caught.value)


def test_a_good_head_is_taken_apart() -> None:
    request = plane.parse_request(GOOD + b"body")
    assert request is not None
    assert (request.method, request.path, request.query) == (b"GET", b"/bucket/key%20x", b"versionId=1&x")
    assert request.headers == [(b"host", b"localhost:8080"), (b"x-amz-date", b"20260101T000000Z")]
    assert request.body_at == len(GOOD)
    assert request.keep_alive
    assert not request.chunked
    assert request.content_length is None


def test_an_empty_query_differs_from_none() -> None:
    with_mark = plane.parse_request(head(b"Host: h", start=b"GET /? HTTP/1.1"))
    without = plane.parse_request(head(b"Host: h", start=b"GET / HTTP/1.1"))
    assert with_mark is not None
    assert without is not None
    assert (with_mark.query, without.query) == (b"", None)


@pytest.mark.parametrize("end", range(len(GOOD)))
def test_a_head_that_is_not_whole_asks_for_more(end: int) -> None:
    assert plane.parse_request(GOOD[:end]) is None


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("bad-line", b"\r\n" + GOOD),
        ("bad-line", b"GET\r\n\r\n"),
        ("bad-line", b"GET /\r\n\r\n"),
        ("bad-line", head(b"Host: h", start=b"G\x01T / HTTP/1.1")),
        ("bad-line", head(b"Host: h", start=b"ABCDEFGHIJKLMNOPQ / HTTP/1.1")),
        ("bad-line", head(b"Host: h", start=b" / HTTP/1.1")),
        ("bad-version", head(b"Host: h", start=b"GET / HTTP/2.0")),
        ("bad-version", head(b"Host: h", start=b"GET / HTTP/1.1 ")),
        ("bad-version", head(b"Host: h", start=b"GET /a b HTTP/1.1")),
        ("bad-target", head(b"Host: h", start=b"GET ftp://h/ HTTP/1.1")),
        ("bad-target", head(b"Host: h", start=b"GET http:///x HTTP/1.1")),
        ("bad-host", head(b"Host: h", start=b"GET http://u@h/ HTTP/1.1")),
        ("no-host", head(b"a: b", start=b"GET http://h/ HTTP/1.1")),
        ("bad-target", head(b"Host: h", start=b"OPTIONS * HTTP/1.1")),
        ("bad-target", head(b"Host: h", start=b"GET /a#b HTTP/1.1")),
        ("bad-target", head(b"Host: h", start=b"GET /\xc3\xa9 HTTP/1.1")),
        ("bad-target", head(b"Host: h", start=b"GET /\x00 HTTP/1.1")),
        ("bad-version", head(b"Host: h", start=b"GET  / HTTP/1.1")),
        ("bad-header", head(b"Host : h")),
        ("bad-header", head(b"Host: h", b" folded")),
        ("bad-header", head(b"Host: h", b": empty name")),
        ("bad-header", head(b"Host: h", b"no colon")),
        ("bad-header", head(b"Host: h", b"a: b\x00c")),
        ("bad-header", head(b"Host: h", b"a: b\rc")),
        ("bad-header", head(b"Host: h", b"a: b\x7f")),
        ("bad-header", head(b"Host: h", b"a(b: c")),
        ("no-host", head(b"a: b")),
        ("no-host", head(b"Host:")),
        ("two-hosts", head(b"Host: a", b"Host: a")),
        ("bad-host", head(b"Host: user@h")),
        ("bad-host", head(b"Host: h/x")),
        ("bad-framing", head(b"Host: h", b"Content-Length: 1", b"Transfer-Encoding: chunked")),
        ("bad-framing", head(b"Host: h", b"Content-Length: 1", b"Content-Length: 1")),
        ("bad-framing", head(b"Host: h", b"Content-Length: 1, 1")),
        ("bad-framing", head(b"Host: h", b"Content-Length: +1")),
        ("bad-framing", head(b"Host: h", b"Content-Length: -1")),
        ("bad-framing", head(b"Host: h", b"Content-Length: 0x1")),
        ("bad-framing", head(b"Host: h", b"Content-Length:")),
        ("bad-framing", head(b"Host: h", b"Content-Length: 9999999999999999999")),
        ("bad-coding", head(b"Host: h", b"Transfer-Encoding: gzip, chunked")),
        ("bad-coding", head(b"Host: h", b"Content-Length: 1", b"Transfer-Encoding: gzip, chunked")),
        ("bad-framing", head(b"Host: h", b"Transfer-Encoding: gzip")),
        ("bad-framing", head(b"Host: h", b"Transfer-Encoding: xchunked")),
        ("bad-framing", head(b"Host: h", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked")),
        ("bad-framing", head(b"Host: h", b"Transfer-Encoding: chunked", start=b"PUT / HTTP/1.0")),
        ("bad-expect", head(b"Host: h", b"Expect: 100-continue", b"Expect: 100-continue")),
        ("bare-lf", GOOD.replace(b"\r\n", b"\n")),
        ("bare-lf", b"GET / HTTP/1.1\nHost: h\r\n\r\n"),
        ("too-many", head(b"Host: h", *[b"a%d: b" % i for i in range(64)])),
        ("too-large", head(b"Host: h", b"a: " + b"x" * 16384)),
        ("too-large", b"GET /" + b"x" * 16384),
    ],
)
def test_a_head_with_two_readings_is_refused_by_name(name: str, data: bytes) -> None:
    assert refusal(data) == name


def test_the_largest_head_and_the_most_headers_are_taken() -> None:
    assert plane.parse_request(head(b"Host: h", *[b"a%d: b" % i for i in range(63)])) is not None
    frame = len(head(b"Host: h", b"a: "))
    assert plane.parse_request(head(b"Host: h", b"a: " + b"x" * (16384 - frame))) is not None


@pytest.mark.parametrize(
    ("lines", "start", "keep_alive", "continues"),
    [
        ([b"Connection: close"], b"PUT / HTTP/1.1", False, False),
        ([b"Connection: x, Close"], b"PUT / HTTP/1.1", False, False),
        ([b"Connection: keep-alive"], b"PUT / HTTP/1.0", False, False),
        ([b"Expect: 100-Continue", b"Content-Length: 5"], b"PUT / HTTP/1.1", True, True),
        ([b"Expect: 100-continue", b"Content-Length: 0"], b"PUT / HTTP/1.1", False, False),  # in vain
        ([b"Expect: 100-continue", b"Content-Length: 5"], b"PUT / HTTP/1.0", False, False),
        ([b"Expect: 200-ok", b"Content-Length: 5"], b"PUT / HTTP/1.1", True, False),
        ([b"Expect:", b"Content-Length: 5"], b"PUT / HTTP/1.1", True, False),
        ([b"Expect: 100-continue", b"Transfer-Encoding: Chunked"], b"PUT / HTTP/1.1", True, True),
    ],
)
def test_connection_and_expect_are_understood(
    lines: list[bytes], start: bytes, keep_alive: bool, continues: bool
) -> None:
    request = plane.parse_request(head(b"Host: h", *lines, start=start))
    assert request is not None
    assert (request.keep_alive, request.expects_continue) == (keep_alive, continues)


@given(data=st.binary(max_size=300) | st.just(GOOD), cuts=st.lists(st.integers(0, 300), max_size=8))
def test_cutting_the_head_changes_nothing(data: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    pieces = [data[a:b] for a, b in itertools.pairwise(edges)]
    assert plane.parse_request_in_steps(pieces) == plane.parse_request_in_steps([data])


TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABC-_!#$%&'*+.^`|~0123456789", min_size=1, max_size=20)
VALUE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40)


@given(st.lists(st.tuples(TOKEN, VALUE), max_size=20))
def test_headers_round_trip(headers: list[tuple[str, str]]) -> None:
    special = {"host", "content-length", "transfer-encoding", "expect"}
    headers = [(name, value) for name, value in headers if name.lower() not in special]
    request = plane.parse_request(head(b"Host: h", *[f"{name}:{value}".encode() for name, value in headers]))
    assert request is not None
    expected = [(name.lower().encode(), value.strip().encode()) for name, value in headers]
    assert request.headers == [(b"host", b"h"), *expected]


def test_a_response_head_is_taken_apart() -> None:
    data = b"HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\nX: y\r\n\r\nabc"
    assert plane.parse_response(data) == (len(data) - 3, 206, [(b"content-length", b"3"), (b"x", b"y")], 3, False)
    assert plane.parse_response(b"HTTP/1.1 200\r\n\r\n") == (16, 200, [], None, False)
    assert plane.parse_response(b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n") is not None


@pytest.mark.parametrize(
    "line", [b"HTTP/1.1 20x OK", b"HTTP/1.1 099 Low", b"HTTP/3 200", b"XTTP/1.1 200 OK", b"HTTP/1.1 2000"]
)
def test_a_wrong_status_line_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="bad-"):
        plane.parse_response(line + b"\r\n\r\n")


@pytest.mark.parametrize(
    ("target", "path", "query", "host"),
    [
        (b"http://a.example/b/k%20?x=y", b"/b/k%20", b"x=y", b"a.example"),
        (b"HTTPS://a.example:8443/", b"/", None, b"a.example:8443"),
        (b"http://a.example", b"/", None, b"a.example"),
        (b"http://a.example?x", b"/", b"x", b"a.example"),
        (b"http://[::1]:80//k", b"//k", None, b"[::1]:80"),
    ],
)
def test_a_target_in_absolute_form_names_its_own_host(
    target: bytes, path: bytes, query: bytes | None, host: bytes
) -> None:
    """RFC 9112, 3.2.2: the Host header that came with it is ignored."""
    request = plane.parse_request(head(b"Host: other", start=b"GET %b HTTP/1.1" % target))
    assert request is not None
    assert (request.path, request.query, request.headers[0]) == (path, query, (b"host", host))
