"""Starting the real server for tests: one process, a data directory of its own, a port that the system chose.

Must always hold: what was started is stopped by SIGTERM, ended with status 0 and said nothing on standard error
but that it stopped; otherwise the test session fails, whatever the clients saw.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import msgspec
from botocore.config import Config

from tests.faults.server_process import untimed

STOP_S_MAX = 15
DOMAIN = "pair.invalid"  # bucket.pair.invalid is a bucket
FAREWELL = "nimbus: stopped\n"
READY = re.compile(r"NimbusStore is ready at (http://(.+):(\d+))")


class User(msgspec.Struct, frozen=True):
    """One of the users that the server is configured with."""

    id: str
    email: str
    access_key: str
    secret_key: str


OWNER = User("owner", "owner@example.com", "OWNERACCESSKEY", "owner/secret+key=40")
OTHER = User("other", "other@example.com", "OTHERACCESSKEY", "other/secret+key=40")


class Server(msgspec.Struct, frozen=True):
    """A running server and the credentials of its first user."""

    endpoint: str
    host: str
    port: int
    pid: int
    data_dir: Path
    user: User = OWNER
    other: User = OTHER

    @property
    def access_key(self) -> str:
        return self.user.access_key

    @property
    def secret_key(self) -> str:
        return self.user.secret_key

    def client(self, user: User = OWNER, **config: Any) -> Any:
        """A boto3 client as one of the users; SigV4 and path style unless told otherwise."""
        settings: dict[str, Any] = {"signature_version": "s3v4", "s3": {"addressing_style": "path"}, **config}
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=user.access_key,
            aws_secret_access_key=user.secret_key,
            region_name="us-east-1",
            config=Config(**settings),
        )


def write_config(folder: Path) -> Path:
    """A configuration with the two users of these tests, on a disk that may be nearly full with other things."""
    lines = [f'domains = ["localhost", "{DOMAIN}"]', "[limits]", "shutdown_s = 4", ""]
    lines += ["[data.options]", "reserve_bytes = 100_000_000", ""]
    for user in (OWNER, OTHER):
        lines += [
            "[[users]]",
            f'id = "{user.id}"',
            f'display_name = "{user.id.title()}"',
            f'email = "{user.email}"',
            f'access_key = "{user.access_key}"',
            f'secret_key = "{user.secret_key}"',
            "",
        ]
    path = folder / "nimbus.toml"
    path.write_text("\n".join(lines))
    path.chmod(0o600)
    return path


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Server]:
    """A server over `folder`, up when the block begins and cleanly stopped when it ends."""
    command = [sys.executable, "-m", "nimbus", "serve", "--data", str(folder / "data"), "--listen", "127.0.0.1:0"]
    errors = folder / "stderr.txt"
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            [*command, "--config", str(write_config(folder)), *arguments],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        ready = READY.search(line)
        assert ready, f"the server did not start: {line!r} {errors.read_text()}"
        yield Server(ready[1], ready[2], int(ready[3]), process.pid, folder / "data")
    finally:
        status = stop(process)
    assert (status, untimed(errors.read_text())) == (0, FAREWELL), (status, errors.read_text())


def stop(process: subprocess.Popen[str]) -> int:
    """Ask it to stop, and kill it when it takes too long; its status."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
    finally:
        assert process.stdout is not None
        process.stdout.close()
