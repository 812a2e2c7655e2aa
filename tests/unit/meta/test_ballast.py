"""The ballast against a disk whose free space the test sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from nimbus.base.errors import SpaceExhausted
from nimbus.meta.ballast import Ballast

BALLAST, FLOOR = 1000, 500


class Disk(Ballast):
    """A ballast on an imagined disk; the file is real."""

    def __init__(self, path: Path, free_bytes: int) -> None:
        super().__init__(path, BALLAST, FLOOR)
        self.free_bytes = free_bytes

    def _free_bytes(self) -> int:
        return self.free_bytes


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ballast"


def test_it_is_laid_down_where_there_is_room_and_takes_up_its_size(path: Path) -> None:
    Disk(path, BALLAST + FLOOR).hold()
    assert path.stat().st_size == BALLAST
    assert path.stat().st_blocks * 512 >= BALLAST


def test_it_is_not_laid_down_where_it_would_break_the_floor(path: Path) -> None:
    Disk(path, BALLAST + FLOOR - 1).hold()
    assert not path.exists()


def test_it_is_given_up_when_the_room_falls_below_the_floor(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    disk = Disk(path, 10_000)
    disk.hold()
    disk.free_bytes = FLOOR + 10
    disk.make_room(10)
    assert path.exists()
    disk.make_room(11)
    assert not path.exists()
    assert "nearly full" in caplog.text


def test_without_a_ballast_left_a_write_is_refused_until_there_is_room(path: Path) -> None:
    disk = Disk(path, FLOOR)
    with pytest.raises(SpaceExhausted):
        disk.make_room(1)
    disk.free_bytes = FLOOR + 1
    disk.make_room(1)
    assert not path.exists()


def test_it_comes_back_when_there_is_plenty_of_room_again(path: Path) -> None:
    disk = Disk(path, 2 * (FLOOR + BALLAST) - 1)
    disk.make_room(1)
    assert not path.exists()
    disk.free_bytes += 1
    disk.make_room(1)
    assert path.exists()


def test_one_that_an_earlier_process_left_is_used(path: Path) -> None:
    Disk(path, 10_000).hold()
    assert Disk(path, 0).drop()
    assert not Disk(path, 0).drop()
