"""Large uploads are written around the page cache; where the file system or the disk says no, no byte is lost."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.faults.busy_writers import BUCKET, MIB, client_of
from tests.faults.failing_calls import failing
from tests.faults.mounts import loop_disk
from tests.faults.server_process import SERVE, Started, started
from tests.wire.page_cache import residency

pytestmark = pytest.mark.serial

PAGE = os.sysconf("SC_PAGE_SIZE")
BLOCK = 256 << 10
BODY = os.urandom(8 * MIB + BLOCK + 5000)  # whole blocks, and a rest of two pages


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with loop_disk(tmp_path, 512 * MIB) as loop:
        yield loop.root


@contextmanager
def serving(disk: Path, *options: str, **variables: str) -> Iterator[tuple[Started, Any]]:
    command = [*SERVE, "--listen", "127.0.0.1:0", "--data", str(disk / "data-dir"), "--data-plane", "on", *options]
    with started(command, cwd=disk.parent, **variables) as server:
        client = client_of(server.port)
        client.create_bucket(Bucket=BUCKET)
        yield server, client
        client.close()
        server.signal(signal.SIGTERM)
        status, _, errors = server.ended()
        assert (status, "Traceback" in errors) == (0, False), errors


def only_file(disk: Path) -> Path:
    [path] = disk.rglob("*.blob")
    return path


def test_whole_blocks_of_a_large_upload_pass_by_the_page_cache(disk: Path) -> None:
    with serving(disk) as (_, client):
        client.put_object(Bucket=BUCKET, Key="key", Body=BODY)
        pages = residency(only_file(disk))
        whole = len(BODY) // BLOCK * BLOCK // PAGE
        assert (any(pages[:whole]), all(pages[whole:])) == (False, True)
        assert client.get_object(Bucket=BUCKET, Key="key")["Body"].read() == BODY


def test_whoever_reads_at_once_may_have_uploads_in_the_page_cache(disk: Path) -> None:
    config = disk / "nimbus.toml"
    config.write_text(f"[data.options]\ndirect_size_bytes_min = {len(BODY) + 1}\n")
    with serving(disk, "--config", str(config)) as (_, client):
        client.put_object(Bucket=BUCKET, Key="key", Body=BODY)
        assert all(residency(only_file(disk)))


def test_a_file_system_without_direct_writes_gets_them_through_the_cache(disk: Path) -> None:
    with serving(disk) as (server, client):
        with failing(server, "fcntl", error="EINVAL"):
            client.put_object(Bucket=BUCKET, Key="key", Body=BODY)
        assert all(residency(only_file(disk)))
        assert client.get_object(Bucket=BUCKET, Key="key")["Body"].read() == BODY


def test_a_file_system_that_refuses_the_first_direct_write_gets_it_through_the_cache(disk: Path) -> None:
    library = disk / "refused.so"
    source = Path(__file__).with_name("refused_direct_writes.c")
    subprocess.run(["cc", "-O2", "-fPIC", "-shared", "-o", str(library), str(source)], check=True)
    preloaded = " ".join([*os.environ.get("LD_PRELOAD", "").split(), str(library)])
    with serving(disk, LD_PRELOAD=preloaded) as (_, client):
        client.put_object(Bucket=BUCKET, Key="key", Body=BODY)
        assert all(residency(only_file(disk)))
        assert client.get_object(Bucket=BUCKET, Key="key")["Body"].read() == BODY


@pytest.mark.parametrize(("error", "code"), [("EIO", "ServiceUnavailable"), ("ENOSPC", "InsufficientStorage")])
def test_a_direct_write_that_fails_half_way_leaves_nothing(disk: Path, error: str, code: str) -> None:
    with serving(disk) as (server, client):
        client.put_object(Bucket=BUCKET, Key="key", Body=BODY)
        with failing(server, "pwritev", when="2+", error=error), pytest.raises(ClientError) as told:
            client.put_object(Bucket=BUCKET, Key="key", Body=bytes(16 * MIB))
        assert told.value.response["Error"]["Code"] == code
        if error == "ENOSPC":  # the server goes on, and the next one fits
            client.put_object(Bucket=BUCKET, Key="next", Body=BODY)
        assert client.get_object(Bucket=BUCKET, Key="key")["Body"].read() == BODY
    assert {path.stat().st_size // MIB for path in disk.rglob("*.blob")} == {len(BODY) // MIB}
