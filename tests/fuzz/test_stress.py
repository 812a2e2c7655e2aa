"""The whole native plane under load without Python, once under each sanitizer: see stress_plane.c.

NIMBUS_TEST_SCALE makes it longer.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import SCALE

HERE = Path(__file__).parent
NATIVE = HERE.parent.parent / "nimbus" / "_native"
LEAVES = ("blocks_core.c", "xxh3.c", "xxh3_avx2.c", "xxh3_avx512.c", "sigv4_claim.c", "sigv4_canonical.c")
LIBRARIES = ("-lcrypto", "-lisal", "-lxxhash", "-lpthread")
SECONDS = max(2, round(3 * SCALE))


@pytest.mark.parametrize("sanitizers", ["thread", "address,undefined"])
def test_threads_of_the_plane_race_for_nothing_and_leave_nothing(sanitizers: str, tmp_path: Path) -> None:
    clang = shutil.which("clang")
    assert clang, "the sanitizers need clang: apt install clang"
    program = tmp_path / "stress"
    sources = [*sorted(NATIVE.glob("plane/*.c")), *(NATIVE / leaf for leaf in LEAVES), *HERE.glob("stress_*.c")]
    flags = ["-O1", "-g", "-std=gnu11", f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all", f"-I{NATIVE}"]
    subprocess.run([clang, *flags, *map(str, sources), "-o", str(program), *LIBRARIES], check=True)
    folder = tmp_path / "objects"
    folder.mkdir()
    run = [str(program), str(folder), str(SECONDS)]
    answer = subprocess.run(run, capture_output=True, text=True, check=False, timeout=SECONDS + 120)
    assert (answer.returncode, answer.stderr) == (0, "")
