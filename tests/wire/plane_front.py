"""The native plane over a scripted server: what the plane's own socket tests stand on.

The server behind the plane is a few threads on a unix socket; what it answers depends on the path alone, and it
keeps every request that it saw, so that a test can say what crossed the relay.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from nimbus._native import plane

PATIENCE_S = 20.0


class Settings(msgspec.Struct, frozen=True):
    """See plane_values.py."""

    listener: int
    upstream_path: str
    token: str
    threads: int = 2
    connections_max: int = 1000
    requests_max: int = 1000
    header_timeout_ms: int = 20_000
    body_rate_bytes_per_s: int = 1024
    body_grace_ms: int = 20_000
    upload_memory_bytes_max: int = 128 << 20
    serves_objects: bool = False
    takes_uploads: bool = False
    disk_threads: int = 1
    cache_size_bytes: int = 64 << 20
    cache_files_max: int = 100
    domains: tuple[str, ...] = ("example.com",)
    common_headers: bytes = b"server: front\r\n"


class Request(msgspec.Struct):
    """A request as the server behind the plane saw it."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes = b""

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)


class Peer:
    """A blocking socket with the little HTTP that both sides of these tests need."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.socket.settimeout(PATIENCE_S)
        self.held = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def until(self, mark: bytes) -> bytes:
        """Everything up to and with `mark`; EOFError when the stream ends before."""
        while mark not in self.held:
            self._more()
        at = self.held.index(mark) + len(mark)
        taken, self.held = self.held[:at], self.held[at:]
        return taken

    def exactly(self, size: int) -> bytes:
        pieces = [self.held]
        have = len(self.held)
        while have < size:
            self.held = b""
            self._more()
            pieces.append(self.held)
            have += len(self.held)
        whole = b"".join(pieces)
        self.held = whole[size:]
        return whole[:size]

    def rest(self) -> bytes:
        """Everything until the peer closes; a reset counts as that."""
        with contextlib.suppress(EOFError, ConnectionResetError):
            while True:
                self._more()
        return self.held

    def _more(self) -> None:
        data = self.socket.recv(1 << 16)
        if not data:
            raise EOFError(self.held)
        self.held += data

    def chunks(self) -> bytes:
        body = b""
        while size := int(self.until(b"\r\n").split(b";")[0], 16):
            body += self.exactly(size)
            assert self.exactly(2) == b"\r\n"
        self.until(b"\r\n")
        return body

    def response(self, has_body: bool = True) -> tuple[int, dict[str, str], bytes]:
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        body = b""
        if has_body and headers.get("transfer-encoding") == "chunked":
            body = self.chunks()
        elif has_body:
            body = self.exactly(int(headers.get("content-length", "0")))
        return int(lines[0].split(" ")[1]), headers, body

    def close(self) -> None:
        self.socket.close()


def head(status: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()


def answer(body: bytes) -> bytes:
    return head("200 OK", f"content-length: {len(body)}", "x-nimbus-secret: inside", "etag: x") + body


class Behind:
    """The scripted server."""

    def __init__(self, path: Path) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.gate = threading.Event()  # /wait answers once it is set
        self.words: list[bytes] = []  # what /say answers
        self.arrived = threading.Semaphore(0)  # released for every head that came in
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(128)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(Peer(connection),), daemon=True).start()

    def _serve(self, peer: Peer) -> None:
        with contextlib.suppress(OSError, EOFError), contextlib.closing(peer):
            while self._answer(peer):
                pass

    def _answer(self, peer: Peer) -> bool:
        lines = peer.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = [(line.split(": ", 1)[0], line.split(": ", 1)[1]) for line in lines[1:] if line]
        request = Request(lines[0], headers)
        self.requests.append(request)
        self.arrived.release()
        path = lines[0].split(" ")[1].split("?")[0]
        return self.PATHS[path.strip("/").split("/")[0]](self, peer, request)

    def _echo(self, peer: Peer, request: Request) -> bool:
        if request.header("expect"):
            peer.send(head("100 Continue"))
        if request.header("transfer-encoding") == "chunked":
            request.body = peer.chunks()
        else:
            request.body = peer.exactly(int(request.header("content-length") or 0))
        body = b"" if request.line.startswith("HEAD") else request.body
        peer.send(head("200 OK", f"content-length: {len(request.body)}", "x-nimbus-secret: inside") + body)
        return True

    def _large(self, peer: Peer, request: Request) -> bool:
        size = int(request.line.split("?")[1].split(" ")[0])
        peer.send(answer(pattern(size)))
        return True

    def _chunked(self, peer: Peer, request: Request) -> bool:
        peer.send(head("200 OK", "transfer-encoding: chunked"))
        for _ in range(3):
            peer.send(b"5\r\nhello\r\n")
        peer.send(b"0\r\n\r\n")
        return True

    def _early(self, peer: Peer, request: Request) -> bool:
        peer.send(head("403 Forbidden", "content-length: 2", "connection: close") + b"no")
        return False

    def _mute(self, peer: Peer, request: Request) -> bool:
        return False

    def _half(self, peer: Peer, request: Request) -> bool:
        peer.send(head("200 OK", "content-length: 10") + b"half")
        return False

    def _once(self, peer: Peer, request: Request) -> bool:
        """Promises to keep the connection and closes it with the next request already on its way."""
        peer.send(answer(b"once"))
        with contextlib.suppress(OSError, EOFError):
            peer.socket.recv(1, socket.MSG_PEEK)
        return False

    def _judge(self, peer: Peer, request: Request) -> bool:
        """Reads until the request is cut off, and refuses it."""
        request.body = peer.rest()
        peer.send(head("400 Bad Request", "content-length: 0"))
        return False

    def _wait(self, peer: Peer, request: Request) -> bool:
        assert self.gate.wait(PATIENCE_S)
        peer.send(answer(b"at last"))
        return True

    def _say(self, peer: Peer, request: Request) -> bool:
        """Says what it was told to, in these pieces, and no more."""
        for piece in self.words:
            peer.send(piece)
        return True

    PATHS: dict[str, Callable[[Behind, Peer, Request], bool]] = {  # noqa: RUF012
        "echo": _echo,
        "large": _large,
        "chunked": _chunked,
        "early": _early,
        "mute": _mute,
        "half": _half,
        "once": _once,
        "judge": _judge,
        "wait": _wait,
        "say": _say,
    }


def pattern(size: int) -> bytes:
    return (b"0123456789abcdef" * (size // 16 + 1))[:size]


class Front:
    """A running plane, the server behind it, and a way in."""

    def __init__(self, native: plane.Plane, behind: Behind, address: tuple[str, int], token: str) -> None:
        self.plane = native
        self.behind = behind
        self.address = address
        self.token = token
        self.peers: list[Peer] = []

    def connect(self) -> Peer:
        """A new client; closed with the front at the latest."""
        self.peers.append(Peer(socket.create_connection(self.address, PATIENCE_S)))
        return self.peers[-1]

    def counter(self, name: str) -> int:
        value = self.plane.counters()[name]
        assert isinstance(value, int)
        return value

    def eventually(self, holds: Callable[[], bool]) -> bool:
        """Whether it comes to hold; asked by way of the plane itself, whose every turn may change it."""
        for _ in range(2000):
            if holds():
                return True
            threading.Event().wait(0.005)
        return False


@contextmanager
def front(log: plane.AccessLog | None = None, **settings: Any) -> Iterator[Front]:
    """A plane on a port of its own."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        listener.setblocking(False)
        path = Path(folder) / "behind.sock"
        behind = Behind(path)
        token = secrets.token_hex(32)
        native = plane.Plane(Settings(listener.fileno(), str(path), token, **settings), log)
        running = Front(native, behind, listener.getsockname()[:2], token)
        native.start()
        try:
            yield running
        finally:
            native.stop()
            behind.close()
            for peer in running.peers:
                peer.close()


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
