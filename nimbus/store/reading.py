"""Reading the bytes of an object, extent by extent.

While an iterator is open, a lease keeps its object's bytes from being freed, whatever becomes of the object.
Between finding a record and opening its iterator there is no lease; whoever does both gives the loop away in between
only on a map that is shared with other nodes, where the collector's grace covers that time.
So bytes that are not there although a record names them are damage, never a missing object: a client that was told
that the object does not exist would draw conclusions.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from typing import cast

from nimbus.base.errors import DataDamaged, Missing
from nimbus.base.span import Span
from nimbus.data.api import DataStore
from nimbus.store.manifest import Manifests
from nimbus.store.reclaiming.leases import Leases, name_of_object
from nimbus.store.records import Extent, Object


class Reader:
    """Reads spans of objects."""

    def __init__(self, data: DataStore, manifests: Manifests, leases: Leases) -> None:
        self._data = data
        self._data_read_now = data.read_now
        self._manifests = manifests
        self._leases = leases

    def read_now(self, record: Object, span: Span) -> bytes | None:
        """The span's bytes if they are at hand and lie in one extent. The hot path."""
        try:
            return self._at_hand(record.extents, span)
        except Missing as error:
            raise _vanished(record, error) from error

    def _at_hand(self, extents: tuple[Extent, ...], span: Span) -> bytes | None:
        if len(extents) == 1:
            return self._data_read_now(extents[0].location, span.start, span.end)
        if span.start == span.end:
            return b""
        offset = 0
        for extent in extents:
            end = offset + extent.size
            if span.start < end:
                if span.end > end:
                    return None
                return self._data_read_now(extent.location, span.start - offset, span.end - offset)
            offset = end
        return None

    def hold(self, record: Object) -> Callable[[], None]:
        """Keep the object's bytes from being freed until what is returned is called, once."""
        name = name_of_object(record)
        self._leases.take(name)
        return partial(self._leases.release, name)

    async def read(self, record: Object, span: Span) -> AsyncGenerator[bytes, None]:
        """The span's bytes, verified, in chunks."""
        release = self.hold(record)
        try:
            async with aclosing(self.extents(record, span)) as extents:
                async for extent, start, end in extents:
                    async with aclosing(_closable(self._data.read(extent.location, start, end))) as chunks:
                        async for chunk in chunks:
                            yield chunk
        except Missing as error:
            raise _vanished(record, error) from error
        finally:
            release()

    async def extents(self, record: Object, span: Span) -> AsyncGenerator[tuple[Extent, int, int], None]:
        """Where the span lies, in order: extents, each with the bytes wanted of it. `hold` the object meanwhile."""
        if span.start >= span.end:
            return
        async with aclosing(self._manifests.extents(record, span.start)) as runs:
            async for offset, extents in runs:
                for extent in extents:
                    start, offset = offset, offset + extent.size
                    if offset > span.start and extent.size:
                        yield extent, max(span.start - start, 0), min(span.end, offset) - start
                    if offset >= span.end:
                        return


def _vanished(record: Object, error: Missing) -> DataDamaged:
    text = f"The bytes of an object of {record.size} bytes from {record.modified_iso} are not there. {error}"
    return DataDamaged(text)


def _closable(iterator: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The same as what it is by contract: something to be closed with `aclose` when left early."""
    return cast("AsyncGenerator[bytes, None]", iterator)
