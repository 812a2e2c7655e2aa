"""What of a data engine can be seen before it is opened: whose bytes it holds, and whether it holds any.

Nothing here touches anything, so that a start that is refused leaves everything as it was. An engine's factory may
offer `traces(options, data_dir)`; for one that does not, whose bytes they are stands beside them in the data directory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol


class Traces(Protocol):
    """What lies in the place of a data engine that is not open."""

    @property
    def stamp_path(self) -> Path | None:
        """The file that says whose the bytes are; it must move with the bytes. None: these end with the process."""
        ...

    def has_bytes(self) -> bool | None:
        """Whether anything is stored there; None: nobody knows."""
        ...

    def holds(self, location: bytes) -> bool | None:
        """Whether the bytes of a location are there; None: nobody knows."""
        ...


class UnknownTraces:
    """Of an engine that shows nothing before it is opened."""

    def __init__(self, stamp_path: Path | None) -> None:
        self.stamp_path: Final = stamp_path

    def has_bytes(self) -> bool | None:
        return None

    def holds(self, location: bytes) -> bool | None:
        return None
