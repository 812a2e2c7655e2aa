"""A server whose disk fails a sync: writes are refused for good, reads go on, and the operator is told."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.faults.busy_writers import BUCKET, KIB, MIB, client_of
from tests.faults.failing_calls import failing
from tests.faults.server_process import DATA_PLANES, SERVE, started

pytestmark = pytest.mark.serial

REFUSED = (503, "ServiceUnavailable")
SYNCS = "fdatasync,fsync,sync_file_range"


@pytest.mark.parametrize("data_plane", DATA_PLANES)
@pytest.mark.parametrize("size", [4 * KIB, 6 * MIB])
def test_a_failed_sync_ends_all_writing_and_no_reading(tmp_path: Path, size: int, data_plane: str) -> None:
    command = [*SERVE, "--listen", "127.0.0.1:0", "--data", "data-dir", "--data-plane", data_plane]
    with started(command, cwd=tmp_path) as server:
        client = client_of(server.port)
        client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="key", Body=b"kept" * (size // 4))
        client.put_object(Bucket=BUCKET, Key="perhaps", Body=b"x")
        with failing(server, SYNCS):
            for refused, arguments in (
                (client.put_object, {"Key": "key", "Body": bytes(size)}),
                (client.put_object, {"Key": "other", "Body": bytes(size)}),
                (client.delete_object, {"Key": "perhaps"}),  # whether this one took place shows after a restart
            ):
                with pytest.raises(ClientError) as told:
                    refused(Bucket=BUCKET, **arguments)
                answer = told.value.response
                assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == REFUSED
        with pytest.raises(ClientError):  # the disk is well again, but nobody knows what it has forgotten
            client.put_object(Bucket=BUCKET, Key="late", Body=b"x")
        assert client.get_object(Bucket=BUCKET, Key="key")["Body"].read() == b"kept" * (size // 4)
        assert {entry["Key"] for entry in client.list_objects_v2(Bucket=BUCKET)["Contents"]} - {"perhaps"} == {"key"}
        client.close()
        server.signal(signal.SIGTERM)
        status, _, errors = server.ended()
        assert (status, "Traceback" in errors) == (0, False), errors
        assert "check the disk and restart" in errors
    with started(command, cwd=tmp_path) as server:
        client = client_of(server.port)
        assert client.get_object(Bucket=BUCKET, Key="key")["Body"].read() == b"kept" * (size // 4)
        client.put_object(Bucket=BUCKET, Key="late", Body=b"x")
        client.close()
