"""An access log that cannot be written to: at the start a refusal in one line, later a notice, and S3 goes on."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.busy_writers import client_of
from tests.faults.mounts import memory_disk
from tests.faults.server_process import DATA_PLANES, SECONDS_MAX, SERVE, refused, started

DISK_SIZE = 256 << 10


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with memory_disk(tmp_path / "disk", f"size={DISK_SIZE}") as root:
        yield root


def fill(path: Path) -> None:
    """Take all room on the disk but a few bytes of the last page."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def operations(log: Path) -> list[str]:
    """Of the lines that are whole."""
    lines = log.read_text().split("\n")
    return [json.loads(line)["operation"] for line in lines if line.startswith("{") and line.endswith("}")]


def wait_for(log: Path, operation: str, ask: Any) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while operation not in operations(log):
        assert time.monotonic() < deadline
        ask()
        time.sleep(0.3)


@pytest.mark.serial
@pytest.mark.parametrize("data_plane", DATA_PLANES)
def test_a_full_disk_costs_lines_and_nothing_else(data_plane: str, disk: Path, tmp_path: Path) -> None:
    log = disk / "log"
    options = ("--listen", "127.0.0.1:0", "--data-plane", data_plane, "--access-log", str(log))
    with started([*SERVE, *options, "--data", "data"], cwd=tmp_path) as server:
        client = client_of(server.port)
        client.create_bucket(Bucket="bucket")
        client.put_object(Bucket="bucket", Key="key", Body=b"x")
        wait_for(log, "PutObject", client.list_buckets)
        fill(disk / "filler")
        for _ in range(60):  # the last page of the log has room for a few more
            assert client.get_object(Bucket="bucket", Key="key")["Body"].read() == b"x"
        time.sleep(0.5)  # two flushes
        os.unlink(disk / "filler")
        wait_for(log, "HeadBucket", lambda: client.head_bucket(Bucket="bucket"))
        server.signal(signal.SIGTERM)
        status, _, said = server.ended()
    assert status == 0, said
    assert said.count("cannot be written to, and its lines are lost until it can: No space left on device") == 1, said
    assert said.count("is written to again; ") == 1, said
    lost = int(said.partition("is written to again; ")[2].partition(" lines were lost")[0])
    assert lost > 0
    for line in log.read_text().splitlines()[-1:]:
        json.loads(line)


@pytest.mark.parametrize("data_plane", DATA_PLANES)
def test_a_path_that_cannot_be_written_to_is_refused_before_anything_is_opened(data_plane: str, tmp_path: Path) -> None:
    said = refused("--data-plane", data_plane, "--access-log", "missing/log", "--listen", "127.0.0.1:0", cwd=tmp_path)
    assert "access_log: missing/log: no such file or directory" in said
    assert not (tmp_path / "nimbus-data").exists()
    said = refused("--listen", "127.0.0.1:0", cwd=tmp_path, NIMBUS_ACCESS_LOG=str(tmp_path))
    assert f"access_log: {tmp_path}: is a directory" in said


@pytest.mark.parametrize("data_plane", DATA_PLANES)
def test_standard_error_takes_the_lines_too(data_plane: str, tmp_path: Path) -> None:
    options = ("--listen", "127.0.0.1:0", "--data-plane", data_plane, "--access-log", "-")
    with started([*SERVE, *options, "--data", "data"], cwd=tmp_path) as server:
        client_of(server.port).list_buckets()
        server.signal(signal.SIGTERM)
        status, out, said = server.ended()
    assert (status, out) == (0, "")
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert [line["operation"] for line in lines] == ["ListBuckets"]
