"""The pairing of metadata and bytes, stopped at every step, and the judgement over every pair of halves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from nimbus.base.errors import StoreReadOnly, StrangersMet
from nimbus.base.slots import Slots
from nimbus.meta import keys
from nimbus.meta.api import Capabilities
from nimbus.meta.memory import CAPABILITIES, MemoryMap
from nimbus.store.records import Extent, ManifestPage, Object, UploadedPart, pack
from nimbus.store.recovery.identity import ACCEPTED, ADOPTED, Identity


class KeptMap(MemoryMap):
    """Stands for an engine on a disk. After `writes_left` steps the power is gone."""

    writes_left = 1000

    def __init__(self, *, is_shared: bool = False) -> None:
        super().__init__()
        self._is_shared = is_shared

    @property
    def capabilities(self) -> Capabilities:
        return msgspec.structs.replace(CAPABILITIES, durable=True, shared=self._is_shared)

    def txn(self, checks: Mapping[bytes, bytes | None], ops: Mapping[bytes, bytes | None]) -> bool:
        self.writes_left -= 1
        if self.writes_left < 0:
            raise StoreReadOnly("the power is gone")
        return super().txn(checks, ops)

    def name(self, location: bytes) -> None:
        record = Object(1, "", 0, "", "", "", "", (Extent(location, 1),))
        super().txn({}, {keys.object(b"i" * 16, b"key"): pack(record)})


class KnownTraces:
    """A data directory with these locations in it."""

    def __init__(self, folder: Path, *locations: bytes) -> None:
        self.stamp_path: Path | None = folder / "IDENTITY"
        self.locations = locations

    def has_bytes(self) -> bool:
        return bool(self.locations)

    def holds(self, location: bytes) -> bool:
        return location in self.locations


def start(map: MemoryMap, traces: KnownTraces, *, accepts_loss: bool = False) -> Identity:
    identity = Identity(traces, "engine")
    identity.check(map, accepts_loss=accepts_loss)
    identity.pair(map)
    return identity


@pytest.mark.parametrize("has_bytes", [False, True])
@pytest.mark.parametrize("stamps", range(3))
@pytest.mark.parametrize("is_first", [True, False])
def test_a_start_that_was_cut_off_anywhere_is_known_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_first: bool, stamps: int, has_bytes: bool
) -> None:
    """`stamps` are written, and the row between the first and the second."""
    map, traces = KeptMap(), KnownTraces(tmp_path)
    if not is_first:
        start(map, traces)
        if has_bytes:
            traces.locations = (b"there",)
            map.name(b"there")
    left = stamps
    put = Slots.put

    def put_some(slots: Slots, record: bytes) -> None:
        nonlocal left
        if not left:
            raise OSError(5, "the power is gone")
        left -= 1
        put(slots, record)

    with monkeypatch.context() as patched:
        if stamps < 2:
            patched.setattr(Slots, "put", put_some)
        else:
            map.writes_left = 0
        with pytest.raises(Exception, match="the power is gone"):
            start(map, traces)
    map.writes_left = 1000
    again = start(map, traces)
    assert again.doubt == ""
    again.end()
    assert start(map, traces).data_id == again.data_id


def test_a_map_that_never_had_these_bytes_is_a_stranger_whatever_it_holds(tmp_path: Path) -> None:
    traces = KnownTraces(tmp_path, b"there")
    named = KeptMap()
    named.name(b"elsewhere")
    for map in (KeptMap(), MemoryMap(), named):
        with pytest.raises(StrangersMet):
            start(map, traces)
    assert list(tmp_path.iterdir()) == []


def test_a_store_without_identity_is_adopted_in_doubt_until_it_is_swept(tmp_path: Path) -> None:
    map, traces = KeptMap(), KnownTraces(tmp_path, b"there")
    map.name(b"there")
    identity = start(map, traces)
    assert identity.doubt == ADOPTED
    assert start(map, traces).doubt == ADOPTED
    identity = start(map, traces)
    identity.settle(is_emptied=False)
    assert start(map, traces).doubt == ""


def test_a_store_without_identity_is_adopted_although_its_first_locations_were_dropped(tmp_path: Path) -> None:
    map, traces = KeptMap(), KnownTraces(tmp_path, b"there")
    map.name(b"there")
    extents = (Extent(b"dropped", 1),)
    map.txn({}, {keys.part(b"u" * 16, number): pack(UploadedPart(1, "", 0, extents)) for number in range(200)})
    assert start(map, traces).doubt == ADOPTED


def test_nodes_that_share_their_metadata_have_data_directories_of_their_own(tmp_path: Path) -> None:
    map = KeptMap(is_shared=True)
    folders = [tmp_path / "first", tmp_path / "second", tmp_path / "stranger"]
    for folder in folders:
        folder.mkdir()
    first, second, stranger = (KnownTraces(folder) for folder in folders)
    start(map, first)
    map.name(b"there")
    first.locations = (b"there",)
    ids = {start(map, traces).data_id for traces in (second, first, second, first)}
    assert len(ids) == 2
    stranger.locations = (b"elsewhere",)
    start(KeptMap(), stranger, accepts_loss=True)
    with pytest.raises(StrangersMet):
        start(map, stranger)


def test_an_accepted_stranger_stays_in_doubt_until_the_quarantine_is_emptied(tmp_path: Path) -> None:
    map, traces = KeptMap(), KnownTraces(tmp_path, b"there")
    map.name(b"there")
    start(map, traces)
    stranger = KeptMap()
    with pytest.raises(StrangersMet):
        start(stranger, traces)
    assert start(stranger, traces, accepts_loss=True).doubt == ACCEPTED
    identity = start(stranger, traces)
    identity.settle(is_emptied=False)
    assert start(stranger, traces).doubt == ACCEPTED
    identity = start(stranger, traces)
    identity.settle(is_emptied=True)
    assert start(stranger, traces).doubt == ""
    with pytest.raises(StrangersMet):
        start(map, traces)


def test_bytes_that_are_gone_are_missed_although_their_stamp_is_there(tmp_path: Path) -> None:
    map, traces = KeptMap(), KnownTraces(tmp_path, b"there")
    map.name(b"there")
    start(map, traces)
    traces.locations = ()
    with pytest.raises(StrangersMet, match="gone"):
        start(map, traces)


def test_a_stop_between_the_last_bytes_and_the_rows_that_named_them_is_no_loss(tmp_path: Path) -> None:
    """The collector drops the bytes of a deleted object or an ended upload first, then the pages and parts."""
    map, traces = KeptMap(), KnownTraces(tmp_path, b"there")
    map.name(b"there")
    start(map, traces)
    extents = (Extent(b"there", 1),)
    ended, deleted = keys.part(b"u" * 16, 1), keys.manifest_page(b"m" * 16, 0)
    pages = {ended: pack(UploadedPart(1, "", 0, extents)), deleted: pack(ManifestPage(0, (), extents))}
    map.txn({}, {keys.object(b"i" * 16, b"key"): None, **pages})
    traces.locations = ()
    start(map, traces)
    map.txn({}, {keys.upload(b"i" * 16, b"key", b"u" * 16): b"open"})
    with pytest.raises(StrangersMet, match="gone"):
        start(map, traces)
    map.txn({}, {keys.part(b"u" * 16, 1): None})
    start(map, traces)
