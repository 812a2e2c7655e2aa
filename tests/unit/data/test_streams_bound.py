"""Streams on their way into the local engine: what they hold together has a bound."""

from __future__ import annotations

from pathlib import Path

import pytest

from nimbus.base.errors import Overloaded
from nimbus.base.limits import MIB
from nimbus.data import streams
from nimbus.data.local import LocalDataStore, LocalOptions

OPTIONS = LocalOptions(reserve_bytes=0)


async def test_what_streams_may_hold_together_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HELD_SIZE_BYTES_MAX", 3 * MIB)
    store = LocalDataStore(tmp_path / "data", OPTIONS)
    first, second, third = (store.writer(MIB) for _ in range(3))
    with pytest.raises(Overloaded):
        store.writer(MIB)
    await first.abort()
    await first.abort()
    fourth = store.writer(MIB)
    await second.write(bytes(MIB))
    with pytest.raises(Overloaded):
        store.writer(MIB)
    await second.finish()
    for writer in (third, fourth, store.writer(None)):
        await writer.abort()
    store.writer(3 * MIB)
    store.close()
