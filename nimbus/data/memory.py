"""The data engine that forgets everything when it closes: for tests, and the shortest example of an engine.

A location is a random id, the length and the XXH3-64 of the bytes. Every read checks the whole object against that
hash, as the contract asks.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Final

from nimbus._native.blocks import xxh3_64
from nimbus.base.errors import ConfigInvalid, DataDamaged, EngineClosed, Missing, NotSupported
from nimbus.base.ids import ID_SIZE_BYTES, new_id
from nimbus.base.limits import READ_SIZE_BYTES
from nimbus.base.registry import NoOptions, takes
from nimbus.data.api import Capabilities, DataStore, Descriptor, Writer
from nimbus.data.traces import UnknownTraces

_LOCATION: Final = struct.Struct(f"<{ID_SIZE_BYTES}sQQ")


class MemoryDataStore:
    """Bytes in a dictionary. Called from several threads; single dictionary operations are atomic."""

    capabilities = Capabilities(local_files=False, durable=False)

    def __init__(self) -> None:
        self._objects: dict[bytes, bytes] = {}
        self._closed = False

    def writer(self, size_hint: int | None) -> Writer:
        self.check_open()
        return _MemoryWriter(self)

    def sync(self) -> None:
        self.check_open()

    def read_now(self, location: bytes, start: int, end: int) -> bytes | None:
        assert end - start <= READ_SIZE_BYTES, f"[{start}, {end}) is too much for read_now"
        return self._verified(location)[start:end]

    async def read(self, location: bytes, start: int, end: int) -> AsyncIterator[bytes]:
        payload = self._verified(location)
        for at in range(start, end, READ_SIZE_BYTES):
            yield payload[at : min(at + READ_SIZE_BYTES, end)]

    def size(self, location: bytes) -> int:
        _, length, _ = _unpack(location)
        return length

    def drop(self, location: bytes) -> None:
        self.check_open()
        object_id, _, _ = _unpack(location)
        self._objects.pop(object_id, None)

    def descriptor(self, location: bytes) -> Descriptor:
        raise NotSupported("The memory engine has no files.")

    def unsettled(self) -> Iterator[bytes]:
        self.check_open()
        return iter(())

    def settled(self) -> None:
        self.check_open()

    def close(self) -> None:
        self._closed = True
        self._objects.clear()

    # --- for its writers and the tests ---

    def check_open(self) -> None:
        if self._closed:
            raise EngineClosed()

    def keep(self, payload: bytes) -> bytes:
        """Take the bytes in; their location."""
        self.check_open()
        object_id = new_id()
        self._objects[object_id] = payload
        return _LOCATION.pack(object_id, len(payload), xxh3_64(payload))

    def flip(self, location: bytes, position: int) -> None:
        """Damage one stored byte, for tests of the checksums."""
        object_id, _, _ = _unpack(location)
        damaged = bytearray(self._objects[object_id])
        damaged[position] ^= 0x01
        self._objects[object_id] = bytes(damaged)

    def _verified(self, location: bytes) -> bytes:
        self.check_open()
        object_id, _, expected = _unpack(location)
        payload = self._objects.get(object_id)
        if payload is None:
            raise Missing("The bytes were dropped.")
        if xxh3_64(payload) != expected:
            raise DataDamaged(object_id.hex())
        return payload


class _MemoryWriter:
    def __init__(self, store: MemoryDataStore) -> None:
        self._store = store
        self._chunks: list[bytes] = []

    async def write(self, chunk: bytes) -> None:
        self._store.check_open()
        self._chunks.append(chunk)

    async def finish(self) -> bytes:
        location = self._store.keep(b"".join(self._chunks))
        self._chunks.clear()
        return location

    async def abort(self) -> None:
        self._chunks.clear()


class MemoryEngine:
    """The factory for the registry. Takes no options."""

    def __call__(self, options: Mapping[str, object], data_dir: Path) -> DataStore:
        if options:
            raise ConfigInvalid(f"The memory data engine has no option {sorted(options)[0]!r}.")
        return MemoryDataStore()

    def traces(self, options: Mapping[str, object], data_dir: Path) -> UnknownTraces:
        return UnknownTraces(None)


open_memory: Final = takes(NoOptions)(MemoryEngine())


def _unpack(location: bytes) -> tuple[bytes, int, int]:
    if len(location) != _LOCATION.size:
        raise DataDamaged(f"{location[:64].hex()} is no location of the memory data engine.")
    object_id, length, expected = _LOCATION.unpack(location)
    return object_id, length, expected
