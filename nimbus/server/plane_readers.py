"""What native threads still read of objects that were overwritten or deleted: they hold no lease.

Files of large objects stay open as long as somebody reads them, and are only unlinked. Frames lose their pages when
they are freed. Between two of its steps a worker reads none of an object that has changed, and whatever it begins
afterwards copies and verifies them; of what lies in a socket's queue already the data engine takes care itself. So it
is enough that every worker was asked once after the change. Frames that a slow peer is to get later are told, and stay
until it has them or their grace is over.
"""

from __future__ import annotations

import asyncio
from typing import Final

from nimbus._native.plane import Plane, frame_files_read
from nimbus.server.plane_lookups import Checks, LocalFiles
from nimbus.store.reclaiming.leases import IsRead, no_other_readers

ANSWER_MS_MAX: Final = 2000  # a worker that got no processor for so long: all frames wait


class PlaneReaders:
    """An `AskReaders` (nimbus/store/reclaiming/leases.py)."""

    def __init__(self, files: LocalFiles, checks: Checks) -> None:
        self._files = files
        self._checks = checks
        self._plane: Plane | None = None

    def tell(self, plane: Plane) -> None:
        """Ask this plane from now on. Before it accepts its first connection."""
        self._plane = plane

    async def __call__(self) -> IsRead:
        if self._plane is None:
            return await no_other_readers()
        loop = asyncio.get_running_loop()
        paths = await loop.run_in_executor(None, frame_files_read, self._plane, ANSWER_MS_MAX)
        if paths is None:
            return self._is_frame
        if not paths:
            return await no_other_readers()
        return lambda location: self._is_frame(location) and self._files.descriptor(location).path in paths

    def _is_frame(self, location: bytes) -> bool:
        is_blob, _ = self._checks(location)
        return not is_blob
