"""The local data engine in a process that is killed, or whose fdatasync fails."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

from nimbus.data.local import LocalDataStore, LocalOptions
from nimbus.testing.data import load_bytes, payload_of

WRITER = """
import asyncio, sys
from pathlib import Path
from nimbus.base.errors import NimbusError
from nimbus.data.local import LocalDataStore, LocalOptions
from nimbus.testing.data import payload_of, store_bytes

async def main():
    store = LocalDataStore(Path(sys.argv[1]), LocalOptions(reserve_bytes=0, segment_size_bytes_max=1 << 20))
    for index in range(int(sys.argv[2])):
        size = (5000, 100, 300_000)[index % 3]
        try:
            location = await store_bytes(store, payload_of(size, index))
            print(("acknowledged", index, size, location), flush=True)
        except NimbusError as error:
            print(("refused", index, size, type(error).__name__), flush=True)
    store.close()

asyncio.run(main())
"""


def lines_of(output: str) -> list[tuple[str, int, int, bytes | str]]:
    return [ast.literal_eval(line) for line in output.splitlines() if line.startswith("(") and line.endswith(")")]


async def check_acknowledged(root: Path, lines: list[tuple[str, int, int, bytes | str]]) -> int:
    """Everything acknowledged is there and listed; the number of those."""
    store = LocalDataStore(root, LocalOptions(reserve_bytes=0))
    listed = set(store.unsettled())
    kept = [(index, size, what) for state, index, size, what in lines if state == "acknowledged"]
    for index, size, location in kept:
        assert isinstance(location, bytes)
        assert location in listed
        assert await load_bytes(store, location, 0, size) == payload_of(size, index)
    store.close()
    return len(kept)


async def test_a_killed_process_leaves_all_it_acknowledged(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "data"), "1000000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: ASYNC220
        assert process.stdout is not None
        output = "".join(process.stdout.readline() for _ in range(100))
        process.send_signal(signal.SIGKILL)
        output += process.stdout.read()
    assert process.returncode == -signal.SIGKILL
    assert await check_acknowledged(tmp_path / "data", lines_of(output)) >= 100


async def test_a_failed_fdatasync_ends_all_writing_and_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    fail_one = ["strace", "-f", "-qq", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=6"]
    command = [*fail_one, sys.executable, "-c", WRITER, str(tmp_path / "data"), "20"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)  # noqa: ASYNC221
    lines = lines_of(done.stdout)
    states = [state for state, *_ in lines]
    first = states.index("refused")
    assert 0 < first < 19
    assert states[first:] == ["refused"] * (20 - first)
    assert {what for state, _, _, what in lines if state == "refused"} == {"StoreReadOnly"}
    assert await check_acknowledged(tmp_path / "data", lines) == first


async def test_a_failed_write_ends_all_writing(tmp_path: Path) -> None:
    fail_all = ["strace", "-f", "-qq", "-e", "trace=pwritev", "-e", "inject=pwritev:error=EIO:when=4+"]
    command = [*fail_all, sys.executable, "-c", WRITER, str(tmp_path / "data"), "20"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)  # noqa: ASYNC221
    states = [state for state, *_ in lines_of(done.stdout)]
    first = states.index("refused")
    assert 0 < first < 19
    assert states[first:] == ["refused"] * (20 - first)
    assert os.listdir(tmp_path / "data")
