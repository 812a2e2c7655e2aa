"""The commit thread over RocksDB when the kernel refuses a sync or a write: read-only at once, nothing acknowledged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nimbus.meta.rocksdb import open_rocksdb
from tests.faults.metadata_writer import OPTIONS, found_numbers

pytestmark = pytest.mark.serial

ROOT = Path(__file__).parents[2]
COMMITS = 400


def write_under(directory: Path, *faults: str) -> list[str]:
    """The writer's lines while `strace` makes system calls on its log fail."""
    strace = ["strace", "-f", "-qq", "-o", "/dev/null"]
    writer = [sys.executable, "-m", "tests.faults.metadata_writer", str(directory), "0", str(COMMITS)]
    done = subprocess.run([*strace, *faults, *writer], stdout=subprocess.PIPE, text=True, cwd=ROOT, timeout=60)
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("error", "named"), [("EIO", {"StoreReadOnly"}), ("ENOSPC", {"SpaceExhausted", "StoreReadOnly"})]
)
def test_a_failed_fdatasync_ends_all_writing(tmp_path: Path, error: str, named: set[str]) -> None:
    open_rocksdb(OPTIONS, tmp_path).close()
    lines = write_under(tmp_path, "-e", "trace=fdatasync", "-e", f"inject=fdatasync:error={error}:when=20")
    acknowledged = {int(line) for line in lines if line.isdigit()}
    seen = {int(line.removeprefix("seen ")) for line in lines if line.startswith("seen ")}
    refused = [line.split() for line in lines if line.startswith("refused ")]
    assert len(acknowledged) >= 10
    assert len(refused) == 8, "each of the writer's threads is refused, once and for good"
    assert {kind for _, _, kind in refused} <= named
    assert seen, "the reader of the writer saw some"
    assert seen <= acknowledged, "and none that the failed sync was about"

    map = open_rocksdb(OPTIONS, tmp_path)
    first, second, third = found_numbers(map)
    map.close()
    assert first == second == third
    assert acknowledged <= first
