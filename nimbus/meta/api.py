"""The contract of metadata engines: an ordered map of bytes to bytes, changed in atomic steps.

Three levels, each built on the one before:

`MetadataBackend`   six methods; what the author of a backend implements (`register("mybackend", factory)`).
`OrderedMap`        what the store reads from: point reads, range scans, atomic compare-and-set steps.
                    Built-in engines are one natively; `adapter.py` makes one of a `MetadataBackend`.
`Committer`         what the store writes through: a mutation is a function of a `View`, run exactly where
                    its reads and writes are atomic. On an engine that this process owns, one thread runs
                    all mutations and makes a whole group durable with one sync (group commit). On an
                    engine shared with other nodes, a mutation's reads become the checks of its `txn` and
                    it is run again when somebody else was faster.

Must always hold: keys sort as unsigned bytes; an empty value is a value; what a commit acknowledged, and what
was read, survives a power cut when `capabilities.durable`: nobody is told what may still be lost; a batch is
applied whole or not at all, never split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

Result = TypeVar("Result")


class Capabilities(msgspec.Struct, frozen=True):
    """What an engine can do. Asking for more raises `BatchTooLarge` or `NotSupported`."""

    value_size_bytes_max: int
    txn_ops_max: int
    txn_size_bytes_max: int
    linearizable: bool
    shared: bool  # other nodes write to the same map
    durable: bool  # an acknowledged write survives a power cut


class MetadataBackend(Protocol):
    """The six methods of a backend. Enough for a full single-node store; called from several threads.

    A write is shown to readers when it is durable, and not before: `get`, `exists` and `scan` return nothing that a
    power cut can still take back.
    """

    def put(self, key: bytes, value: bytes) -> None:
        """Store `value` under `key`, durable on return."""
        ...

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None when there is none."""
        ...

    def delete(self, key: bytes) -> None:
        """Remove `key`; removing what is not there is no error."""
        ...

    def exists(self, key: bytes) -> bool:
        """Whether `key` has a value."""
        ...

    def batch_put(self, items: Mapping[bytes, bytes | None]) -> None:
        """Apply all items at once, atomically and durably; None deletes."""
        ...

    def scan(self, prefix: bytes, limit: int) -> Iterator[tuple[bytes, bytes]]:
        """The first `limit` pairs whose key starts with `prefix`, in key order.

        A backend may offer a keyword `start: bytes` (first key wanted, at or after the prefix). Without
        it a page deep inside a prefix costs a scan of all before it.
        """
        ...


class OrderedMap(Protocol):
    """An ordered map with atomic steps. Called from several threads at once.

    It may have a `doubt`: "lost" when rows are missing that were durable, "unproved" when they may be, else "".

    `get` and `range` show what is durable, and the newest of that: every step whose `txn` returned, none that a power
    cut can still take back.
    """

    @property
    def capabilities(self) -> Capabilities: ...

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None when there is none."""
        ...

    def range(self, start: bytes, end: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        """Up to `limit` pairs with start <= key < end, in key order (or backwards), of one snapshot.

        To start after a key k, pass start = k + b"\\0".
        """
        ...

    def txn(self, checks: Mapping[bytes, bytes | None], ops: Mapping[bytes, bytes | None]) -> bool:
        """If every checked key has exactly its expected value (None: absent), apply all ops durably.

        Returns whether it did; when it did not, nothing changed. A None value in `ops` deletes.
        Raises `BatchTooLarge` past the capabilities.
        """
        ...

    def close(self) -> None:
        """Release everything; later calls raise `EngineClosed`. Closing twice is no error."""
        ...


class OwnedMap(OrderedMap, Protocol):
    """An ordered map that this process alone writes: writing and making durable are two steps.

    In between, readers see the map as it was, however long that takes; when the sync fails, for good. An engine whose
    `write` is durable on return shows it on return.
    """

    def write(self, ops: Mapping[bytes, bytes | None]) -> None:
        """Take all ops in, to be applied at once, durable and visible when the next `sync` returns."""
        ...

    def sync(self) -> None:
        """Make every earlier `write` durable, then visible. Releases the GIL.

        After a failure the map takes no writes.
        """
        ...


class View(Protocol):
    """What a mutation sees: the map as it is at this point, with the mutation's own writes in it."""

    def get(self, key: bytes) -> bytes | None: ...

    def put(self, key: bytes, value: bytes) -> None: ...

    def delete(self, key: bytes) -> None: ...


# A mutation reads and writes through its view and returns a result. It must be a pure function of the view
# (it may run more than once), quick (it runs on the commit thread), and must not block. When it raises,
# nothing of it is applied and the exception reaches the caller.
Mutation = Callable[[View], Result]

# A barrier is called on the commit thread before the group that names it is decided, at most once a group:
# the data engine's `sync`, so that no record becomes visible before its bytes are durable.
Barrier = Callable[[], None]

# What came of a mutation: itself, its result, and the error when it did not take effect.
Answer = tuple[Mutation[Any], Any, BaseException | None]


class Committer(Protocol):
    """Runs mutations atomically and answers when they are durable."""

    def submit(
        self,
        mutation: Mutation[Result],
        done: Callable[[Result | None, BaseException | None], None],
        *,
        barrier: Barrier | None = None,
    ) -> None:
        """Queue `mutation`; `done(result, error)` is called on the commit thread once it is durable or refused.

        The primitive under the others. `done` must be quick and must not raise. Raises `Overloaded`, `EngineClosed`.
        """
        ...

    def submit_all(
        self, mutations: Sequence[tuple[Mutation[Any], Barrier | None]], all_done: Callable[[Sequence[Answer]], None]
    ) -> None:
        """Queue all of them, in this order, or none when it raises; each stays an atomic step of its own.

        `all_done` is called on the commit thread, once for all answers of a group.
        """
        ...

    async def commit(self, mutation: Mutation[Result], *, barrier: Barrier | None = None) -> Result:
        """Run `mutation`, make its writes durable, then return its result.

        Raises what the mutation raises, `StoreReadOnly` after a failed sync, `WriteRace` when a shared
        engine's check was lost again and again, `Overloaded` when the queue is full. When the awaiting
        task is cancelled the mutation may or may not take place.
        """
        ...

    def commit_now(self, mutation: Mutation[Result], *, barrier: Barrier | None = None) -> Result:
        """The same for callers on a plain thread: blocks until durable."""
        ...

    def close(self) -> None:
        """Finish what is queued, then stop; later commits raise `EngineClosed`."""
        ...
