"""What is generated equals what its generator writes, and every native leaf has its stub."""

from __future__ import annotations

import subprocess
import sys

from tests.style.tree import ROOT, name, tracked


def test_the_s3_model_is_what_its_generator_writes() -> None:
    done = subprocess.run(
        [sys.executable, "ci/generate_s3_model.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_native_leaf_has_a_stub() -> None:
    leaves = [path for path in tracked(".pyx") if path.is_relative_to(ROOT / "nimbus")]
    assert leaves
    assert [name(path) for path in leaves if not path.with_suffix(".pyi").exists()] == []
