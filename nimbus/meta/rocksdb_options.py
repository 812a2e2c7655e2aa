"""What the RocksDB engine can do, what the configuration may say of it, and what it keeps for hard times."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec

from nimbus.base.errors import ConfigInvalid
from nimbus.base.limits import MIB
from nimbus.base.volumes import look_at, metadata_share
from nimbus.meta.api import Capabilities
from nimbus.meta.ballast import Ballast
from nimbus.meta.spare_names import SpareNames

OPTION_BYTES_MAX: Final = 1 << 40  # of any option; beyond it nobody means it

CAPABILITIES: Final = Capabilities(
    value_size_bytes_max=16 * MIB,
    txn_ops_max=100_000,
    txn_size_bytes_max=64 * MIB,
    linearizable=True,
    shared=False,
    durable=True,
)


class RocksOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the configuration may say of this engine."""

    block_cache_size_bytes: Annotated[int, msgspec.Meta(ge=MIB, le=OPTION_BYTES_MAX)] = (
        64 * MIB
    )  # blocks kept uncompressed in memory
    # Two of the one before writers wait; the other is room for two of them and as much again. None: by the disk's size.
    write_buffer_size_bytes: Annotated[int, msgspec.Meta(ge=MIB, le=OPTION_BYTES_MAX)] | None = None
    ballast_size_bytes: Annotated[int, msgspec.Meta(ge=0, le=OPTION_BYTES_MAX)] | None = None


def options_of(options: Mapping[str, object]) -> RocksOptions:
    """The options, checked. Raises `ConfigInvalid`."""
    try:
        return msgspec.convert(dict(options), RocksOptions)
    except msgspec.ValidationError as error:
        raise ConfigInvalid(f"Of the metadata backend rocksdb: {error}.") from None


def reserves_of(chosen: RocksOptions, data_dir: Path) -> tuple[Ballast, SpareNames, int]:
    """Ballast, spare names and the size of a write buffer. Touches nothing. REQUIRES: the folder is there."""
    directory = data_dir / "rocksdb"
    is_apart = directory.stat().st_dev != data_dir.stat().st_dev  # a disk of its own: what is to help it lies there
    beside = directory if is_apart else data_dir
    share = metadata_share(look_at(directory).size_bytes)
    buffer_bytes = chosen.write_buffer_size_bytes or share.write_buffer_bytes
    ballast_bytes = share.ballast_bytes if chosen.ballast_size_bytes is None else chosen.ballast_size_bytes
    ballast = Ballast(beside / "rocksdb.ballast", ballast_bytes, 2 * buffer_bytes)
    return ballast, SpareNames(beside / "rocksdb.names"), buffer_bytes
