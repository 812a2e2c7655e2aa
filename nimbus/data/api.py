"""The contract of byte engines: streams in, opaque locations out, verified spans back.

A location is bytes that only the engine that made them can read; metadata keeps them (at most
`LOCATION_SIZE_BYTES_MAX`). What is written under a location never changes.

Order of a write, which the store room keeps: `write` ... `finish` -> `sync` -> commit of the metadata that
names the location -> acknowledge. A crash at any point leaves only unreferenced bytes, which `unsettled`
lists at the next start so that the store can drop those that no record names.

Must always hold: a read hands out a block's bytes only after the block matched its checksum
(`DataDamaged` otherwise); a location whose `finish` was followed by a returned `sync` survives a power cut;
after a failed sync the engine takes no writes (`StoreReadOnly`), a failed fsync is never retried.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Protocol

import msgspec

LOCATION_SIZE_BYTES_MAX = 64


class Capabilities(msgspec.Struct, frozen=True):
    """What an engine can do beyond the contract."""

    local_files: bool  # `descriptor` answers, so that bytes can go out by sendfile
    durable: bool  # what was synced survives a power cut


class Descriptor(msgspec.Struct, frozen=True):
    """Where the bytes of a location lie on a local file system, for sendfile.

    The bytes are `path`[offset : offset + size]. Whoever sends them verifies the checksums first.
    """

    path: str
    offset: int
    size: int


class Writer(Protocol):
    """One stream on its way in. Used by one task at a time; ends with `finish` or `abort`, once."""

    async def write(self, chunk: bytes) -> None:
        """Append a chunk. Holds at most a bounded number of bytes in memory. Raises `SpaceExhausted`."""
        ...

    async def finish(self) -> bytes:
        """All bytes are in: the location. They are durable after the next `DataStore.sync`."""
        ...

    async def abort(self) -> None:
        """Forget the stream and free its bytes. Also after a failed write or finish; twice is no error."""
        ...


class DataStore(Protocol):
    """An engine for bytes. Async methods belong to the event loop; `sync` may be called on any thread."""

    @property
    def capabilities(self) -> Capabilities: ...

    def writer(self, size_hint: int | None) -> Writer:
        """A new stream of about `size_hint` bytes (None: unknown).

        Raises `StoreReadOnly`, `SpaceExhausted`, and `Overloaded` when too many are open.
        """
        ...

    def sync(self) -> None:
        """Block until everything finished before this call is durable. Raises `SpaceExhausted`, `StoreReadOnly`."""
        ...

    def read_now(self, location: bytes, start: int, end: int) -> bytes | None:
        """The verified bytes [start, end), if they are at hand without waiting for a disk or a network.

        Else None: use `read`. Only for spans of at most `READ_SIZE_BYTES`. Raises `DataDamaged`, and
        `Missing` when the location was dropped.
        """
        ...

    def read(self, location: bytes, start: int, end: int) -> AsyncIterator[bytes]:
        """The verified bytes [start, end) in chunks of at most `READ_SIZE_BYTES`. Raises `DataDamaged`, `Missing`.

        A location dropped while it is being read still yields its bytes, or raises; never other bytes.
        Close the iterator (`aclose`) when leaving early.
        """
        ...

    def size(self, location: bytes) -> int:
        """How many bytes lie there, told from the location alone."""
        ...

    def drop(self, location: bytes) -> None:
        """Free the bytes. Blocking, called on a worker thread. Dropping twice, or after a crash, is no error."""
        ...

    def descriptor(self, location: bytes) -> Descriptor:
        """The file span of a location. Raises `NotSupported` unless `capabilities.local_files`."""
        ...

    def unsettled(self) -> Iterator[bytes]:
        """Locations written before this start that may have no record, because a crash came between.

        Blocking and lazy, called on a worker thread; nothing written since the start is in it. Empty after
        a clean stop.
        """
        ...

    def settled(self) -> None:
        """The sweep over `unsettled` is complete: the same locations need not be listed again."""
        ...

    def close(self) -> None:
        """Stop cleanly. Later calls raise `EngineClosed`; closing twice is no error."""
        ...
