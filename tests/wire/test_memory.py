"""The server's memory stays flat whatever passes through it. `NIMBUS_TEST_SCALE=8` makes it the full campaign."""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
import urllib3
from botocore.config import Config

from tests.conftest import SCALE

MIB = 1024 * 1024
TIMES = min(8, max(1, round(SCALE)))  # the full campaign writes 17 GB in each mode: enough for any scale
BLOCK = os.urandom(MIB)


def _resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def _peak_of(pid: int) -> Iterator[list[int]]:
    """Samples a process's resident memory in the background; the list's one element is its peak in bytes."""
    peak = [_resident_bytes(pid)]
    stop = threading.Event()

    def sample() -> None:
        while not stop.wait(0.01):
            peak[0] = max(peak[0], _resident_bytes(pid))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def _presign(server, operation: str, bucket: str, key: str) -> str:
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name="us-east-1",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    return client.generate_presigned_url(operation, Params={"Bucket": bucket, "Key": key}, ExpiresIn=900)


def _upload(server, url: str, blocks: int) -> None:
    """Whoever is told to slow down comes again, as the SDKs do."""
    while (status := _try_to_upload(server, url, blocks)) == 503:
        time.sleep(0.2)
    assert status == 200


def _try_to_upload(server, url: str, blocks: int) -> int:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=120)
    path = url.split(f":{server.port}", 1)[1]
    connection.putrequest("PUT", path, skip_accept_encoding=True)
    connection.putheader("Content-Length", str(blocks * MIB))
    connection.endheaders()
    for _ in range(blocks):
        connection.send(BLOCK)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def _download(url: str) -> int:
    """How many bytes came down."""
    with urllib3.PoolManager() as pool:
        answer = pool.request("GET", url, preload_content=False)
        return sum(len(chunk) for chunk in answer.stream(MIB))


@pytest.mark.timeout(900)
def test_memory_stays_flat_while_a_large_object_goes_up_and_down(server, client) -> None:
    client.create_bucket(Bucket="memory-flat")
    put = _presign(server, "put_object", "memory-flat", "large")
    get = _presign(server, "get_object", "memory-flat", "large")
    for _ in range(2):  # reach the plateau first: pools and allocators are filled once
        _upload(server, put, 64)
        assert _download(get) == 64 * MIB
    blocks = 512 * TIMES
    with _peak_of(server.pid) as peak:
        before = peak[0]
        _upload(server, put, blocks)
        assert _download(get) == blocks * MIB
    assert peak[0] - before <= 10 * MIB, f"memory grew by {(peak[0] - before) / MIB:.1f} MiB"


@pytest.mark.timeout(900)
def test_many_uploads_at_once_stay_within_half_a_gigabyte(server, client) -> None:
    client.create_bucket(Bucket="memory-many")
    uploads = 200
    blocks = 8 * TIMES
    urls = [_presign(server, "put_object", "memory-many", f"u{index}") for index in range(uploads)]
    with _peak_of(server.pid) as peak, ThreadPoolExecutor(uploads) as pool:
        list(pool.map(lambda url: _upload(server, url, blocks), urls))
    assert peak[0] <= 512 * MIB, f"memory reached {peak[0] / MIB:.0f} MiB"
