"""When a part that nothing works without dies, the process ends at once and says why; it does not hang."""

from __future__ import annotations

import ctypes
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from nimbus.server.crash import EXIT_CRASHED
from tests.faults.server_process import SECONDS_MAX, SERVE, Started, started

DYING_SERVER = Path(__file__).with_name("dying_server.py")


@contextmanager
def dying(folder: Path) -> Iterator[Started]:
    with started([sys.executable, str(DYING_SERVER), str(folder / "data")], cwd=folder) as server:
        yield server


def crash_line(server: Started) -> str:
    """The line that the crash says; the process has ended with the status of a crash."""
    status, _, said = server.ended()
    assert status == EXIT_CRASHED, said
    assert "Traceback" not in said
    (line,) = (line for line in said.splitlines() if "the server cannot go on" in line)
    assert said.rstrip().endswith(line)
    return line


def test_the_death_of_the_commit_thread_ends_the_process(tmp_path: Path) -> None:
    with dying(tmp_path) as server:
        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{server.port}",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name="us-east-1",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=SECONDS_MAX),
        )
        client.create_bucket(Bucket="lives")
        with pytest.raises((BotoCoreError, ClientError)):
            client.create_bucket(Bucket="die-now")
        line = crash_line(server)
    assert "ERROR nimbus: the thread 'commit' has ended (Death in dying_server.py:" in line
    assert "nobody saw it coming" in line


def test_the_end_of_the_collector_ends_the_process(tmp_path: Path) -> None:
    with dying(tmp_path) as server:
        server.signal(signal.SIGUSR1)
        assert "the task 'garbage collector' has ended (CancelledError" in crash_line(server)


# --- in the native plane ---


@contextmanager
def with_plane(folder: Path) -> Iterator[Started]:
    command = [*SERVE, "--listen", "127.0.0.1:0", "--data", str(folder / "data"), "--data-plane", "on"]
    with started(command, cwd=folder) as server:
        yield server


def native_threads(server: Started) -> list[int]:
    """Those that leave nearly all signals to the main thread, but not those of a crash, as the allocator's own does."""
    found = []
    crash = 1 << (signal.SIGSEGV - 1)
    for thread in Path(f"/proc/{server.process.pid}/task").iterdir():
        (blocked,) = (line for line in (thread / "status").read_text().splitlines() if line.startswith("SigBlk:"))
        signals = int(blocked.split()[1], 16)
        if signals.bit_count() > 32 and not signals & crash:
            found.append(int(thread.name))
    return sorted(found)


@pytest.mark.parametrize("which", [0, -1], ids=["first thread", "last thread"])
def test_a_crash_in_a_native_thread_ends_the_process_and_says_where(tmp_path: Path, which: int) -> None:
    with with_plane(tmp_path) as server, socket.create_connection((server.host, server.port), SECONDS_MAX) as waiting:
        waiting.sendall(b"GET / HTTP/1.1\r\n")
        threads = native_threads(server)
        assert len(threads) > 2
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.tgkill(server.process.pid, threads[which], int(signal.SIGSEGV)) == 0
        status, _, said = server.ended()
        assert status == -signal.SIGSEGV
        assert "Fatal Python error: Segmentation fault" in said
        with suppress(ConnectionResetError):
            assert waiting.recv(1) == b""


@pytest.mark.serial  # strace needs root here
def test_a_native_thread_that_cannot_go_on_ends_the_process_and_says_why(tmp_path: Path) -> None:
    with with_plane(tmp_path) as server:
        inject = ["-e", "trace=epoll_wait", "-e", "inject=epoll_wait:error=EBADF", "-o", "/dev/null"]
        threads = [word for thread in native_threads(server) for word in ("-p", str(thread))]
        with subprocess.Popen(["strace", *inject, *threads], stderr=subprocess.DEVNULL):
            socket.create_connection((server.host, server.port), SECONDS_MAX).close()
            status, _, said = server.ended()
    assert status == -signal.SIGABRT
    assert "Z ERROR nimbus: the native plane cannot go on: epoll_wait: Bad file descriptor\n" in said
