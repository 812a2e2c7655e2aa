"""Records: every kind comes back as it was, older rows stay readable, damage is said."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus.base.errors import DataDamaged
from nimbus.store.records import (
    VERSION,
    Bucket,
    Extent,
    Garbage,
    ManifestPage,
    Object,
    Part,
    Record,
    Upload,
    UploadedPart,
    pack,
    unpack,
)

KINDS = [Bucket, Extent, Garbage, ManifestPage, Object, Part, Upload, UploadedPart]


counts = st.integers(0, 2**53)
extents = st.lists(st.builds(Extent, st.binary(max_size=64), counts), max_size=40).map(tuple)
parts = st.lists(st.builds(Part, counts, counts, st.text(max_size=5)), max_size=5).map(tuple)
texts = st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3)
records = st.one_of(
    st.builds(Bucket, st.binary(), st.text(), counts, st.text(), counts),
    st.builds(UploadedPart, counts, st.text(), counts, extents, texts),
    st.builds(ManifestPage, counts, parts, extents),
    st.builds(Garbage, st.lists(st.binary(), max_size=5).map(tuple), st.binary(), st.binary(), st.binary()),
    st.builds(Upload, counts, st.text(), st.text(), texts, texts, st.text(), st.text(), counts, counts),
    st.builds(Object, counts, st.text(), counts, st.text(), st.text(), st.text(), st.text(), extents, texts, texts),
)


@given(records)
def test_any_record_comes_back_as_it_was(record: Record) -> None:
    assert unpack(type(record), pack(record)) == record


def test_row_without_the_later_fields_reads_with_their_defaults() -> None:
    row = VERSION + msgspec.msgpack.encode([b"i" * 16, "owner", 5])
    assert unpack(Bucket, row) == Bucket(b"i" * 16, "owner", 5)


def test_row_with_fields_of_a_later_version_reads_without_them() -> None:
    row = VERSION + msgspec.msgpack.encode([1, "tag", 0, [], {}, "a field of tomorrow"])
    assert unpack(UploadedPart, row) == UploadedPart(1, "tag", 0, ())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tail", [b"", b"\xc1", b"\x91", b"\x90", b"\x92\x01\x01\x01"])
def test_unreadable_row_is_damage(kind: type[Record], tail: bytes) -> None:
    if kind is Garbage and tail == b"\x90":
        tail = b"\x91\x01"  # every field of it has a default, so an empty row would be one
    with pytest.raises(DataDamaged, match=kind.__name__):
        unpack(kind, VERSION + tail)


def test_ordinary_object_takes_no_more_than_350_bytes() -> None:
    record = Object(
        size=4096,
        etag="9e107d9d372bb6826bd81d3542a419d6",
        modified_ms=1_767_225_599_999,
        modified_iso="2026-01-31T12:34:56.789Z",
        modified_http="Sat, 31 Jan 2026 12:34:56 GMT",
        owner_id="owner",
        content_type="application/octet-stream",
        extents=(Extent(b"l" * 41, 4096),),
        metadata={"mtime": "1767225599.999"},
        checksums={"CRC64NVME": "AAAAAAAAAAA="},
        checksum_type="FULL_OBJECT",
    )
    assert len(pack(record)) < 350
