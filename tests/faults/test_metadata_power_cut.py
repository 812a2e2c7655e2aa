"""The commit thread over RocksDB when the process is killed or the power is cut: no commit is lost that was
acknowledged, or that a reader saw.

The power cut is `FS_IOC_SHUTDOWN` of an ext4 on a loop device: what was not synced never reaches the disk. A real
one stops the process at the same moment; here the process runs on for a little while, and an fdatasync that was
under way at the cut may return success although nothing was written (a bare loop of write and fdatasync shows it in
one of seven cuts). So only what was acknowledged or seen before the cut counts.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nimbus.meta.rocksdb import open_rocksdb
from tests.faults.metadata_writer import OPTIONS, found_numbers
from tests.faults.mounts import LoopDisk, loop_disk

pytestmark = pytest.mark.serial

ROOT = Path(__file__).parents[2]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[LoopDisk]:
    with loop_disk(tmp_path, 160 << 20) as disk:
        yield disk


class Writer:
    """The writing process, and what it told."""

    def __init__(self, directory: Path, first: int) -> None:
        command = [sys.executable, "-m", "tests.faults.metadata_writer", str(directory), str(first), "1000000"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
        assert self._process.stdout is not None
        self._output = self._process.stdout.fileno()
        self._text = b""

    def await_told(self, number: int) -> None:
        """Read until it told so many times, and then whatever there is without waiting."""
        while self._text.count(b"\n") < number:
            chunk = os.read(self._output, 65536)
            assert chunk, "the writer ended by itself"
            self._text += chunk
        os.set_blocking(self._output, False)
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self._output, 65536):
                self._text += chunk
        os.set_blocking(self._output, True)

    def kill(self) -> None:
        self._process.kill()
        while chunk := os.read(self._output, 65536):
            self._text += chunk
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def told(self) -> set[int]:
        """The numbers of the commits that were acknowledged or seen."""
        whole_lines = self._text[: self._text.rfind(b"\n") + 1].splitlines()
        return {int(line.removeprefix(b"seen ")) for line in whole_lines}


def check_whole(directory: Path, told: set[int]) -> None:
    """Open it again: every commit that was told of is there, and each that is there is there whole."""
    map = open_rocksdb(OPTIONS, directory)
    first, second, third = found_numbers(map)
    map.close()
    assert first == second == third
    assert not told - first


@pytest.mark.parametrize("seed", range(3))
def test_a_power_cut_takes_no_commit_that_was_told_of_and_leaves_none_by_half(disk: LoopDisk, seed: int) -> None:
    chance = random.Random(seed)
    told: set[int] = set()
    for turn in range(3):
        writer = Writer(disk.root, turn * 1_000_000)
        writer.await_told(chance.randrange(1, 800))
        disk.cut_power()
        told |= writer.told()
        writer.kill()
        disk.unmount()
        disk.mount()
        check_whole(disk.root, told)


def test_the_power_cut_is_one_because_without_a_sync_everything_is_lost(disk: LoopDisk) -> None:
    write = (
        "import os, sys; from pathlib import Path; from nimbus.meta.rocksdb import open_rocksdb\n"
        "map = open_rocksdb({'ballast_size_bytes': 0}, Path(sys.argv[1]))\n"
        "for n in range(100): map.write({b'%d' % n: b'value'})\n"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", write, str(disk.root)], check=True, cwd=ROOT)
    disk.cut_power()
    disk.unmount()
    disk.mount()
    map = open_rocksdb(OPTIONS, disk.root)
    assert map.range(b"\0", b"\xff", 1000) == []
    map.close()


def test_a_killed_process_leaves_every_acknowledged_commit(tmp_path: Path) -> None:
    told: set[int] = set()
    for turn in range(3):
        writer = Writer(tmp_path, turn * 1_000_000)
        writer.await_told(500)
        writer.kill()
        told |= writer.told()
        check_whole(tmp_path, told)
