"""A store over memory engines (or any others), with short words for what the tests do again and again."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from nimbus.base.clock import ManualClock
from nimbus.base.span import Span
from nimbus.data.api import DataStore
from nimbus.data.memory import MemoryDataStore
from nimbus.meta import keys
from nimbus.meta.api import Committer, OrderedMap, OwnedMap
from nimbus.meta.committer import OwnedCommitter
from nimbus.meta.memory import MemoryMap
from nimbus.store.api import CompletedPart, Condition, Digests, NewObject
from nimbus.store.reclaiming.leases import AskReaders
from nimbus.store.records import Garbage, ManifestPage, Object, Upload, UploadedPart, unpack
from nimbus.store.recovery.quarantine import Custody
from nimbus.store.store import Store

NEW = NewObject("owner", "text/plain")
PART_SIZE_BYTES_MIN = 4


def etag_of(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def digests_of(body: bytes) -> Digests:
    return Digests(etag_of(body))


def multipart_digests(upload: Upload, parts: list[UploadedPart]) -> Digests:
    return Digests(f"{etag_of(''.join(part.etag for part in parts).encode())}-{len(parts)}")


def names(bodies: dict[int, bytes]) -> list[CompletedPart]:
    return [CompletedPart(number, etag_of(body)) for number, body in bodies.items()]


class Node:
    """A running store and its engines."""

    def __init__(
        self,
        map: OrderedMap,
        committer: Committer,
        data: DataStore,
        clock: ManualClock,
        garbage_grace_s: float = 3600,
        readers: AskReaders | None = None,
        custody: Custody | None = None,
    ) -> None:
        self.map = map
        self.data = data
        self.clock = clock
        self.committer = committer
        self.store = Store(
            map,
            committer,
            data,
            clock,
            part_size_bytes_min=PART_SIZE_BYTES_MIN,
            garbage_grace_s=garbage_grace_s,
            readers=readers,
            custody=custody,
        )

    async def put(
        self, key: str, body: bytes, *, bucket: str = "b", new: NewObject = NEW, condition: Condition | None = None
    ) -> Object:
        ingest = self.store.ingest(len(body))
        await ingest.write(body)
        return await self.store.put_object(bucket, key, new, ingest, digests_of(body), condition)

    async def body(self, record: Object) -> bytes:
        return b"".join([chunk async for chunk in self.store.read(record, Span(0, record.size))])

    async def get(self, key: str, *, bucket: str = "b") -> bytes:
        return await self.body(await self.store.find_object(bucket, key))

    async def put_part(self, key: str, upload_id: str, number: int, body: bytes, *, bucket: str = "b") -> UploadedPart:
        ingest = self.store.ingest(None)
        await ingest.write(body)
        return await self.store.put_part(bucket, key, upload_id, number, ingest, digests_of(body))

    async def upload(self, key: str, bodies: dict[int, bytes], *, bucket: str = "b") -> str:
        """An open upload with these parts."""
        upload_id = await self.store.create_upload(bucket, key, NEW)
        for number, body in bodies.items():
            await self.put_part(key, upload_id, number, body, bucket=bucket)
        return upload_id

    async def complete(
        self, key: str, upload_id: str, bodies: dict[int, bytes], *, condition: Condition | None = None
    ) -> Object:
        return await self.store.complete_upload("b", key, upload_id, names(bodies), multipart_digests, condition)

    async def put_multipart(self, key: str, bodies: dict[int, bytes]) -> Object:
        return await self.complete(key, await self.upload(key, bodies), bodies)

    # --- what lies in the engines ---

    def rows(self, table: bytes) -> list[tuple[bytes, bytes]]:
        return self.map.range(table, keys.after_prefix(table), 1_000_000)

    def named(self) -> set[bytes]:
        """Every location that a row names as an object's or an open upload's.

        Manifest pages of an open upload do not count: they name its parts, and perhaps some that were replaced since.
        """
        manifests = {unpack(Object, value).manifest_id for _, value in self.rows(keys.objects(b""))}
        pages = [(row, value) for row, value in self.rows(keys.manifest(b"")) if row[1:17] in manifests]
        rows: Iterable[tuple[list[tuple[bytes, bytes]], type[Object | UploadedPart | ManifestPage]]] = (
            (self.rows(keys.objects(b"")), Object),
            (self.rows(keys.parts(b"")), UploadedPart),
            (pages, ManifestPage),
        )
        return {
            extent.location
            for found, kind in rows
            for _, value in found
            for extent in unpack(kind, value).extents
            if extent.size
        }

    def garbage(self) -> list[Garbage]:
        return [unpack(Garbage, value) for _, value in self.rows(keys.GARBAGE)]

    def stored(self) -> int:
        """How many locations hold bytes."""
        assert isinstance(self.data, MemoryDataStore)
        return len(self.data._objects)

    async def check_nothing_leaked(self) -> None:
        """After collecting, the data engine holds exactly what the rows name, and no row is left over."""
        await self.store.collect_garbage()
        named = self.named()
        assert self.garbage() == []
        assert self.stored() == len(named)
        uploads = {keys.upload_columns(row)[1] for row, _ in self.rows(keys.uploads(b""))}
        assert {row[1:17] for row, _ in self.rows(keys.parts(b""))} <= uploads
        manifests = {unpack(Object, value).manifest_id for _, value in self.rows(keys.objects(b""))}
        assert {row[1:17] for row, _ in self.rows(keys.manifest(b""))} <= uploads | manifests
        for location in named:
            assert self.data.read_now(location, 0, 1), "named bytes are there"


@asynccontextmanager
async def running(
    map: OwnedMap | None = None,
    data: DataStore | None = None,
    clock: ManualClock | None = None,
    garbage_grace_s: float = 3600,
    readers: AskReaders | None = None,
    custody: Custody | None = None,
) -> AsyncIterator[Node]:
    """A node, closed at the end; the engines survive it."""
    map = map or MemoryMap()
    committer = OwnedCommitter(map)
    node = Node(map, committer, data or MemoryDataStore(), clock or ManualClock(), garbage_grace_s, readers, custody)
    try:
        await node.store.start()
        yield node
    finally:
        await node.store.close()
        committer.close()
