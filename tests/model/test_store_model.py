"""The store against a dictionary: random histories of objects, uploads, listings, restarts and crashes.

Once over memory engines, where every byte is counted, and once over RocksDB and local files, where a crash is
a copy of the directory as it lies on the disk while the store runs.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule

from nimbus.base.clock import ManualClock
from nimbus.base.errors import (
    BucketMissing,
    BucketNotEmpty,
    ConditionLost,
    ObjectMissing,
    PartInvalid,
    UploadMissing,
)
from nimbus.base.span import Span
from nimbus.data.api import DataStore
from nimbus.data.local import open_local
from nimbus.data.memory import MemoryDataStore
from nimbus.meta.api import OwnedMap
from nimbus.meta.memory import MemoryMap
from nimbus.meta.rocksdb import open_rocksdb
from nimbus.store.api import NewObject
from nimbus.store.records import Object
from tests.unit.store.node import NEW, Node, etag_of, running

keys = st.sampled_from(["a", "a/", "a/b", "a//b", "a/b/c", "ab", "b", "é/x", "\U0001f600", "a\x00b"])
bodies = st.binary(max_size=40)
numbers = st.integers(1, 50)
LARGE = 300_000  # beyond what goes to a segment
COPIES_MAX = 100


class MemoryEngines:
    """Engines that a restart keeps as they are."""

    counts_bytes = True

    def __init__(self) -> None:
        self._map, self._data = MemoryMap(), MemoryDataStore()

    def open(self) -> tuple[OwnedMap, DataStore]:
        return self._map, self._data

    def close(self) -> None:
        pass

    def crash(self) -> None:
        pass

    def end(self) -> None:
        pass


def _state_of(directory: Path) -> dict[Path, tuple[int, int]]:
    """Size and time of the last change of every file."""
    files = [(path, path.stat()) for path in directory.rglob("*")]
    return {path: (about.st_size, about.st_mtime_ns) for path, about in files}


class DiskEngines:
    """RocksDB and local files in a directory; a crash goes on with a copy of it."""

    counts_bytes = False

    def __init__(self) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="nimbus-model-"))
        self._home = self._root / "0"
        self._home.mkdir()

    def open(self) -> tuple[OwnedMap, DataStore]:
        self._map = open_rocksdb({"ballast_size_bytes": 0, "write_buffer_size_bytes": 1 << 20}, self._home)
        self._data = open_local({"reserve_bytes": 0}, self._home)
        return self._map, self._data

    def close(self) -> None:
        self._data.close()
        self._map.close()

    def crash(self) -> None:
        """From now on the directory is what a killed process would have left at this moment.

        A moment in which the engine's own threads change nothing: a copy that they disturb is made again.
        """
        copy = self._root / str(int(self._home.name) + 1)
        for _ in range(COPIES_MAX):
            with suppress(OSError):  # a file went while it was copied
                before = _state_of(self._home)
                shutil.copytree(self._home, copy)
                if _state_of(self._home) == before:
                    self._home = copy
                    return
            shutil.rmtree(copy, ignore_errors=True)
        raise AssertionError(f"{COPIES_MAX} times the directory changed while it was copied")

    def end(self) -> None:
        left = [path for path in self._home.rglob("*") if path.suffix in (".seg", ".blob")]
        shutil.rmtree(self._root)
        assert left == []


class StoreModel(RuleBasedStateMachine):
    """What the store must be equal to: a dictionary of bodies, and one of parts for each open upload."""

    engines_type: Any = MemoryEngines
    uploads = Bundle("uploads")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.engines = self.engines_type()
        self.clock = ManualClock()
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.open()

    def do(self, awaitable: Any) -> Any:
        return self.loop.run_until_complete(awaitable)

    def open(self) -> None:
        map, data = self.engines.open()
        self.stack = AsyncExitStack()
        self.node: Node = self.do(self.stack.enter_async_context(running(map, data, self.clock)))

    def close(self) -> None:
        self.do(self.stack.aclose())
        self.engines.close()

    @initialize()
    def bucket(self) -> None:
        self.do(self.node.store.create_bucket("b", "owner", ""))

    # --- objects --------------------------------------------------------------------------------------

    @rule(key=keys, body=bodies)
    def put(self, key: str, body: bytes) -> None:
        self.clock.advance(0.5)
        self.do(self.node.put(key, body))
        self.objects[key] = body

    @rule(key=keys, byte=st.integers(0, 255))
    def put_large(self, key: str, byte: int) -> None:
        self.put(key, bytes([byte]) * LARGE)

    @rule(key=keys, body=bodies, expected=st.one_of(st.none(), bodies))
    def put_if(self, key: str, body: bytes, expected: bytes | None) -> None:
        """If-None-Match: * when `expected` is None, else If-Match of its ETag."""

        def condition(present: Object | None) -> None:
            if (None if present is None else present.etag) != (None if expected is None else etag_of(expected)):
                raise ConditionLost

        if self.objects.get(key) == expected:
            self.do(self.node.put(key, body, condition=condition))
            self.objects[key] = body
        else:
            with pytest.raises(ConditionLost):
                self.do(self.node.put(key, body, condition=condition))

    @rule(key=keys)
    def delete(self, key: str) -> None:
        self.do(self.node.store.delete_object("b", key, None))
        self.objects.pop(key, None)

    @rule(key=keys, note=st.text(max_size=5))
    def replace_metadata(self, key: str, note: str) -> None:
        change = self.node.store.replace_metadata("b", key, NewObject("owner", "", {}, {"note": note}), None)
        if key in self.objects:
            assert self.do(change).metadata == {"note": note}
        else:
            with pytest.raises(ObjectMissing):
                self.do(change)

    @rule(key=keys, cut=st.tuples(st.floats(0, 1), st.floats(0, 1)))
    def read(self, key: str, cut: tuple[float, float]) -> None:
        if key not in self.objects:
            with pytest.raises(ObjectMissing):
                self.do(self.node.store.find_object("b", key))
            return
        body = self.objects[key]
        record = self.do(self.node.store.find_object("b", key))
        assert self.do(self.node.body(record)) == body
        start, end = sorted(round(part * len(body)) for part in cut)
        assert self.node.store.read_now(record, Span(start, end)) in (None, body[start:end])

    @rule(
        prefix=st.sampled_from(["", "a", "a/", "a/b", "é", "x"]),
        delimiter=st.sampled_from(["", "/", "b"]),
        limit=st.integers(1, 4),
    )
    def list_objects(self, prefix: str, delimiter: str, limit: int) -> None:
        shown: list[str] = []
        after = ""
        while True:
            page = self.do(self.node.store.list_objects("b", prefix, delimiter, after, limit))
            for key, record in page.objects:
                assert record.size == len(self.objects[key])
            shown += sorted([key for key, _ in page.objects] + page.prefixes, key=str.encode)
            if not page.truncated:
                break
            after = page.next_after
        assert shown == sorted({grouped(key, prefix, delimiter) for key in self.objects if key.startswith(prefix)},
                               key=str.encode)  # fmt: skip

    # --- uploads --------------------------------------------------------------------------------------

    @rule(target=uploads, key=keys)
    def create_upload(self, key: str) -> tuple[str, str]:
        self.clock.advance(0.001)
        upload_id = self.do(self.node.store.create_upload("b", key, NEW))
        self.parts[upload_id] = {}
        return key, upload_id

    @rule(upload=uploads, number=numbers, body=bodies)
    def put_part(self, upload: tuple[str, str], number: int, body: bytes) -> None:
        key, upload_id = upload
        if upload_id in self.parts:
            self.do(self.node.put_part(key, upload_id, number, body))
            self.parts[upload_id][number] = body
        else:
            with pytest.raises(UploadMissing):
                self.do(self.node.put_part(key, upload_id, number, body))

    @rule(upload=uploads, first=st.integers(1, 3), count=st.integers(30, 45))
    def put_many_parts(self, upload: tuple[str, str], first: int, count: int) -> None:
        for number in range(first, first + count):
            self.put_part(upload, number, b"part %d" % number)

    @rule(upload=uploads, left_out=st.sets(numbers, max_size=3))
    def complete(self, upload: tuple[str, str], left_out: set[int]) -> None:
        key, upload_id = upload
        if upload_id not in self.parts:
            return
        parts = sorted(self.parts[upload_id].items())
        named = {number: body for number, body in parts if len(body) >= 4 and number not in left_out}
        if not named:
            with pytest.raises(PartInvalid):
                self.do(self.node.complete(key, upload_id, named))
            return
        record = self.do(self.node.complete(key, upload_id, named))
        assert self.do(self.node.complete(key, upload_id, named)) == record
        self.objects[key] = b"".join(named.values())
        del self.parts[upload_id]

    @rule(upload=uploads)
    def list_parts(self, upload: tuple[str, str]) -> None:
        key, upload_id = upload
        if upload_id in self.parts:
            page = self.do(self.node.store.list_parts("b", key, upload_id, 0, 1000))
            shown = {number: part.etag for number, part in page.parts}
            assert shown == {number: etag_of(body) for number, body in self.parts[upload_id].items()}

    @rule(upload=consumes(uploads))
    def abort(self, upload: tuple[str, str]) -> None:
        key, upload_id = upload
        if upload_id in self.parts:
            self.do(self.node.store.abort_upload("b", key, upload_id))
            del self.parts[upload_id]
        else:
            with pytest.raises(UploadMissing):
                self.do(self.node.store.abort_upload("b", key, upload_id))

    @rule()
    def list_uploads(self) -> None:
        page = self.do(self.node.store.list_uploads("b", "", "", "", "", 1000))
        assert sorted(upload_id for _, upload_id, _ in page.uploads) == sorted(self.parts)

    # --- the store itself -----------------------------------------------------------------------------

    @rule()
    def delete_bucket(self) -> None:
        if self.objects:
            with pytest.raises(BucketNotEmpty):
                self.do(self.node.store.delete_bucket("b"))
            return
        self.do(self.node.store.delete_bucket("b"))
        self.parts.clear()
        with pytest.raises(BucketMissing):
            self.do(self.node.store.find_object("b", "a"))
        self.bucket()

    @rule()
    def collect(self) -> None:
        if self.engines.counts_bytes:
            self.do(self.node.check_nothing_leaked())
        else:
            self.do(self.node.store.collect_garbage())

    @rule()
    def restart(self) -> None:
        self.close()
        self.open()

    @rule()
    def crash(self) -> None:
        self.node.store._sweeper._thread.join()  # so that nothing moves in the directory while it is copied
        self.engines.crash()
        self.close()
        self.open()

    def teardown(self) -> None:
        try:
            for key in list(self.objects):
                self.read(key, (0.0, 1.0))
                self.delete(key)
            if self.node.map.range(b"B", b"C", 1):
                self.do(self.node.store.delete_bucket("b"))
            self.do(self.node.store.collect_garbage())
            self.node.store._sweeper._thread.join()
        finally:
            self.close()
            self.loop.close()
            self.engines.end()


def grouped(key: str, prefix: str, delimiter: str) -> str:
    found = key.find(delimiter, len(prefix)) if delimiter else -1
    return key if found < 0 else key[: found + len(delimiter)]


class DiskModel(StoreModel):
    engines_type = DiskEngines


EXAMPLES = settings().max_examples  # 100 unless a longer run was asked for

TestStoreInMemory = StoreModel.TestCase
TestStoreInMemory.settings = settings(max_examples=EXAMPLES // 2, stateful_step_count=40)

TestStoreOnDisk = DiskModel.TestCase
TestStoreOnDisk.settings = settings(max_examples=EXAMPLES // 10, stateful_step_count=25)
