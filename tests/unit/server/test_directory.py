"""The lock on the data directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nimbus.base.errors import DirectoryDamaged, DirectoryLocked
from nimbus.server.directory import owned


def test_a_missing_directory_is_made_and_private(tmp_path: Path) -> None:
    with owned(tmp_path / "a" / "b") as path:
        assert path.stat().st_mode & 0o777 == 0o700


def test_a_second_owner_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    with owned(tmp_path), pytest.raises(DirectoryLocked, match=f"process {os.getpid()}"), owned(tmp_path):
        pass


def test_the_directory_is_free_again_after_the_context_also_when_it_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), owned(tmp_path):
        raise RuntimeError
    with owned(tmp_path):
        pass


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DirectoryDamaged, match="choose another with --data"), owned(tmp_path / "file"):
        pass
