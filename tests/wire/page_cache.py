"""The kernel's page cache, as tests of cold reads and of direct writes need it."""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import time
from pathlib import Path

TRIES_MAX = 200
PAUSE_S = 0.01

_libc = ctypes.CDLL(None, use_errno=True)


def evict(path: str | Path) -> None:
    """Have the kernel forget the file's pages; it keeps those that are dirty, or that somebody holds just now."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        for _ in range(TRIES_MAX):
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            if not any(_residency(descriptor)):
                return
            _receive_on_every_processor()
            time.sleep(PAUSE_S)
        raise AssertionError(f"{sum(_residency(descriptor))} pages of {path} stay in the page cache")
    finally:
        os.close(descriptor)


def _receive_on_every_processor() -> None:
    """Have Linux free what was received long ago: a processor keeps the pages of some packets until it has another."""
    allowed = os.sched_getaffinity(0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind(("127.0.0.1", 0))
        try:
            for processor in allowed:
                os.sched_setaffinity(0, {processor})
                own.sendto(b"x", own.getsockname())
        finally:
            os.sched_setaffinity(0, allowed)


def residency(path: Path) -> list[bool]:
    """Which pages of the file are in the page cache."""
    with path.open("rb") as file:
        return _residency(file.fileno())


def _residency(descriptor: int) -> list[bool]:
    """See mincore(2)."""
    size = os.fstat(descriptor).st_size
    if size == 0:
        return []
    pages = (ctypes.c_ubyte * (-(-size // mmap.PAGESIZE)))()
    with mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY) as view:
        start = ctypes.c_char.from_buffer(view)
        status = _libc.mincore(ctypes.c_void_p(ctypes.addressof(start)), ctypes.c_size_t(size), pages)
        del start  # else the view could not be closed
    assert status == 0, os.strerror(ctypes.get_errno())
    return [bool(page & 1) for page in pages]
