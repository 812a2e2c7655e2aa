"""The AWS command line, high level (`aws s3`) and low level (`aws s3api`), against a real server."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wire.clients import AWS, run, small_tree, tree

Aws = Callable[..., str]


@pytest.fixture
def aws(server, tmp_path: Path) -> Aws:
    env = {
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": str(tmp_path),
    }

    def call(*words: str | Path, status: int = 0) -> str:
        return run([AWS, "--endpoint-url", server.endpoint, *words], env=env, cwd=tmp_path, status=status)

    return call


def test_a_tree_synced_up_and_down_is_identical(aws: Aws, tmp_path: Path) -> None:
    source = small_tree(tmp_path / "source")
    aws("s3", "mb", "s3://awscli-sync")
    aws("s3", "sync", "source", "s3://awscli-sync/tree", "--only-show-errors")
    aws("s3", "sync", "s3://awscli-sync/tree", "copy", "--only-show-errors")
    assert tree(tmp_path / "copy") == tree(source)
    assert aws("s3", "sync", "source", "s3://awscli-sync/tree") == ""


def test_sync_with_delete_removes_what_is_gone(aws: Aws, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    for name in ("keep", "go"):
        (tmp_path / "source" / name).write_text(name)
    aws("s3", "mb", "s3://awscli-delete")
    aws("s3", "sync", "source", "s3://awscli-delete")
    (tmp_path / "source" / "go").unlink()
    assert "delete: s3://awscli-delete/go" in aws("s3", "sync", "source", "s3://awscli-delete", "--delete")
    assert [line.split()[-1] for line in aws("s3", "ls", "s3://awscli-delete").splitlines()] == ["keep"]


def test_cp_of_a_large_file_goes_up_in_parts(aws: Aws, tmp_path: Path) -> None:
    big = tmp_path / "big.bin"
    big.write_bytes(bytes(range(256)) * 4096 * 40)  # 40 MiB
    aws("s3", "mb", "s3://awscli-big")
    aws("s3", "cp", "big.bin", "s3://awscli-big/", "--only-show-errors")
    head = json.loads(aws("s3api", "head-object", "--bucket", "awscli-big", "--key", "big.bin"))
    assert head["ContentLength"] == big.stat().st_size
    assert head["ETag"].endswith('-5"')
    aws("s3", "cp", "s3://awscli-big/big.bin", "down.bin", "--only-show-errors")
    assert (tmp_path / "down.bin").read_bytes() == big.read_bytes()


def test_cp_between_keys_keeps_content_type_and_metadata(aws: Aws, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>hello</p>")
    aws("s3", "mb", "s3://awscli-copy")
    aws("s3", "cp", "page.html", "s3://awscli-copy/a.html", "--metadata", "colour=blue")
    aws("s3", "cp", "s3://awscli-copy/a.html", "s3://awscli-copy/b.html")
    head = json.loads(aws("s3api", "head-object", "--bucket", "awscli-copy", "--key", "b.html"))
    assert (head["ContentType"], head["Metadata"]) == ("text/html", {"colour": "blue"})


def test_mv_and_recursive_rm(aws: Aws, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("1")
    aws("s3", "mb", "s3://awscli-move")
    aws("s3", "mv", "one", "s3://awscli-move/one")
    assert not (tmp_path / "one").exists()
    aws("s3", "mv", "s3://awscli-move/one", "s3://awscli-move/dir/two")
    assert aws("s3", "ls", "s3://awscli-move", "--recursive").split()[-1] == "dir/two"
    assert "PRE dir/" in aws("s3", "ls", "s3://awscli-move")
    aws("s3", "rm", "s3://awscli-move", "--recursive")
    assert aws("s3", "ls", "s3://awscli-move") == ""
    aws("s3", "rb", "s3://awscli-move")
    assert "awscli-move" not in aws("s3", "ls")


def test_cp_streams_from_and_to_a_pipe(aws: Aws, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"streamed " * 1000)
    aws("s3", "mb", "s3://awscli-pipe")
    aws("s3", "cp", "in", "s3://awscli-pipe/x")
    assert aws("s3", "cp", "s3://awscli-pipe/x", "-") == "streamed " * 1000


def test_presigned_url_can_be_opened_by_anybody(aws: Aws, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("for you")
    aws("s3", "mb", "s3://awscli-presign")
    aws("s3", "cp", "secret", "s3://awscli-presign/dir/secret")
    url = aws("s3", "presign", "s3://awscli-presign/dir/secret", "--expires-in", "60").strip()
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.read() == b"for you"


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_s3api_checksums_are_kept_and_shown(aws: Aws, tmp_path: Path, algorithm: str) -> None:
    (tmp_path / "body").write_bytes(b"checked " * 10_000)
    bucket = f"awscli-sum-{algorithm.lower()}"
    aws("s3api", "create-bucket", "--bucket", bucket)
    put = ["s3api", "put-object", "--bucket", bucket, "--key", "k", "--body", "body", "--checksum-algorithm", algorithm]
    stored = json.loads(aws(*put))
    shown = json.loads(aws("s3api", "head-object", "--bucket", bucket, "--key", "k", "--checksum-mode", "ENABLED"))
    assert shown[f"Checksum{algorithm}"] == stored[f"Checksum{algorithm}"] != ""


def test_s3api_pages_through_a_listing(aws: Aws, tmp_path: Path) -> None:
    aws("s3api", "create-bucket", "--bucket", "awscli-pages")
    (tmp_path / "many").mkdir()
    for index in range(25):
        (tmp_path / "many" / f"{index:03}").write_text("x")
    aws("s3", "sync", "many", "s3://awscli-pages", "--only-show-errors")
    listing = json.loads(aws("s3api", "list-objects-v2", "--bucket", "awscli-pages", "--page-size", "7"))
    assert [entry["Key"] for entry in listing["Contents"]] == [f"{index:03}" for index in range(25)]


def test_errors_read_as_s3s_own(aws: Aws) -> None:
    aws("s3api", "head-bucket", "--bucket", "awscli-absent", status=255)
    aws("s3", "ls", "s3://awscli-absent", status=255)
