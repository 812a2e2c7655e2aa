"""How large an atomic step may be: the portable envelope, and the check that every engine applies to its own.

Must always hold: a batch beyond its bounds is refused whole (`BatchTooLarge`), never split.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from nimbus.base import limits
from nimbus.base.errors import BatchTooLarge
from nimbus.meta.api import Capabilities

# What the store may ask of any engine in one mutation, so that each engine that follows can hold it.
PORTABLE: Final = Capabilities(
    value_size_bytes_max=limits.META_VALUE_SIZE_BYTES_MAX,
    txn_ops_max=limits.META_TXN_OPS_MAX,
    txn_size_bytes_max=limits.META_TXN_SIZE_BYTES_MAX,
    linearizable=True,
    shared=False,
    durable=True,
)


def check_batch(ops: Mapping[bytes, bytes | None], bounds: Capabilities) -> int:
    """The size in bytes of all keys and values. Raises `BatchTooLarge` when anything is out of bounds."""
    if len(ops) > bounds.txn_ops_max:
        raise BatchTooLarge(f"{len(ops)} operations are more than {bounds.txn_ops_max}.")
    key_size_bytes_max, value_size_bytes_max = limits.META_KEY_SIZE_BYTES_MAX, bounds.value_size_bytes_max
    size_bytes = 0
    for key, value in ops.items():
        key_size_bytes = len(key)
        if not 0 < key_size_bytes <= key_size_bytes_max:
            raise BatchTooLarge(f"A key of {key_size_bytes} bytes is not within 1 to {key_size_bytes_max}.")
        size_bytes += key_size_bytes
        if value is not None:
            if len(value) > value_size_bytes_max:
                raise BatchTooLarge(f"A value of {len(value)} bytes is larger than {value_size_bytes_max}.")
            size_bytes += len(value)
    if size_bytes > bounds.txn_size_bytes_max:
        raise BatchTooLarge(f"{size_bytes} bytes are more than {bounds.txn_size_bytes_max}.")
    return size_bytes
