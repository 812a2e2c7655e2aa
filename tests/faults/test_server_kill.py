"""A server that is killed, or whose power goes, under busy clients: every acknowledged change is there afterwards.

What was not acknowledged is there whole or not at all, what was deleted stays deleted, the next start is quick,
and the bytes of everything that came to nothing are given back to the disk in the end.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SCALE
from tests.faults.busy_writers import BUCKET, MIB, Writer, abort_uploads, client_of, listed_sizes
from tests.faults.mounts import LoopDisk, loop_disk
from tests.faults.server_process import DATA_PLANES, SERVE, Started, started

pytestmark = pytest.mark.serial

WRITERS = 6
START_S_MAX = 10.0  # of which most is Python's on a busy machine
FREED_S_MAX = 90.0  # of which 15 are the grace of garbage behind the native plane
SLACK_BYTES = 2 * MIB  # of the data engine's files beyond the live bytes: headers and blocks begun
ROUNDS = max(1, round(2 * SCALE))


@contextmanager
def serving(directory: Path, data_plane: str) -> Iterator[tuple[Started, Any]]:
    """A server over `directory`, ready in time, and a client of it."""
    begun = time.monotonic()
    command = [*SERVE, "--listen", "127.0.0.1:0", "--data", str(directory), "--data-plane", data_plane]
    with started(command, cwd=directory.parent, NIMBUS_DATA__QUARANTINE_S="0") as server:
        assert time.monotonic() - begun < START_S_MAX
        client = client_of(server.port)
        try:
            yield server, client
        finally:
            client.close()


@contextmanager
def busy(server: Started, writers: Sequence[Writer], seconds: float) -> Iterator[None]:
    """Writers at work, for so long; in the block the server is hurt, and after it they have given up."""
    hurt = threading.Event()
    threads = [threading.Thread(target=writer.work, args=(server.port, hurt)) for writer in writers]
    for thread in threads:
        thread.start()
    hurt.wait(seconds)
    hurt.set()
    yield
    for thread in threads:
        thread.join()
    assert [error for writer in writers for error in writer.errors] == []


def check(client: Any, writers: Sequence[Writer]) -> None:
    listed = listed_sizes(client)
    for writer in writers:
        writer.check(client, listed)
    assert set(listed) <= {key for writer in writers for key in writer.allowed}


def end_quietly(server: Started) -> None:
    """Stop it; it had nothing to complain about."""
    server.signal(signal.SIGTERM)
    status, _, errors = server.ended()
    assert (status, "Traceback" in errors, "damaged" in errors) == (0, False, False), errors


def used_bytes(directory: Path) -> int:
    """What the files of the data engine take up on the disk, holes not counted."""
    return sum(path.lstat().st_blocks * 512 for path in (directory / "data").rglob("*") if path.is_file())


def await_freed(client: Any, directory: Path) -> None:
    """The data engine comes down to about the live bytes without being asked."""
    abort_uploads(client)
    live = sum(listed_sizes(client).values())
    deadline = time.monotonic() + FREED_S_MAX
    while used_bytes(directory) > live + SLACK_BYTES:
        assert time.monotonic() < deadline, f"{used_bytes(directory)} bytes are used for {live} bytes of objects"
        time.sleep(0.2)


@pytest.mark.parametrize("data_plane", DATA_PLANES)
def test_a_killed_server_loses_nothing_acknowledged_and_gives_back_the_rest(tmp_path: Path, data_plane: str) -> None:
    chance = random.Random(1)
    writers = [Writer(number, 1) for number in range(WRITERS)]
    directory = tmp_path / "data-dir"
    with serving(directory, data_plane) as (server, client):
        client.create_bucket(Bucket=BUCKET)
        end_quietly(server)
    for _ in range(ROUNDS):
        with serving(directory, data_plane) as (server, client):
            check(client, writers)
            with busy(server, writers, chance.uniform(0.2, 1.5)):
                server.process.kill()
    assert all(writer.acknowledged for writer in writers)
    with serving(directory, data_plane) as (server, client):
        check(client, writers)
        await_freed(client, directory)
        check(client, writers)
        end_quietly(server)


@pytest.mark.parametrize("data_plane", DATA_PLANES)
def test_a_power_cut_under_a_busy_server_takes_nothing_acknowledged(tmp_path: Path, data_plane: str) -> None:
    chance = random.Random(2)
    writers = [Writer(number, 2) for number in range(WRITERS)]
    with loop_disk(tmp_path, 1024 * MIB) as disk:
        directory = disk.root / "data-dir"
        with serving(directory, data_plane) as (server, client):
            client.create_bucket(Bucket=BUCKET)
            end_quietly(server)
        for _ in range(ROUNDS):
            with serving(directory, data_plane) as (server, client):
                check(client, writers)
                with busy(server, writers, chance.uniform(0.2, 1.5)):
                    disk.cut_power()
                    server.process.kill()
                    server.process.wait()
            _power_up(disk)
        assert all(writer.acknowledged for writer in writers)
        with serving(directory, data_plane) as (server, client):
            check(client, writers)
            await_freed(client, directory)
            check(client, writers)
            end_quietly(server)


def _power_up(disk: LoopDisk) -> None:
    disk.unmount()
    disk.mount()
