"""Runs every libFuzzer target of this folder for some seconds under ASan and UBSan.

NIMBUS_FUZZ_S sets the seconds for each (the nightly run takes an hour). The corpus in corpus/<target> seeds it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NATIVE = HERE.parent.parent / "nimbus" / "_native"
SOURCES = {
    "fuzz_aws": ["plane/aws_chunked.c", "plane/crc.c", "sigv4_claim.c", "sigv4_canonical.c"],
    "fuzz_http": ["plane/http.c"],
    "fuzz_body": ["plane/chunked.c", "plane/http.c", "plane/range.c", "plane/crc.c"],
    "fuzz_log": ["plane/log_line.c"],
    "fuzz_target": ["plane/target.c", "plane/conditions.c", "plane/http.c"],
    "fuzz_sigv4": ["sigv4_claim.c", "sigv4_canonical.c"],
}
LIBRARIES = {"fuzz_aws": ["-lcrypto", "-lisal"], "fuzz_body": ["-lisal"], "fuzz_sigv4": ["-lcrypto"]}


def test_every_target_has_its_sources_and_a_corpus() -> None:
    targets = {path.stem for path in HERE.glob("fuzz_*.c")}
    assert targets == set(SOURCES)
    assert targets == {path.name for path in (HERE / "corpus").iterdir() if any(path.iterdir())}


@pytest.mark.parametrize("target", sorted(SOURCES))
def test_no_input_breaks_a_parser(target: str, tmp_path: Path) -> None:
    clang = shutil.which("clang")
    assert clang, "fuzzing needs clang: apt install clang"
    program = tmp_path / target
    sources = [str(HERE / f"{target}.c"), *(str(NATIVE / source) for source in SOURCES[target])]
    flags = ["-O1", "-g", "-std=gnu11", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]
    build = [clang, *flags, f"-I{NATIVE}", *sources, "-o", str(program), *LIBRARIES.get(target, [])]
    subprocess.run(build, check=True, capture_output=True)
    seconds = os.environ.get("NIMBUS_FUZZ_S", "3")
    found = tmp_path / "found"
    found.mkdir()
    run = [str(program), f"-max_total_time={seconds}", "-max_len=4096", str(found), str(HERE / "corpus" / target)]
    answer = subprocess.run(run, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert answer.returncode == 0, answer.stderr[-4000:]
