"""The limits that the listener keeps: slow heads, and how many connections are served at once."""

from __future__ import annotations

import select
import signal
import socket
from pathlib import Path

from tests.faults.server_process import SECONDS_MAX, SERVE, Started, started

COMMAND = [*SERVE, "--listen", "127.0.0.1:0", "--data", "d"]
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def connected(server: Started) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS_MAX)


def test_a_head_that_never_ends_and_an_idle_connection_are_closed(tmp_path: Path) -> None:
    with started(COMMAND, cwd=tmp_path, NIMBUS_LIMITS__HEADER_TIMEOUT_S="1") as server:
        with connected(server) as slow, connected(server) as idle:
            slow.sendall(REQUEST[:20])
            idle.sendall(REQUEST)
            assert idle.recv(65536).startswith(b"HTTP/1.1 403")
            for connection in (slow, idle):
                while connection.recv(65536):
                    pass
        server.signal(signal.SIGTERM)
        assert server.ended()[0] == 0


def test_a_connection_over_the_limit_waits_until_one_closes(tmp_path: Path) -> None:
    with started(COMMAND, cwd=tmp_path, NIMBUS_LIMITS__CONNECTIONS="2") as server:
        with connected(server) as first, connected(server) as second:
            for served in (first, second):
                served.sendall(REQUEST)
                assert served.recv(65536).startswith(b"HTTP/1.1 403")
            with connected(server) as third:
                third.sendall(REQUEST)
                assert select.select([third], [], [], 0.3)[0] == []
                first.close()
                assert third.recv(65536).startswith(b"HTTP/1.1 403")
        server.signal(signal.SIGTERM)
        assert server.ended()[0] == 0
