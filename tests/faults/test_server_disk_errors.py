"""A server whose disk answers EIO: what cannot be written is refused and never there by half, what cannot be read is
never sent, and nobody waits for ever.

strace makes the calls fail by which both data planes read and write objects.
"""

from __future__ import annotations

import http.client
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.faults.busy_writers import BUCKET, KIB, MIB, client_of
from tests.faults.failing_calls import failing
from tests.faults.server_process import DATA_PLANES, SECONDS_MAX, SERVE, Started, started

pytestmark = pytest.mark.serial

REFUSED = (503, "ServiceUnavailable")
READS, WRITES, SENDS = "preadv2", "pwrite64,pwritev", "sendfile"


@contextmanager
def serving(folder: Path, data_plane: str) -> Iterator[tuple[Started, Any]]:
    command = [*SERVE, "--listen", "127.0.0.1:0", "--data", "data-dir", "--data-plane", data_plane]
    with started(command, cwd=folder) as server:
        client = client_of(server.port)
        yield server, client
        client.close()
        server.signal(signal.SIGTERM)
        status, _, errors = server.ended()
        assert (status, "Traceback" in errors) == (0, False), errors


def body_of(size: int) -> bytes:
    return b"kept" * (size // 4)


def code_of(error: ClientError) -> tuple[int, str]:
    return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]


@pytest.mark.parametrize("data_plane", DATA_PLANES)
@pytest.mark.parametrize("size", [4 * KIB, 6 * MIB])
def test_a_failed_write_is_refused_and_leaves_what_was_there(tmp_path: Path, size: int, data_plane: str) -> None:
    with serving(tmp_path, data_plane) as (server, client):
        client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="key", Body=body_of(size))
        with failing(server, WRITES), pytest.raises(ClientError) as told:
            client.put_object(Bucket=BUCKET, Key="key", Body=bytes(size))
        assert code_of(told.value) == REFUSED
        with pytest.raises(ClientError) as told:  # the disk is well again, but nobody knows what it has forgotten
            client.put_object(Bucket=BUCKET, Key="late", Body=b"x")
        assert code_of(told.value) == REFUSED
        assert client.get_object(Bucket=BUCKET, Key="key")["Body"].read() == body_of(size)
    with serving(tmp_path, data_plane) as (_, client):
        assert client.get_object(Bucket=BUCKET, Key="key")["Body"].read() == body_of(size)
        client.put_object(Bucket=BUCKET, Key="late", Body=b"x")


@pytest.mark.parametrize("data_plane", DATA_PLANES)
@pytest.mark.parametrize("size", [4 * KIB, 6 * MIB])
def test_a_failed_read_is_an_error_and_the_next_one_may_succeed(tmp_path: Path, size: int, data_plane: str) -> None:
    with serving(tmp_path, data_plane) as (server, client):
        client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="key", Body=body_of(size))
        with failing(server, READS), pytest.raises(ClientError) as told:
            client.get_object(Bucket=BUCKET, Key="key")
        assert code_of(told.value) == (500, "InternalError")
        assert client.get_object(Bucket=BUCKET, Key="key")["Body"].read() == body_of(size)


@pytest.mark.parametrize(("calls", "when"), [(READS, "9+"), (SENDS, "2+")])
def test_a_read_that_fails_within_an_answer_cuts_it_off(tmp_path: Path, calls: str, when: str) -> None:
    size = 16 * MIB
    with serving(tmp_path, "on") as (server, client):
        client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="key", Body=body_of(size))
        url = client.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "key"})
        with failing(server, calls, when):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS_MAX)
            connection.request("GET", url.split(str(server.port), 1)[1])
            answer = connection.getresponse()
            assert (answer.status, answer.headers["content-length"]) == (200, str(size))
            with pytest.raises((http.client.IncompleteRead, ConnectionError)) as cut:
                answer.read()
            if isinstance(cut.value, http.client.IncompleteRead):
                assert body_of(size).startswith(cut.value.partial)
            connection.close()
        assert client.get_object(Bucket=BUCKET, Key="key")["Body"].read() == body_of(size)
