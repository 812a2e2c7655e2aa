"""Disks that are small, full of names, read-only, limited or gone: each says its reason, and goes on when it passes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.faults.busy_writers import BUCKET, KIB, MIB, client_of
from tests.faults.failing_calls import failing
from tests.faults.mounts import memory_disk
from tests.faults.server_process import DATA_PLANES, SERVE, Started, refused, started

pytestmark = pytest.mark.serial

Mount = Callable[..., Path]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mounts tmpfs with these options; unmounted at the end."""
    with ExitStack() as mounted:
        yield lambda options, root=tmp_path / "disk": mounted.enter_context(memory_disk(root, options))


class Served:
    """A server, a client of it, and what it says of its health."""

    def __init__(self, server: Started, client: Any, admin: str) -> None:
        self.server = server
        self.client = client
        self._admin = admin

    def put(self, key: str, size: int) -> tuple[int, str, str]:
        """Status, code and message; 200 and nothing when it is stored."""
        try:
            self.client.put_object(Bucket=BUCKET, Key=key, Body=bytes(size))
        except ClientError as error:
            told = error.response["Error"]
            return error.response["ResponseMetadata"]["HTTPStatusCode"], told["Code"], told["Message"]
        return 200, "", ""

    def health(self) -> str:
        """The reason why it is not ready."""
        try:
            with urllib.request.urlopen(f"http://{self._admin}/health/ready", timeout=20) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return error.read().decode()


@contextmanager
def serving(
    data: Path, data_plane: str, *, prefix: Sequence[str] = (), has_bucket: bool = False, is_killed: bool = False
) -> Iterator[Served]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        admin = f"127.0.0.1:{free.getsockname()[1]}"
    command = [*prefix, *SERVE, "--listen", "127.0.0.1:0", "--data", str(data), "--data-plane", data_plane]
    with started([*command, "--admin", admin], cwd=data.parent.parent) as server:
        client = client_of(server.port)
        if not has_bucket:
            client.create_bucket(Bucket=BUCKET)
        yield Served(server, client, admin)
        client.close()
        if is_killed:
            server.process.kill()
            return
        server.signal(signal.SIGTERM)
        status, _, errors = server.ended()
        assert (status, "Traceback" in errors) == (0, False), errors


STORED = (200, "", "")


@pytest.mark.parametrize("data_plane", DATA_PLANES)
def test_most_of_a_small_disk_is_for_data(mount: Mount, data_plane: str) -> None:
    data = mount("size=200m") / "data-dir"
    with serving(data, data_plane, is_killed=True) as served:
        stored = 0
        while (said := served.put(f"{stored}", 4 * MIB)) == STORED:
            stored += 1
        assert said[:2] == (507, "InsufficientStorage")
        assert stored * 4 >= 100
        assert served.put("small", 4 * KIB)[0] in (200, 507)
    with serving(data, data_plane, has_bucket=True) as served:
        for number in range(stored // 2):
            served.client.delete_object(Bucket=BUCKET, Key=f"{number}")
        assert served.put("again", 4 * MIB) == STORED
        assert served.health() == "ready\n"


def test_a_disk_that_is_too_small_is_refused_in_one_line(mount: Mount) -> None:
    data = mount("size=30m") / "data-dir"
    said = refused("--listen", "127.0.0.1:0", "--data", str(data), cwd=data.parent)
    assert "its file system has 30 MiB, and 40 MiB is the least" in said
    assert "--data" in said


def take_all_names(folder: Path) -> None:
    folder.mkdir()
    with contextlib.suppress(OSError):
        for number in range(100_000):
            (folder / str(number)).touch()


@pytest.mark.parametrize("data_plane", DATA_PLANES)
def test_a_file_system_without_inodes_says_so_and_goes_on_when_there_are_some(mount: Mount, data_plane: str) -> None:
    root = mount("size=400m,nr_inodes=800")
    data, filler = root / "data-dir", root / "filler"
    with serving(data, data_plane, is_killed=True) as served:
        stored = 0
        while (said := served.put(f"{stored}", 300 * KIB)) == STORED:
            stored += 1
        assert said == (507, "InsufficientStorage", "The file system has no inodes left for new files.")
        assert stored > 500
        take_all_names(filler)
        assert served.put("late", 300 * KIB)[:2] == (507, "InsufficientStorage")
        assert "inodes" in served.health()
        served.client.delete_object(Bucket=BUCKET, Key="0")
        assert (data / "rocksdb.ballast").exists()
    with serving(data, data_plane, has_bucket=True) as served:
        assert served.client.get_object(Bucket=BUCKET, Key="1")["Body"].read(1) == b"\0"
        assert (data / "rocksdb.ballast").exists()
        shutil.rmtree(filler)
        assert served.put("again", 300 * KIB) == STORED
        assert served.health() == "ready\n"


def test_without_inodes_a_new_directory_is_refused_with_the_right_advice(mount: Mount) -> None:
    root = mount("size=200m,nr_inodes=40")
    take_all_names(root / "filler")
    (root / "filler" / "0").unlink()
    said = refused("--listen", "127.0.0.1:0", "--data", str(root / "filler" / "data-dir"), cwd=root)
    assert "inodes" in said


# What the system may say when a file is made: the answer, and whether it comes from the commit of a small one too.
REFUSALS = {
    "EROFS": (503, "ServiceUnavailable", "read-only"),
    "EACCES": (503, "ServiceUnavailable", "not allowed"),
    "EPERM": (503, "ServiceUnavailable", "not allowed"),
    "EDQUOT": (507, "InsufficientStorage", "quota"),
    "EMFILE": (503, "SlowDown", ""),
    "ENFILE": (503, "SlowDown", ""),
    "ENOMEM": (503, "SlowDown", ""),
}


@pytest.mark.parametrize("data_plane", DATA_PLANES)
@pytest.mark.parametrize("size", [4 * KIB, 6 * MIB])
def test_a_file_that_cannot_be_made_is_told_with_its_reason_as_long_as_that_lasts(
    tmp_path: Path, size: int, data_plane: str
) -> None:
    for name, (status, code, words) in REFUSALS.items():
        (tmp_path / name).mkdir()
        with serving(tmp_path / name / "data-dir", data_plane) as served:
            with failing(served.server, "openat", error=name):
                for _ in range(2):
                    said = served.put("key", size)
                    assert said[:2] == (status, code), (name, said)
                    assert words in said[2], (name, said)
            assert served.put("key", size) == STORED, name


@pytest.mark.parametrize("data_plane", DATA_PLANES)
@pytest.mark.parametrize("size", [4 * KIB, 6 * MIB])
@pytest.mark.parametrize(("error", "status"), [("EDQUOT", 507), ("EFBIG", 507), ("ENOMEM", 503)])
def test_a_write_that_did_not_happen_may_be_repeated(
    tmp_path: Path, error: str, status: int, size: int, data_plane: str
) -> None:
    with serving(tmp_path / "data-dir" / "d", data_plane) as served:
        with failing(served.server, "pwrite64,pwritev", error=error):
            for _ in range(2):
                assert served.put("key", size)[0] == status
        assert served.put("key", size) == STORED
        assert served.health() == "ready\n"


@pytest.mark.parametrize("data_plane", DATA_PLANES)
def test_a_limit_on_the_size_of_files_bounds_objects_and_nothing_else(tmp_path: Path, data_plane: str) -> None:
    limited = ["sh", "-c", 'ulimit -f 16384 && exec "$@"', "sh"]  # in units of 512 or 1024 bytes, as the shell has it
    with serving(tmp_path / "data-dir" / "d", data_plane, prefix=limited) as served:
        for _ in range(2):
            assert served.put("large", 24 * MIB)[:2] == (507, "InsufficientStorage")
        for number in range(120):
            assert served.put(f"{number % 50}", 200 * KIB) == STORED
        assert served.health() == "ready\n"


@pytest.mark.parametrize("data_plane", DATA_PLANES)
@pytest.mark.parametrize("size", [4 * KIB, 6 * MIB])
def test_nothing_is_acknowledged_into_a_directory_that_was_removed(tmp_path: Path, size: int, data_plane: str) -> None:
    with serving(tmp_path / "data-dir" / "d", data_plane) as served:
        assert served.put("key", size) == STORED
        shutil.rmtree(tmp_path / "data-dir" / "d")
        for _ in range(2):
            said = served.put("key", size)
            assert said[:2] == (503, "ServiceUnavailable")
        with pytest.raises(ClientError) as told:
            served.client.delete_object(Bucket=BUCKET, Key="key")
        assert told.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        assert "removed" in served.health()


@pytest.mark.parametrize("data_plane", DATA_PLANES)
def test_metadata_on_a_full_disk_of_its_own_is_told_and_goes_on(mount: Mount, tmp_path: Path, data_plane: str) -> None:
    root = mount("size=64m", tmp_path / "data-dir" / "d" / "rocksdb")
    with serving(tmp_path / "data-dir" / "d", data_plane) as served:
        assert served.put("key", 4 * KIB) == STORED
        with (root / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(64 * KIB))
        served.client.delete_object(Bucket=BUCKET, Key="key")  # lives on the ballast
        with (root / "filler").open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(64 * KIB))
        assert served.put("key", 4 * KIB)[:2] == (507, "InsufficientStorage")
        assert "no space" in served.health()
        os.unlink(root / "filler")
        assert served.put("key", 4 * KIB) == STORED
        assert served.health() == "ready\n"
