"""Hostile clients over sockets: odd lengths and names, cut and idle connections; nothing leaks, nobody else waits."""

from __future__ import annotations

import os
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import quote

import pytest

from tests.wire.serving import Server
from tests.wire.test_raw_http import SECONDS_MAX, Answer, Raw, read_answer

IDLE_CONNECTIONS = 1000
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST


@pytest.fixture
def raw(server: Server, bucket: str) -> Iterator[Raw]:
    """A signing socket; afterwards the server holds no more descriptors than before, and no object is there by half."""
    speaker = Raw(server, bucket)
    speaker.client.put_object(Bucket=bucket, Key="before", Body=b"fine")
    before = descriptors(server)
    yield speaker
    assert speaker.client.get_object(Bucket=bucket, Key="before")["Body"].read() == b"fine"
    await_until(lambda: descriptors(server) <= before + 8)  # files that the engines keep open
    assert not speaker.exists("cut")


def descriptors(server: Server) -> int:
    return len(os.listdir(f"/proc/{server.pid}/fd"))


def await_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def connected(server: Server) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=SECONDS_MAX)


def put(raw: Raw, target: str, length: str = "1", **headers: str) -> Answer:
    head = raw.head("PUT", target, {name.replace("_", "-"): value for name, value in headers.items()})
    return raw.talk(head[:-2] + f"Content-Length: {length}\r\n\r\n".encode(), b"x")


# --- heads ---


@pytest.mark.parametrize("length", ["+1", "0x1", "1_0", "1,1", "1 1", "-0", "1;x", "", "\u0661", "9" * 23])
def test_length_that_is_no_plain_number_is_refused_and_closed(length: str, raw: Raw) -> None:
    answer = put(raw, "/cut", length)
    assert (answer.status, answer.is_closed) == (400, True)


@pytest.mark.parametrize(
    "coding", ["chunked, chunked", "chunked;q=1", "identity", "gzip", "\x0bchunked", "chunked,", "x"]
)
def test_transfer_coding_other_than_chunked_is_refused_and_closed(coding: str, raw: Raw) -> None:
    head = raw.head("PUT", "/cut")[:-2] + f"Transfer-Encoding: {coding}\r\n\r\n".encode()
    answer = raw.talk(head, b"1\r\nx\r\n0\r\n\r\n")
    assert (answer.status in (400, 501), answer.is_closed) == (True, True)


@pytest.mark.parametrize("count", [200, 5000])
def test_too_many_headers_are_refused_and_closed(count: int, raw: Raw) -> None:
    lines = b"".join(b"X-%d: y\r\n" % number for number in range(count))
    answer = raw.talk(b"GET / HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n")
    assert (answer.status in (400, 431), answer.is_closed) == (True, True)


# --- names ---


@pytest.mark.parametrize(
    "key",
    [
        "a\0b",
        "\x01\x1f\x7f",
        "a\r\nb",
        "\uffff",
        "...",
        "etc/passwd/../..",
        "/",
        "a//b",
        "%2e%2e%2f",
        "é" * 512,
        "😀" * 256,
    ],
)
def test_any_key_of_1024_bytes_of_utf_8_is_just_a_key(key: str, raw: Raw) -> None:
    target = "/" + quote(key, safe="")
    assert put(raw, target).status == 200
    assert raw.talk(raw.head("GET", target)).body == b"x"
    page = raw.client.list_objects_v2(Bucket=raw.bucket)
    assert {entry["Key"] for entry in page["Contents"]} == {key, "before"}
    raw.client.delete_object(Bucket=raw.bucket, Key=key)


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/" + "%C3%A9" * 512 + "x", "KeyTooLongError"),
        ("/%ed%a0%80", "InvalidURI"),
        ("/%c0%af", "InvalidURI"),
        ("/%f5%80%80%80", "InvalidURI"),
    ],
)
def test_bytes_that_are_no_key_are_refused(target: str, code: str, raw: Raw) -> None:
    answer = put(raw, target)
    assert (answer.status, answer.code) == (400, code)


@pytest.mark.parametrize("number", ["0", "10001", "-1", "1_0", "%201", "9" * 20, "%D9%A3", "1&partNumber=2", ""])
def test_part_number_that_is_none_is_refused(number: str, raw: Raw) -> None:
    upload_id = raw.client.create_multipart_upload(Bucket=raw.bucket, Key="cut")["UploadId"]
    answer = put(raw, f"/cut?partNumber={number}&uploadId={upload_id}")
    assert (answer.status, answer.code) == (400, "InvalidArgument")


@pytest.mark.parametrize("upload_id", ["zz", "0" * 32, "%00", "%F0%9F%98%80", ""])
def test_upload_id_that_never_was_one_is_no_such_upload(upload_id: str, raw: Raw) -> None:
    answer = put(raw, f"/cut?partNumber=1&uploadId={upload_id}")
    assert (answer.status, answer.code) == (404, "NoSuchUpload")


# --- what comes back in a head ---


@pytest.mark.parametrize("value", ["a%0D%0AX-Evil%3A1", "a%0Ab", "a%00b"])
def test_override_cannot_smuggle_a_header(value: str, raw: Raw) -> None:
    answer = raw.talk(raw.head("GET", f"/before?response-content-type={value}"))
    assert (answer.status, answer.code, "x-evil" in answer.headers) == (400, "InvalidArgument", False)


def test_parameter_given_twice_means_neither(raw: Raw) -> None:
    answer = raw.talk(raw.head("GET", "/before?response-expires=a&response-expires=b"))
    assert (answer.status, answer.code) == (400, "InvalidArgument")


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ("", 200),
        ("&X-Amz-Signature=00", 400),
        ("&X-Amz-Expires=5", 400),
        ("&x-amz-signature=1", 403),
        ("&versionId=1", 403),
        ("&response-content-type=text/html", 403),
    ],
)
def test_presigned_url_takes_no_further_parameter(more: str, status: int, raw: Raw) -> None:
    url = raw.client.generate_presigned_url("get_object", Params={"Bucket": raw.bucket, "Key": "before"})
    target = url.removeprefix(raw.server.endpoint) + more
    head = f"GET {target} HTTP/1.1\r\nHost: {raw.server.host}:{raw.server.port}\r\n\r\n"
    assert raw.talk(head.encode()).status == status


# --- connections ---


def test_connections_reset_in_the_body_leave_nothing(raw: Raw) -> None:
    head = raw.head("PUT", "/cut")[:-2] + b"Content-Length: 10000000\r\n\r\n"
    for sent in (0, 1, 100_000, 700_000) * 5:
        with connected(raw.server) as peer:
            peer.sendall(head + b"x" * sent)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def test_connections_reset_in_the_answer_leave_nothing(raw: Raw) -> None:
    raw.client.put_object(Bucket=raw.bucket, Key="large", Body=bytes(8 << 20))
    for _ in range(10):
        with connected(raw.server) as peer:
            peer.sendall(raw.head("GET", "/large"))
            assert peer.recv(100_000).startswith(b"HTTP/1.1 200")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def test_many_idle_and_half_spoken_connections_hold_up_nobody(raw: Raw) -> None:
    with ExitStack() as held:
        for number in range(IDLE_CONNECTIONS):
            peer = held.enter_context(connected(raw.server))
            peer.sendall((b"", b"GET / HTTP/1.1\r\nHo", raw_body_begun(raw) if number % 50 == 2 else b"")[number % 3])
        with connected(raw.server) as peer:
            for _ in range(20):
                peer.sendall(raw.head("GET", "/before"))
                assert read_answer(peer).body == b"fine"


def raw_body_begun(raw: Raw) -> bytes:
    """A head whose body has begun to come and never ends."""
    return raw.head("PUT", "/cut")[:-2] + b"Content-Length: 100000\r\n\r\nx"


def test_pipelined_requests_that_nobody_reads_are_taken_no_faster_than_answers_leave(raw: Raw) -> None:
    raw.client.put_object(Bucket=raw.bucket, Key="large", Body=bytes(1 << 20))
    resident = resident_bytes(raw.server)
    request = raw.head("GET", "/large")
    with ExitStack() as held:
        for _ in range(10):
            peer = held.enter_context(connected(raw.server))
            peer.setblocking(False)
            try:
                while True:
                    peer.send(request * 100)
            except BlockingIOError:
                pass
        assert raw.client.get_object(Bucket=raw.bucket, Key="before")["Body"].read() == b"fine"
        assert resident_bytes(raw.server) - resident < 256 << 20


def resident_bytes(server: Server) -> int:
    with open(f"/proc/{server.pid}/status") as status:
        found = re.search(r"VmRSS:\s+(\d+) kB", status.read())
    assert found is not None
    return int(found[1]) * 1024
