"""curl with --aws-sigv4, against a real server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wire.clients import run

Curl = Callable[..., str]


@pytest.fixture
def curl(server, tmp_path: Path) -> Curl:
    def call(*words: str | Path, path: str, status: int = 0) -> str:
        sign = ["--aws-sigv4", "aws:amz:us-east-1:s3", "--user", f"{server.access_key}:{server.secret_key}"]
        hashed = ["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]
        return run(
            ["curl", "-sS", "--fail-with-body", *sign, *hashed, *words, server.endpoint + path],
            cwd=tmp_path,
            status=status,
        )

    return call


def test_put_get_list_delete(curl: Curl, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"from curl" * 1000)
    curl("-X", "PUT", path="/curl-basic")
    curl("-T", "f", path="/curl-basic/dir/f")
    assert curl(path="/curl-basic/dir/f") == "from curl" * 1000
    assert "<Key>dir/f</Key>" in curl(path="/curl-basic?list-type=2")
    curl("-X", "DELETE", path="/curl-basic/dir/f")
    assert "<Code>NoSuchKey</Code>" in curl(path="/curl-basic/dir/f", status=22)


def test_a_large_put_waits_for_100_continue(curl: Curl, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"0123456789abcdef" * 200_000)
    curl("-X", "PUT", path="/curl-big")
    curl("-T", "big", "-H", "Expect: 100-continue", path="/curl-big/big")
    curl("-o", "down", path="/curl-big/big")
    assert (tmp_path / "down").read_bytes() == (tmp_path / "big").read_bytes()


def test_range_is_answered_in_part(curl: Curl, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("0123456789")
    curl("-X", "PUT", path="/curl-range")
    curl("-T", "f", path="/curl-range/f")
    assert curl("-r", "2-4", path="/curl-range/f") == "234"
    assert curl("-r", "-3", path="/curl-range/f") == "789"
    assert "<Code>InvalidRange</Code>" in curl("-r", "10-", path="/curl-range/f", status=22)
    assert curl("-o", "/dev/null", "-w", "%{http_code}", "-r", "0-0", path="/curl-range/f") == "206"


def test_sub_resource_without_a_value_is_signed_alike(curl: Curl) -> None:
    curl("-X", "PUT", path="/curl-location")
    assert "<LocationConstraint" in curl(path="/curl-location?location=")


def test_curl_that_leaves_out_the_hash_of_the_payload_is_told_so(server) -> None:
    """curl 7.88 signs without x-amz-content-sha256, which S3 demands; the README has the line that works."""
    sign = ["--aws-sigv4", "aws:amz:us-east-1:s3", "--user", f"{server.access_key}:{server.secret_key}"]
    sign += ["-H", "x-amz-content-sha256:"]  # later versions send it by themselves
    said = run(["curl", "-sS", "--fail-with-body", *sign, "-X", "PUT", server.endpoint + "/unhashed"], status=22)
    assert "Missing required header for this request: x-amz-content-sha256" in said
