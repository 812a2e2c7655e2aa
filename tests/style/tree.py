"""The files of this repository that the style tests look at."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GENERATED = "Generated: do not edit"


@cache
def tracked(*suffixes: str) -> tuple[Path, ...]:
    """Files under version control, and new ones that are not ignored, with one of these endings."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = (ROOT / name for name in listed.stdout.splitlines())
    return tuple(sorted(path for path in paths if path.suffix in suffixes and path.is_file()))


def sources(*suffixes: str) -> list[Path]:
    """The same below nimbus/, without generated files."""
    return [
        path
        for path in tracked(*suffixes)
        if path.is_relative_to(ROOT / "nimbus") and GENERATED not in path.read_text()[:2000]
    ]


def name(path: Path) -> str:
    """The path as a reader of a test's report wants it."""
    return str(path.relative_to(ROOT))


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a Python file."""
    return ast.parse(path.read_text(), filename=name(path))
