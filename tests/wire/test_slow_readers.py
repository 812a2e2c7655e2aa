"""Readers that pause within an answer: the pace rule decides, never a timer for those who want nothing.

RFC 9112 9.5 lets a server close an idle connection; one whose client has not read its answer is not idle. The timers
are short here: the pauses are longer than they are.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest

from tests.wire.plane_front import Front, Peer, front, pattern
from tests.wire.serving import Server, running
from tests.wire.test_raw_http import Raw

HEADER_TIMEOUT_S = 1.0
PAUSE_S = 1.7
KIB, MIB = 1 << 10, 1 << 20
SIZES = (128 * KIB, MIB, 2 * MIB, 5 * MIB)


@pytest.fixture(scope="module", params=["off", "on"], ids=lambda mode: f"data-plane-{mode}")
def patient(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Raw]:
    """A server with a short timer for heads, and objects of these sizes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIMBUS_LIMITS__HEADER_TIMEOUT_S", str(HEADER_TIMEOUT_S))
        with running(tmp_path_factory.mktemp("patient"), "--data-plane", request.param) as server:
            server.client().create_bucket(Bucket="bucket")
            for size in SIZES:
                server.client().put_object(Bucket="bucket", Key=str(size), Body=pattern(size))
            yield Raw(server, "bucket")


def connect(server: Server, receive_buffer: int = 4096) -> Peer:
    """A client whose kernel takes little by itself."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.connect((server.host, server.port))
    return Peer(client)


def read_slowly(peer: Peer, size: int) -> bytes:
    """A body of this size, with a pause behind its first half."""
    first = peer.exactly(size // 2)
    time.sleep(PAUSE_S)
    return first + peer.exactly(size - size // 2)


@pytest.mark.parametrize("size", SIZES)
def test_a_reader_that_pauses_gets_all_of_its_object(patient: Raw, size: int) -> None:
    with contextlib.closing(connect(patient.server)) as peer:
        peer.send(patient.head("GET", f"/{size}"))
        peer.until(b"\r\n\r\n")
        assert read_slowly(peer, size) == pattern(size)


def test_a_relayed_answer_may_be_read_with_a_pause() -> None:
    with front(header_timeout_ms=300) as one:
        peer = slow(one)
        peer.send(f"GET /large?{MIB} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        peer.until(b"\r\n\r\n")
        assert read_slowly(peer, MIB) == pattern(MIB)
        peer.send(b"GET /large?5 HTTP/1.1\r\nHost: h\r\n\r\n")
        assert peer.response()[2] == pattern(5)
        assert peer.rest() == b""  # and idle it is then
        peer.close()


def test_a_reader_of_many_answers_has_the_time_of_them_all() -> None:
    """What is still to be read of the answers before is not held against it."""
    with front(header_timeout_ms=300, body_grace_ms=1500, body_rate_bytes_per_s=256 * KIB) as one:
        peer = slow(one)
        peer.send(f"GET /large?{MIB} HTTP/1.1\r\nHost: h\r\n\r\n".encode() * 4)
        for _ in range(4):
            peer.until(b"\r\n\r\n")
            body = b""
            while len(body) < MIB:
                body += peer.exactly(128 * KIB)
                time.sleep(0.1)  # 1.2 MiB a second
            assert body == pattern(MIB)
        peer.close()


def test_a_reader_that_takes_nothing_of_a_small_answer_is_cut_off_by_the_pace() -> None:
    with front(header_timeout_ms=300, body_grace_ms=1000, body_rate_bytes_per_s=1 << 40) as one:
        peer = slow(one)
        peer.send(f"GET /large?{512 * KIB} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        assert one.eventually(lambda: one.counter("timed_out") == 1)
        assert len(peer.rest()) < 512 * KIB


def slow(one: Front) -> Peer:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(one.address)
    one.peers.append(Peer(client))
    return one.peers[-1]


def test_an_upload_may_pause(patient: Raw) -> None:
    with contextlib.closing(connect(patient.server)) as peer:
        head = patient.head("PUT", "/paused")[:-2] + f"Content-Length: {MIB}\r\n\r\n".encode()
        peer.send(head + pattern(MIB)[: MIB // 2])
        time.sleep(PAUSE_S)
        peer.send(pattern(MIB)[MIB // 2 :])
        assert peer.response()[0] == 200


def test_a_connection_that_ends_behind_its_answer_may_be_read_with_a_pause(patient: Raw) -> None:
    with contextlib.closing(connect(patient.server)) as peer:
        peer.send(patient.head("GET", f"/{MIB}")[:-2] + b"Connection: close\r\n\r\n")
        peer.until(b"\r\n\r\n")
        assert read_slowly(peer, MIB) == pattern(MIB)
        assert peer.rest() == b""
