"""What the local data engine shows before it is opened: the files below its folder, read only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from nimbus.base.errors import DataDamaged
from nimbus.data.blobs import BLOB_SUFFIX
from nimbus.data.directory import epoch_name
from nimbus.data.location import BLOB, FRAME, Location, unpack
from nimbus.data.segments import SEGMENT_SUFFIX

SUFFIXES: Final = {FRAME: SEGMENT_SUFFIX, BLOB: BLOB_SUFFIX}
STAMP_NAME: Final = "IDENTITY"


class LocalTraces:
    """The `Traces` of a folder that may not exist."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.stamp_path: Path | None = root / STAMP_NAME

    def has_bytes(self) -> bool:
        return any(
            name.endswith(tuple(SUFFIXES.values()))
            for parent in _folders(self._root)
            for epoch in _folders(parent)
            for name in os.listdir(epoch)
        )

    def holds(self, location: bytes) -> bool:
        try:
            where = unpack(location)
        except DataDamaged:
            return False
        return os.path.exists(f"{epoch_name(str(self._root), where.epoch)}/{file_name(where)}")


def file_name(where: Location) -> str:
    """The name of the file that holds a location, in the directory of its epoch."""
    return where.file_id.hex() + SUFFIXES[where.kind]


def _folders(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (entry for entry in path.iterdir() if entry.is_dir())
