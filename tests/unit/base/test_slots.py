"""A record in two slots: the newest whole one counts, and one is always whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from nimbus.base.errors import DirectoryDamaged
from nimbus.base.slots import Slots, read_slots


def test_the_newest_record_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert read_slots(path) is None
    slots = Slots(path, b"first")
    for number in range(5):
        slots.put(b"%d" % number)
        assert read_slots(path) == b"%d" % number
    slots.sync()
    slots.close()
    assert Slots(path, b"not taken").record == b"4"


@pytest.mark.parametrize("at", [0, 4096])
def test_a_slot_that_is_half_written_leaves_the_other(tmp_path: Path, at: int) -> None:
    path = tmp_path / "file"
    slots = Slots(path, b"one")
    slots.put(b"two")
    slots.close()
    content = bytearray(path.read_bytes())
    content[at + 15] ^= 1
    path.write_bytes(content)
    assert read_slots(path) == (b"one" if at == 0 else b"two")


@pytest.mark.parametrize("content", [b"", b"damaged", bytes(8192), b"\xff" * 8192])
def test_a_file_without_a_whole_slot_is_damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(DirectoryDamaged):
        read_slots(path)
