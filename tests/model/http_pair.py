"""Two servers, one with the native plane in front and one without, and the same bytes sent to both.

A request is built once, to the byte, with a `Host` that is neither's own; so whatever differs in the answers is the
servers' doing.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tests.model.http_signing import Request, rendered
from tests.wire.serving import Server, running

PATIENCE_S = 20.0
# Elements and headers that no two servers share.
MASKED = ("RequestId", "HostId", "LastModified", "Initiated", "CreationDate", "ServerTime")
PER_SERVER = ("date", "x-amz-request-id", "x-amz-id-2", "last-modified")
END_OF_HEAD = b"\r\n\r\n"


class Answer(msgspec.Struct, frozen=True):
    """A response to the byte, its headers in the order in which they came."""

    line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def status(self) -> int:
        return int(self.line.split(" ")[1])

    def header(self, name: str) -> str:
        return dict(self.headers).get(name, "")


class Door:
    """One of the two servers: a connection that is kept, and what only this server says."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.uploads: list[str] = []  # ids, in the order in which the test began them
        self._host_ids: set[str] = set()
        self._peer: socket.socket | None = None
        self._rest = b""

    def send(self, data: bytes, methods: list[str]) -> list[Answer]:
        """Write all of it, then read one answer for each method."""
        if self._peer is None:
            self._peer = socket.create_connection((self.server.host, self.server.port), PATIENCE_S)
            self._peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._rest = b""
        answers = []
        with suppress(BrokenPipeError, ConnectionResetError):  # it has said why, and stopped listening
            self._peer.sendall(data)
        for method in methods:
            answers.append(self._answer(method))
            if self._peer is None:
                break
        assert not self._rest, f"bytes behind the answer: {self._rest[:200]!r}"
        return answers

    def hang_up(self) -> None:
        if self._peer is not None:
            self._peer.close()
        self._peer = None

    def _more(self) -> None:
        assert self._peer is not None
        piece = self._peer.recv(1 << 20)
        assert piece, f"closed within {self._rest[:200]!r}"
        self._rest += piece

    def _answer(self, method: str) -> Answer:
        while END_OF_HEAD not in self._rest:
            self._more()
        head, _, self._rest = self._rest.partition(END_OF_HEAD)
        if head == b"HTTP/1.1 100 Continue":  # the body was not waiting for it
            return self._answer(method)
        line, *lines = head.decode("latin-1").split("\r\n")
        headers = [(name.lower(), value) for name, _, value in (text.partition(": ") for text in lines)]
        named = dict(headers)
        assert len(named) == len(headers), f"a header was given twice: {head!r}"
        assert "transfer-encoding" not in named, "every answer of ours knows its length"
        has_body = method != "HEAD" and line.split(" ")[1] not in ("204", "304")
        size = int(named["content-length"]) if has_body else 0
        while len(self._rest) < size:
            self._more()
        body, self._rest = self._rest[:size], self._rest[size:]
        self._host_ids.add(named["x-amz-id-2"])
        assert len(self._host_ids) == 1, "one process, one id"
        if named.get("connection") == "close":
            assert not self._rest
            assert self._peer is not None
            assert not self._peer.recv(1), "it said that it would close"
            self.hang_up()
        if named.get("connection") and method in ("PUT", "POST") and line.split(" ")[1] >= "400":
            del named["connection"]  # how much of a refused body is read before its end is nobody's promise
        return self._without_its_own(line, named, body)

    def _without_its_own(self, line: str, headers: dict[str, str], body: bytes) -> Answer:
        """The answer with everything masked in which two servers must differ."""
        masked = [(name, "*" if name in PER_SERVER else value) for name, value in headers.items()]
        for name in MASKED:
            body = re.sub(b"<%b>[^<]*<" % name.encode(), b"<%b>*<" % name.encode(), body)
        for number, upload_id in enumerate(self.uploads):
            body = body.replace(upload_id.encode(), b"{upload%d}" % number)
        if b"{upload" in body:  # what was signed differs then
            for name in (b"StringToSign(?:Bytes)?", b"SignatureProvided", b"CanonicalRequestBytes"):
                body = re.sub(b"<(%b)>[^<]*<" % name, rb"<\1>*<", body)
            masked = [(name, "*" if name == "content-length" else value) for name, value in masked]
        return Answer(line, tuple(masked), body)


class Pair:
    """Both servers."""

    def __init__(self, native: Door, plain: Door) -> None:
        self.native = native
        self.plain = plain

    def ask(self, *requests: Request) -> list[Answer]:
        """What both answer to these requests, sent in one go: the same."""
        now = datetime.now(UTC)
        methods = [request.method for request in requests]
        native, plain = (
            door.send(b"".join(rendered(request, door.uploads, now) for request in requests), methods)
            for door in (self.native, self.plain)
        )
        assert native == plain, f"\nnative: {native}\nplain:  {plain}\nto {requests}"
        return native

    def renew(self) -> None:
        """New connections, and no uploads known."""
        for door in (self.native, self.plain):
            door.hang_up()
            door.uploads.clear()

    def begin_upload(self, request: Request) -> None:
        """CreateMultipartUpload, after which its id is known by its number."""
        now = datetime.now(UTC)
        ids = []
        for door in (self.native, self.plain):
            (answer,) = door.send(rendered(request, door.uploads, now), [request.method])
            found = re.search(rb"<UploadId>([^<]+)<", answer.body)
            assert found, answer
            ids.append((door, found[1].decode(), answer))
        for door, upload_id, _ in ids:
            door.uploads.append(upload_id)
        native, plain = (answer.body.replace(upload_id.encode(), b"") for _, upload_id, answer in ids)
        assert native == plain


@contextmanager
def pair(folder: Path) -> Iterator[Pair]:
    """The two of them, empty."""
    with ExitStack() as parts:
        doors = []
        for mode in ("on", "off"):
            (folder / mode).mkdir()
            doors.append(Door(parts.enter_context(running(folder / mode, "--data-plane", mode))))
            parts.callback(doors[-1].hang_up)
        yield Pair(*doors)
