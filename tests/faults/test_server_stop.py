"""A stop lets running requests finish within its bound, and takes no new ones."""

from __future__ import annotations

import http.client
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.faults.server_process import SECONDS_MAX, Started, started

WAITING_SERVER = Path(__file__).with_name("waiting_server.py")


@contextmanager
def waiting(tmp_path: Path, shutdown_s: float) -> Iterator[Started]:
    with started([sys.executable, str(WAITING_SERVER), str(shutdown_s)], cwd=tmp_path) as server:
        yield server


@contextmanager
def begun(server: Started) -> Iterator[http.client.HTTPResponse]:
    """A request that runs: half of its body has arrived."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS_MAX)) as connection:
        connection.request("GET", "/begun")
        response = connection.getresponse()
        assert response.read(4) == b"half"
        yield response


def wait_until_refused(port: int) -> None:
    """Returns once the server takes no connections any more."""
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=SECONDS_MAX).close()
        except ConnectionResetError:
            continue  # it was waiting to be accepted when the socket closed
        except ConnectionRefusedError:
            return
    pytest.fail("the server still takes connections")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_running_request_finishes_while_new_ones_are_refused(tmp_path: Path, number: signal.Signals) -> None:
    with waiting(tmp_path, 20) as server, begun(server) as response:
        server.signal(number)
        wait_until_refused(server.port)
        server.signal(signal.SIGUSR1)
        assert response.read() == b"half"
        status, _, said = server.ended()
    assert status == 0
    assert "closed" in said
    assert "cut off" not in said


def test_a_request_that_does_not_finish_is_cut_off_at_the_bound(tmp_path: Path) -> None:
    with waiting(tmp_path, 0.2) as server, begun(server) as response:
        server.signal(signal.SIGTERM)
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            response.read()
        status, _, said = server.ended()
    assert status == 0
    assert "1 running request was cut off after 0.2 s" in said
    assert "closed" in said
    assert "Traceback" not in said


def test_an_idle_connection_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    with waiting(tmp_path, 20) as server:
        with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS_MAX)) as idle:
            idle.request("GET", "/")
            assert idle.getresponse().read() == b"halfhalf"
            began = time.monotonic()
            server.signal(signal.SIGTERM)
            assert server.ended()[0] == 0
        assert time.monotonic() - began < 5


def test_a_hangup_changes_nothing(tmp_path: Path) -> None:
    with waiting(tmp_path, 20) as server, begun(server) as response:
        server.signal(signal.SIGHUP)
        server.signal(signal.SIGUSR1)
        assert response.read() == b"half"
        server.signal(signal.SIGTERM)
        status, _, said = server.ended()
    assert status == 0
    assert "SIGHUP changes nothing" in said
