"""Bytes that rot between two reads, in both data planes: whatever was verified before, no wrong byte is served.

The disk is an ext4 in a file, so that a test can damage what lies beneath the file system, where no file's time tells.
What cannot be served is S3's InternalError, or an answer cut off when its head is out already.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.busy_writers import KIB, MIB
from tests.faults.damaged_store import DamagedStore, damaged_store
from tests.faults.mounts import LoopDisk, loop_disk
from tests.faults.server_process import DATA_PLANES
from tests.wire.page_cache import evict

pytestmark = pytest.mark.serial

SIZES = [KIB, 64 * KIB, MIB, 9 * MIB]
BELIEVED_S = 1.1  # longer than NB_RECENT_MS of nimbus/_native/plane/trust.h, and a tick


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[LoopDisk]:
    with loop_disk(tmp_path, 256 * MIB) as mounted:
        yield mounted


@pytest.fixture(params=DATA_PLANES)
def store(request: pytest.FixtureRequest, tmp_path: Path, disk: LoopDisk) -> Iterator[DamagedStore]:
    with damaged_store(tmp_path, disk.root / "store", request.param) as running:
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
def test_what_rots_between_two_reads_is_never_served(store: DamagedStore, disk: LoopDisk, rot: Rot) -> None:
    for size in SIZES:
        content = store.put("object", size)
        path, at = store.place_of(content)
        for _ in range(3):
            assert store.get("object") == content
        time.sleep(BELIEVED_S)
        rot(path, disk.image, content, at)
        assert store.get("object") in (None, content), f"{size} bytes"
        assert store.get("object") in (None, content), f"{size} bytes, again"
        assert store.get("object", Range=f"bytes={size // 2}-") in (None, content[size // 2 :]), f"end of {size} bytes"


@pytest.mark.parametrize("rot", [beneath, written_over])
def test_a_range_that_notices_rot_ends_the_trust_in_the_whole_object(
    store: DamagedStore, disk: LoopDisk, rot: Rot
) -> None:
    content = store.put("object", MIB)
    path, at = store.place_of(content)
    for _ in range(3):
        assert store.get("object") == content
    rot(path, disk.image, content, at)
    middle = MIB // 2
    assert store.get("object", Range=f"bytes={middle}-{middle + 99}") is None
    assert store.get("object") is None
