"""A server with its admin listener and, where wanted, HTTPS: where its doors are, and what it said.

Must always hold: as in serving.py, it is stopped by SIGTERM and ends with status 0.
"""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from tests.wire.serving import FAREWELL, Server, stop, write_config

READY = re.compile(r"NimbusStore is ready at (https?)://([^:]+):(\d+)\n")
ADMIN = re.compile(r"nimbus: metrics and health at (http://[^/]+)/metrics and /health/ready\n")

Labels = tuple[tuple[str, str], ...]


class Doors(msgspec.Struct, frozen=True):
    """The addresses of a running server; `plain` and `tls` are servers to make clients of."""

    plain: Server | None
    tls: Server | None
    admin: str
    process: subprocess.Popen[str]
    errors: Path

    @property
    def s3(self) -> Server:
        assert self.plain is not None
        return self.plain

    @property
    def https(self) -> Server:
        assert self.tls is not None
        return self.tls

    def page(self, path: str) -> tuple[int, str]:
        """Status and text of an admin page."""
        try:
            with urllib.request.urlopen(self.admin + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as refused:
            return refused.code, refused.read().decode()

    def scrape(self) -> dict[tuple[str, Labels], float]:
        """Every series of /metrics by name and labels."""
        status, text = self.page("/metrics")
        assert status == 200, text
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        series = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}
        assert len(series) == len(samples), "a series stands there twice"
        return series


def labels(**values: str) -> Labels:
    return tuple(sorted(values.items()))


@contextmanager
def doors(folder: Path, *arguments: str) -> Iterator[Doors]:
    """A server over `folder` with an admin listener, up when the block begins; ports are the system's choice."""
    command = [sys.executable, "-m", "nimbus", "serve", "--data", str(folder / "data"), "--admin", "0"]
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
        found: dict[str, Server] = {}
        for _ in range(2 if "--tls-cert" in arguments and "" not in arguments else 1):
            line = process.stdout.readline()
            ready = READY.fullmatch(line)
            assert ready, f"the server did not start: {line!r} {errors.read_text()}"
            scheme, host, port = ready.groups()
            found[scheme] = Server(f"{scheme}://{host}:{port}", host, int(port), process.pid, folder / "data")
        admin = ADMIN.search(errors.read_text())
        assert admin, errors.read_text()
        yield Doors(found.get("http"), found.get("https"), admin[1], process, errors)
    finally:
        status = stop(process)
    assert status == 0, errors.read_text()
    assert errors.read_text().endswith(FAREWELL), errors.read_text()
