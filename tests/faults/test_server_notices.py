"""A server's standard error: every line has a time and a level, and a level can be chosen."""

from __future__ import annotations

import re
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.faults.server_process import DATA_PLANES, SAID, SERVE, environment, started, untimed

QUIET = ("--listen", "127.0.0.1:0", "--data", "d", "--admin", "0")
LEVEL = re.compile(r"Z (\w+) nimbus: ")


def said_by(folder: Path, *arguments: str, **variables: str) -> str:
    """What a server says from its start to its stop."""
    with started([*SERVE, *QUIET, *arguments], cwd=folder, **variables) as server:
        server.signal(signal.SIGTERM)
        status, out, said = server.ended()
    assert (status, out) == (0, "")
    return said


@pytest.mark.parametrize("data_plane", DATA_PLANES)
def test_every_line_has_its_time_and_its_level(tmp_path: Path, data_plane: str) -> None:
    said = said_by(tmp_path, "--data-plane", data_plane, NIMBUS_METADATA__BACKEND="memory", NIMBUS_NOTHING="x")
    assert untimed(said).endswith("nimbus: stopped\n")
    levels = {LEVEL.findall(line)[0] for line in said.splitlines()}
    assert levels == {"INFO", "WARNING"}


@pytest.mark.parametrize(("level", "heard"), [("warning", {"WARNING"}), ("error", set())])
def test_a_level_that_is_chosen_leaves_out_what_is_less_grave(tmp_path: Path, level: str, heard: set[str]) -> None:
    for arguments, variables in (
        (("--log-level", level), {}),
        ((), {"NIMBUS_LOG_LEVEL": level}),
    ):
        said = said_by(tmp_path, *arguments, NIMBUS_NOTHING="x", **variables)
        assert {LEVEL.findall(line)[0] for line in said.splitlines()} == heard


def test_at_the_finest_level_the_server_inside_is_heard_in_the_same_form(tmp_path: Path) -> None:
    said = said_by(tmp_path, "--log-level", "debug")
    assert len([line for line in said.splitlines() if SAID.match(line)]) == said.count("\n") > 3
    of_granian = [line for line in said.splitlines() if "anian" in line]
    assert {LEVEL.findall(line)[0] for line in of_granian} == {"DEBUG"}
    assert all("nimbus: granian: " in line for line in of_granian)
    assert ":8000" not in said  # where it would listen if it were asked


def test_the_native_threads_speak_in_the_same_form(tmp_path: Path) -> None:
    """Their log is on a full disk."""
    with started([*SERVE, *QUIET, "--access-log", "/dev/full"], cwd=tmp_path) as server:
        with pytest.raises(urllib.error.HTTPError, match="403") as answer:
            urllib.request.urlopen(f"http://127.0.0.1:{server.port}/", timeout=10)
        answer.value.close()
        server.signal(signal.SIGTERM)
        said = server.ended()[2]
    assert "nimbus: the access log /dev/full cannot be written to" in untimed(said)
    assert re.search(r"^\S+Z WARNING nimbus: the access log", said, re.MULTILINE)


def test_a_start_that_is_refused_says_when(tmp_path: Path) -> None:
    (tmp_path / "nimbus.toml").write_text('log_level = "loud"\n')
    command = [*SERVE, "--config", "nimbus.toml"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(SAID.pattern + r"nimbus: .*log_level: expected one of .*'warning'.*\n", done.stderr)
