"""A real directory tree, at least 5,000 files and 500 MB, up and down through AWS CLI and rclone, byte-identical."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire.clients import AWS, run, tree

FILES_MIN = 5_000
BYTES_MIN = 500_000_000
# The machine's own libraries: Python's, this environment's, and the compiler's that built the native modules.
SOURCES = [
    sysconfig.get_path("stdlib"),
    sysconfig.get_path("purelib"),
    "/usr/lib/gcc",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/share",
    "/usr/lib",
]


def _real_files() -> Iterator[Path]:
    for source in SOURCES:
        for folder, _, names in os.walk(source):
            for name in sorted(names):
                path = Path(folder, name)
                if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
                    yield path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real") / "source"
    count = size = 0
    seen: set[Path] = set()
    for path in _real_files():
        if count >= FILES_MIN and size >= BYTES_MIN:
            break
        if path in seen or (count >= FILES_MIN and path.stat().st_size < 100_000):
            continue  # enough files: now only large ones, to reach the size
        seen.add(path)
        copy = folder / path.relative_to("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.symlink_to(path)
        count += 1
        size += path.stat().st_size
    assert count >= FILES_MIN, f"only {count} real files under {SOURCES} with {sys.version}"
    assert size >= BYTES_MIN, f"only {size} bytes of real files under {SOURCES}"
    return folder


@pytest.mark.timeout(900)
def test_aws_s3_sync_of_a_real_tree_is_identical(server, source: Path, tmp_path: Path) -> None:
    env = {
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "HOME": str(tmp_path),
    }
    aws = [AWS, "--endpoint-url", server.endpoint, "s3"]
    run([*aws, "mb", "s3://real-aws"], env=env)
    run([*aws, "sync", "--only-show-errors", source, "s3://real-aws/tree"], env=env)
    run([*aws, "sync", "--only-show-errors", "s3://real-aws/tree", tmp_path / "down"], env=env)
    assert tree(tmp_path / "down") == tree(source)
    run([*aws, "rb", "--force", "s3://real-aws"], env=env)


@pytest.mark.timeout(900)
def test_rclone_sync_of_a_real_tree_is_identical(server, source: Path, tmp_path: Path) -> None:
    env = {
        "RCLONE_CONFIG": "/dev/null",
        "RCLONE_CONFIG_NIMBUS_TYPE": "s3",
        "RCLONE_CONFIG_NIMBUS_PROVIDER": "Other",
        "RCLONE_CONFIG_NIMBUS_ENDPOINT": server.endpoint,
        "RCLONE_CONFIG_NIMBUS_ACCESS_KEY_ID": server.access_key,
        "RCLONE_CONFIG_NIMBUS_SECRET_ACCESS_KEY": server.secret_key,
    }
    run(["rclone", "mkdir", "nimbus:real-rclone"], env=env)
    run(["rclone", "sync", "--copy-links", "--transfers", "8", source, "nimbus:real-rclone"], env=env)
    run(["rclone", "check", "--copy-links", source, "nimbus:real-rclone"], env=env)
    run(["rclone", "sync", "--transfers", "8", "nimbus:real-rclone", tmp_path / "down"], env=env)
    assert tree(tmp_path / "down") == tree(source)
    run(["rclone", "purge", "nimbus:real-rclone"], env=env)
