"""PyTorch's S3 connector (data sets, loaders, checkpoints), against a real server, in an environment of its own."""

from __future__ import annotations

from typing import Any

from tests.wire.clients import ROOT, TORCH_PYTHON, run

MANY = 1_005  # objects: a listing of two pages


def test_data_sets_loaders_and_checkpoints_of_s3torchconnector_work(server: Any, client: Any, bucket: str) -> None:
    for number in range(MANY):
        client.put_object(Bucket=bucket, Key=f"many/{number:05}", Body=b"%d" % number)
    env = {
        "ENDPOINT": server.endpoint,
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        "BUCKET": bucket,
        "MANY": str(MANY),
    }
    assert run([TORCH_PYTHON, ROOT / "tests" / "wire" / "torch_session.py"], env=env) == "all well\n"
