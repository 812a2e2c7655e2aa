"""A running server whose stored bytes the tests damage."""

from __future__ import annotations

import secrets
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from botocore.exceptions import ClientError, HTTPClientError, ResponseStreamingError

from tests.faults.busy_writers import BUCKET, client_of
from tests.faults.server_process import SERVE, Started, started


class DamagedStore:
    """Its objects, the files under them, and what it tells of damage."""

    def __init__(self, server: Started, data: Path, admin_port: int) -> None:
        self.server = server
        self.s3: Any = client_of(server.port)
        self.s3.create_bucket(Bucket=BUCKET)
        self._data = data
        self._admin_port = admin_port

    def put(self, key: str, size: int) -> bytes:
        content = secrets.token_bytes(size)
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        return content

    def get(self, key: str, **arguments: Any) -> bytes | None:
        """What came whole; None: S3's InternalError, or an answer cut off."""
        try:
            return bytes(self.s3.get_object(Bucket=BUCKET, Key=key, **arguments)["Body"].read())
        except ClientError as error:
            if error.response["Error"]["Code"] != "InternalError":
                raise
            return None
        except (ResponseStreamingError, HTTPClientError):
            return None

    def place_of(self, content: bytes) -> tuple[Path, int]:
        """The file where these bytes lie, and where in it."""
        for path in (self._data / "data").rglob("*"):
            if path.is_file() and (at := path.read_bytes().find(content[:64])) >= 0:
                return path, at
        raise AssertionError("no file holds them")

    def damaged_reads(self) -> int:
        """By /metrics, whoever met them."""
        with urlopen(f"http://127.0.0.1:{self._admin_port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        names = ("nimbus_s3_damaged_total ", "nimbus_plane_unreadable_total ")
        return sum(int(float(line.split()[1])) for line in lines if line.startswith(names))

    def ends(self) -> str:
        """Stop it; what it said on standard error."""
        self.s3.close()
        self.server.signal(signal.SIGTERM)
        status, _, errors = self.server.ended()
        assert (status, "Traceback" in errors) == (0, False), errors
        return errors


@contextmanager
def damaged_store(folder: Path, data: Path, data_plane: str) -> Iterator[DamagedStore]:
    """A server with its data under `data`."""
    (folder / "nimbus.toml").write_text("[data.options]\nreserve_bytes = 0\n")
    with socket.create_server(("127.0.0.1", 0)) as chosen:
        admin_port = chosen.getsockname()[1]
    command = [*SERVE, "--config", "nimbus.toml", "--data", str(data), "--listen", "127.0.0.1:0"]
    with started([*command, "--admin", str(admin_port), "--data-plane", data_plane], cwd=folder) as server:
        yield DamagedStore(server, data, admin_port)
