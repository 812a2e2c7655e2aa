"""The stored formats, byte for byte, against a plain-Python oracle made from the page in frame.h."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from nimbus._native import blocks

SEED = 0x0123456789ABCDEF


def frame_of(payload: bytes, offset: int, dead: bool = False, seed: int = SEED) -> bytes:
    head = b"NbF1" + struct.pack("<BBBBIIQ", 1, 0, 0, 0, len(payload), offset // 32, xxhash.xxh3_64_intdigest(payload))
    header = head + struct.pack("<Q", xxhash.xxh3_64_intdigest(head, seed))
    if dead:
        header = header[:6] + b"\xdd" + header[7:]
    return header + payload + bytes(-len(payload) % 32)


def item_of(payload: bytes) -> tuple[bytes | None, int, int]:
    return payload, len(payload), xxhash.xxh3_64_intdigest(payload)


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "segment", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


@given(st.binary(max_size=3000))
def test_hash_is_xxh3_64(data: bytes) -> None:
    assert blocks.xxh3_64(data) == xxhash.xxh3_64_intdigest(data)


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=300), max_size=10), st.integers(0, 2**64 - 1))
def test_appended_frames_are_the_bytes_of_the_format(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], seed: int
) -> None:
    path = tmp_path_factory.mktemp("frames") / "segment"
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        blocks.append_frames(fd, seed, 0, [item_of(payload) for payload in payloads])
    finally:
        os.close(fd)
    expected = b""
    for payload in payloads:
        expected += frame_of(payload, len(expected), seed=seed)
    assert path.read_bytes() == expected


def test_many_frames_go_out_whole_over_several_system_calls(fd: int) -> None:
    payloads = [os.urandom(index % 100) for index in range(2000)]
    blocks.append_frames(fd, SEED, 0, [item_of(payload) for payload in payloads])
    found, offset, more = [], 0, True
    while more:
        frames, offset, more = blocks.walk(fd, SEED, offset)
        found += frames
    assert [(length, digest) for _, length, digest, _ in found] == [item_of(payload)[1:] for payload in payloads]
    assert offset == os.fstat(fd).st_size


def test_dead_frame_takes_its_room_and_writes_no_payload(fd: int) -> None:
    blocks.append_frames(fd, SEED, 0, [item_of(b"a" * 40), (None, 100_000, 7), item_of(b"b")])
    frames, _, _ = blocks.walk(fd, SEED, 0)
    assert [(offset, length, dead) for offset, length, _, dead in frames] == [
        (0, 40, False),
        (96, 100_000, True),
        (96 + blocks.frame_size(100_000), 1, False),
    ]
    assert os.pread(fd, 100_000, 96 + 32) == bytes(100_000)


def test_marking_dead_leaves_the_header_valid(fd: int) -> None:
    blocks.append_frames(fd, SEED, 0, [item_of(b"payload")])
    os.pwrite(fd, blocks.FRAME_DEAD, blocks.FRAME_DEAD_OFFSET)
    assert os.pread(fd, 64, 0) == frame_of(b"payload", 0, dead=True)
    assert blocks.decode_frame(os.pread(fd, 32, 0), SEED, 0) == (7, xxhash.xxh3_64_intdigest(b"payload"), True)


def test_header_is_valid_in_one_place_of_one_segment_only() -> None:
    header = frame_of(b"x", 64)[:32]
    assert blocks.decode_frame(header, SEED, 64) is not None
    assert blocks.decode_frame(header, SEED, 96) is None
    assert blocks.decode_frame(header, SEED + 1, 64) is None
    assert blocks.decode_frame(header[:31], SEED, 64) is None


def test_no_flipped_bit_of_a_header_goes_unnoticed_but_in_the_dead_byte() -> None:
    header = frame_of(b"payload", 0)[:32]
    for bit in range(256):
        damaged = bytearray(header)
        damaged[bit // 8] ^= 1 << bit % 8
        unnoticed = blocks.decode_frame(bytes(damaged), SEED, 0) is not None
        assert unnoticed == (bit // 8 == blocks.FRAME_DEAD_OFFSET), bit


@pytest.mark.parametrize("kept", [0, 1, 31, 32, 33, 60, 95])
def test_walk_stops_before_a_torn_frame(fd: int, kept: int) -> None:
    blocks.append_frames(fd, SEED, 0, [item_of(b"whole"), item_of(b"t" * 60)])
    os.ftruncate(fd, 64 + kept)
    frames, offset, more = blocks.walk(fd, SEED, 0)
    assert ([frame[0] for frame in frames], offset, more) == ([0], 64, False)


def test_walk_does_not_believe_a_frame_inside_a_payload(fd: int) -> None:
    inner = frame_of(b"inner", 32)
    blocks.append_frames(fd, SEED, 0, [item_of(inner), item_of(b"next")])
    frames, _, _ = blocks.walk(fd, SEED, 0)
    assert [frame[0] for frame in frames] == [0, 32 + len(inner)]


def test_walk_finds_frames_larger_than_its_window(fd: int) -> None:
    blocks.append_frames(fd, SEED, 0, [item_of(bytes(size)) for size in (65_536, 262_144, 65_504, 1, 200_000)])
    frames, offset, _ = blocks.walk(fd, SEED, 0)
    assert [frame[1] for frame in frames] == [65_536, 262_144, 65_504, 1, 200_000]
    assert offset == os.fstat(fd).st_size


def test_zero_tail_is_told_from_any_other(fd: int) -> None:
    os.pwrite(fd, b"x", 10)
    os.ftruncate(fd, 200_000)
    assert blocks.is_zero_tail(fd, 11)
    assert not blocks.is_zero_tail(fd, 10)
    os.pwrite(fd, b"\1", 199_999)
    assert not blocks.is_zero_tail(fd, 11)
    assert blocks.is_zero_tail(fd, 200_000)


def test_punch_keeps_everything_outside_whole_pages(fd: int) -> None:
    os.pwrite(fd, b"x" * 20_000, 0)
    blocks.punch(fd, 5000, 13_000)
    assert os.pread(fd, 20_000, 0) == b"x" * 8192 + bytes(4096) + b"x" * (20_000 - 12_288)


def test_pages_in_the_queue_of_a_socket_are_not_let_go_of(fd: int) -> None:
    """Punching them puts zeros into the queue wherever the kernel keeps several pages as one piece."""
    size = 512 << 10
    os.pwrite(fd, b"x" * size, 0)
    os.fsync(fd)
    sender, receiver = socket.socketpair()
    with sender, receiver:
        sent = os.sendfile(sender.fileno(), fd, 0, 65_536)
        assert not blocks.evict(fd, 0, size)
        while sent:
            sent -= len(receiver.recv(sent))
    assert blocks.evict(fd, 0, size)
    blocks.punch(fd, 0, size)
    assert os.pread(fd, size, 0) == bytes(size)


@given(st.lists(st.integers(0, 700_000), max_size=6))
@settings(max_examples=30, deadline=None)
def test_block_hashes_do_not_depend_on_chunks(sizes: list[int]) -> None:
    data = os.urandom(sum(sizes))
    hasher, at = blocks.BlockHasher(), 0
    for size in sizes:
        hasher.update(data[at : at + size])
        at += size
    expected = [data[start : start + 262_144] for start in range(0, len(data), 262_144)]
    assert hasher.table() == b"".join(struct.pack("<Q", xxhash.xxh3_64_intdigest(block)) for block in expected)


def test_footer_is_the_bytes_of_the_format() -> None:
    head = b"NbB1" + struct.pack("<IQQQ", 1, 262_144, 1_234_567, 42)
    footer = head + struct.pack("<Q", xxhash.xxh3_64_intdigest(head))
    assert blocks.encode_footer(1_234_567, 42) == footer
    assert blocks.decode_footer(footer) == (1_234_567, 42)
    for position in range(len(footer)):
        damaged = bytearray(footer)
        damaged[position] ^= 0x80
        assert blocks.decode_footer(bytes(damaged)) is None


def test_read_past_the_end_is_a_short_file(fd: int) -> None:
    os.pwrite(fd, b"abc", 0)
    with pytest.raises(blocks.ShortFile):
        blocks.read_plain(fd, 1, 3, True)
    assert blocks.read_plain(fd, 1, 2, True) == b"bc"


def test_reading_a_bad_descriptor_is_an_os_error() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        blocks.read_plain(-1, 0, 1, True)


def test_spans_outside_the_payload_are_refused(fd: int) -> None:
    file = blocks.OpenFile(os.dup(fd))
    with pytest.raises(AssertionError):
        blocks.read_frame(file, 0, 10, 0, 5, 11, True)
    with pytest.raises(AssertionError):
        blocks.read_blocks(file, 10, 0, 10, True)  # its table is empty
    with pytest.raises((AssertionError, OverflowError)):
        blocks.read_frame(file, 0, 10, 0, -1, 5, True)
