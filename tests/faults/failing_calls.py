"""A server whose system calls fail, by strace."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.server_process import Started


@contextmanager
def failing(server: Started, calls: str, when: str = "1+", error: str = "EIO") -> Iterator[None]:
    """In this block these calls of the server fail; `when` as strace counts them, for each thread."""
    command = ["strace", "-f", "-o", "/dev/null", "-p", str(server.process.pid), "-e", f"trace={calls}"]
    with subprocess.Popen(
        [*command, "-e", f"inject={calls}:error={error}:when={when}"], stderr=subprocess.PIPE
    ) as tracer:
        try:
            assert tracer.stderr is not None
            assert b"attached" in tracer.stderr.readline()
            yield
        finally:
            tracer.send_signal(signal.SIGINT)
