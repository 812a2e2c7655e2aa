"""What `pip install .` gives: a wheel with compiled leaves, stubs and headers that runs away from this checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.style.tree import ROOT, sources, tracked

SECONDS_MAX = 240


def build(folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Build a wheel from a copy of this repository into `folder`/dist."""
    copy = folder / "source"
    for path in tracked(".py", ".pyi", ".pyx", ".pxi", ".pxd", ".c", ".h", ".toml", ".md", ".in", ".typed", ""):
        target = copy / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    pip = [sys.executable, "-m", "pip", "wheel", "--no-index", "--no-deps", "--no-build-isolation"]
    return subprocess.run(
        [*pip, "--wheel-dir", "dist", "./source"],
        cwd=folder,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = build(folder)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (path,) = (folder / "dist").glob("nimbusstore-*.whl")
    return path


def test_the_wheel_holds_modules_stubs_headers_and_compiled_leaves_but_no_sources_of_theirs(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("nimbus/")}
    wanted = {str(path.relative_to(ROOT)) for path in sources(".py", ".pyi", ".pxd")} | {"nimbus/py.typed"}
    assert wanted - names == set()
    leaves = {path.stem for path in sources(".pyx")}
    compiled = {Path(name).name.partition(".")[0] for name in names if name.endswith(".so")}
    assert compiled == leaves
    assert [name for name in names if name.endswith((".pyx", ".pxi", ".c"))] == []


def test_the_wheel_holds_nothing_beside_the_package(wheel: Path) -> None:
    roots = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {root for root in roots if not root.endswith(".dist-info")} == {"nimbus"}


def test_the_installed_wheel_runs_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    script = "import nimbus, nimbus.server.run; print(nimbus.__file__)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.stdout == f"{tmp_path / 'site' / 'nimbus' / '__init__.py'}\n", done.stderr


@pytest.mark.parametrize(
    ("compiler", "said"),
    [
        ("no-such-compiler", "building needs a C compiler; on Debian or Ubuntu: apt install build-essential"),
        (f"{shutil.which('cc')} -nostdinc", "apt install libisal-dev libssl-dev libxxhash-dev python3-dev"),
    ],
)
def test_a_build_that_misses_something_says_so_in_one_line(tmp_path: Path, compiler: str, said: str) -> None:
    done = build(tmp_path, CC=compiler)
    assert done.returncode != 0
    (line,) = {line.strip() for line in (done.stdout + done.stderr).splitlines() if "nimbusstore: " in line}
    assert said in line
