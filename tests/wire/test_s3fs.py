"""s3fs (fsspec over aiobotocore), against a real server; it runs in an environment of its own."""

from __future__ import annotations

from tests.wire.clients import ROOT, S3FS_PYTHON, run


def test_s3fs_session_ends_without_a_complaint(server) -> None:
    env = {"ENDPOINT": server.endpoint, "ACCESS_KEY": server.access_key, "SECRET_KEY": server.secret_key}
    assert run([S3FS_PYTHON, ROOT / "tests" / "wire" / "s3fs_session.py"], env=env) == "all well\n"
