"""A data engine whose bytes are counted. What is not counted is the engine's own method, without a frame between."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

from nimbus.data.api import DataStore, Writer
from nimbus.metrics.storage import DataMeter


class MeteredDataStore:
    """A `DataStore` that counts what passes into `meter`."""

    def __init__(self, engine: DataStore, meter: DataMeter) -> None:
        self._engine = engine
        self._meter = meter
        self.capabilities = engine.capabilities
        self.size = engine.size
        self.footprint = getattr(engine, "footprint", engine.size)
        self.descriptor = engine.descriptor
        self.unsettled = engine.unsettled
        self.settled = engine.settled
        self.close = engine.close

    def writer(self, size_hint: int | None) -> Writer:
        return _MeteredWriter(self._engine.writer(size_hint), self._engine, self._meter)

    def sync(self) -> None:
        began_ns = time.perf_counter_ns()
        self._engine.sync()
        self._meter.count_sync(time.perf_counter_ns() - began_ns)

    def read_now(self, location: bytes, start: int, end: int) -> bytes | None:
        data = self._engine.read_now(location, start, end)
        if data is not None:
            self._meter.read_bytes += len(data)
        return data

    async def read(self, location: bytes, start: int, end: int) -> AsyncIterator[bytes]:
        # Engines hand out generators, which must be closed when the reader leaves early.
        async with aclosing(cast(Any, self._engine.read(location, start, end))) as chunks:
            async for chunk in chunks:
                self._meter.read_bytes += len(chunk)
                yield chunk

    def drop(self, location: bytes) -> None:
        self._engine.drop(location)
        self._meter.count_drop(self._engine.size(location))


class _MeteredWriter:
    """Counts a stream once it is whole."""

    def __init__(self, writer: Writer, engine: DataStore, meter: DataMeter) -> None:
        self._writer = writer
        self._engine = engine
        self._meter = meter
        self.write = writer.write
        self.abort = writer.abort

    async def finish(self) -> bytes:
        location = await self._writer.finish()
        self._meter.written_bytes += self._engine.size(location)
        return location
