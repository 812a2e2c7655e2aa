"""Bytes that rot between two reads, in both data planes: whatever was verified before, no wrong byte is served.

The disk is an ext4 in a file, so that a test can damage what lies beneath the file system, where no file's time tells.
What cannot be served is S3's InternalError, or an answer cut off when its head is out already.
"""

from __future__ import annotations

import mmap
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, HTTPClientError, ResponseStreamingError

from tests.faults.busy_writers import BUCKET, KIB, MIB, client_of
from tests.faults.mounts import LoopDisk, loop_disk
from tests.faults.server_process import DATA_PLANES, SERVE, Started, started
from tests.wire.page_cache import evict

pytestmark = pytest.mark.serial

SIZES = [KIB, 64 * KIB, MIB, 9 * MIB]
BELIEVED_S = 0.6  # longer than NB_RECENT_MS of nimbus/_native/plane/trust.h, and a tick


class Rotting:
    """A server whose disk can rot."""

    def __init__(self, disk: LoopDisk, server: Started) -> None:
        self.disk = disk
        self.server = server
        self.s3: Any = client_of(server.port)
        self.s3.create_bucket(Bucket=BUCKET)

    def put(self, key: str, size: int) -> bytes:
        content = secrets.token_bytes(size)
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        return content

    def get(self, key: str, **arguments: Any) -> bytes | None:
        """What came whole; None: S3's error, or an answer cut off."""
        try:
            return bytes(self.s3.get_object(Bucket=BUCKET, Key=key, **arguments)["Body"].read())
        except ClientError as error:
            if error.response["Error"]["Code"] != "InternalError":
                raise
            return None
        except (ResponseStreamingError, HTTPClientError):
            return None

    def place_of(self, content: bytes) -> tuple[Path, int]:
        """The file where these bytes lie, and where in it."""
        for path in (self.disk.root / "store" / "data").rglob("*"):
            if path.is_file() and (at := path.read_bytes().find(content[:64])) >= 0:
                return path, at
        raise AssertionError("no file holds them")

    def ends(self) -> str:
        """Stop it; what it said on standard error."""
        self.s3.close()
        self.server.signal(signal.SIGTERM)
        status, _, errors = self.server.ended()
        assert (status, "Traceback" in errors) == (0, False), errors
        return errors


@contextmanager
def rotting(tmp_path: Path, data_plane: str) -> Iterator[Rotting]:
    (tmp_path / "nimbus.toml").write_text("[data.options]\nreserve_bytes = 0\n")
    with loop_disk(tmp_path, 256 * MIB) as disk:
        place = ("--config", "nimbus.toml", "--data", str(disk.root / "store"), "--listen", "127.0.0.1:0")
        with started((*SERVE, *place, "--data-plane", data_plane), cwd=tmp_path) as server:
            yield Rotting(disk, server)


@pytest.fixture(params=DATA_PLANES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rotting]:
    with rotting(tmp_path, request.param) as running:
        yield running


# --- kinds of rot: of a file on the disk that this image is, of these bytes of an object at that offset --------------


def flip(path: Path, at: int) -> None:
    with path.open("r+b", buffering=0) as file:
        byte = os.pread(file.fileno(), 1, at)
        os.pwrite(file.fileno(), bytes([byte[0] ^ 0x40]), at)
        os.fsync(file.fileno())


def beneath(path: Path, image: Path, content: bytes, at: int) -> None:
    """On the device, whose file system notices nothing."""
    evict(path)
    middle = len(content) // 2
    with image.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as device:
        position = device.find(content[middle : middle + 64])
    assert position >= 0, "the device has the bytes"
    flip(image, position)
    evict(path)


def beneath_and_read_by_somebody(path: Path, image: Path, content: bytes, at: int) -> None:
    """The wrong bytes are back in the page cache before the store looks."""
    beneath(path, image, content, at)
    path.read_bytes()


def written_over(path: Path, image: Path, content: bytes, at: int) -> None:
    """By another program, by way of the page cache, on the same pages."""
    flip(path, at + len(content) // 2)


def written_over_and_evicted(path: Path, image: Path, content: bytes, at: int) -> None:
    flip(path, at + len(content) // 2)
    evict(path)


def written_around_the_page_cache(path: Path, image: Path, content: bytes, at: int) -> None:
    """Direct writes put wrong bytes on the disk and take the pages out."""
    page = (at + len(content) // 2) // 4096 * 4096
    fd = os.open(path, os.O_RDWR | os.O_DIRECT)
    with mmap.mmap(-1, 4096) as buffer:
        os.preadv(fd, [buffer], page)
        buffer[(at + len(content) // 2) % 4096] ^= 0x40
        os.pwritev(fd, [buffer], page)
    os.close(fd)


def with_its_times_set_back(path: Path, image: Path, content: bytes, at: int) -> None:
    before = path.stat()
    flip(path, at + len(content) // 2)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


ROT = [
    beneath,
    beneath_and_read_by_somebody,
    written_over,
    written_over_and_evicted,
    written_around_the_page_cache,
    with_its_times_set_back,
]
Rot = Callable[[Path, Path, bytes, int], None]


@pytest.mark.parametrize("rot", ROT)
def test_what_rots_between_two_reads_is_never_served(store: Rotting, rot: Rot) -> None:
    for size in SIZES:
        content = store.put("object", size)
        path, at = store.place_of(content)
        for _ in range(3):
            assert store.get("object") == content
        time.sleep(BELIEVED_S)
        rot(path, store.disk.image, content, at)
        assert store.get("object") in (None, content), f"{size} bytes"
        assert store.get("object") in (None, content), f"{size} bytes, again"
        assert store.get("object", Range=f"bytes={size // 2}-") in (None, content[size // 2 :]), f"end of {size} bytes"


@pytest.mark.parametrize("rot", [beneath, written_over])
def test_a_range_that_notices_rot_ends_the_trust_in_the_whole_object(store: Rotting, rot: Rot) -> None:
    content = store.put("object", MIB)
    path, at = store.place_of(content)
    for _ in range(3):
        assert store.get("object") == content
    rot(path, store.disk.image, content, at)
    middle = MIB // 2
    assert store.get("object", Range=f"bytes={middle}-{middle + 99}") is None
    assert store.get("object") is None
