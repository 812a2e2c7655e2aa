"""Many uploads at once stay within a bound, and what they took goes back to the system when they are over."""

from __future__ import annotations

import http.client
import os
import resource
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from tests.faults.busy_writers import BUCKET, MIB, client_of
from tests.faults.server_process import DATA_PLANES, SERVE, Started, started

pytestmark = pytest.mark.serial

UPLOADS = 400
IDLE_S_MAX = 30


@contextmanager
def serving(folder: Path, data_plane: str) -> Iterator[Started]:
    command = [*SERVE, "--listen", "127.0.0.1:0", "--data", "data-dir", "--data-plane", data_plane]
    with started(command, cwd=folder) as server:
        client = client_of(server.port)
        client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="warm", Body=bytes(MIB))
        client.close()
        yield server
        server.signal(signal.SIGTERM)
        status, _, errors = server.ended()
        assert (status, "Traceback" in errors) == (0, False), errors


def resident_bytes(server: Started) -> int:
    return int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def paths(server: Started, count: int) -> list[str]:
    """Presigned uploads."""
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{server.port}",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    urls = [
        client.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": f"{number}"})
        for number in range(count)
    ]
    client.close()
    return [url.split(str(server.port), 1)[1] for url in urls]


def begin(server: Started, path: str) -> http.client.HTTPConnection:
    """An upload of 1 MiB of which three quarters are sent; one that was refused has less."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest("PUT", path)
    connection.putheader("Content-Length", str(MIB))
    connection.endheaders()
    try:
        connection.send(bytes(MIB * 3 // 4))
    except OSError:
        connection.close()
    return connection


def end(connection: http.client.HTTPConnection) -> int:
    """Its status; 0 when it was cut off before that could be read."""
    try:
        connection.send(bytes(MIB // 4))
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


@pytest.mark.parametrize("data_plane", DATA_PLANES)
def test_what_uploads_in_flight_took_goes_back_when_they_are_over(tmp_path: Path, data_plane: str) -> None:
    with serving(tmp_path, data_plane) as server, ExitStack() as open_ones:
        before = resident_bytes(server)
        connections = [begin(server, path) for path in paths(server, UPLOADS)]
        for connection in connections:
            open_ones.callback(connection.close)
        peak = resident_bytes(server)
        with ThreadPoolExecutor(16) as threads:
            statuses = list(threads.map(end, connections))
        assert set(statuses) <= {0, 200, 503}
        assert statuses.count(200) >= 50
        deadline = time.monotonic() + IDLE_S_MAX
        while (after := resident_bytes(server)) > 1.3 * before and time.monotonic() < deadline:
            time.sleep(0.5)
        assert after <= 1.3 * before, (
            f"{before / MIB:.0f} MiB, {peak / MIB:.0f} at the peak, {after / MIB:.0f} at the end"
        )


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.parametrize("data_plane", DATA_PLANES)
def test_fifteen_hundred_uploads_at_once_stay_within_half_a_gigabyte(tmp_path: Path, data_plane: str) -> None:
    with serving(tmp_path, data_plane) as server, ThreadPoolExecutor(64) as threads:
        connections = list(threads.map(lambda path: begin(server, path), paths(server, 1500)))
        begun = peak_bytes(server)
        statuses = list(threads.map(end, connections))
        assert max(begun, peak_bytes(server)) <= 480 * MIB
        assert set(statuses) == {200, 503}  # nobody was cut off before reading it
        assert statuses.count(200) >= 50
        client = client_of(server.port)
        client.put_object(Bucket=BUCKET, Key="after", Body=b"x")
        client.close()


def peak_bytes(server: Started) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
