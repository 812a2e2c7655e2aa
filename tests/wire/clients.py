"""Running command-line S3 clients against a server: one function to run, one environment for each client.

Clients whose dependencies clash with ours live in virtual environments of their own beside the main one;
`ci/test` makes them. A missing client fails the test: nothing here skips.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AWS = ROOT / ".venv-awscli" / "bin" / "aws"
S3FS_PYTHON = ROOT / ".venv-s3fs" / "bin" / "python"
TORCH_PYTHON = ROOT / ".venv-torch" / "bin" / "python"
SECONDS_MAX = 240


def run(
    command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None, status: int = 0
) -> str:
    """Run a client to its end and return what it printed; any exit status but `status` fails the test."""
    done = subprocess.run(
        [str(word) for word in command],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", **(env or {})},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.returncode == status, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def tree(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below `folder` by its relative path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def small_tree(folder: Path) -> Path:
    """A folder of a few dozen files with awkward names and sizes around every border of the store."""
    sizes = [0, 1, 4095, 4096, 65_537, 262_143, 262_144, 262_145, 1_048_577, 9_000_001]
    for index, size in enumerate(sizes):
        _write(folder / "sizes" / f"{size}.bin", _bytes(index, size))
    names = [
        "plain.txt",
        "with space.txt",
        "plus+sign",
        "percent%2Fname",
        "ünïcode-😀.dat",
        "a=b&c",
        "quote'(1)",
        "~tilde",
    ]
    for index, name in enumerate(names):
        _write(folder / "names" / name, _bytes(100 + index, 100 + index))
    for index in range(30):
        _write(
            folder / "deep" / f"{index % 3}" / f"{index % 5}" / f"file-{index:03}.txt", _bytes(200 + index, 10 * index)
        )
    return folder


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _bytes(seed: int, size: int) -> bytes:
    return hashlib.shake_128(seed.to_bytes(4, "big")).digest(size)
