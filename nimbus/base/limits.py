"""Every bound of the store, with its unit and its reason. What an operator may change is in config.py."""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB
TIB: Final = 1024 * GIB

# --- S3's own limits (AWS S3 User Guide, "Object key and metadata", "Multipart upload limits") ---------
KEY_SIZE_BYTES_MAX: Final = 1024
USER_METADATA_SIZE_BYTES_MAX: Final = 2 * KIB
OBJECT_SIZE_BYTES_MAX: Final = 5 * TIB
PUT_SIZE_BYTES_MAX: Final = 5 * GIB
PART_SIZE_BYTES_MIN: Final = 5 * MIB
PART_SIZE_BYTES_MAX: Final = 5 * GIB
PART_NUMBER_MAX: Final = 10_000
LIST_KEYS_MAX: Final = 1000
DELETE_KEYS_MAX: Final = 1000
CLOCK_SKEW_S_MAX: Final = 900
BUCKETS_PER_OWNER_MAX: Final = 1000

# --- request bodies that are parsed, not stored ---------------------------------------------------------
XML_DELETE_SIZE_BYTES_MAX: Final = 2 * MIB
XML_COMPLETE_SIZE_BYTES_MAX: Final = 4 * MIB
XML_SIZE_BYTES_MAX: Final = 256 * KIB

# --- aws-chunked framing ("Signature calculations for the Authorization header: multiple chunks") ------
CHUNK_SIZE_BYTES_MIN: Final = 8 * KIB
CHUNK_SIZE_BYTES_MAX: Final = 16 * MIB
CHUNK_HEADER_SIZE_BYTES_MAX: Final = 256
TRAILER_SIZE_BYTES_MAX: Final = 4 * KIB

# --- the portable envelope of a metadata engine: etcd, Redis and PostgreSQL can all hold it -------------
META_KEY_SIZE_BYTES_MAX: Final = 4 * KIB
META_VALUE_SIZE_BYTES_MAX: Final = 64 * KIB
META_TXN_OPS_MAX: Final = 100
META_TXN_SIZE_BYTES_MAX: Final = 1 * MIB

# --- data layout ----------------------------------------------------------------------------------------
SEGMENT_OBJECT_SIZE_BYTES_MAX: Final = 256 * KIB  # larger objects get a file of their own
BLOCK_SIZE_BYTES: Final = 256 * KIB  # one XXH3-64 for each; read and verified whole
READ_SIZE_BYTES: Final = 1 * MIB  # what one body message carries (measured best for Granian)
EXTENTS_INLINE_MAX: Final = 32  # more extents than this go to manifest pages
