"""The local engine keeps the contract of byte engines."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from nimbus.data.api import DataStore
from nimbus.data.local import LocalDataStore, LocalOptions, open_local
from nimbus.testing.data import DataStoreContract
from nimbus.testing.traces import Factory, TracesContract


class LocalHarness:
    """A crash is a copy of the directory as it lies: what the next process finds after a kill."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._generation = 0

    def open(self) -> DataStore:
        return LocalDataStore(self._directory, LocalOptions(reserve_bytes=0, segment_size_bytes_max=1 << 20))

    def crash(self, store: DataStore) -> None:
        left = self._directory
        self._generation += 1
        shutil.copytree(left, self._directory)
        store.close()

    def flip(self, store: DataStore, location: bytes, position: int) -> None:
        where = store.descriptor(location)
        fd = os.open(where.path, os.O_RDWR)
        byte = os.pread(fd, 1, where.offset + position)
        os.pwrite(fd, bytes([byte[0] ^ 0x01]), where.offset + position)
        os.close(fd)

    @property
    def _directory(self) -> Path:
        return self._root / f"generation{self._generation}"


class TestLocalDataStore(DataStoreContract):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> LocalHarness:
        return LocalHarness(tmp_path)


class TestLocalTraces(TracesContract):
    @pytest.fixture
    def factory(self) -> Factory:
        return open_local
