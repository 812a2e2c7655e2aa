"""What ends the native plane's trust in blocks it has verified; tests/faults/test_server_rot.py has the rot itself."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire.plane_signing import signed
from tests.wire.test_plane_get import Found, Shelf, ask, is_relayed, shelf


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    with shelf(tmp_path_factory.mktemp("shelf")) as running:
        yield running


def overwrite(found: Found, position: int, content: bytes) -> None:
    with open(found.extents[0].path, "r+b") as file:
        file.seek(found.extents[0].offset + position)
        file.write(content)


def test_a_mismatch_ends_the_trust_in_whatever_lies_in_the_same_file(store: Shelf) -> None:
    first, second = secrets.token_bytes(70_000), secrets.token_bytes(70_000)
    damaged, neighbour = store.put("damaged", first, bucket="echo"), store.put("neighbour", second)
    assert damaged.extents[0].path == neighbour.extents[0].path
    peer = store.front.connect()
    for _ in range(3):
        assert ask(peer, signed("/echo/damaged"))[2] == first
        assert ask(peer, signed("/bucket/neighbour"))[2] == second
    overwrite(damaged, 40_000, bytes([first[40_000] ^ 1]))
    assert ask(peer, signed("/bucket/neighbour"))[2] == second
    asked = len(store.asked)
    assert is_relayed(store.front, signed("/echo/damaged", Range="bytes=60000-60010"))
    assert ask(peer, signed("/bucket/neighbour"))[2] == second
    assert store.asked[asked:] == [(b"bucket", b"neighbour")]  # a file that was opened anew, and blocks verified anew
    assert is_relayed(store.front, signed("/echo/damaged"))


def test_a_file_that_was_put_back_is_read_again(store: Shelf) -> None:
    content = secrets.token_bytes(3 << 20)
    found = store.put("restored", content, bucket="echo")
    path = Path(found.extents[0].path)
    copy = path.read_bytes()
    assert ask(store.front.connect(), signed("/echo/restored"))[2] == content
    overwrite(found, 0, bytes([content[0] ^ 1]))
    assert is_relayed(store.front, signed("/echo/restored"))
    path.with_suffix(".new").write_bytes(copy)
    path.with_suffix(".new").rename(path)
    assert ask(store.front.connect(), signed("/echo/restored"))[2] == content


def test_whoever_else_finds_damage_tells_the_plane(store: Shelf) -> None:
    content = secrets.token_bytes(70_000)
    found = store.put("told", content)
    peer = store.front.connect()
    for _ in range(2):
        assert ask(peer, signed("/bucket/told"))[2] == content
    asked = len(store.asked)
    store.front.plane.suspect("/no/such/file")
    assert ask(peer, signed("/bucket/told"))[2] == content
    assert len(store.asked) == asked
    store.front.plane.suspect(found.extents[0].path)
    assert ask(peer, signed("/bucket/told"))[2] == content
    assert store.asked[asked:] == [(b"bucket", b"told")]
