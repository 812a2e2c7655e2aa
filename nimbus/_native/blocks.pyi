"""Verified reads, appended frames and block hashes for the data room; the formats are explained in frame.h."""

from typing import Final, Self, final

BLOCK_SIZE_BYTES: Final[int]
FRAME_HEADER_SIZE_BYTES: Final[int]
FRAME_ALIGN_BYTES: Final[int]
FRAME_DEAD_OFFSET: Final[int]
FRAME_DEAD: Final[bytes]
FOOTER_SIZE_BYTES: Final[int]
GIL_SIZE_BYTES: Final[int]

class ChecksumMismatch(Exception):
    """The stored bytes do not match their checksum."""

class ShortFile(Exception):
    """The file ends before the bytes asked for."""

@final
class OpenFile:
    """A file open for reading, closed when the last reference goes: a reader's own reference keeps it open.

    `table` holds the block hashes of a blob, 8 bytes each; empty for a segment.
    """

    def __new__(cls, fd: int, table: bytes = b"") -> Self: ...
    @property
    def fd(self) -> int: ...
    table: bytes

@final
class BlockHasher:
    """One XXH3-64 for each block of a stream, in one pass and without holding the stream."""

    def update(self, chunk: bytes) -> None:
        """Take in the next bytes. Releases the GIL."""

    def table(self) -> bytes:
        """End the stream: the hashes of all its blocks, 8 bytes each."""

def xxh3_64(data: bytes | bytearray | memoryview) -> int:
    """The XXH3-64 of the bytes."""

def frame_size(length: int) -> int:
    """Bytes that a frame with a payload of `length` bytes takes in its segment."""

def open_cached(path: bytes) -> int:
    """A descriptor for reading. Raises OSError, with EAGAIN when looking the path up would need the disk."""

def evict(fd: int, start: int, end: int) -> bool:
    """Have the page cache let go of the whole pages within [start, end); False when somebody still uses them."""

def punch(fd: int, start: int, end: int) -> None:
    """Give the whole pages within [start, end) back to the file system. Raises OSError."""

def read_plain(fd: int, offset: int, length: int, wait: bool) -> bytes | None:
    """Bytes of a file, unverified; None when that needs the disk and `wait` is false. Raises ShortFile, OSError."""

def read_frame(
    file: OpenFile, offset: int, length: int, payload_hash: int, start: int, end: int, wait: bool
) -> bytes | None:
    """Bytes [start, end) of the payload of the frame at `offset`, whose length and hash the caller knows.

    None when that needs the disk and `wait` is false. Raises ChecksumMismatch, ShortFile, OSError.
    """

def read_blocks(file: OpenFile, length: int, start: int, end: int, wait: bool) -> bytes | None:
    """Bytes [start, end) of a blob of `length` bytes, each block checked against `file.table`.

    None when that needs the disk and `wait` is false. Raises ChecksumMismatch, ShortFile, OSError.
    """

def append_frames(fd: int, seed: int, offset: int, frames: list[tuple[bytes | None, int, int]]) -> None:
    """Write frames of (payload, its length, its hash) from segment offset `offset` on. Raises OSError.

    A frame without payload is written dead: it takes its room, and nothing is written there. After a failure any part
    may have been written; the same call may be repeated.
    """

def decode_frame(header: bytes, seed: int, offset: int) -> tuple[int, int, bool] | None:
    """(payload length, payload hash, is dead) of the frame header at `offset`; None when it is none."""

def walk(fd: int, seed: int, offset: int) -> tuple[list[tuple[int, int, int, bool]], int, bool]:
    """The next frames of a segment from `offset` on: (offset, length, hash, is dead), the offset behind them, whether
    there may be more."""

def is_zero_tail(fd: int, offset: int) -> bool:
    """Whether the file holds nothing but zeros from `offset` to its end."""

def encode_footer(data_length: int, table_hash: int) -> bytes:
    """The footer of a blob."""

def decode_footer(footer: bytes) -> tuple[int, int] | None:
    """(data length, hash of the table) told by a blob's footer; None when it is none."""
