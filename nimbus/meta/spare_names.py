"""Empty files that only take up inodes, so that a file system which has run out of them can still be written to.

An engine makes files to start and to go on; where none can be made it takes no more writes. What the ballast is for
room this is for names: a few are taken while there are many, and given up when there are none (ballast.py). On file
systems that do not count their inodes there is nothing to do.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Final

from nimbus.base.errors import NamesExhausted
from nimbus.base.volumes import NAMES_FLOOR, look_at

SPARE: Final = 32  # an opening makes about ten files, each flush one

_logger = logging.getLogger(__name__)


class SpareNames:
    """The spare inodes of one file system, in a folder of their own. Used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held = folder.is_dir()

    def make_room(self) -> None:
        """Called before each write. Raises `NamesExhausted` when even the spare ones are used up."""
        if not look_at(self._folder.parent).lacks_names:
            if not self._held:
                self.hold()
            return
        if not self.drop():
            self.check()

    def check(self) -> None:
        """Raises `NamesExhausted` when there are none, unless some can be given up. Any thread."""
        if not self._held and look_at(self._folder.parent).lacks_names:
            raise NamesExhausted(f"Fewer than {NAMES_FLOOR} are left beside {self._folder}.")

    def drop(self) -> bool:
        """Give them up; whether there were any."""
        had, self._held = self._held, False
        shutil.rmtree(self._folder, ignore_errors=True)
        if had:
            _logger.warning("The file system is out of inodes: those of %s were given up for deletes", self._folder)
        return had

    def hold(self) -> None:
        """Take them, while there are many."""
        volume = look_at(self._folder.parent)
        if self._held or volume.names_free < 8 * SPARE:
            return
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            for number in range(SPARE):
                (self._folder / f"{number:02}").touch(mode=0o600)
            self._held = True
        except OSError:  # somebody else was faster: try again when there are more
            shutil.rmtree(self._folder, ignore_errors=True)
