"""A bucket of a million objects: how long the server takes to start on it, and what a page of a listing costs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import load, servers
from bench.contest import Contests
from nimbus.base.ids import new_id
from nimbus.meta import keys
from nimbus.meta.rocksdb import RocksMap
from nimbus.server.layout import METADATA_DIR
from nimbus.store.records import Bucket, Extent, Object, pack

OBJECTS = 1_000_000
BATCH = 5_000


def _fill(data_dir: Path) -> None:
    """Write the rows that a million puts would have left; their bytes are never asked for."""
    bucket_id = new_id()
    with_bytes = Extent(b"\x01" * 33, 4096)
    record = pack(
        Object(
            size=4096,
            etag="d41d8cd98f00b204e9800998ecf8427e",
            modified_ms=1_769_862_896_789,
            modified_iso="2026-01-31T12:34:56.789Z",
            modified_http="Sat, 31 Jan 2026 12:34:56 GMT",
            owner_id="test",
            content_type="application/octet-stream",
            extents=(with_bytes,),
            checksums={"CRC64NVME": "AAAAAAAAAAA="},
            checksum_type="FULL_OBJECT",
        )
    )
    rows = open_rows(data_dir)
    rows.write({keys.bucket("million"): pack(Bucket(bucket_id, "test", 1_769_862_896_789, "us-east-1"))})
    for start in range(0, OBJECTS, BATCH):
        names = (b"train/%03d/%09d" % (index // 10_000, index) for index in range(start, start + BATCH))
        rows.write({keys.object(bucket_id, name): record for name in names})
    rows.sync()
    rows.close()
