"""A server with the native plane under abuse at the socket: it answers or closes within its timers, and keeps nothing.

Descriptors and memory of the server's process are counted before and after every test, and an ordinary client is
served during and after it.
"""

from __future__ import annotations

import os
import resource
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.wire.serving import Server, running

LIMITS: Final = {"HEADER_TIMEOUT_S": "2", "BODY_GRACE_S": "2", "BODY_RATE_BYTES_PER_S": "1024"}
PATIENCE_S: Final = 15.0
DESCRIPTORS_SLACK: Final = 8  # the pool behind the plane, the object cache
# AddressSanitizer keeps what was freed for a while.
MEMORY_SLACK_BYTES: Final = 1 << 40 if "ASAN_OPTIONS" in os.environ else 48 << 20
SMALL: Final = b"0123456789" * 2000
LARGE: Final = bytes(range(256)) * (32 << 12)
ATTEMPTS: Final = 50
IDLE: Final = 2000
RESET: Final = struct.pack("ii", 1, 0)


@contextmanager
def node(folder: Path) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in LIMITS.items():
            patch.setenv(f"NIMBUS_LIMITS__{name}", value)
        with running(folder, "--data-plane", "on") as server:
            client = server.client()
            client.create_bucket(Bucket="bucket")
            client.put_object(Bucket="bucket", Key="small", Body=SMALL)
            client.put_object(Bucket="bucket", Key="large", Body=LARGE)
            yield server


@pytest.fixture(scope="module")
def abused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with node(tmp_path_factory.mktemp("abused")) as server:
        yield server


class Attacker:
    """Sockets to the server, and heads that it believes."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._client: Any = server.client()
        self._open: list[socket.socket] = []

    def head(self, operation: str, key: str, *headers: str) -> bytes:
        """A presigned head."""
        parameters = {"Bucket": "bucket", "Key": key}
        url = self._client.generate_presigned_url(operation, Params=parameters)
        target = url.removeprefix(self.server.endpoint)
        method = operation.partition("_")[0].upper()
        return "\r\n".join(
            [f"{method} {target} HTTP/1.1", f"Host: {self.server.host}:{self.server.port}", *headers, "", ""]
        ).encode()

    def connect(self, receive_buffer: int = 0) -> socket.socket:
        peer = socket.socket()
        if receive_buffer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        peer.settimeout(PATIENCE_S)
        peer.connect((self.server.host, self.server.port))
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open.append(peer)
        return peer

    def reset(self, peer: socket.socket) -> None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        peer.close()

    def is_stored(self, key: str) -> bool:
        return bool(self._client.list_objects_v2(Bucket="bucket", Prefix=key).get("Contents"))

    def check_health(self) -> None:
        """What everybody else gets meanwhile."""
        with closing(self.connect()) as peer:
            for _ in range(3):
                peer.sendall(self.head("get_object", "small"))
                assert read_answer(peer) == (200, SMALL)

    def close(self) -> None:
        for peer in self._open:
            peer.close()

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.server.pid}/fd"))

    def memory_bytes(self) -> int:
        return int(Path(f"/proc/{self.server.pid}/statm").read_text().split()[1]) * resource.getpagesize()


@contextmanager
def attacking(server: Server) -> Iterator[Attacker]:
    attacker = Attacker(server)
    attacker.check_health()
    descriptors, memory_bytes = attacker.descriptors(), attacker.memory_bytes()
    yield attacker
    attacker.close()
    attacker.check_health()
    assert eventually(lambda: attacker.descriptors() <= descriptors + DESCRIPTORS_SLACK)
    assert attacker.memory_bytes() <= memory_bytes + MEMORY_SLACK_BYTES


@pytest.fixture
def attacker(abused: Server) -> Iterator[Attacker]:
    with attacking(abused) as one:
        yield one


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it comes to hold; another process has no event to wait for."""
    for _ in range(round(PATIENCE_S / 0.02)):
        if holds():
            return True
        time.sleep(0.02)
    return False


def read_head(peer: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = peer.recv(1)
        assert piece, f"closed within {head!r}"
        head += piece
    return head


def read_answer(peer: socket.socket) -> tuple[int, bytes]:
    head = read_head(peer)
    left = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    body = bytearray()
    while len(body) < left:
        piece = peer.recv(min(left - len(body), 1 << 16))
        assert piece, "closed within the body"
        body += piece
    return int(head.split(b" ")[1]), bytes(body)


def rest(peer: socket.socket) -> bytes:
    """Everything until the end of the connection, however it ends."""
    data = b""
    try:
        while piece := peer.recv(1 << 16):
            data += piece
    except ConnectionResetError:
        pass
    return data


# --- pieces and rubbish -----------------------------------------------------------------------------------------------


def test_requests_may_be_cut_at_every_byte(attacker: Attacker) -> None:
    put = (
        attacker.head("put_object", "cut", "Transfer-Encoding: chunked")
        + b"5\r\nhello\r\n2;x=y\r\n!!\r\n0\r\nA: b\r\n\r\n"
    )
    run = put + attacker.head("get_object", "cut")
    with closing(attacker.connect()) as peer:
        for at in range(1, len(run)):
            peer.sendall(run[:at])
            peer.sendall(run[at:])
            assert read_answer(peer)[0] == 200
            assert read_answer(peer) == (200, b"hello!!")


@pytest.mark.parametrize(
    "rubbish", [b"\x00", b"GET\r\n\r\n", b"\r\n\r\n", b"GET / HTTP/1.1\nHost: h\n\n", bytes(range(256)) * 200]
)
def test_rubbish_behind_a_request_costs_only_its_own_connection(attacker: Attacker, rubbish: bytes) -> None:
    for _ in range(ATTEMPTS):
        peer = attacker.connect()
        peer.sendall(attacker.head("get_object", "small") + rubbish)
        assert read_answer(peer) == (200, SMALL)
        peer.shutdown(socket.SHUT_WR)
        assert rest(peer)[:12] in (b"", b"HTTP/1.1 400")
        peer.close()


@pytest.mark.parametrize(
    "bomb",
    [
        b"GET / HTTP/1.1\r\nHost: h\r\nA: " + b"a" * (1 << 20) + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n" + b"A: b\r\n" * 10_000 + b"\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n",
        b"A" * 100_000,
    ],
    ids=["one header", "many headers", "target", "method"],
)
def test_header_bombs_are_refused(attacker: Attacker, bomb: bytes) -> None:
    for _ in range(ATTEMPTS):
        peer = attacker.connect()
        try:
            peer.sendall(bomb)
        except (BrokenPipeError, ConnectionResetError):
            continue  # it did not even want to read all of it
        assert rest(peer)[:12] in (b"", b"HTTP/1.1 400")
        peer.close()


# --- the slow ---------------------------------------------------------------------------------------------------------


def test_heads_that_never_end_are_closed_in_time(attacker: Attacker) -> None:
    peers = [attacker.connect() for _ in range(200)]
    began = time.monotonic()
    for peer in peers:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nA: ")
    attacker.check_health()
    for peer in peers:
        assert rest(peer) == b""
    assert time.monotonic() - began < PATIENCE_S


@pytest.mark.parametrize("size", [len(SMALL), 8 << 20], ids=["small", "large"])
def test_bodies_that_never_end_are_told_so_and_leave_nothing(attacker: Attacker, size: int) -> None:
    peers = [attacker.connect() for _ in range(20)]
    for peer in peers:
        peer.sendall(attacker.head("put_object", "never", f"Content-Length: {size}") + b"begun")
    attacker.check_health()
    for peer in peers:
        assert rest(peer)[:12] in (b"", b"HTTP/1.1 400")
    assert not attacker.is_stored("never")


def test_a_window_of_a_few_bytes_gets_its_answer_and_holds_nobody_up(attacker: Attacker) -> None:
    slow = attacker.connect(receive_buffer=1)
    slow.sendall(attacker.head("get_object", "small"))
    read_head(slow)
    taken = bytearray()
    while len(taken) < len(SMALL):
        taken += slow.recv(1)
        if len(taken) % 5000 == 0:
            attacker.check_health()
    assert taken == SMALL


def test_readers_that_take_nothing_are_cut_off(attacker: Attacker) -> None:
    before = attacker.descriptors()
    peers = [attacker.connect(receive_buffer=4096) for _ in range(30)]
    for peer in peers:
        peer.sendall(attacker.head("get_object", "large"))
        peer.recv(1)
    attacker.check_health()
    assert attacker.descriptors() >= before + len(peers) - DESCRIPTORS_SLACK
    assert eventually(lambda: attacker.descriptors() <= before + DESCRIPTORS_SLACK)


# --- the cut ----------------------------------------------------------------------------------------------------------


def test_a_half_closed_client_gets_its_answer(attacker: Attacker) -> None:
    for operation, body in (("get_object", b""), ("put_object", b"hello")):
        peer = attacker.connect()
        peer.sendall(attacker.head(operation, "small" if not body else "half", f"Content-Length: {len(body)}") + body)
        peer.shutdown(socket.SHUT_WR)
        assert rest(peer).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("size", [1000, 1 << 20], ids=["small", "large"])
def test_a_body_cut_by_a_half_close_is_refused(attacker: Attacker, size: int) -> None:
    for _ in range(ATTEMPTS):
        peer = attacker.connect()
        peer.sendall(attacker.head("put_object", "cut-off", f"Content-Length: {size}") + bytes(size - 1))
        peer.shutdown(socket.SHUT_WR)
        assert rest(peer)[:12] in (b"", b"HTTP/1.1 400")
        peer.close()
    assert not attacker.is_stored("cut-off")


@pytest.mark.parametrize("size", [1000, 1 << 20], ids=["small", "large"])
def test_resets_in_the_middle_of_a_body_leave_nothing(attacker: Attacker, size: int) -> None:
    for sent in range(ATTEMPTS):
        peer = attacker.connect()
        peer.sendall(attacker.head("put_object", "reset", f"Content-Length: {size}") + bytes(sent * size // ATTEMPTS))
        attacker.reset(peer)
    attacker.check_health()
    assert not attacker.is_stored("reset")


@pytest.mark.parametrize("key", ["small", "large", "absent"])
def test_resets_in_the_middle_of_an_answer_leave_nothing(attacker: Attacker, key: str) -> None:
    for taken in range(ATTEMPTS):
        peer = attacker.connect()
        peer.sendall(attacker.head("get_object", key) * 3)
        if taken % 2:
            peer.recv(taken)
        attacker.reset(peer)


# --- the many ---------------------------------------------------------------------------------------------------------


def test_thousands_of_idle_connections_cost_little_and_go(attacker: Attacker) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    memory_bytes = attacker.memory_bytes()
    peers = [attacker.connect() for _ in range(IDLE)]
    attacker.check_health()
    allowed_bytes = IDLE * 4096 + MEMORY_SLACK_BYTES // 12  # 40 MB for 10,000 of them, and what is warmed up meanwhile
    assert attacker.memory_bytes() <= memory_bytes + allowed_bytes
    for peer in peers:
        assert rest(peer) == b""


def test_a_server_out_of_descriptors_lives_on(tmp_path: Path) -> None:
    # One of its own: what the others have deleted falls due at some time, and cannot be freed without descriptors.
    with node(tmp_path) as server, attacking(server) as attacker:
        limits = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (attacker.descriptors() + 20, limits[1]))
        peers = [attacker.connect() for _ in range(200)]
        for peer in peers[:10]:
            peer.sendall(attacker.head("get_object", "small"))
        told = [rest(peer)[:12] for peer in peers]
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
    assert set(told) <= {b"", b"HTTP/1.1 200", b"HTTP/1.1 503"}
    assert b"HTTP/1.1 200" in told
