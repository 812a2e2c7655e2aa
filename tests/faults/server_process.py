"""Starting and stopping a server process for the tests in this folder."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SECONDS_MAX = 30
SERVE = (sys.executable, "-m", "nimbus", "serve")
DATA_PLANES = ("off", "on")
SAID = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (?:DEBUG|INFO|WARNING|ERROR) (?=nimbus: )")
READY = re.compile(r"NimbusStore is ready at http://(.+):(\d+)\n")


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without configuration of ours, plus `variables`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NIMBUS_")}
    return kept | variables


def refused(*arguments: str, cwd: Path, **variables: str) -> str:
    """What a start that must fail says, without its time: one line. Its status is 1 and standard output stays empty."""
    done = subprocess.run(
        [*SERVE, *arguments],
        env=environment(**variables),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, ""), (done.returncode, done.stdout, done.stderr)
    assert done.stderr.count("\n") == 1, done.stderr
    return untimed(done.stderr)


def untimed(said: str) -> str:
    """What stands on standard error without the time and the level that every line begins with."""
    lines = said.splitlines(keepends=True)
    assert all(SAID.match(line) for line in lines), said
    return "".join(SAID.sub("", line, count=1) for line in lines)


class Started:
    """A server that has said that it is ready."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.line = process.stdout.readline()
        ready = READY.fullmatch(self.line)
        assert ready is not None, (self.line, process.communicate(timeout=SECONDS_MAX))
        self.host, self.port = ready[1], int(ready[2])

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> tuple[int, str, str]:
        """Wait for the end: exit status, the rest of standard output, standard error."""
        out, err = self.process.communicate(timeout=SECONDS_MAX)
        return self.process.returncode, out, err


@contextmanager
def started(command: Sequence[str], *, cwd: Path, **variables: str) -> Iterator[Started]:
    """A running server; killed at the end when the test has not stopped it."""
    process = subprocess.Popen(
        command, env=environment(**variables), cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield Started(process)
        finally:
            if process.poll() is None:
                process.kill()
