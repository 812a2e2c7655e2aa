"""Objects that the native plane answers itself: signed, cached, verified, and never older than an answered change."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nimbus._native.plane import Lookup
from nimbus.data.local import LocalDataStore
from nimbus.data.location import BLOB, unpack
from nimbus.server.plane_lookups import Extent, Part
from tests.wire.page_cache import evict
from tests.wire.plane_front import Front, Peer, front, pattern
from tests.wire.plane_signing import ALICE, BOB, Key, signed

MODIFIED_S = 1_700_000_000
MODIFIED = "Tue, 14 Nov 2023 22:13:20 GMT"


class Found(msgspec.Struct, frozen=True):
    owner_id: str
    etag: str
    size: int
    extents: list[Extent]
    modified_s: int = MODIFIED_S
    modified_http: str = MODIFIED
    headers: bytes = b"etag: x\r\ncontent-type: text/plain\r\n"
    headers_304: bytes = b"etag: x\r\n"
    checksum_headers: bytes = b"x-amz-checksum-crc32: abcd\r\n"
    parts: tuple[Part, ...] = ()


class Shelf:
    """What stands behind the look-ups: objects in the real data engine, named by bucket and key."""

    def __init__(self, folder: Path, one: Front) -> None:
        self.data = LocalDataStore(folder)
        self.front = one
        self.objects: dict[tuple[bytes, bytes], Found] = {}
        self.asked: list[tuple[bytes, bytes]] = []
        self.owner_of_missing: str | None = None  # None: the server behind says so
        self.before_fill: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()

    def put(self, key: str, *pieces: bytes, etag: str = "x", bucket: str = "bucket") -> Found:
        extents = [self.extent(piece) for piece in pieces if piece]
        found = Found("alice", etag, sum(map(len, pieces)), extents)
        self.front.plane.begin_change(bucket.encode(), key.encode())
        self.objects[bucket.encode(), key.encode()] = found
        self.front.plane.end_change(bucket.encode(), key.encode())
        return found

    def drop(self, key: str, bucket: str = "bucket") -> None:
        self.front.plane.begin_change(bucket.encode(), key.encode())
        del self.objects[bucket.encode(), key.encode()]
        self.front.plane.end_change(bucket.encode(), key.encode())

    def extent(self, content: bytes) -> Extent:
        async def write() -> bytes:
            writer = self.data.writer(len(content))
            await writer.write(content)
            return await writer.finish()

        location = asyncio.run(write())
        self.data.sync()
        where, lies = unpack(location), self.data.descriptor(location)
        return Extent(lies.path, where.kind == BLOB, lies.offset, lies.size, where.hash)

    def _answer(self) -> None:
        while (lookups := self.front.plane.take_lookups(16, 10_000)) is not None:
            for lookup in lookups:
                self._answer_one(lookup)

    def _answer_one(self, lookup: Lookup) -> None:
        name = (lookup.bucket, lookup.key)
        self.asked.append(name)
        found = self.objects.get(name)
        self.before_fill()
        if found is not None:
            lookup.fill(found)
        elif self.owner_of_missing is not None:
            lookup.miss(self.owner_of_missing)
        else:
            lookup.decline()

    def close(self) -> None:
        self.front.plane.stop()
        self._thread.join()
        self.data.close()


@contextmanager
def shelf(folder: Path, **settings: Any) -> Iterator[Shelf]:
    with front(serves_objects=True, **settings) as one:
        one.plane.set_keys([ALICE, BOB], "us-east-1")
        running = Shelf(folder / "data", one)
        try:
            yield running
        finally:
            running.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    with shelf(tmp_path_factory.mktemp("shelf")) as running:
        yield running


def ask(peer: Peer, data: bytes, has_body: bool = True) -> tuple[int, dict[str, str], bytes]:
    peer.send(data)
    return peer.response(has_body)


def is_relayed(one: Front, data: bytes) -> bool:
    """Whether the request reached the server behind the plane (whose paths are all objects of /echo)."""
    before = len(one.behind.requests)
    peer = one.connect()
    peer.send(data.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nConnection: close\r\n", 1))
    peer.rest()
    peer.close()
    return len(one.behind.requests) > before


SIZES = [0, 1, 8192, 8193, 65536, 262_144, 262_145, 1 << 20, (5 << 20) + 17]


@pytest.mark.parametrize("size", SIZES)
def test_an_object_of_any_size_comes_back_whole_and_is_looked_up_once(store: Shelf, size: int) -> None:
    content = secrets.token_bytes(size)
    store.put(f"size-{size}", content)
    peer = store.front.connect()
    for _ in range(3):
        status, headers, body = ask(peer, signed(f"/bucket/size-{size}"))
        assert (status, body == content, headers["content-length"]) == (200, True, str(size))
    assert headers["server"] == "front"
    assert headers["content-type"] == "text/plain"
    assert "x-amz-checksum-crc32" not in headers
    assert {"x-amz-request-id", "date"} < set(headers)
    assert store.asked.count((b"bucket", f"size-{size}".encode())) == 1


@pytest.mark.parametrize("size", [100, 70_000, 700_000])
@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-49", 10, 50),
        ("bytes=-7", -7, None),
        ("bytes=60-", 60, None),
        ("bytes=5-99999999", 5, None),
    ],
)
def test_a_range_of_an_object(store: Shelf, size: int, asked: str, start: int, end: int | None) -> None:
    content = secrets.token_bytes(size)
    store.put("ranged", content)
    status, headers, body = ask(store.front.connect(), signed("/bucket/ranged", Range=asked))
    first = range(size)[start]
    assert (status, body) == (206, content[start:end])
    assert headers["content-range"] == f"bytes {first}-{first + len(body) - 1}/{size}"
    assert headers["content-length"] == str(len(body))


def test_an_object_of_several_extents(store: Shelf) -> None:
    pieces = [secrets.token_bytes(size) for size in (5 << 20, 300_000, 1000, 70_000)]
    store.put("parts", *pieces)
    whole = b"".join(pieces)
    peer = store.front.connect()
    assert ask(peer, signed("/bucket/parts"))[2] == whole
    assert ask(peer, signed("/bucket/parts", Range="bytes=5000000-5543999"))[2] == whole[5_000_000:5_544_000]


def test_head_says_what_get_would(store: Shelf) -> None:
    store.put("headed", b"hello")
    peer = store.front.connect()
    status, headers, _ = ask(peer, signed("/bucket/headed", method="HEAD"), has_body=False)
    assert (status, headers["content-length"]) == (200, "5")
    assert ask(peer, signed("/bucket/headed"))[2] == b"hello"


def test_checksums_come_when_asked_for(store: Shelf) -> None:
    store.put("summed", b"hello")
    peer = store.front.connect()
    assert "x-amz-checksum-crc32" in ask(peer, signed("/bucket/summed", x_amz_checksum_mode="ENABLED"))[1]
    ranged = signed("/bucket/summed", x_amz_checksum_mode="ENABLED", Range="bytes=0-1")
    assert "x-amz-checksum-crc32" not in ask(peer, ranged)[1]


@pytest.mark.parametrize(
    "condition",
    [{"If_None_Match": '"x"'}, {"If_None_Match": "x"}, {"If_None_Match": "*"}, {"If_Modified_Since": MODIFIED}],
)
def test_what_the_client_has_is_not_sent_again(store: Shelf, condition: dict[str, str]) -> None:
    store.put("known", b"hello")
    peer = store.front.connect()
    peer.send(signed("/bucket/known", **condition))
    status, headers, _ = peer.response(has_body=False)
    assert status == 304
    assert "content-type" not in headers
    assert ask(peer, signed("/bucket/known", If_Match='"x"', If_None_Match='"y"'))[2] == b"hello"


def test_presigned_and_virtual_host_requests(store: Shelf) -> None:
    store.put("deep/key with ü", b"hello")
    peer = store.front.connect()
    path = "/deep/key%20with%20%C3%BC"
    assert ask(peer, signed("/bucket" + path, presigned=True))[2] == b"hello"
    assert ask(peer, signed(path, host="bucket.example.com"))[2] == b"hello"
    assert ask(peer, signed("/bucket" + path, host="example.com:8080"))[2] == b"hello"


def test_pipelined_hits_misses_and_relays_keep_their_order(store: Shelf) -> None:
    store.put("first", b"1")
    store.put("second", bytes(100_000))
    peer = store.front.connect()
    requests = [signed("/bucket/first"), signed("/bucket/second"), signed("/large/x?3"), signed("/bucket/first")]
    peer.send(b"".join(requests))
    assert [peer.response()[2] for _ in requests] == [b"1", bytes(100_000), pattern(3), b"1"]


WRONG = [
    ("another user's key", lambda: signed("/echo/mine", key=BOB)),
    ("an unknown key", lambda: signed("/echo/mine", key=Key("EVE", "x", "eve"))),
    ("a wrong secret", lambda: signed("/echo/mine", key=Key("ALICE", "x", "alice"))),
    ("no signature", lambda: b"GET /echo/mine HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("a changed path", lambda: signed("/echo/other").replace(b"/echo/other", b"/echo/mine")),
    ("a changed query", lambda: signed("/echo/mine?x-id=GetObject").replace(b"?x-id=GetObject", b"")),
    ("a sub-resource", lambda: signed("/echo/mine?acl")),
    ("a version", lambda: signed("/echo/mine?versionId=1")),
    ("an unknown amz header", lambda: signed("/echo/mine", x_amz_expected_bucket_owner="alice")),
    ("a lost condition", lambda: signed("/echo/mine", If_Match='"other"')),
    ("several ranges", lambda: signed("/echo/mine", Range="bytes=0-1,3-4")),
    ("a range past the end", lambda: signed("/echo/mine", Range="bytes=100-")),
    ("another method", lambda: signed("/echo/mine", method="DELETE")),
    ("a missing object", lambda: signed("/echo/missing")),
    ("a broken escape", lambda: b"GET /echo/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    (
        "unsigned amz headers",
        lambda: signed("/echo/mine").replace(b"\r\n\r\n", b"\r\nx-amz-checksum-mode: ENABLED\r\n\r\n"),
    ),
]


@pytest.mark.parametrize("make", [make for _, make in WRONG], ids=[name for name, _ in WRONG])
def test_whatever_is_not_plainly_right_is_the_servers_to_refuse(store: Shelf, make: Callable[[], bytes]) -> None:
    store.put("mine", b"secret", bucket="echo")
    assert not is_relayed(store.front, signed("/echo/mine"))
    assert is_relayed(store.front, make())


def test_keys_are_void_with_the_next_request_after_they_were_replaced(tmp_path: Path) -> None:
    with shelf(tmp_path) as store:
        store.put("mine", b"secret", bucket="echo")
        assert not is_relayed(store.front, signed("/echo/mine"))
        store.front.plane.set_keys([Key("ALICE", "another secret", "alice")], "us-east-1")
        assert is_relayed(store.front, signed("/echo/mine"))


def test_an_answered_change_is_seen_by_the_next_read(store: Shelf) -> None:
    peer = store.front.connect()
    for number in range(50):
        store.put("changing", b"%d" % number)
        assert ask(peer, signed("/bucket/changing"))[2] == b"%d" % number
    store.put("gone", b"hello", bucket="echo")
    assert not is_relayed(store.front, signed("/echo/gone"))
    store.drop("gone", bucket="echo")
    assert is_relayed(store.front, signed("/echo/gone"))


@pytest.mark.parametrize("changed", ["object", "bucket"])
@pytest.mark.parametrize("body", [b"old", b"old" * 100_000], ids=["small", "large"])
def test_a_fill_that_a_change_overtook_answers_who_asked_and_nobody_else(
    tmp_path: Path, changed: str, body: bytes
) -> None:
    with shelf(tmp_path) as store:
        plane, raced = store.front.plane, (b"bucket", b"raced")
        begin, end = {
            "object": (lambda: plane.begin_change(*raced), lambda: plane.end_change(*raced)),
            "bucket": (lambda: plane.begin_bucket_change(b"bucket"), lambda: plane.end_bucket_change(b"bucket")),
        }[changed]
        store.put("raced", body)
        peer = store.front.connect()
        store.before_fill = begin
        assert ask(peer, signed("/bucket/raced"))[2] == body
        store.before_fill = lambda: None
        for _ in range(3):
            assert ask(peer, signed("/bucket/raced"))[2] == body
        assert store.asked == [raced] * 4
        store.objects[raced] = Found("alice", "x", 3, [store.extent(b"new")])
        end()
        for _ in range(3):
            assert ask(peer, signed("/bucket/raced"))[2] == b"new"
        assert store.asked == [raced] * 5


def test_what_is_missing_while_it_is_made_is_told_and_not_remembered(tmp_path: Path) -> None:
    with shelf(tmp_path) as store:
        store.owner_of_missing = "alice"
        peer = store.front.connect()
        store.front.plane.begin_change(b"bucket", b"coming")
        for _ in range(3):
            assert ask(peer, signed("/bucket/coming"))[0] == 404
        assert len(store.asked) == 3
        store.objects[b"bucket", b"coming"] = Found("alice", "x", 4, [store.extent(b"here")])
        store.front.plane.end_change(b"bucket", b"coming")
        assert ask(peer, signed("/bucket/coming"))[2] == b"here"


def test_clearing_the_cache_makes_every_object_looked_up_again(store: Shelf) -> None:
    store.put("again", b"hello")
    peer = store.front.connect()
    for _ in range(2):
        assert ask(peer, signed("/bucket/again"))[2] == b"hello"
        store.front.plane.clear_cache()
    assert store.asked.count((b"bucket", b"again")) == 2


def test_what_is_missing_is_told_until_it_is_there(tmp_path: Path) -> None:
    with shelf(tmp_path) as store:
        store.owner_of_missing = "alice"
        peer = store.front.connect()
        for _ in range(3):
            status, headers, body = ask(peer, signed("/bucket/absent?partNumber=7"))
            assert (status, headers["content-length"]) == (404, str(len(body)))
            assert b"<Code>NoSuchKey</Code>" in body
        status, headers, _ = ask(peer, signed("/bucket/absent", method="HEAD"), has_body=False)
        assert (status, headers["content-type"]) == (404, "application/xml")
        assert store.asked == [(b"bucket", b"absent")]
        store.put("absent", b"here")
        assert ask(peer, signed("/bucket/absent"))[2] == b"here"
        store.drop("absent")
        assert ask(peer, signed("/bucket/absent"))[0] == 404
        assert len(store.asked) == 3


@pytest.mark.parametrize(
    "make",
    [
        lambda: signed("/echo/absent", key=BOB),
        lambda: signed("/echo/absent", If_None_Match="*"),
        lambda: signed("/echo/absent", If_Modified_Since="yesterday"),
        lambda: signed("/echo/absent?partNumber=1", Range="bytes=0-1"),
        lambda: signed("/echo/" + "%41" * 700),
    ],
    ids=["another user", "a condition", "a date", "a part and a range", "a long name"],
)
def test_what_else_is_asked_of_what_is_missing_is_the_servers_to_answer(
    store: Shelf, make: Callable[[], bytes]
) -> None:
    store.owner_of_missing = "alice"
    try:
        assert not is_relayed(store.front, signed("/echo/absent"))
        assert is_relayed(store.front, make())
    finally:
        store.owner_of_missing = None


def test_whoever_probes_for_names_drives_out_no_object(tmp_path: Path) -> None:
    with shelf(tmp_path, cache_size_bytes=4 << 20, threads=1) as store:
        store.owner_of_missing = "alice"
        for number in range(64):
            store.put(f"there-{number}", b"%d" % number)
        peer = store.front.connect()
        for number in range(64):
            ask(peer, signed(f"/bucket/there-{number}"))
        for number in range(3000):
            peer.send(signed(f"/bucket/absent-{number}-{'x' * 300}"))
            assert peer.response()[0] == 404
        store.asked.clear()
        for number in range(64):
            assert ask(peer, signed(f"/bucket/there-{number}"))[2] == b"%d" % number
        assert store.asked == []
        assert ask(peer, signed(f"/bucket/absent-0-{'x' * 300}"))[0] == 404
        assert len(store.asked) == 1  # forgotten long ago: what is missing has a bound as well


def test_a_changed_bucket_makes_all_that_was_known_of_its_keys_void(tmp_path: Path) -> None:
    with shelf(tmp_path) as store:
        store.owner_of_missing = "alice"
        store.put("there", b"old")
        peer = store.front.connect()
        assert ask(peer, signed("/bucket/there"))[2] == b"old"
        assert ask(peer, signed("/bucket/absent"))[0] == 404
        store.front.plane.begin_bucket_change(b"bucket")
        store.owner_of_missing = "bob"
        store.objects.clear()  # nobody tells of the objects: the bucket is another one
        store.front.plane.end_bucket_change(b"bucket")
        assert ask(peer, signed("/bucket/there", key=BOB))[0] == 404
        assert ask(peer, signed("/bucket/absent", key=BOB))[0] == 404


def test_the_cache_stays_within_its_bounds(tmp_path: Path) -> None:
    with shelf(tmp_path, cache_size_bytes=64 * 1024, cache_files_max=3, threads=1) as store:
        peer = store.front.connect()
        for number in range(300):
            store.put(f"small-{number}", b"%d" % number)
            assert ask(peer, signed(f"/bucket/small-{number}"))[2] == b"%d" % number
        for number in range(8):
            store.put(f"large-{number}", bytes(300_000))
            assert len(ask(peer, signed(f"/bucket/large-{number}"))[2]) == 300_000
        assert _blobs_open() <= 4
        assert ask(peer, signed("/bucket/small-0"))[2] == b"0"
        assert store.asked.count((b"bucket", b"small-0")) == 2


def _blobs_open() -> int:
    count = 0
    for fd in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # closed meanwhile
            count += os.readlink(f"/proc/self/fd/{fd}").endswith(".blob")
    return count


@pytest.mark.parametrize("size", [100, 70_000, 3 << 20])
def test_damaged_bytes_never_leave(store: Shelf, size: int) -> None:
    found = store.put("damaged", bytes(size), bucket="echo")
    extent = found.extents[0]
    with open(extent.path, "r+b") as file:
        file.seek(extent.offset + size // 2)
        file.write(b"\x01")
    peer = store.front.connect()
    peer.send(signed("/echo/damaged").replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nConnection: close\r\n", 1))
    assert b"\x01" not in peer.rest()


@pytest.mark.parametrize("size", [1, 100, 8192, 8193, 70_000])
def test_first_bytes_of_what_is_read_often_are_kept_and_go_with_their_entry(store: Shelf, size: int) -> None:
    content = secrets.token_bytes(size)
    found = store.put("often", content, bucket="echo")
    peer = store.front.connect()
    for _ in range(3):
        assert ask(peer, signed("/echo/often"))[2] == content
    extent = found.extents[0]
    with open(extent.path, "r+b") as file:
        file.seek(extent.offset)
        file.write(bytes([content[0] ^ 1]))
    if size <= 8192:  # of a larger one the rest is sent from the file, to which somebody has written
        assert ask(peer, signed("/echo/often"))[2] == content
        assert ask(peer, signed("/echo/often", Range="bytes=0-0"))[2] == content[:1]
    store.front.plane.clear_cache()
    assert is_relayed(store.front, signed("/echo/often"))  # looked up anew, and found to be damaged


def forget_pages(found: Found) -> None:
    for extent in found.extents:
        evict(extent.path)


@pytest.mark.parametrize("size", [100, 70_000, (9 << 20) + 5])
def test_what_is_not_in_the_page_cache_is_read_by_the_disk_pool(store: Shelf, size: int) -> None:
    content = secrets.token_bytes(size)
    found = store.put("cold", content)
    peer = store.front.connect()
    for _ in range(3):
        forget_pages(found)
        assert ask(peer, signed("/bucket/cold"))[2] == content
        store.front.plane.clear_cache()


def test_an_overwritten_object_is_still_sent_whole_to_who_asked_before(store: Shelf) -> None:
    content = secrets.token_bytes(16 << 20)
    store.put("long", content)
    slow = store.front.connect()
    slow.send(signed("/bucket/long"))
    slow.until(b"\r\n\r\n")
    store.put("long", b"short")
    assert ask(store.front.connect(), signed("/bucket/long"))[2] == b"short"
    assert slow.exactly(len(content)) == content


def test_a_stop_with_questions_open_leaves_nothing_hanging(tmp_path: Path) -> None:
    with shelf(tmp_path) as store:
        arrived, go = threading.Event(), threading.Event()

        def hold() -> None:
            arrived.set()
            go.wait(20)

        store.before_fill = hold
        store.put("waiting", b"x")
        peer = store.front.connect()
        peer.send(signed("/bucket/waiting") + signed("/bucket/waiting"))
        assert arrived.wait(20)
        peer.close()
        threading.Timer(0.05, go.set).start()
