"""rclone: copy, sync and check, against a real server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wire.clients import run, small_tree, tree

Rclone = Callable[..., str]


@pytest.fixture
def rclone(server, tmp_path: Path) -> Rclone:
    env = {
        "RCLONE_CONFIG": "/dev/null",
        "RCLONE_CONFIG_NIMBUS_TYPE": "s3",
        "RCLONE_CONFIG_NIMBUS_PROVIDER": "Other",
        "RCLONE_CONFIG_NIMBUS_ENDPOINT": server.endpoint,
        "RCLONE_CONFIG_NIMBUS_ACCESS_KEY_ID": server.access_key,
        "RCLONE_CONFIG_NIMBUS_SECRET_ACCESS_KEY": server.secret_key,
        "HOME": str(tmp_path),
    }

    def call(*words: str | Path, status: int = 0) -> str:
        return run(["rclone", *words], env=env, cwd=tmp_path, status=status)

    return call


def test_sync_and_check_find_no_difference(rclone: Rclone, tmp_path: Path) -> None:
    source = small_tree(tmp_path / "source")
    rclone("mkdir", "nimbus:rclone-sync")
    rclone("sync", "source", "nimbus:rclone-sync/tree")
    rclone("check", "source", "nimbus:rclone-sync/tree", "--download")
    rclone("sync", "nimbus:rclone-sync/tree", "copy")
    assert tree(tmp_path / "copy") == tree(source)


def test_sync_deletes_what_is_gone_and_sees_what_changed(rclone: Rclone, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_text("1")
    (source / "b").write_text("2")
    rclone("mkdir", "nimbus:rclone-change")
    rclone("sync", "source", "nimbus:rclone-change")
    (source / "a").unlink()
    (source / "b").write_text("22")
    rclone("sync", "source", "nimbus:rclone-change")
    assert rclone("lsf", "nimbus:rclone-change").split() == ["b"]
    assert rclone("cat", "nimbus:rclone-change/b") == "22"


def test_copy_of_a_large_file_in_parts_keeps_its_hash(rclone: Rclone, tmp_path: Path) -> None:
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "big.bin").write_bytes(bytes(range(253)) * 100_000)
    rclone("mkdir", "nimbus:rclone-big")
    rclone("copy", "up", "nimbus:rclone-big", "--s3-upload-cutoff", "8M", "--s3-chunk-size", "5M")
    rclone("check", "up", "nimbus:rclone-big")
    rclone("copy", "nimbus:rclone-big", "down", "--multi-thread-cutoff", "5M", "--multi-thread-streams", "4")
    assert tree(tmp_path / "down") == tree(tmp_path / "up")


def test_moveto_and_purge(rclone: Rclone, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    rclone("mkdir", "nimbus:rclone-move")
    rclone("copyto", "f", "nimbus:rclone-move/a/f")
    rclone("moveto", "nimbus:rclone-move/a/f", "nimbus:rclone-move/b/g")
    assert rclone("lsf", "-R", "--files-only", "nimbus:rclone-move").split() == ["b/g"]
    rclone("purge", "nimbus:rclone-move")
    assert "rclone-move" not in rclone("lsd", "nimbus:")
