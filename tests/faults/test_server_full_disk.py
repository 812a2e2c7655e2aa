"""A server whose disk fills up: what does not fit is refused whole, reads and deletes go on, space comes back."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.faults.busy_writers import BUCKET, MIB, client_of
from tests.faults.mounts import loop_disk, memory_disk
from tests.faults.server_process import DATA_PLANES, SECONDS_MAX, SERVE, Started, started

pytestmark = pytest.mark.serial

DISK_SIZE = 512 * MIB
BODY_SIZE = 8 * MIB


@pytest.fixture(params=["tmpfs", "ext4"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    if request.param == "ext4":
        with loop_disk(tmp_path, DISK_SIZE) as loop:
            yield loop.root
        return
    with memory_disk(tmp_path / "disk", f"size={DISK_SIZE}") as root:
        yield root


def serving(disk: Path, data_plane: str) -> AbstractContextManager[Started]:
    command = [*SERVE, "--listen", "127.0.0.1:0", "--data", str(disk / "data-dir"), "--data-plane", data_plane]
    return started(command, cwd=disk.parent)


def refusal(call: Callable[..., Any], **arguments: Any) -> tuple[int, str] | None:
    """Status and code with which a call was refused; None when it was not."""
    try:
        call(Bucket=BUCKET, **arguments)
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    return None


FULL = (507, "InsufficientStorage")


def body_of(key: str) -> bytes:
    return bytes([int(key) % 256]) * BODY_SIZE


def fill(client: Any) -> list[str]:
    """Put objects until one does not fit any more: the keys of those that did."""
    for number in range(DISK_SIZE // BODY_SIZE + 1):
        refused = refusal(client.put_object, Key=str(number), Body=body_of(str(number)))
        if refused:
            assert refused == FULL
            return [str(index) for index in range(number)]
    raise AssertionError("more fits on the disk than it has room for")


def check(client: Any, keys: list[str]) -> None:
    """These objects and no others are there, whole."""
    listed = client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    assert {entry["Key"]: entry["Size"] for entry in listed} == dict.fromkeys(keys, BODY_SIZE)
    for key in keys[::5]:
        assert client.get_object(Bucket=BUCKET, Key=key)["Body"].read() == body_of(key)


def take_all_room(path: Path) -> None:
    """Somebody else fills the disk to the last byte."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(64 << 10))


def stop(server: Started) -> None:
    server.signal(signal.SIGTERM)
    status, _, errors = server.ended()
    assert (status, "Traceback" in errors) == (0, False), errors


@pytest.mark.parametrize("data_plane", DATA_PLANES)
def test_a_full_disk_refuses_writes_and_nothing_else(disk: Path, data_plane: str) -> None:
    with serving(disk, data_plane) as server:
        client = client_of(server.port)
        client.create_bucket(Bucket=BUCKET)
        upload_id = client.create_multipart_upload(Bucket=BUCKET, Key="upload")["UploadId"]
        keys = fill(client)
        assert len(keys) * BODY_SIZE > DISK_SIZE // 4
        assert refusal(client.put_object, Key="0", Body=bytes(BODY_SIZE)) == FULL
        assert refusal(client.copy_object, Key="copy", CopySource=f"{BUCKET}/0") == FULL
        part = {"Key": "upload", "UploadId": upload_id, "PartNumber": 1}
        assert refusal(client.upload_part, Body=bytes(BODY_SIZE), **part) == FULL
        check(client, keys)
        take_all_room(disk / "filler")
        assert refusal(client.put_object, Key="late", Body=b"x") == FULL
        assert refusal(client.delete_object, Key=keys.pop()) is None
        check(client, keys)
        server.process.kill()
        client.close()
    with serving(disk, data_plane) as server:
        client = client_of(server.port)
        check(client, keys)
        assert refusal(client.delete_object, Key=keys.pop()) is None
        os.unlink(disk / "filler")
        while len(keys) > 4:
            assert refusal(client.delete_object, Key=keys.pop()) is None
        deadline = time.monotonic() + SECONDS_MAX
        while refused := refusal(client.put_object, Key=str(len(keys)), Body=body_of(str(len(keys)))):
            assert refused == FULL
            assert time.monotonic() < deadline
            time.sleep(0.2)
        check(client, [*keys, str(len(keys))])
        client.close()
        stop(server)
