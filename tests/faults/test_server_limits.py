"""The limits that the listener keeps: slow heads, and how many connections are served at once."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from nimbus.base.descriptors import shares
from tests.faults.busy_writers import BUCKET, MIB, client_of
from tests.faults.server_process import DATA_PLANES, SECONDS_MAX, SERVE, Started, started, untimed

COMMAND = [*SERVE, "--listen", "127.0.0.1:0", "--data", "d"]
LISTEN, TIME_WAIT = "0A", "06"  # states in /proc/net/tcp
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def connected(server: Started) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS_MAX)


@contextmanager
def occupied(server: Started) -> Iterator[socket.socket]:
    """In this block two connections are open and served; one of them."""
    with connected(server) as first, connected(server) as second:
        for served in (first, second):
            served.sendall(REQUEST)
            assert served.recv(65536).startswith(b"HTTP/1.1 403")
        yield first


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
    with started([*COMMAND, "--data-plane", "off"], cwd=tmp_path, NIMBUS_LIMITS__CONNECTIONS="2") as server:
        with occupied(server) as first, connected(server) as third:
            third.sendall(REQUEST)
            assert select.select([third], [], [], 0.3)[0] == []
            first.close()
            assert third.recv(65536).startswith(b"HTTP/1.1 403")
        server.signal(signal.SIGTERM)
        assert server.ended()[0] == 0


def test_a_connection_over_the_limit_of_the_plane_is_told_so_when_the_others_are_busy(tmp_path: Path) -> None:
    with started([*COMMAND, "--data-plane", "on"], cwd=tmp_path, NIMBUS_LIMITS__CONNECTIONS="2") as server:
        with ExitStack() as busy:
            head = upload_head(server)
            for _ in range(2):
                busy.enter_context(connected(server)).sendall(head)
            await_until(lambda: is_refused(server))
        await_until(lambda: is_served(server))
        server.signal(signal.SIGTERM)
        assert server.ended()[0] == 0


def upload_head(server: Started) -> bytes:
    """The head of an upload into a bucket that is made for it."""
    client = client_of(server.port)
    client.create_bucket(Bucket=BUCKET)
    url = client.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "key"})
    client.close()
    target = url.partition(str(server.port))[2]
    return f"PUT {target} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Length: 10\r\n\r\n".encode()


def is_refused(server: Started) -> bool:
    with connected(server) as third:
        third.sendall(REQUEST)
        answer = third.recv(65536)
        if not answer.startswith(b"HTTP/1.1 503"):
            return False
        assert b"<Code>SlowDown</Code>" in answer
        assert b"retry-after: 1\r\n" in answer
        assert third.recv(65536) == b""
        return True


@pytest.mark.parametrize("begun", [b"", REQUEST[:20], REQUEST])
def test_who_waits_for_nothing_makes_room_for_others_the_longest_first(tmp_path: Path, begun: bytes) -> None:
    """More than there may be, thrice: nobody who asks waits for the timer of those who do not."""
    limits = {"NIMBUS_LIMITS__CONNECTIONS": "20", "NIMBUS_LIMITS__HEADER_TIMEOUT_S": "600"}
    with started([*COMMAND, "--data-plane", "on"], cwd=tmp_path, **limits) as server, ExitStack() as open_:
        for _ in range(60):
            open_.enter_context(connected(server)).sendall(begun)
        await_until(lambda: is_served(server))
        kept = open_.enter_context(connected(server))
        kept.sendall(REQUEST)
        assert kept.recv(65536).startswith(b"HTTP/1.1 403")
        assert is_served(server)
        kept.sendall(REQUEST)
        assert kept.recv(65536).startswith(b"HTTP/1.1 403")  # the one that waited least is there still
        server.signal(signal.SIGTERM)
        assert server.ended()[0] == 0


def test_slow_connections_shut_nobody_out_where_descriptors_are_few(tmp_path: Path) -> None:
    command = ["sh", "-c", 'ulimit -n 1024 && exec "$@"', "sh", *COMMAND, "--data-plane", "on"]
    with started(command, cwd=tmp_path) as server, ExitStack() as slow:
        for number in range(2_000):
            connection = slow.enter_context(connected(server))
            connection.sendall(REQUEST[: number % 20])
        began = time.monotonic()
        await_until(lambda: is_served(server))
        assert time.monotonic() - began < 10
        server.signal(signal.SIGTERM)
        status, _, errors = server.ended()
        assert status == 0
        assert "the system grants 1024 file descriptors" in untimed(errors)


def is_served(server: Started) -> bool:
    with connected(server) as client:
        client.sendall(REQUEST)
        return client.recv(65536).startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize("data_plane", DATA_PLANES)
def test_readers_that_stop_reading_are_given_up_with_all_that_they_hold(tmp_path: Path, data_plane: str) -> None:
    limits = {"NIMBUS_LIMITS__BODY_GRACE_S": "1", "NIMBUS_LIMITS__BODY_RATE_BYTES_PER_S": "1000000"}
    with started([*COMMAND, "--data-plane", data_plane], cwd=tmp_path, **limits) as server:
        client = client_of(server.port)
        client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="key", Body=bytes(16 * MIB))
        url = client.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "key"})
        client.close()
        await_until(lambda: connections(server) == 0)
        before = sockets(server)
        request = f"GET {url.partition(str(server.port))[2]} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n"
        readers = [connected(server) for _ in range(5)]
        for reader in readers:
            reader.sendall(request.encode())
            assert reader.recv(16).startswith(b"HTTP/1.1 200")
        assert sockets(server) == before + len(readers)
        await_until(lambda: sockets(server) == before)
        for reader in readers:
            reader.close()
        server.signal(signal.SIGTERM)
        assert server.ended()[0] == 0


@pytest.mark.parametrize("data_plane", DATA_PLANES)
def test_few_descriptors_are_enough_for_many_connections_and_files(tmp_path: Path, data_plane: str) -> None:
    limit, size, clients = 800, 300_000, 8
    share = shares(limit, 1_000)
    keys = [f"key-{number}" for number in range(3 * share.native_files)]
    command = ["sh", "-c", f'ulimit -n {limit} && exec "$@"', "sh", *COMMAND, "--data-plane", data_plane]
    with started(command, cwd=tmp_path) as server, ExitStack() as idle, ThreadPoolExecutor(clients) as threads:
        client = client_of(server.port)
        client.create_bucket(Bucket=BUCKET)

        def store(key: str) -> None:
            client.put_object(Bucket=BUCKET, Key=key, Body=key.encode().ljust(size))

        def is_whole(key: str) -> bool:
            return client.get_object(Bucket=BUCKET, Key=key)["Body"].read() == key.encode().ljust(size)

        list(threads.map(store, keys))
        for _ in range(share.connections - clients - 1):
            connection = idle.enter_context(connected(server))
            connection.sendall(REQUEST)
            assert connection.recv(65536).startswith(b"HTTP/1.1 403")
        assert all(threads.map(is_whole, keys))
        assert all(threads.map(is_whole, reversed(keys)))
        assert blobs_open(server) <= share.native_files + share.files
        idle.close()
        client.close()
        server.signal(signal.SIGTERM)
        status, _, errors = server.ended()
        said = untimed(errors).splitlines()
        assert (status, said[2:]) == (0, ["nimbus: stopped"]), errors  # of few descriptors, and of the known keys


def blobs_open(server: Started) -> int:
    """How many files of large objects the server holds."""
    count = 0
    for entry in list(Path(f"/proc/{server.process.pid}/fd").iterdir()):
        with suppress(FileNotFoundError):  # closed meanwhile
            count += os.readlink(entry).endswith(".blob")
    return count


def await_until(holds: Callable[[], bool]) -> None:
    """Wait for what a server or the kernel does in its own time."""
    deadline = time.monotonic() + SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def sockets(server: Started) -> int:
    """How many TCP sockets the server holds; those between the plane and the application are of another kind."""
    known = {f"socket:[{line.split()[9]}]" for line in Path("/proc/net/tcp").read_text().splitlines()[1:]}
    held = 0
    for entry in list(Path(f"/proc/{server.process.pid}/fd").iterdir()):
        with suppress(FileNotFoundError):  # closed meanwhile
            held += os.readlink(entry) in known
    return held


def connections(server: Started) -> int:
    """How many connections to the server the kernel knows, but for those that wait to be forgotten."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{server.port:04X}") and row[3] not in (LISTEN, TIME_WAIT) for row in rows)
