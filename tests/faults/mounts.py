"""Small real disks for the fault tests: an ext4 in a file whose power can be cut, and tmpfs. Needs root."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SHUTDOWN = 0x8004587D  # FS_IOC_SHUTDOWN
_WITHOUT_LOG_FLUSH = struct.pack("I", 2)


class LoopDisk:
    """An ext4 in a file, mounted by a loop device at `root`."""

    def __init__(self, directory: Path, size_bytes: int) -> None:
        self.image = directory / "image"
        self.root = directory / "disk"
        self.root.mkdir()
        self.image.touch()
        os.truncate(self.image, size_bytes)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(self.image)], check=True)

    def mount(self) -> None:
        subprocess.run(["mount", "-o", "loop", str(self.image), str(self.root)], check=True)

    def unmount(self) -> None:
        subprocess.run(["umount", str(self.root)], check=True)

    def cut_power(self) -> None:
        """From here on nothing reaches the disk; what was not synced is gone at the next mount."""
        fd = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, _SHUTDOWN, _WITHOUT_LOG_FLUSH)
        finally:
            os.close(fd)


@contextmanager
def memory_disk(root: Path, options: str) -> Iterator[Path]:
    """A tmpfs with these options, mounted at `root`."""
    root.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(root)], check=True)
    try:
        yield root
    finally:
        subprocess.run(["umount", "--lazy", str(root)], check=True)


@contextmanager
def loop_disk(directory: Path, size_bytes: int) -> Iterator[LoopDisk]:
    """A mounted disk of its own."""
    disk = LoopDisk(directory, size_bytes)
    disk.mount()
    try:
        yield disk
    finally:  # lazily, so that a failed test that left a file open does not leave the mount too
        subprocess.run(["umount", "--lazy", str(disk.root)], check=True)
