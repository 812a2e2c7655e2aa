"""Other people's HTTP/1.1 servers, asked what they understand of a run of bytes: nginx, HAProxy and hyper.

nginx and HAProxy relay to an echo that reads only what they wrote anew; hyper is Granian with the same echo as its
application. Every answer of an echo tells method, target and body of the request that it saw, so the answers on one
connection are what the server in front made of the bytes. Its own refusals, and its silence, are the end of that.

Must always hold: what is started here is stopped here, by its own process id.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from nimbus.base.config import Limits
from nimbus.server.listener import Listener, Message, Scope
from nimbus.server.sockets import bind_private

TELLS: Final = b"x-understood"
CONNECTIONS_AT_ONCE_MAX: Final = 48
START_S_MAX: Final = 10.0

NGINX: Final = """\
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    client_header_timeout 1s; client_body_timeout 1s; keepalive_timeout 1s; client_max_body_size 0;
    server {{
        listen unix:{folder}/nginx.sock;
        location / {{
            proxy_pass http://unix:{folder}/echo.sock; proxy_http_version 1.1; proxy_set_header Connection "";
        }}
    }}
}}
"""
HAPROXY: Final = """\
defaults
    mode http
    timeout connect 5s
    timeout client 1s
    timeout server 5s
    timeout http-request 1s
    timeout http-keep-alive 1s
frontend front
    bind unix@{folder}/haproxy.sock
    default_backend echo
backend echo
    server one unix@{folder}/echo.sock
"""


class Understood(NamedTuple):
    """One request as a server read it."""

    method: bytes
    target: bytes
    body: bytes


def _told(answer_head: bytes) -> Understood | None:
    """What the echo says in the head of an answer; None for an answer that is not an echo's."""
    for line in answer_head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b": ")
        if name.lower() == TELLS:
            method, target, body = value.split(b":")
            return Understood(method, bytes.fromhex(target.decode()), bytes.fromhex(body.decode()))
    return None


def _telling(method: bytes, target: bytes, body: bytes) -> bytes:
    return b"%b:%b:%b" % (method, target.hex().encode(), body.hex().encode())


class Peer(NamedTuple):
    """A server under a name, on a unix socket."""

    name: str
    path: Path

    async def understand(self, data: bytes, count: int, patience_s: float) -> list[Understood]:
        """The first `count` requests that it sees in these bytes; fewer when it refuses or waits for more."""
        found: list[Understood] = []
        reader, writer = await asyncio.open_unix_connection(str(self.path))
        with contextlib.suppress(TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            async with asyncio.timeout(patience_s):
                writer.write(data)
                while len(found) < count and (told := await _next_answer(reader)):
                    found.append(told)
        writer.transport.abort()
        return found


async def _next_answer(reader: asyncio.StreamReader) -> Understood | None:
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        if head[9:10] != b"1":  # 100 Continue is no answer yet
            return _told(head)


class Peers:
    """The servers, and the loop on which they are asked."""

    def __init__(self, all: list[Peer], heads: list[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self.all = all
        self.heads = heads  # that the echo has got from whoever relays to it
        self._loop = loop

    def understand(self, runs: list[bytes], count: int, patience_s: float) -> list[dict[str, list[Understood]]]:
        """For each run of bytes what each server understands of it."""
        return asyncio.run_coroutine_threadsafe(self._ask_all(runs, count, patience_s), self._loop).result()

    async def _ask_all(self, runs: list[bytes], count: int, patience_s: float) -> list[dict[str, list[Understood]]]:
        lanes = asyncio.Semaphore(CONNECTIONS_AT_ONCE_MAX)

        async def ask(peer: Peer, run: bytes) -> list[Understood]:
            async with lanes:
                return await peer.understand(run, count, patience_s)

        answers = await asyncio.gather(*(ask(peer, run) for run in runs for peer in self.all))
        width = len(self.all)
        return [
            {peer.name: answers[at * width + offset] for offset, peer in enumerate(self.all)} for at in range(len(runs))
        ]


# --- the echo, twice --------------------------------------------------------------------------------------------------


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return body


async def _echo(heads: list[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Behind nginx and HAProxy: their own framing is the only one it meets."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            heads.append(head)
            lines = head.split(b"\r\n")
            headers = {line.split(b":", 1)[0].lower(): line.split(b":", 1)[1].strip() for line in lines[1:] if line}
            if b"expect" in headers:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
                body = await _read_chunks(reader)
            else:
                body = await reader.readexactly(int(headers.get(b"content-length", b"0")))
            method, target, _ = lines[0].split(b" ")
            told = _telling(method, target, body)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n%b: %b\r\n\r\n" % (TELLS, told))
    writer.close()


async def _echo_application(scope: Scope, receive: Any, send: Any) -> None:
    """The same as hyper's application."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    told = _telling(scope["method"].encode(), target, body)
    headers = [(b"content-length", b"0"), (TELLS, told)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


# --- starting and stopping --------------------------------------------------------------------------------------------


async def _wait_for(path: Path) -> None:
    async with asyncio.timeout(START_S_MAX):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_unix_connection(str(path))
                writer.transport.abort()
                return
            await asyncio.sleep(0.02)


@contextmanager
def _process(*command: str) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(START_S_MAX)


@asynccontextmanager
async def _running(folder: Path, heads: list[bytes]) -> AsyncIterator[list[Peer]]:
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder))
    (folder / "haproxy.cfg").write_text(HAPROXY.format(folder=folder))
    echo = await asyncio.start_unix_server(partial(_echo, heads), str(folder / "echo.sock"))
    hyper = Listener(bind_private(str(folder / "hyper.sock")), _echo_application, Limits(header_timeout_s=1), 2048)
    hyper.start()
    with (
        _process("nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "nginx.log")),
        _process("haproxy", "-db", "-f", str(folder / "haproxy.cfg")),
    ):
        peers = [Peer(name, folder / f"{name}.sock") for name in ("nginx", "haproxy", "hyper")]
        for peer in peers:
            await _wait_for(peer.path)
        yield peers
    await hyper.drain(1)
    echo.close()


@contextmanager
def running(folder: Path) -> Iterator[Peers]:
    """The three servers, up when the block begins."""
    ready: threading.Event = threading.Event()
    made: list[tuple[list[Peer], asyncio.AbstractEventLoop, asyncio.Event]] = []
    heads: list[bytes] = []

    async def live() -> None:
        async with _running(folder, heads) as peers:
            over = asyncio.Event()
            made.append((peers, asyncio.get_running_loop(), over))
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(live()), name="peers")
    thread.start()
    assert ready.wait(START_S_MAX), "the servers did not start: are nginx and haproxy installed?"
    peers, loop, over = made[0]
    try:
        yield Peers(peers, heads, loop)
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
