"""S3 at an IPv6 address and at a unix socket, in each data-plane mode, by real clients."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.faults.server_process import untimed
from tests.wire.clients import run
from tests.wire.conftest import DATA_PLANES
from tests.wire.serving import FAREWELL, OWNER, STOP_S_MAX, write_config

READY = "NimbusStore is ready at "
LARGE = os.urandom(1_500_000)


@contextmanager
def served(folder: Path, *options: str) -> Iterator[str]:
    """A server over `folder`; what its ready line says. It stops cleanly, having said nothing."""
    command = [sys.executable, "-m", "nimbus", "serve", "--data", "data", "--config", str(write_config(folder))]
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith(READY), (line, process.communicate(timeout=STOP_S_MAX))
        yield line.removeprefix(READY).rstrip("\n")
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=STOP_S_MAX)
    assert (process.returncode, untimed(said)) == (0, FAREWELL)


def client_of(url: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=OWNER.access_key,
        aws_secret_access_key=OWNER.secret_key,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )


@pytest.mark.parametrize("mode", DATA_PLANES)
@pytest.mark.parametrize(("listen", "host"), [("[::1]:0", "[::1]"), ("[::]:0", "[::1]"), ("[::]:0", "127.0.0.1")])
def test_boto3_at_an_ipv6_address(mode: str, listen: str, host: str, tmp_path: Path) -> None:
    with served(tmp_path, "--listen", listen, "--data-plane", mode) as url:
        assert url.startswith(f"http://{listen[:-1]}")
        client = client_of(f"http://{host}:{url.rpartition(':')[2]}")
        client.create_bucket(Bucket="six")
        for key, body in (("small", b"x"), ("large", LARGE)):
            client.put_object(Bucket="six", Key=key, Body=body)
            for _ in range(2):
                assert client.get_object(Bucket="six", Key=key)["Body"].read() == body
        assert client.list_objects_v2(Bucket="six")["KeyCount"] == 2


@pytest.mark.parametrize("mode", DATA_PLANES)
def test_curl_at_a_unix_socket(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "s3.sock"
    (tmp_path / "large").write_bytes(LARGE)
    curl = ["curl", "-sS", "--fail-with-body", "--max-time", "20", "--unix-socket", path]
    sign = ["--aws-sigv4", "aws:amz:us-east-1:s3", "--user", f"{OWNER.access_key}:{OWNER.secret_key}"]
    plain = ["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]

    def call(*words: str, target: str, status: int = 0) -> str:
        return run([*curl, *sign, *plain, *words, f"http://localhost{target}"], cwd=tmp_path, status=status)

    with served(tmp_path, "--listen", f"unix:{path}", "--data-plane", mode) as address:
        assert address == f"unix:{path}"
        assert path.stat().st_mode & 0o777 == 0o600
        call("-X", "PUT", target="/sockets")
        call("-T", "large", target="/sockets/large")
        for name in ("once", "twice"):
            call("-o", name, target="/sockets/large")
            assert (tmp_path / name).read_bytes() == LARGE
        assert "<Key>large</Key>" in call(target="/sockets?list-type=2")
        assert "<Code>NoSuchKey</Code>" in call(target="/sockets/none", status=22)
    assert not path.exists()
