"""Requests whose framing has been read in two ways by somebody, as a table and as mutations of that table.

Each case is a run of bytes that begins with one request; the test puts a harmless request behind it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Final

CHUNKS: Final = b"5\r\nhello\r\n0\r\n\r\n"


def _put(*lines: bytes, body: bytes = b"", target: bytes = b"/x", version: bytes = b"HTTP/1.1") -> bytes:
    return b"\r\n".join([b"PUT " + target + b" " + version, b"Host: h", *lines, b"", b""]) + body


def _chunked(body: bytes) -> bytes:
    return _put(b"Transfer-Encoding: chunked", body=body)


# fmt: off
_LENGTHS: Final = (
    b"5", b"+5", b"-5", b"05", b"005", b"5 ", b" 5", b"\t5", b"5\t", b"5,5", b"5, 5", b"5,6", b"5;5", b"5 5", b"0x5",
    b"5h", b"", b" ", b"0", b"00", b"-0", b"-1", b"5.0", b"5e0", b"1_0", b"\x0b5", b"5\x0b", b"\xc2\xa05", b'"5"',
    b"five", b"4294967301", b"18446744073709551621", b"9223372036854775808", b"99999999999999999999",
    b"00000000000000000000000000000000000000005", b"10",
)
_CODINGS: Final = (
    b"chunked", b"Chunked", b"CHUNKED", b" chunked", b"chunked ", b"\tchunked", b"\x0bchunked", b"chunked\x0b",
    b"xchunked", b"chunkedx", b"chunked, identity", b"identity, chunked", b"identity", b"chunked, chunked",
    b"chunked,", b",chunked", b"gzip, chunked", b"chunked, gzip", b"chunked;q=1", b'"chunked"', b"", b"chunk", b"cow",
    b"chunked\x00", b"chun ked", b"chunked\r\n ", b"\r\n chunked", b"gzip", b"deflate", b"chunked;",
    b"\xc2\xa0chunked", b"identity,identity",
)
_CHUNK_BODIES: Final = (
    b"5\r\nhello\r\n0\r\n\r\n", b"05\r\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n",
    b"0x5\r\nhello\r\n0\r\n\r\n", b"5h\r\nhello\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n",
    b" 5\r\nhello\r\n0\r\n\r\n", b"5\t\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n", b"5\nhello\r\n0\r\n\r\n",
    b"5\r\nhello\n0\r\n\r\n", b"5\r\nhello\r\n0\n\n", b"5\r\nhello\r\n0\r\n\n", b"5\rhello\r0\r\r",
    b"5\r\nhello\r\n0\r\n", b"5\r\nhello\r\n\r\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"5\r\nhello!\r\n0\r\n\r\n",
    b"\r\n0\r\n\r\n", b"5;a=b\r\nhello\r\n0\r\n\r\n", b'5;a="b;c"\r\nhello\r\n0\r\n\r\n',
    b'5;a="\r\n"\r\nhello\r\n0\r\n\r\n', b"5;\r\nhello\r\n0\r\n\r\n", b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    b"5;a\rb\r\nhello\r\n0\r\n\r\n", b"5;a\x00b\r\nhello\r\n0\r\n\r\n", b"5;\xff\r\nhello\r\n0\r\n\r\n",
    b"5,a\r\nhello\r\n0\r\n\r\n", b"5 ;a=b\r\nhello\r\n0\r\n\r\n", b"5;a=b;c;d=e\r\nhello\r\n0\r\n\r\n",
    b"A\r\nhello\r\n0\r\n\r\n", b"a\r\n0123456789\r\n0\r\n\r\n", b"A\r\n0123456789\r\n0\r\n\r\n",
    b"00000000000000005\r\nhello\r\n0\r\n\r\n", b"0000000000000005\r\nhello\r\n0\r\n\r\n",
    b"000000000000005\r\nhello\r\n0\r\n\r\n", b"0" * 200 + b"5\r\nhello\r\n0\r\n\r\n",
    b"10000000000000005\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    b"8000000000000000\r\nhello\r\n0\r\n\r\n", b"100000005\r\nhello\r\n0\r\n\r\n",
    b"7fffffffffffffff\r\nhello\r\n0\r\n\r\n", b"fffffffffffffff\r\nhello\r\n0\r\n\r\n", b"0\r\n\r\n", b"000\r\n\r\n",
    b"0;a=b\r\n\r\n", b"0\r\nA: b\r\n\r\n", b"5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n",
    b"0\r\nContent-Length: 5\r\n\r\n", b"0\r\nTransfer-Encoding: chunked\r\n\r\n", b"0\r\nHost: evil\r\n\r\n",
    b"0\r\nnonsense\r\n\r\n", b"0\r\n: b\r\n\r\n", b"0\r\n A: b\r\n\r\n", b"0\r\nA: b\r\n c\r\n\r\n",
    b"0\r\nA : b\r\n\r\n", b"0\r\nA: b\n\r\n", b"0\r\nA: b\n\n", b"0\r\nA: \x00\r\n\r\n", b"0\r\nA: b\r\r\n\r\n",
    b"0\r\nA: \xff\r\n\r\n", b"0\r\nGET /y HTTP/1.1\r\nHost: h\r\n\r\n", b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    b"1\r\n\n\r\n0\r\n\r\n", b"2\r\n\r\n\r\n0\r\n\r\n",
)
_LINES: Final = (
    b"A : b", b"A\t: b", b" A: b", b"\tA: b", b": b", b"A", b"A b", b"A\x00: b", b"A: \x00", b"A: \x01", b"A: \x7f",
    b"A: \x1b", b"A: \r", b"A: b\rC: d", b"A: b\nC: d", b"A: b\n C: d", b"A\r: b", b"A\n: b", b"\xc3\xa4: b",
    b"A: \xc3\xa4", b"A: \xff", b"A: b\r\n c", b"A: b\r\n\tc", b"A:\r\n b", b"A:b", b"A:", b"A: ", b"A:\t",
    b"A:  b  ", b"(A): b", b"A/B: c", b'"A": b', b"A@: b", b"A[]: b", b"A{}: b", b"A,B: c", b"A;B: c", b"A=B: c",
    b"A_B: c", b"!#$%&'*+-.^_`|~: b", b"Content_Length: 3", b"Content-Length\x00: 3", b"Content-Length : 3",
    b" Content-Length: 3", b"\x0bContent-Length: 3", b"Content-Length:\x0b3", b"Transfer-Encoding : chunked",
    b"Transfer-Encoding\t: chunked", b"Transfer_Encoding: chunked", b"X: \r\n\r\nA: b", b"Connection: close",
    b"Connection: keep-alive", b"Connection: Content-Length", b"Connection: close, x", b"Connection:\x0bclose",
    b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    b"Expect: 100-continue", b"Expect: 200-ok", b"Keep-Alive: timeout=5", b"Proxy-Connection: close", b"TE: trailers",
    b"Trailer: Content-Length",
)
_HOSTS: Final = (
    b"", b"Host: h", b"Host:", b"Host: ", b"Host: h\r\nHost: h", b"Host: h\r\nHost: g", b"Host: u@h", b"Host: u:p@h",
    b"Host: h/x", b"Host: h:80", b"Host: h:", b"Host: h:x", b"Host: h:-1", b"Host: h:99999999", b"Host: h:80:80",
    b"Host: [::1]", b"Host: [::1]:80", b"Host: [::1", b"Host: ::1", b"Host: []", b"Host: h h", b"Host: h,g",
    b"Host: h?x", b"Host: h#x", b"Host: h\\g", b"Host: \xc3\xa4", b"Host: h\x00", b"Host: .", b"Host: h.",
    b"Host: ..", b"Host: -", b"Host: %68", b"Host: h%00", b"Host: _", b"Host: ~", b"HOST: h", b"host: h", b"Host : h",
    b"Host\t: h", b" Host: h", b"Host: h\r\n g", b"Host: \t h \t", b"Host: h;x", b"Host: 'h'", b"Host: h\x7f",
)
_TARGETS: Final = (
    b"/", b"/x", b"/x?", b"/x?y", b"/x?y?z", b"//x", b"/x//y", b"/./x", b"/../x", b"/x/..", b"/x#f", b"/x?y#f", b"*",
    b"x", b"", b"http://h/x", b"HTTP://h/x", b"http://g/x", b"https://h/x", b"h:80", b"h", b"http:x", b"//h/x",
    b"/ x", b"/x y", b"/x\ty", b"/x ", b"/\x00", b"/\x01", b"/\x7f", b"/\x80", b"/\xc3\xa4", b"/%", b"/%4", b"/%zz",
    b"/%00", b"/%2f", b"/%0d%0a", b'/"', b"/<>", b"/^", b"/`", b"/{}", b"/|", b"/\\", b"/[x]", b"/?[x]", b"/?{}",
    b'/?"', b"/?%", b"/x;y=z", b"/x:y@z", b"/!$&'()*+,;=", b"/" + b"a" * 6000,
)
_VERSIONS: Final = (
    b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/1.9", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/2", b"HTTP/1", b"http/1.1",
    b"Http/1.1", b"HTTP/01.1", b"HTTP/1.01", b"HTTP/1.10", b"HTTP/1. 1", b"HTTP /1.1", b"HTTP/1,1", b"HTTP/1.1 ",
    b" HTTP/1.1", b"HTTP/1.1x", b"", b"HTTPS/1.1", b"ICAP/1.0", b"RTSP/1.0", b"HTTP/1.\xb1", b"HTTP\\1.1", b"HTTP/",
    b"HTTP/.1", b"HTTP/1.", b"HTTP/-1.1",
)
_METHODS: Final = (
    b"GET", b"get", b"Get", b"POST", b"DELETE", b"OPTIONS", b"PATCH", b"FOO", b"G", b"GET ", b" GET", b"\tGET", b"",
    b"GE T", b"G\x00T", b"G\x80T", b"G/T", b"G:T", b"G(T", b"AAAAAAAAAAAAAAAA", b"AAAAAAAAAAAAAAAAA", b"A" * 300,
    b"PRI", b"M-SEARCH", b"X_Y", b"!#$%&'*+-.^_`|~",
)
_STARTS: Final = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" ", b"\t", b"\x00", b"\xef\xbb\xbf", b"\x16\x03\x01\x02\x00",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
)
_ENDS: Final = (
    b"\r\n", b"\n", b"\r", b"\n\r", b"\r\r\n", b"\r\n\n", b"\n\n", b"\r\n ", b"\x0b", b"\x85", b"\xe2\x80\xa8",
    b" \r\n", b"\x00\r\n",
)
# fmt: on


def _heads() -> Iterator[bytes]:
    for length in _LENGTHS:
        yield _put(b"Content-Length: " + length, body=b"hello")
        yield _put(b"Content-Length:" + length, body=b"hello")
        yield _put(b"Content-Length: 5", b"Content-Length: " + length, body=b"hello")
        yield _put(b"Transfer-Encoding: chunked", b"Content-Length: " + length, body=CHUNKS)
        yield _put(b"Content-Length: " + length, b"Transfer-Encoding: chunked", body=CHUNKS)
    for coding in _CODINGS:
        for version in (b"HTTP/1.1", b"HTTP/1.0"):
            yield _put(b"Transfer-Encoding: " + coding, body=CHUNKS, version=version)
        yield _put(b"Transfer-Encoding: chunked", b"Transfer-Encoding: " + coding, body=CHUNKS)
        yield _put(b"Transfer-Encoding: " + coding, b"Transfer-Encoding: chunked", body=CHUNKS)
        yield _put(b"Transfer-Encoding: " + coding, b"Content-Length: 5", body=CHUNKS)
    for line in _LINES:
        yield _put(line, b"Content-Length: 5", body=b"hello")
        yield _put(b"Content-Length: 5", line, body=b"hello")
        yield _put(line, b"Transfer-Encoding: chunked", body=CHUNKS)
        yield _put(line)


def table() -> list[bytes]:
    """Every case that somebody thought of."""
    cases = [*_heads(), *(_chunked(body) for body in _CHUNK_BODIES)]
    for host in _HOSTS:
        cases.append(b"GET /x HTTP/1.1\r\n" + host + (b"\r\n\r\n" if host else b"\r\n"))
    cases += [_put(b"Content-Length: 5", target=target, body=b"hello") for target in _TARGETS]
    cases += [_put(b"Content-Length: 5", version=version, body=b"hello") for version in _VERSIONS]
    cases += [method + b" /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n" for method in _METHODS]
    cases += [start + _put(b"Content-Length: 5", body=b"hello") for start in _STARTS]
    for end in _ENDS:
        head = _put(b"Content-Length: 5")
        cases += [head.replace(b"\r\n", end) + b"hello", head.replace(b"\r\n", end, 1) + b"hello"]
        cases += [head[:-2] + end + b"hello", head[:-4] + end + b"\r\nhello", _chunked(CHUNKS.replace(b"\r\n", end))]
    cases += [
        _put(*(b"A%d: b" % i for i in range(count)), b"Content-Length: 5", body=b"hello") for count in (60, 62, 63, 99)
    ]
    return cases


# fmt: off
_SPICE: Final = (
    b"\r", b"\n", b"\r\n", b" ", b"\t", b"\x00", b"\x0b", b"\x0c", b":", b";", b",", b"0", b"5", b"+", b"-", b"\x7f",
    b"\x80", b"\xff", b"chunked", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: g\r\n",
    b"0\r\n\r\n", b"GET /y HTTP/1.1\r\n",
)
# fmt: on


def mutations(chance: random.Random, cases: Iterable[bytes], count: int) -> Iterator[bytes]:
    """Cases with one to three small injuries each: something put in, taken out, doubled or exchanged."""
    pool = [case for case in cases if len(case) < 600]
    for _ in range(count):
        case = chance.choice(pool)
        for _ in range(chance.randint(1, 3)):
            at, size = chance.randrange(len(case) + 1), chance.choice((0, 0, 1, 1, 2, 4))
            piece = chance.choice((b"", *_SPICE, case[at : at + 8]))
            case = case[:at] + piece + case[at + size :]
        yield case
