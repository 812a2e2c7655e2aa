"""Opaque identifiers: 128 random bits, so that no name says anything about what it names."""

from __future__ import annotations

import os

ID_SIZE_BYTES = 16


def new_id() -> bytes:
    """16 random bytes from the kernel."""
    return os.urandom(ID_SIZE_BYTES)


def new_id_text() -> str:
    """The same as 32 lower-case hexadecimal digits."""
    return os.urandom(ID_SIZE_BYTES).hex()
