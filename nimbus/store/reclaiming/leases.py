"""Who reads what at this moment: what a reader holds is not freed until it is done.

A lease is on an object's bytes, named by where they begin: the location of the first extent, or the manifest.
A record that is overwritten keeps that name in its garbage row. Leases live in memory: a restart has no
readers. They are those of this node: what another node reads from a shared data engine it does not know.
Belongs to the event loop.

Whoever reads on another way, as native threads do, holds no lease; the collector asks before it frees (`AskReaders`).
On a map that this process owns a task finds a record and takes its lease without giving the loop away in between, so
that whatever the collector finds without a lease has no reader to come.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nimbus.meta import keys
from nimbus.store.records import Garbage, Object

# Asked once the changes that displaced some bytes have ended: whether somebody without a lease still reads a location.
IsRead = Callable[[bytes], bool]
AskReaders = Callable[[], Awaitable[IsRead]]


async def no_other_readers() -> IsRead:
    """For a node on which all who read hold leases."""
    return _is_read_by_nobody


def _is_read_by_nobody(location: bytes) -> bool:
    return False


def name_of_object(record: Object) -> bytes:
    """The name of an object's bytes, b"" for one without bytes."""
    if record.manifest_id:
        return keys.manifest(record.manifest_id)
    return record.extents[0].location if record.extents else b""


def name_of_garbage(garbage: Garbage) -> bytes:
    """The name under which a reader would hold what this row frees."""
    return garbage.manifest_rows or (garbage.locations[0] if garbage.locations else b"")


class Leases:
    """Counts the readers of each name."""

    def __init__(self) -> None:
        self._readers: dict[bytes, int] = {}
        self.on_release: Callable[[bytes], None] = _nobody_waits

    def take(self, name: bytes) -> None:
        self._readers[name] = self._readers.get(name, 0) + 1

    def release(self, name: bytes) -> None:
        readers = self._readers[name] - 1
        if readers:
            self._readers[name] = readers
            return
        del self._readers[name]
        self.on_release(name)

    def is_held(self, name: bytes) -> bool:
        return name in self._readers


def _nobody_waits(name: bytes) -> None:
    pass
