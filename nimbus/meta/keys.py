"""The keys of all metadata rows: one letter for the table, then the columns, so that bytes sort as columns do.

    table                 key                                                     value (store/records.py)
    F format              F                                                       text: version of this layout
    B buckets             B name                                                  Bucket
    O current objects     O bucket_id key                                         Object
    V versions            V bucket_id escaped(key) END newest-first stamp         reserved
    M manifest pages      M manifest_id page                                      ManifestPage
    U open uploads        U bucket_id escaped(key) END upload_id                  Upload
    P parts of uploads    P upload_id number                                      UploadedPart
    G garbage queue       G time_ms unique_id                                     Garbage
    I identity            I                                                       16 bytes: of the store
                          I data_id                                               Pairing (store/recovery)
    Q quarantine          Q data_id location                                      Quarantined (store/recovery)

Every id is 16 opaque bytes and every number 4 (times: 8) bytes, highest first, so both sort as they are and
end by themselves. An object's key is any bytes, NUL too. Last in its row it needs neither escape nor end:
the row of an object is a concatenation, and a bucket's objects are one range in the order of their keys.
Where something follows it, each NUL becomes NUL FF and END is NUL 00; NUL 00 sorts below every NUL FF
and below every other byte, hence "a" sorts before "a\\0" before "aa" and no key's row can run into another's.

A range is half-open. All rows with a prefix are `prefix` to `after_prefix(prefix)`; to go on after one row,
start at `after(row)`; to skip a common prefix of a listing, start at `after_prefix(objects(bucket_id) + prefix)`.

Must always hold: the layout on disk is this page. A change that is not a new table is a new format version.
"""

from __future__ import annotations

from typing import Final

from nimbus.base.ids import ID_SIZE_BYTES

FORMAT: Final = b"F"
BUCKETS: Final = b"B"
GARBAGE: Final = b"G"
IDENTITY: Final = b"I"

_OBJECTS = b"O"
_MANIFESTS = b"M"
_UPLOADS = b"U"
_PARTS = b"P"
_QUARANTINE = b"Q"

_NUMBER_SIZE_BYTES = 4
_TIME_SIZE_BYTES = 8
_END = b"\x00\x00"
_BODY = 1 + ID_SIZE_BYTES  # where the columns after a table letter and an id begin


# --- ranges ---------------------------------------------------------------------------------------------


def after(row: bytes) -> bytes:
    """The lowest key above `row`."""
    return row + b"\x00"


def after_prefix(prefix: bytes) -> bytes:
    """The lowest key above everything that starts with `prefix`."""
    kept = prefix.rstrip(b"\xff")
    assert kept, f"no key is above all with the prefix {prefix!r}"
    return kept[:-1] + bytes((kept[-1] + 1,))


# --- buckets --------------------------------------------------------------------------------------------


def bucket(name: str) -> bytes:
    """The row of the bucket of this name."""
    return BUCKETS + name.encode()


def bucket_name(row: bytes) -> str:
    """The name in a bucket's row."""
    return row[1:].decode()


# --- current objects ------------------------------------------------------------------------------------


def objects(bucket_id: bytes) -> bytes:
    """Prefix of all objects of a bucket. Append the first bytes of keys for the objects that start so."""
    return _OBJECTS + bucket_id


def object(bucket_id: bytes, key: bytes) -> bytes:
    """The row of a current object."""
    return _OBJECTS + bucket_id + key


def object_key(row: bytes) -> bytes:
    """The object's key in its row."""
    return row[_BODY:]


# --- manifest pages -------------------------------------------------------------------------------------


def manifest(manifest_id: bytes) -> bytes:
    """Prefix of the pages of a manifest."""
    return _MANIFESTS + manifest_id


def manifest_page(manifest_id: bytes, page: int) -> bytes:
    """The row of a page, counted from 0."""
    return _MANIFESTS + manifest_id + page.to_bytes(_NUMBER_SIZE_BYTES)


# --- open uploads and their parts -----------------------------------------------------------------------


def uploads(bucket_id: bytes, key_prefix: bytes = b"") -> bytes:
    """Prefix of the open uploads of a bucket to keys that start with `key_prefix`."""
    return _UPLOADS + bucket_id + _escaped(key_prefix)


def uploads_of_key(bucket_id: bytes, key: bytes) -> bytes:
    """Prefix of the open uploads to exactly this key."""
    return _UPLOADS + bucket_id + _escaped(key) + _END


def upload(bucket_id: bytes, key: bytes, upload_id: bytes) -> bytes:
    """The row of an open upload."""
    return _UPLOADS + bucket_id + _escaped(key) + _END + upload_id


def upload_columns(row: bytes) -> tuple[bytes, bytes]:
    """The object's key and the upload id in an upload's row."""
    end = row.index(_END, _BODY)
    return row[_BODY:end].replace(b"\x00\xff", b"\x00"), row[end + len(_END) :]


def parts(upload_id: bytes) -> bytes:
    """Prefix of the parts of an upload."""
    return _PARTS + upload_id


def part(upload_id: bytes, number: int) -> bytes:
    """The row of a part."""
    return _PARTS + upload_id + number.to_bytes(_NUMBER_SIZE_BYTES)


def part_number(row: bytes) -> int:
    """The number in a part's row."""
    return int.from_bytes(row[_BODY:])


# --- garbage --------------------------------------------------------------------------------------------


def garbage(time_ms: int, unique_id: bytes) -> bytes:
    """The row of something to be freed, in order of time; the id keeps two of one millisecond apart."""
    return GARBAGE + time_ms.to_bytes(_TIME_SIZE_BYTES) + unique_id


def garbage_time_ms(row: bytes) -> int:
    """The time in a garbage row."""
    return int.from_bytes(row[1 : 1 + _TIME_SIZE_BYTES])


# --- whose the bytes are --------------------------------------------------------------------------------


def pairing(data_id: bytes) -> bytes:
    """The row that says which start of the store a data directory and this map had in common."""
    return IDENTITY + data_id


def quarantine(data_id: bytes) -> bytes:
    """Prefix of what waits in a data directory to be dropped. Append a location for its row."""
    return _QUARANTINE + data_id


def quarantined_location(row: bytes) -> bytes:
    """The location in a row of the quarantine."""
    return row[_BODY:]


def _escaped(key: bytes) -> bytes:
    return key.replace(b"\x00", b"\x00\xff")
