"""What was overwritten or deleted gives its room back at once: bounded by bytes, and no full disk waits for it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.faults.busy_writers import BUCKET, KIB, MIB, client_of
from tests.faults.mounts import memory_disk
from tests.faults.server_process import DATA_PLANES, SECONDS_MAX, SERVE, Started, started

pytestmark = pytest.mark.serial

DISK_SIZE = 512 * MIB


@contextmanager
def serving(folder: Path, data_plane: str) -> Iterator[tuple[Started, Any]]:
    command = [*SERVE, "--listen", "127.0.0.1:0", "--data", "data-dir", "--data-plane", data_plane]
    with started(command, cwd=folder) as server:
        client = client_of(server.port)
        client.create_bucket(Bucket=BUCKET)
        yield server, client
        client.close()
        server.signal(signal.SIGTERM)
        status, _, errors = server.ended()
        assert (status, "Traceback" in errors) == (0, False), errors


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with memory_disk(tmp_path / "disk", f"size={DISK_SIZE}") as root:
        yield root


def occupied_bytes(folder: Path) -> int:
    """What the files of objects take on the disk."""
    size = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            size += path.stat().st_blocks * 512
    return size


@pytest.mark.parametrize("data_plane", DATA_PLANES)
@pytest.mark.parametrize("size", [200 * KIB, 16 * MIB])
def test_overwriting_holds_little_more_than_what_lives(tmp_path: Path, size: int, data_plane: str) -> None:
    keys, times = ["a", "b"], 384 * MIB // size
    peak, is_over = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not is_over.wait(0.05):
            peak = max(peak, occupied_bytes(tmp_path / "data-dir" / "data"))

    with serving(tmp_path, data_plane) as (_, client):
        watching = threading.Thread(target=watch)
        watching.start()
        try:
            for number in range(times):
                client.put_object(Bucket=BUCKET, Key=keys[number % 2], Body=bytes([number % 251]) * size)
        finally:
            is_over.set()
            watching.join()
    assert peak <= 192 * MIB, f"{peak / MIB:.0f} MiB for {len(keys) * size / MIB:.0f} MiB that live"


def is_stored(client: Any, key: str, size: int) -> bool:
    """Put an object; False when it does not fit."""
    try:
        client.put_object(Bucket=BUCKET, Key=key, Body=bytes(size))
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 507:
            return False
        raise
    return True


def fill(client: Any, size: int, prefix: str) -> list[str]:
    """Put objects until one does not fit any more."""
    keys = [f"{prefix}{number}" for number in range(DISK_SIZE // size + 1)]
    fitting = list(takewhile(lambda key: is_stored(client, key, size), keys))
    assert len(fitting) < len(keys), "more fits on the disk than it has room for"
    return fitting


@pytest.mark.parametrize("data_plane", DATA_PLANES)
def test_a_write_on_a_full_disk_waits_for_what_was_just_deleted(small_disk: Path, data_plane: str) -> None:
    with serving(small_disk, data_plane) as (_, client):
        for size in (8 * MIB, 200 * KIB):
            keys = fill(client, size, f"{size}-")
            for chunk in (keys[first : first + 1000] for first in range(0, len(keys), 1000)):
                client.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in chunk]})
            for number in range(4):
                client.put_object(Bucket=BUCKET, Key="key", Body=bytes([number]) * size)
            client.delete_object(Bucket=BUCKET, Key="key")


@pytest.mark.parametrize("data_plane", DATA_PLANES)
def test_a_full_disk_is_overwritten_again_and_again(small_disk: Path, data_plane: str) -> None:
    size = 48 * MIB
    with serving(small_disk, data_plane) as (_, client):
        keys = fill(client, size, "k")[:-2]  # room for one and a bit
        client.delete_object(Bucket=BUCKET, Key=f"k{len(keys)}")
        for number in range(8):
            key = keys[number % len(keys)]
            client.put_object(Bucket=BUCKET, Key=key, Body=bytes([number]) * size)
            assert client.get_object(Bucket=BUCKET, Key=key)["Body"].read(1) == bytes([number])


@pytest.mark.parametrize("data_plane", DATA_PLANES)
def test_an_aborted_upload_gives_its_room_to_the_next_write(small_disk: Path, data_plane: str) -> None:
    with serving(small_disk, data_plane) as (_, client):
        for number in range(3):
            upload_id = client.create_multipart_upload(Bucket=BUCKET, Key="upload")["UploadId"]
            of = {"Bucket": BUCKET, "Key": "upload", "UploadId": upload_id}
            for part in range(1, 4):
                client.upload_part(**of, PartNumber=part, Body=bytes([number]) * (48 * MIB))
            client.abort_multipart_upload(**of)


@pytest.mark.parametrize("data_plane", DATA_PLANES)
@pytest.mark.parametrize("size", [200 * KIB, 4 * MIB])
def test_readers_get_one_whole_object_while_it_is_overwritten(tmp_path: Path, size: int, data_plane: str) -> None:
    """Slow ones too, which began before the bytes that they read were garbage."""
    is_over = threading.Event()
    wrong: list[str] = []

    def read(client: Any) -> None:
        while not is_over.is_set():
            body = client.get_object(Bucket=BUCKET, Key="key")["Body"].read()
            if len(body) != size or body.count(body[:1]) != size:
                wrong.append(f"{len(body)} bytes, beginning with {body[:4]!r}")
        client.close()

    with serving(tmp_path, data_plane) as (server, client):
        client.put_object(Bucket=BUCKET, Key="key", Body=b"\x01" * size)
        readers = [threading.Thread(target=read, args=(client_of(server.port),)) for _ in range(3)]
        for reader in readers:
            reader.start()
        with slow_answer(server.port, presigned(server.port, "s3v4")) as slow:
            deadline, number = time.monotonic() + 3, 0
            while time.monotonic() < deadline or number < 3:
                number += 1
                client.put_object(Bucket=BUCKET, Key="key", Body=bytes([number % 251 + 1]) * size)
            is_over.set()
            for reader in readers:
                reader.join()
            body = slow.read()
        assert (len(body), body.count(body[:1])) == (size, size)
    assert not wrong


def presigned(port: int, signature: str) -> str:
    """A GET of the object, signed as the native plane reads by itself (s3v4) or leaves to the application (s3)."""
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
        config=Config(signature_version=signature, s3={"addressing_style": "path"}),
    )
    url: str = client.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "key"})
    client.close()
    return url


@contextmanager
def slow_answer(port: int, url: str) -> Iterator[http.client.HTTPResponse]:
    """An answer of which only the head was read: its socket holds little."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS_MAX)
    connection.sock = socket.socket()
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.sock.settimeout(SECONDS_MAX)
    connection.sock.connect(("127.0.0.1", port))
    connection.request("GET", url.split(str(port), 1)[1])
    answer = connection.getresponse()
    assert answer.status == 200
    yield answer
    answer.close()
    connection.close()


@pytest.mark.parametrize("signature", ["s3v4", "s3"], ids=["native", "ticket"])
def test_frames_that_a_slow_reader_is_to_get_later_stay_until_their_grace_is_over(
    tmp_path: Path, signature: str
) -> None:
    """The last part of an object is a frame; its reader is in the part before it when the object is overwritten."""
    sizes = (8 * MIB, 100 * KIB)
    with serving(tmp_path, "on") as (server, client):
        upload_id = client.create_multipart_upload(Bucket=BUCKET, Key="key")["UploadId"]
        of = {"Bucket": BUCKET, "Key": "key", "UploadId": upload_id}
        parts = [
            {"PartNumber": n, "ETag": client.upload_part(**of, PartNumber=n, Body=os.urandom(size))["ETag"]}
            for n, size in enumerate(sizes, 1)
        ]
        client.complete_multipart_upload(**of, MultipartUpload={"Parts": parts})
        whole = client.get_object(Bucket=BUCKET, Key="key")["Body"].read()
        with slow_answer(server.port, presigned(server.port, signature)) as slow:
            client.put_object(Bucket=BUCKET, Key="key", Body=b"new")
            time.sleep(3)  # three rounds
            assert slow.read() == whole
