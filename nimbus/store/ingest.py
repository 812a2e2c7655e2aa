"""Bytes on their way in, and the moment when a record takes them over.

An ingest holds nothing until its first byte: a zero-byte object has no extent. Once finished, its bytes lie
in the data engine and no row names them; a `Naming` is the mutation that names them, together with the rule
what happens to them otherwise. Three outcomes: named (the record owns them now), surely not named (they are
discarded), unknown since the metadata engine failed in the middle (they are kept: a row may name them after
the restart that such a failure asks for, and the sweep of that start frees them if none does).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Generic, TypeVar

from nimbus.base.errors import BatchTooLarge, NimbusError, WriteRace
from nimbus.data.api import DataStore, Writer
from nimbus.meta.api import Mutation, View
from nimbus.store.reclaiming.room import Room
from nimbus.store.records import Extent

Result = TypeVar("Result")
Extents = tuple[Extent, ...]
Discard = Callable[[Extents], None]


class StoreIngest:
    """An `Ingest`: one stream into the data engine, opened with its first byte."""

    __slots__ = ("_adopted", "_data", "_discard", "_room", "_size_hint", "_writer", "size")

    def __init__(self, data: DataStore, size_hint: int | None, discard: Discard, room: Room) -> None:
        self._data = data
        self._room = room
        self._discard = discard
        self._adopted: Extents = ()
        self._size_hint = size_hint
        self._writer: Writer | None = None
        self.size = 0

    async def write(self, chunk: bytes) -> None:
        if not chunk:
            return
        if self._writer is None:
            self._writer = await self._room.begin(partial(self._data.writer, self._size_hint))
        await self._writer.write(chunk)
        self.size += len(chunk)

    def adopt(self, extents: Extents) -> None:
        assert not self.size, "there are bytes already"
        self._adopted = extents
        self.size = sum(extent.size for extent in extents)

    async def abort(self) -> None:
        adopted, self._adopted = self._adopted, ()
        if adopted:
            self._discard(adopted)
        if self._writer is not None:
            await self._writer.abort()

    async def finish(self) -> Extents:
        """All bytes are in: the extents, none for no bytes. Whoever gets them names or discards them.

        When it fails or is cancelled, the ingest is aborted.
        """
        if self._writer is None:
            adopted, self._adopted = self._adopted, ()
            return adopted
        try:
            location = await self._writer.finish()
        except BaseException:
            with suppress(NimbusError):  # what went wrong first is what the caller hears of
                await asyncio.shield(self.abort())
            raise
        self._writer = None
        return (Extent(location, self.size),)


class Naming(Generic[Result]):
    """A mutation that names extents, and `settle`, which discards them when it surely did not."""

    __slots__ = ("_discard", "_extents", "_has_named", "_mutation")

    def __init__(self, mutation: Mutation[Result], extents: Extents, discard: Discard) -> None:
        self._mutation = mutation
        self._extents = extents
        self._discard = discard
        self._has_named = False

    def __call__(self, view: View) -> Result:
        self._has_named = False
        result = self._mutation(view)
        self._has_named = True
        return result

    def settle(self, error: BaseException | None) -> None:
        if error is None:
            return
        if not self._has_named or isinstance(error, BatchTooLarge | WriteRace):  # those two apply nothing
            self._discard(self._extents)
