"""A stop in the midst of uploads and downloads: those that go on are finished, those that do not leave nothing."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from nimbus.base.config import Limits
from tests.faults.busy_writers import BUCKET, MIB, client_of, listed_sizes
from tests.faults.server_process import DATA_PLANES, SECONDS_MAX, SERVE, Started, started
from tests.faults.test_server_stop import wait_until_refused

pytestmark = pytest.mark.parametrize("data_plane", DATA_PLANES)

DOWN = bytes(range(256)) * (32 * MIB // 256)  # more than any socket's queue holds
UP = DOWN[: 6 * MIB]
SMALL = DOWN[:1000]


@contextmanager
def serving(folder: Path, data_plane: str, shutdown_s: float) -> Iterator[tuple[Started, Any]]:
    command = [*SERVE, "--listen", "127.0.0.1:0", "--data", "data-dir", "--data-plane", data_plane]
    with started(command, cwd=folder, NIMBUS_LIMITS__SHUTDOWN_S=str(shutdown_s)) as server:
        client = client_of(server.port)
        yield server, client
        client.close()


def presigned(client: Any, server: Started, operation: str, key: str) -> str:
    url: str = client.generate_presigned_url(operation, Params={"Bucket": BUCKET, "Key": key})
    return url.split(str(server.port), 1)[1]


def connected(server: Started, held: ExitStack) -> http.client.HTTPConnection:
    """A connection that takes little at a time."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=SECONDS_MAX)
    connection.sock = socket.socket()
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    connection.sock.settimeout(SECONDS_MAX)
    connection.sock.connect((server.host, server.port))
    held.callback(connection.close)
    return connection


def begin_download(connection: http.client.HTTPConnection, target: str) -> http.client.HTTPResponse:
    connection.request("GET", target)
    answer = connection.getresponse()
    assert (answer.status, answer.read(1000)) == (200, DOWN[:1000])
    return answer


def begin_upload(connection: http.client.HTTPConnection, target: str, body: bytes) -> None:
    """Half of it; the answer to 100-continue says that the request has begun."""
    head = f"PUT {target} HTTP/1.1\r\nHost: {connection.host}:{connection.port}\r\nContent-Length: {len(body)}\r\n"
    connection.sock.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
    assert connection.sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sock.sendall(body[: len(body) // 2])


def test_what_is_under_way_is_finished(tmp_path: Path, data_plane: str) -> None:
    with ExitStack() as held, serving(tmp_path, data_plane, 20) as (server, client):
        client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="down", Body=DOWN)
        download = begin_download(connected(server, held), presigned(client, server, "get_object", "down"))
        uploads = [(connected(server, held), key, body) for key, body in (("large", UP), ("small", SMALL))]
        for connection, key, body in uploads:
            begin_upload(connection, presigned(client, server, "put_object", key), body)
        client.close()
        server.signal(signal.SIGTERM)
        wait_until_refused(server.port)
        assert download.read() == DOWN[1000:]
        for connection, _, body in uploads:
            connection.sock.sendall(body[len(body) // 2 :])
            assert connection.sock.recv(15) == b"HTTP/1.1 200 OK"
        status, _, said = server.ended()
        assert (status, "cut off" in said, "Traceback" in said) == (0, False, False), said
    with serving(tmp_path, data_plane, 20) as (_, client):
        for key, body in (("down", DOWN), ("large", UP), ("small", SMALL)):
            assert client.get_object(Bucket=BUCKET, Key=key)["Body"].read() == body


def test_what_does_not_go_on_is_cut_off_and_leaves_nothing(tmp_path: Path, data_plane: str) -> None:
    with ExitStack() as held, serving(tmp_path, data_plane, 0.3) as (server, client):
        client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="down", Body=DOWN)
        download = begin_download(connected(server, held), presigned(client, server, "get_object", "down"))
        for key, body in (("large", UP), ("small", SMALL)):
            begin_upload(connected(server, held), presigned(client, server, "put_object", key), body)
        client.close()
        server.signal(signal.SIGTERM)
        status, _, said = server.ended()
        assert (status, "Traceback" in said) == (0, False), said
        (line,) = (line for line in said.splitlines() if "cut off" in line)
        assert "WARNING nimbus: 3 running requests were cut off after 0.3 s: " in line
        sent = re.search(r": .*1 GetObject with (\d+) bytes sent", line)
        assert sent is not None, line
        assert 1000 <= int(sent[1]) < len(DOWN)
        assert f"2 PutObject with {len(UP) // 2 + len(SMALL) // 2} bytes received" in line
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            download.read()
    assert len(list((tmp_path / "data-dir").rglob("*.blob"))) == 1
    with serving(tmp_path, data_plane, 20) as (_, client):
        assert listed_sizes(client) == {"down": len(DOWN)}


def test_a_second_signal_ends_what_still_runs_at_once(tmp_path: Path, data_plane: str) -> None:
    with ExitStack() as held, serving(tmp_path, data_plane, 600) as (server, client):
        client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="down", Body=DOWN)
        download = begin_download(connected(server, held), presigned(client, server, "get_object", "down"))
        client.close()
        server.signal(signal.SIGTERM)
        wait_until_refused(server.port)
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        status, _, said = server.ended()
        assert time.monotonic() - began < 10
        assert (status, "Traceback" in said) == (0, False), said
        assert re.search(r"1 running request was cut off by a second signal, .*: 1 GetObject with \d+ bytes", said)
        assert said.endswith("nimbus: stopped\n")
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            download.read()


def test_by_default_a_slow_reader_has_the_time_of_a_training_job(tmp_path: Path, data_plane: str) -> None:
    """40 MB at a pace that takes longer than 4 s, and shorter than the minute that a supervisor grants anyway."""
    assert 30 <= Limits().shutdown_s <= 80
    command = [*SERVE, "--listen", "127.0.0.1:0", "--data", "data-dir", "--data-plane", data_plane]
    with ExitStack() as held, started(command, cwd=tmp_path) as server:
        client = client_of(server.port)
        client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="down", Body=DOWN)
        download = begin_download(connected(server, held), presigned(client, server, "get_object", "down"))
        client.close()
        server.signal(signal.SIGTERM)
        wait_until_refused(server.port)
        time.sleep(5)
        assert download.read() == DOWN[1000:]
        status, _, said = server.ended()
        assert (status, "cut off" in said) == (0, False), said
        assert "INFO nimbus: stopping: running requests have 60 s to finish; a second signal cuts them off" in said
