"""The lock on the data directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nimbus.base.errors import DirectoryDamaged, DirectoryLocked
from nimbus.server import directory
from nimbus.server.directory import check_directory, owned


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


def test_a_file_system_that_is_too_small_is_refused_by_the_check_as_by_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "SIZE_BYTES_MIN", 1 << 60)
    with pytest.raises(DirectoryDamaged, match="is the least") as started, owned(tmp_path / "made"):
        pass
    with pytest.raises(DirectoryDamaged, match="is the least") as checked:
        check_directory(tmp_path / "made")
    assert str(checked.value) == str(started.value)
    with pytest.raises(DirectoryDamaged, match="is the least"):
        check_directory(tmp_path / "none" / "yet")
