"""s3cmd with signature v2 and v4, against a real server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wire.clients import run, small_tree, tree

S3cmd = Callable[..., str]


@pytest.fixture(params=["v2", "v4"])
def s3cmd(request: pytest.FixtureRequest, server, tmp_path: Path) -> S3cmd:
    config = tmp_path / "s3cfg"
    config.write_text(
        "[default]\n"
        f"access_key = {server.access_key}\nsecret_key = {server.secret_key}\n"
        f"host_base = {server.host}:{server.port}\nhost_bucket = {server.host}:{server.port}\n"
        f"use_https = False\nsignature_v2 = {request.param == 'v2'}\nmultipart_chunk_size_mb = 5\n"
    )

    def call(*words: str | Path, status: int = 0) -> str:
        return run(["s3cmd", "-c", config, "--no-progress", *words], cwd=tmp_path, status=status)

    call.signature = request.param  # type: ignore[attr-defined]
    return call


def test_put_get_ls_del(s3cmd: S3cmd, tmp_path: Path) -> None:
    bucket = f"s3://s3cmd-basic-{s3cmd.signature}"  # type: ignore[attr-defined]
    (tmp_path / "hello.txt").write_text("hello world\n")
    s3cmd("mb", bucket)
    s3cmd("put", "hello.txt", f"{bucket}/dir/hello world+1.txt")
    assert "dir/hello world+1.txt" in s3cmd("ls", "-r", bucket)
    assert f"{bucket}/dir/" in s3cmd("ls", bucket)
    s3cmd("get", f"{bucket}/dir/hello world+1.txt", "back.txt")
    assert (tmp_path / "back.txt").read_text() == "hello world\n"
    s3cmd("del", f"{bucket}/dir/hello world+1.txt")
    assert s3cmd("ls", "-r", bucket) == ""
    s3cmd("rb", bucket)
    assert bucket not in s3cmd("ls")


def test_sync_up_and_down_is_identical(s3cmd: S3cmd, tmp_path: Path) -> None:
    bucket = f"s3://s3cmd-sync-{s3cmd.signature}"  # type: ignore[attr-defined]
    source = small_tree(tmp_path / "source")
    s3cmd("mb", bucket)
    s3cmd("sync", "source/", f"{bucket}/tree/")
    (tmp_path / "copy").mkdir()
    s3cmd("sync", f"{bucket}/tree/", "copy/")
    assert tree(tmp_path / "copy") == tree(source)


def test_multipart_put_and_get(s3cmd: S3cmd, tmp_path: Path) -> None:
    bucket = f"s3://s3cmd-multi-{s3cmd.signature}"  # type: ignore[attr-defined]
    big = tmp_path / "big.bin"
    big.write_bytes(bytes(range(251)) * 270_000)  # about 64 MiB, thirteen parts
    s3cmd("mb", bucket)
    s3cmd("put", "big.bin", f"{bucket}/big.bin")
    s3cmd("get", f"{bucket}/big.bin", "down.bin")
    assert (tmp_path / "down.bin").read_bytes() == big.read_bytes()
    assert "big.bin" not in s3cmd("multipart", bucket)


def test_info_and_modify(s3cmd: S3cmd, tmp_path: Path) -> None:
    bucket = f"s3://s3cmd-info-{s3cmd.signature}"  # type: ignore[attr-defined]
    (tmp_path / "a.txt").write_text("abc")
    s3cmd("mb", bucket)
    s3cmd("put", "a.txt", f"{bucket}/a.txt", "--add-header=x-amz-meta-colour:blue")
    assert "x-amz-meta-colour: blue" in s3cmd("info", f"{bucket}/a.txt")
    s3cmd("modify", "--add-header=x-amz-meta-colour:red", "--mime-type=text/html", f"{bucket}/a.txt")
    shown = s3cmd("info", f"{bucket}/a.txt")
    assert "x-amz-meta-colour: red" in shown
    assert "MIME type: text/html" in shown
    assert "Location:" in s3cmd("info", bucket)


def test_cp_and_mv_between_keys(s3cmd: S3cmd, tmp_path: Path) -> None:
    bucket = f"s3://s3cmd-copy-{s3cmd.signature}"  # type: ignore[attr-defined]
    (tmp_path / "a").write_text("abc")
    s3cmd("mb", bucket)
    s3cmd("put", "a", f"{bucket}/a")
    s3cmd("cp", f"{bucket}/a", f"{bucket}/b")
    s3cmd("mv", f"{bucket}/b", f"{bucket}/dir/c")
    keys = [line.split()[-1] for line in s3cmd("ls", "-r", bucket).splitlines()]
    assert keys == [f"{bucket}/a", f"{bucket}/dir/c"]


def test_recursive_delete_empties_a_bucket(s3cmd: S3cmd, tmp_path: Path) -> None:
    bucket = f"s3://s3cmd-del-{s3cmd.signature}"  # type: ignore[attr-defined]
    (tmp_path / "d").mkdir()
    for index in range(12):
        (tmp_path / "d" / f"{index}&<x>.txt").write_text("x")
    s3cmd("mb", bucket)
    s3cmd("put", "--recursive", "d", f"{bucket}/")
    s3cmd("del", "--recursive", "--force", bucket)
    s3cmd("rb", bucket)


def test_signurl_can_be_opened_by_curl(s3cmd: S3cmd, tmp_path: Path) -> None:
    bucket = f"s3://s3cmd-sign-{s3cmd.signature}"  # type: ignore[attr-defined]
    (tmp_path / "a").write_text("signed")
    s3cmd("mb", bucket)
    s3cmd("put", "a", f"{bucket}/a b")
    url = s3cmd("signurl", f"{bucket}/a b", "+60").strip()
    assert run(["curl", "-sf", url]) == "signed"
