"""Bad input byte for byte over a socket: S3's own error, nothing half-written, the next request unaffected."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.wire.serving import Server

SECONDS_MAX = 10
MIB = 1 << 20


class Answer(msgspec.Struct):
    """One response as it came."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_closed: bool  # the server closed the connection behind it

    @property
    def code(self) -> str:
        return self.body.decode().partition("<Code>")[2].partition("</Code>")[0]


class Raw:
    """A socket to the server that signs what it is told to send."""

    def __init__(self, server: Server, bucket: str) -> None:
        self.server = server
        self.bucket = bucket
        self.client = server.client()

    def head(
        self, method: str, target: str, headers: dict[str, str] | None = None, *, sha256: str = "UNSIGNED-PAYLOAD"
    ) -> bytes:
        """The bytes of a signed head for `target` below the bucket."""
        path = f"/{self.bucket}{target}"
        request = AWSRequest(
            method, f"{self.server.endpoint}{path}", headers={"x-amz-content-sha256": sha256, **(headers or {})}
        )
        request.context["payload_signing_enabled"] = sha256 != "UNSIGNED-PAYLOAD"
        signer = S3SigV4Auth(Credentials(self.server.access_key, self.server.secret_key), "s3", "us-east-1")
        signer.payload = lambda request: sha256  # type: ignore[method-assign]
        signer.add_auth(request)
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.server.host}:{self.server.port}"]
        lines += [f"{name}: {value}" for name, value in request.headers.items() if name.lower() != "host"]
        return "\r\n".join([*lines, "", ""]).encode()

    def talk(self, *sent: bytes, half_close: bool = False) -> Answer:
        """Send pieces, read one response; tell whether the connection was closed behind it."""
        with socket.create_connection((self.server.host, self.server.port), timeout=SECONDS_MAX) as peer:
            for piece in sent:
                peer.sendall(piece)
            if half_close:
                peer.shutdown(socket.SHUT_WR)
            return read_answer(peer, wait_for_close=True)

    def exists(self, key: str) -> bool:
        listed = self.client.list_objects_v2(Bucket=self.bucket, Prefix=key)
        return bool(listed.get("Contents"))


def read_answer(peer: socket.socket, *, wait_for_close: bool = False, has_body: bool = True) -> Answer:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = peer.recv(65536)
        assert piece, f"closed without an answer: {data!r}"
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    size = int(headers.get("content-length", 0)) if has_body else 0
    while len(body) < size:
        piece = peer.recv(65536)
        assert piece, "cut in the body"
        body += piece
    assert len(body) == size, "more bytes than announced"
    return Answer(int(first.split()[1]), headers, body, wait_for_close and _is_closed(peer, headers))


def _is_closed(peer: socket.socket, headers: dict[str, str]) -> bool:
    peer.settimeout(SECONDS_MAX if headers.get("connection") == "close" else 0.2)
    try:
        return peer.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


@pytest.fixture
def raw(server: Server, bucket: str) -> Iterator[Raw]:
    """A signing socket; afterwards the server must still serve."""
    speaker = Raw(server, bucket)
    yield speaker
    speaker.client.put_object(Bucket=bucket, Key="afterwards", Body=b"fine")
    assert speaker.client.get_object(Bucket=bucket, Key="afterwards")["Body"].read() == b"fine"


# --- heads ---


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400, "InvalidRequest"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "InvalidRequest"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 403, "AccessDenied"),
        (b"GET /bucket/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "InvalidURI"),
        (b"GET /bucket/%ff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "InvalidURI"),
        (b"GET /No_Bucket/key HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "InvalidBucketName"),
        (b"GET /bucket/%zz?x HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "InvalidURI"),
        (b"FROB /bucket/key HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "MethodNotAllowed"),
        (b"get /bucket/key HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "MethodNotAllowed"),
        (b"GET /bucket?acl&policy HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "InvalidArgument"),
        (b"GET /bucket?torrent HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, "NotImplemented"),
        (b"GET /bucket/key?torrent HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, "NotImplemented"),
        (b"PUT /bucket/key?annotation HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, "NotImplemented"),
        (b"DELETE /bucket?inventory HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, "NotImplemented"),
        (b"GET /bucket/" + b"k" * 1025 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "KeyTooLongError"),
        (
            b"PUT /bucket/key HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            501,
            "NotImplemented",
        ),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic eDp5\r\n\r\n", 400, "InvalidArgument"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: AWS4-HMAC-SHA256 nonsense\r\n\r\n", 400, None),
    ],
)
def test_bad_head_gets_its_own_error(head: bytes, status: int, code: str | None, raw: Raw) -> None:
    answer = raw.talk(head)
    assert answer.status == status
    assert code in (None, answer.code)
    assert re.fullmatch(r"[0-9A-F]{16}", answer.headers["x-amz-request-id"])
    assert answer.headers["content-type"] == "application/xml"


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /bucket/\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_head_that_is_not_http_is_refused_and_closed(head: bytes, raw: Raw) -> None:
    answer = raw.talk(head)
    assert (answer.status, answer.is_closed) == (400, True)


@pytest.mark.parametrize(
    "query",
    [
        "?max-keys=x",
        "?max-keys=-1",
        "?max-keys=1_0",
        "?max-keys=99999999999999999999",
        "?list-type=2&max-keys=1&max-keys=2",
        "?encoding-type=base64",
        "?list-type=2&fetch-owner=perhaps",
        "?uploads&max-uploads=-5",
    ],
)
def test_bad_listing_parameter_is_an_invalid_argument(query: str, raw: Raw) -> None:
    answer = raw.talk(raw.head("GET", query))
    assert (answer.status, answer.code) == (400, "InvalidArgument")


@pytest.mark.parametrize("value", ["bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=0-1,3-4", "bytes=", "0-1"])
def test_range_that_does_not_parse_is_ignored(value: str, raw: Raw) -> None:
    raw.client.put_object(Bucket=raw.bucket, Key="key", Body=b"0123456789")
    answer = raw.talk(raw.head("GET", "/key", {"Range": value}))
    assert (answer.status, answer.body) == (200, b"0123456789")


def test_metadata_goes_in_and_out_as_the_same_bytes(raw: Raw) -> None:
    head = raw.head("PUT", "/key", {"x-amz-meta-name": "VALUE"}).replace(b"Content-Length", b"X")
    assert raw.talk(head.replace(b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\n"), b"x").status == 200
    answer = raw.talk(raw.head("GET", "/key"))
    assert answer.headers["x-amz-meta-name"] == "VALUE"
    assert "\n" not in "".join(answer.headers.values())


# --- bodies ---


def put(raw: Raw, *body: bytes, length: int | None = None, half_close: bool = False, **more: Any) -> Answer:
    size = sum(map(len, body)) if length is None else length
    head = raw.head("PUT", "/key", more.pop("headers", None), **more)
    return raw.talk(head[:-2] + f"Content-Length: {size}\r\n\r\n".encode(), *body, half_close=half_close)


def test_body_cut_short_is_incomplete_and_leaves_nothing(raw: Raw) -> None:
    for sent in (b"", b"abc", b"x" * 300_000):
        answer = put(raw, sent, length=400_000, half_close=True)
        assert (answer.status, answer.code) == (400, "IncompleteBody")
    assert not raw.exists("key")


def test_connection_dropped_in_the_body_leaves_nothing(raw: Raw) -> None:
    head = raw.head("PUT", "/key")[:-2] + b"Content-Length: 1000000\r\n\r\n"
    with socket.create_connection((raw.server.host, raw.server.port), timeout=SECONDS_MAX) as peer:
        peer.sendall(head + b"x" * 500_000)
    assert not raw.exists("key")


def test_missing_length_is_refused(raw: Raw) -> None:
    answer = raw.talk(raw.head("PUT", "/key"))
    assert (answer.status, answer.code) == (411, "MissingContentLength")
    assert not raw.exists("key")


def test_chunked_transfer_coding_needs_no_length(raw: Raw) -> None:
    head = raw.head("PUT", "/key")[:-2] + b"Transfer-Encoding: chunked\r\n\r\n"
    assert (
        raw.talk(head, b"5\r\nhello\r\n40000;x=y\r\n", b"z" * 0x40000, b"\r\n0\r\nX-Trailer: 1\r\n\r\n").status == 200
    )
    assert raw.client.get_object(Bucket=raw.bucket, Key="key")["Body"].read() == b"hello" + b"z" * 0x40000


@pytest.mark.parametrize(
    "body",
    [
        b"5\r\nhello\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        b"5\nhello\n0\n\n",
        b"5;" + b"x" * 100_000 + b"\r\nhello\r\n0\r\n\r\n",
    ],
)
def test_broken_transfer_coding_is_refused_and_closed(body: bytes, raw: Raw) -> None:
    answer = raw.talk(raw.head("PUT", "/key")[:-2] + b"Transfer-Encoding: chunked\r\n\r\n", body, half_close=True)
    assert (answer.status, answer.code, answer.is_closed) == (400, "IncompleteBody", True)
    assert not raw.exists("key")


def test_object_larger_than_allowed_is_refused_unread(raw: Raw) -> None:
    answer = put(raw, b"x", length=5 * (1 << 30) + 1)
    assert (answer.status, answer.code, answer.is_closed) == (400, "EntityTooLarge", True)


def test_payload_that_differs_from_its_signed_hash_is_refused(raw: Raw) -> None:
    wrong = hashlib.sha256(b"other").hexdigest()
    for body in (b"body", b"x" * 500_000):
        answer = put(raw, body, sha256=wrong)
        assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch")
    assert not raw.exists("key")
    assert put(raw, b"other", sha256=wrong).status == 200


@pytest.mark.parametrize("value", ["", "nonsense", "AAAA"])
def test_malformed_content_md5_is_an_invalid_digest(value: str, raw: Raw) -> None:
    answer = put(raw, b"x", headers={"Content-MD5": value})
    assert (answer.status, answer.code) == (400, "InvalidDigest")


def test_refusal_of_a_large_body_can_be_read_by_the_client(raw: Raw) -> None:
    head = f"PUT /{raw.bucket}/key HTTP/1.1\r\nHost: localhost\r\nContent-Length: {6 * MIB}\r\n\r\n".encode()
    answer = raw.talk(head, b"x" * (6 * MIB))
    assert (answer.status, answer.code) == (403, "AccessDenied")


def test_connection_is_usable_after_a_refused_body(raw: Raw) -> None:
    with socket.create_connection((raw.server.host, raw.server.port), timeout=SECONDS_MAX) as peer:
        for _ in range(3):
            peer.sendall(
                b"PUT /bucket/key HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000
            )
            assert read_answer(peer).code == "AccessDenied"
        peer.sendall(raw.head("GET", "?list-type=2"))
        assert read_answer(peer).status == 200


def test_body_is_invited_only_after_the_signature_was_checked(raw: Raw) -> None:
    head = b"PUT /bucket/key HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    answer = raw.talk(head)
    assert (answer.status, answer.is_closed) == (403, True)
    with socket.create_connection((raw.server.host, raw.server.port), timeout=SECONDS_MAX) as peer:
        peer.sendall(raw.head("PUT", "/key")[:-2] + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert peer.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        peer.sendall(b"hello")
        assert read_answer(peer).status == 200
    assert raw.exists("key")


def test_whoever_waits_to_send_nothing_gets_a_new_connection(raw: Raw) -> None:
    """botocore up to 1.35 and later waits for ever for the next answer on the old one."""
    for headers in (None, {"x-amz-meta-relayed": "by the plane too", "x-amz-storage-class": "STANDARD"}):
        with socket.create_connection((raw.server.host, raw.server.port), timeout=SECONDS_MAX) as peer:
            peer.sendall(raw.head("PUT", "/empty", headers)[:-2] + b"Content-Length: 0\r\nExpect: 100-continue\r\n\r\n")
            answer = read_answer(peer)
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert peer.recv(1) == b""
    assert raw.exists("empty")


def test_pipelined_requests_are_answered_in_order(raw: Raw) -> None:
    raw.client.put_object(Bucket=raw.bucket, Key="key", Body=b"0123456789")
    with socket.create_connection((raw.server.host, raw.server.port), timeout=SECONDS_MAX) as peer:
        get, missing = raw.head("GET", "/key"), raw.head("GET", "/missing")
        peer.sendall(get + missing + get)
        seen = b""
        while seen.count(b"HTTP/1.1") < 3 or not seen.endswith(b"0123456789"):
            piece = peer.recv(65536)
            assert piece
            seen += piece
    assert re.findall(rb"HTTP/1.1 (\d+)", seen) == [b"200", b"404", b"200"]


# --- aws-chunked framing ---

CHUNKED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


def put_chunked(raw: Raw, body: bytes, decoded: int | str, trailer: str = "") -> Answer:
    headers = {"x-amz-decoded-content-length": str(decoded), "content-encoding": "aws-chunked"}
    if trailer:
        headers["x-amz-trailer"] = trailer
    return put(raw, body, headers=headers, sha256=CHUNKED)


def test_good_framing_is_taken_off(raw: Raw) -> None:
    assert put_chunked(raw, b"5\r\nhello\r\n0\r\n\r\n", 5).status == 200
    got = raw.client.get_object(Bucket=raw.bucket, Key="key")
    assert got["Body"].read() == b"hello"
    assert "ContentEncoding" not in got


@pytest.mark.parametrize(
    ("body", "decoded", "status", "code"),
    [
        (b"5\r\nhello\r\n0\r\n\r\n", 6, 400, "IncompleteBody"),
        (b"5\r\nhello\r\n0\r\n\r\n", 4, 400, "IncompleteBody"),
        (b"5\r\nhel", 5, 400, "IncompleteBody"),
        (b"zz\r\nhello\r\n0\r\n\r\n", 5, 400, None),
        (b"5\r\nhelloXX0\r\n\r\n", 5, 400, None),
        (b"-5\r\nhello\r\n0\r\n\r\n", 5, 400, None),
        (b"5\r\nhello\r\n0\r\n\r\nextra", 5, 400, None),
        (b"", 5, 400, "IncompleteBody"),
        (b"f" * 300, 5, 400, None),
        (b"5\r\nhello\r\n0\r\n\r\n", "x", None, None),
    ],
)
def test_broken_framing_is_refused(
    body: bytes, decoded: int | str, status: int | None, code: str | None, raw: Raw
) -> None:
    answer = put_chunked(raw, body, decoded)
    assert answer.status == (status or answer.status)
    assert 400 <= answer.status < 500
    assert code in (None, answer.code)
    assert not raw.exists("key")


@pytest.mark.parametrize(
    ("line", "trailer", "code"),
    [
        (b"x-amz-checksum-crc32:AAAAAA==\r\n", "x-amz-checksum-crc32", "BadDigest"),
        (b"x-amz-checksum-crc32:nonsense\r\n", "x-amz-checksum-crc32", "InvalidRequest"),
        (b"", "x-amz-checksum-crc32", "MalformedTrailerError"),
        (b"x-amz-checksum-crc32:NhCmhg==\r\n", "", "MalformedTrailerError"),
        (b"x-amz-meta-x:1\r\n", "x-amz-meta-x", "InvalidRequest"),
    ],
)
def test_bad_trailer_is_refused(line: bytes, trailer: str, code: str, raw: Raw) -> None:
    answer = put_chunked(raw, b"5\r\nhello\r\n0\r\n" + line + b"\r\n", 5, trailer)
    assert (answer.status, answer.code) == (400, code)
    assert not raw.exists("key")


# --- documents ---


def post(raw: Raw, target: str, body: bytes) -> Answer:
    md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    head = raw.head("POST", target, {"Content-MD5": md5})
    return raw.talk(head[:-2] + f"Content-Length: {len(body)}\r\n\r\n".encode(), body)


ENTITY = b'<!DOCTYPE Delete [<!ENTITY x SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&x;</Key></Object></Delete>'


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MissingRequestBodyError"),
        (b"not xml", "MalformedXML"),
        (b"<Delete>", "MalformedXML"),
        (b"<Other/>", "MalformedXML"),
        (b"<Delete/>", "MalformedXML"),
        (b"<Delete><Object><Nonsense/></Object></Delete>", "MalformedXML"),
        (ENTITY, "MalformedXML"),
        ("<Delete><Object><Key>k</Key></Object></Delete>".encode("utf-16"), "MalformedXML"),
        (b"<Delete>" + b"<a>" * 5000 + b"</a>" * 5000 + b"</Delete>", "MalformedXML"),
        (b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1001 + b"</Delete>", "MalformedXML"),
        (b" " * (3 * MIB), "MaxMessageLengthExceeded"),
    ],
)
def test_bad_document_is_refused(body: bytes, code: str, raw: Raw) -> None:
    raw.client.put_object(Bucket=raw.bucket, Key="k", Body=b"kept")
    answer = post(raw, "?delete", body)
    assert (answer.status, answer.code) == (400, code)
    assert raw.exists("k")


def test_multiple_deletion_without_a_digest_is_refused(raw: Raw) -> None:
    body = b"<Delete><Object><Key>k</Key></Object></Delete>"
    head = raw.head("POST", "?delete")
    answer = raw.talk(head[:-2] + f"Content-Length: {len(body)}\r\n\r\n".encode(), body)
    assert (answer.status, answer.code) == (400, "InvalidRequest")


def test_many_broken_requests_cost_nothing_that_stays(raw: Raw) -> None:
    started = time.monotonic()
    for _ in range(50):
        put(raw, b"abc", length=1000, half_close=True)
    assert time.monotonic() - started < SECONDS_MAX
    assert not raw.exists("key")
