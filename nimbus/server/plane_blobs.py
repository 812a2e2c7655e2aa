"""What the native plane has taken in: from its creation until a record names it, or it is gone."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol

from nimbus._native.plane import Upload
from nimbus.base.errors import NimbusError
from nimbus.data.foreign import ForeignBlob
from nimbus.metrics.storage import DataMeter
from nimbus.store.ingest import Extents
from nimbus.store.records import Extent


class NativeWrites(Protocol):
    """What is needed of a data engine whose bytes native code brings."""

    @property
    def is_short_of_space(self) -> bool: ...

    def check_space(self, size: int) -> None: ...

    def append(self, payload: bytes) -> bytes: ...

    def begin_blob(self, size: int) -> ForeignBlob: ...

    def drop(self, location: bytes) -> None: ...


class Blobs:
    """Any thread. Removing is done in the background: unlinking a large file takes its time."""

    def __init__(self, data: NativeWrites, meter: DataMeter) -> None:
        self._data = data
        self._meter = meter
        self._blobs: dict[int, ForeignBlob] = {}  # by descriptor
        self._removing = ThreadPoolExecutor(1, "plane removals")
        self.check_space = data.check_space

    @property
    def is_short_of_space(self) -> bool:
        return self._data.is_short_of_space

    def append(self, payload: bytes) -> Extents:
        """The extents of bytes that fit into a frame. The thread of the uploads."""
        extent = Extent(self._data.append(payload), len(payload))
        self._meter.taken_in_bytes += len(payload)
        return (extent,)

    def begin(self, size: int) -> int:
        """The descriptor of a new file. Blocking, as long as opening one. Raises as `begin_blob` of the engine."""
        blob = self._data.begin_blob(size)
        self._blobs[blob.fd] = blob
        return blob.fd

    def finish(self, upload: Upload) -> Extents:
        """The extents of a file that is whole and synced; of one that cannot be finished nothing stays.

        The thread of the uploads.
        Its descriptor is closed then, and may be that of another file already.
        """
        blob = self._blobs.pop(upload.fd)
        try:
            extent = Extent(blob.finish(upload.size, upload.table_hash), upload.size)
        except BaseException:
            self._remove(blob.discard)
            raise
        self._meter.taken_in_bytes += upload.size
        return (extent,)

    def failure(self, upload: Upload) -> NimbusError:
        """What it means that the file could not be written or synced."""
        number = upload.error_number
        return self._blobs[upload.fd].failure(abs(number), of_sync=number < 0)

    def remove(self, fd: int) -> None:
        """Nobody wants the file; -1 is none. REQUIRES: it was not finished."""
        blob = self._blobs.pop(fd, None)
        if blob is not None:
            self._remove(blob.discard)

    def drop(self, extents: Extents) -> None:
        """Nobody wants what was finished."""
        for extent in extents:
            self._remove(partial(self._data.drop, extent.location))

    def close(self) -> None:
        """Remove what is left, and return when it is gone."""
        for fd in list(self._blobs):
            self.remove(fd)
        self._removing.shutdown(wait=True)

    def _remove(self, remove: Callable[[], None]) -> None:
        try:
            self._removing.submit(remove)
        except RuntimeError:  # closed: whoever waited for room or for an outcome comes after all others
            remove()
