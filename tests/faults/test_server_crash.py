"""When a part that nothing works without dies, the process ends at once and says why; it does not hang."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from nimbus.server.crash import EXIT_CRASHED
from tests.faults.server_process import SECONDS_MAX, Started, started

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
    assert line.startswith("nimbus: the thread 'commit' has ended (Death in dying_server.py:")
    assert "nobody saw it coming" in line


def test_the_end_of_the_collector_ends_the_process(tmp_path: Path) -> None:
    with dying(tmp_path) as server:
        server.signal(signal.SIGUSR1)
        assert "the task 'garbage collector' has ended (CancelledError" in crash_line(server)
