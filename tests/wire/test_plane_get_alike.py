"""Reads through the native plane and without it: the same requests, the same answers, byte for byte.

Each request is sent raw to two nodes, one with the plane in front. What is asked for is asked twice, so that the second
answer comes out of the plane's cache.
"""

from __future__ import annotations

import base64
import hashlib
import threading
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest

from tests.wire.plane_node import OTHER, OWNER
from tests.wire.plane_pair import ANSWER, LARGE, Node, alike, node, pair_of_nodes
from tests.wire.plane_signing import Key, signed

PART = 5 << 20
OWNER_KEY, OTHER_KEY = Key(*OWNER), Key(*OTHER)


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[Node, Node]]:
    with pair_of_nodes() as pair:
        for one in pair:
            client = one.client()
            client.put_object(Bucket="bucket", Key="small", Body=b"0123456789", **KEPT)
            client.put_object(Bucket="bucket", Key="large", Body=LARGE, ChecksumAlgorithm="SHA256")
            client.put_object(Bucket="bucket", Key="empty", Body=b"")
            upload_parts(one, "parts", {1: b"a" * PART, 4: b"b" * PART, 9: b"cde"}, ChecksumAlgorithm="SHA256")
            upload_parts(one, "full", {2: b"a" * PART, 3: b"b"}, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
            upload_parts(one, "one-part", {7: b"alone"})
            upload_parts(one, "empty-part", {1: b""})
        yield pair


KEPT: dict[str, Any] = {
    "ContentType": "text/plain",
    "CacheControl": "no-store",
    "ContentDisposition": "inline",
    "ContentEncoding": "identity",
    "ContentLanguage": "de",
    "Expires": "Thu, 01 Dec 2033 16:00:00 GMT",
    "Metadata": {"response-content-type": "mine"},
}


def upload_parts(one: Node, key: str, parts: dict[int, bytes], **more: str) -> None:
    client = one.client()
    upload = client.create_multipart_upload(Bucket="bucket", Key=key, **more)["UploadId"]
    uploaded = []
    for number, body in parts.items():
        extra: dict[str, Any] = {}
        if more.get("ChecksumAlgorithm") == "SHA256":
            extra["ChecksumSHA256"] = base64.b64encode(hashlib.sha256(body).digest()).decode()
        elif more:
            extra["ChecksumAlgorithm"] = more["ChecksumAlgorithm"]
        where = {"Bucket": "bucket", "Key": key, "UploadId": upload}
        answer = client.upload_part(**where, PartNumber=number, Body=body, **extra)
        checksums = {name: value for name, value in answer.items() if more and name.startswith("ChecksumSHA256")}
        uploaded.append({"PartNumber": number, "ETag": answer["ETag"], **checksums})
    client.complete_multipart_upload(Bucket="bucket", Key=key, UploadId=upload, MultipartUpload={"Parts": uploaded})


def read(one: Node, path: str, method: str = "GET", **how: Any) -> ANSWER:
    """The second of two equal answers."""
    key = how.pop("key", OWNER_KEY)
    peer = one.connect()
    try:
        for _ in range(2):
            peer.send(signed(path, method=method, key=key, host=f"{one.host}:{one.port}", **how))
            answer = peer.response(has_body=method == "GET")
        return answer
    finally:
        peer.close()


def both(nodes: tuple[Node, Node], path: str, **how: Any) -> ANSWER:
    """GET and HEAD, from both nodes; what GET says."""
    last_modified = {}

    def send(one: Node, method: str) -> ANSWER:
        status, headers, body = read(one, path, method, **how)
        last_modified[one.port] = headers.pop("last-modified", None)
        return status, headers, body

    got = alike(nodes, lambda one: send(one, "GET"))
    headed = alike(nodes, lambda one: send(one, "HEAD"))
    assert (headed[0], headed[2]) == (got[0], b"")
    assert (None in last_modified.values()) is (got[0] >= 400)
    return got


@pytest.mark.parametrize("presigned", [False, True], ids=["header", "presigned"])
@pytest.mark.parametrize("checksums", [{}, {"x_amz_checksum_mode": "ENABLED"}], ids=["plain", "checksums"])
@pytest.mark.parametrize(
    ("key", "number", "status"),
    [
        *[("parts", number, 206) for number in (1, 4, 9)],
        *[("parts", number, 416) for number in (2, 3, 10, 10000)],
        *[("full", 2, 206), ("full", 3, 206), ("one-part", 7, 206), ("one-part", 1, 416)],
        *[("empty-part", 1, 206), ("small", 1, 206), ("small", 2, 416), ("empty", 1, 200)],
    ],
)
def test_a_part_by_its_number(
    nodes: tuple[Node, Node], key: str, number: int, status: int, checksums: dict[str, str], presigned: bool
) -> None:
    answer = both(nodes, f"/bucket/{key}?partNumber={number}", presigned=presigned, **checksums)
    assert answer[0] == status
    if status == 206:
        assert ("x-amz-mp-parts-count" in answer[1]) is (key != "small")
    if key == "parts" and status == 206:
        assert ("x-amz-checksum-sha256" in answer[1]) is bool(checksums)
        assert answer[2] == {1: b"a" * PART, 4: b"b" * PART, 9: b"cde"}[number]
        assert answer[1]["content-range"].startswith(f"bytes {[1, 4, 9].index(number) * PART}-")


@pytest.mark.parametrize("number", ["0", "-1", "+1", "01", "10001", "", "x", "1&partNumber=1", "99999999999999999999"])
def test_part_numbers_in_other_spellings(nodes: tuple[Node, Node], number: str) -> None:
    both(nodes, f"/bucket/parts?partNumber={number}")


def test_checksums_asked_for_in_the_query(nodes: tuple[Node, Node]) -> None:
    for name, value in (("x-amz-checksum-mode", "ENABLED"), ("X-Amz-Checksum-Mode", "ENABLED")):
        answer = both(nodes, f"/bucket/large?{name}={value}&x-id=GetObject", presigned=True)
        assert (answer[0], "x-amz-checksum-sha256" in answer[1]) == (200, True)
        both(nodes, f"/bucket/absent?{name}={value}", presigned=True)
        answer = both(nodes, f"/bucket/large?{name}={value}", presigned=True, x_amz_checksum_mode="ENABLED")
        assert (answer[0], "x-amz-checksum-sha256" in answer[1]) == (200, True)
        assert both(nodes, f"/bucket/large?{name}={value}", x_amz_checksum_mode="DISABLED")[0] == 400
    answer = both(nodes, "/bucket/large?x-amz-checksum-mode=DISABLED", presigned=True)
    assert (answer[0], "x-amz-checksum-sha256" in answer[1]) == (200, False)


def test_parts_beside_ranges_and_conditions(nodes: tuple[Node, Node]) -> None:
    assert both(nodes, "/bucket/parts?partNumber=4", Range="bytes=0-1")[0] == 400
    etag = nodes[0].client().head_object(Bucket="bucket", Key="parts")["ETag"]
    assert both(nodes, "/bucket/parts?partNumber=4", If_None_Match=etag)[0] == 304
    assert both(nodes, "/bucket/parts?partNumber=5", If_None_Match=etag)[0] == 304
    assert both(nodes, "/bucket/parts?partNumber=4", If_Match='"other"')[0] == 412
    assert both(nodes, "/bucket/parts?partNumber=9&response-content-type=a%2Fb")[1]["content-type"] == "a/b"


OVERRIDES = {
    "response-cache-control": "max-age=60, private",
    "response-content-disposition": 'attachment; filename="a & b+c;100%.bin"',
    "response-content-encoding": "gzip",
    "response-content-language": "en-GB, fr",
    "response-content-type": "application/x-thing; charset=utf-8",
    "response-expires": "Thu, 01 Dec 2044 16:00:00 GMT",
}


@pytest.mark.parametrize("presigned", [False, True], ids=["header", "presigned"])
@pytest.mark.parametrize("key", ["small", "large", "empty"])
@pytest.mark.parametrize("names", [*[[name] for name in OVERRIDES], list(OVERRIDES)], ids=lambda names: names[-1])
def test_headers_that_the_request_replaces(
    nodes: tuple[Node, Node], key: str, names: list[str], presigned: bool
) -> None:
    query = urllib.parse.urlencode({name: OVERRIDES[name] for name in names}, quote_via=urllib.parse.quote)
    answer = both(nodes, f"/bucket/{key}?{query}", presigned=presigned)
    assert answer[0] == 200
    for name in names:
        assert answer[1][name.removeprefix("response-")] == OVERRIDES[name]
    if key == "small" and "response-content-type" not in names:
        assert answer[1]["content-type"] == "text/plain"


ODD = [
    *("response-content-type=", "response-content-type", "response-content-type=a%20b"),
    *("response-content-type=a+b", "response-content-type=a%2Bb", "response-content-type=%zz"),
    *("response-content-type=a%0Db", "response-content-type=a%0Ab", "response-content-type=a%00b"),
    *("response-content-type=a%09b", "response-content-type=%C3%BC", "response-content-type=%FF"),
    *("response-content-type=a&response-content-type=b", "response-content-type=&response-content-type=b"),
    *("response%2Dcontent-type=a", "Response-Content-Type=a", "response-content-length=5", "response-etag=x"),
    *("response-content-type=a%7F", "response-content-type=%", "response-content-type=a%2", "&response-expires=now&"),
    *("response-content-type=a&x-id=GetObject", "response-content-type=" + "a" * 4000, "versionId=null&partNumber=1"),
]


@pytest.mark.parametrize("query", ODD)
def test_odd_queries(nodes: tuple[Node, Node], query: str) -> None:
    alike(nodes, lambda one: without_date(read(one, f"/bucket/small?{query}")))


def without_date(answer: ANSWER) -> ANSWER:
    answer[1].pop("last-modified", None)
    return answer


def test_a_replaced_header_is_not_sent_with_what_the_client_has(nodes: tuple[Node, Node]) -> None:
    etag = nodes[0].client().head_object(Bucket="bucket", Key="small")["ETag"]
    answer = both(nodes, "/bucket/small?response-content-type=a%2Fb&response-cache-control=x", If_None_Match=etag)
    assert (answer[0], answer[1]["cache-control"]) == (304, "no-store")
    assert both(nodes, "/bucket/small?response-content-type=a%2Fb", Range="bytes=2-3")[2] == b"23"


@pytest.mark.parametrize("presigned", [False, True], ids=["header", "presigned"])
@pytest.mark.parametrize(
    "path",
    [
        *("/bucket/absent", "/bucket/absent?partNumber=2", "/bucket/absent?response-expires=x", "/bucket/a/../b//"),
        *("/bucket/%3Cname%3E%26%22'%20%C3%BC", "/bucket/%ff", "/bucket/" + "long" * 255, "/bucket/" + "%41" * 1024),
        *("/absent/absent", "/foreign/absent"),
    ],
)
def test_what_is_not_there(nodes: tuple[Node, Node], path: str, presigned: bool) -> None:
    assert both(nodes, path, presigned=presigned)[0] in (400, 403, 404)


@pytest.mark.parametrize(
    "condition",
    [{"If_Match": "*"}, {"If_None_Match": "*"}, {"If_Modified_Since": "x"}, {"Range": "bytes=0-1"}, {"If_Range": "x"}],
    ids=lambda condition: next(iter(condition)),
)
def test_what_is_not_there_on_conditions(nodes: tuple[Node, Node], condition: dict[str, str]) -> None:
    assert both(nodes, "/bucket/absent", **condition)[0] == 404


def test_the_plane_answers_all_of_these_itself() -> None:
    queries = ["", "?partNumber=1", "?partNumber=1&response-expires=x", "?response-content-type=a%2Fb&x-id=GetObject"]
    with node("on", operations=["get"], taken_min=2 * (2 * len(queries) + 1)) as one:
        one.client().create_bucket(Bucket="bucket")
        one.client().put_object(Bucket="bucket", Key="small", Body=b"x")
        upload_parts(one, "parts", {1: b"alone"}, ChecksumAlgorithm="SHA256")
        for query in queries:
            assert read(one, f"/bucket/small{query}")[0] == (206 if "part" in query else 200)
            assert read(one, f"/bucket/parts{query}", presigned=True)[0] == (206 if "part" in query else 200)
        assert read(one, "/bucket/absent?partNumber=3")[0] == 404


# --- what changes while it is asked for -------------------------------------------------------------------


@pytest.fixture(scope="module")
def native() -> Iterator[Node]:
    with node("on", operations=["get"], taken_min=100) as one:
        yield one


class Probers:
    """Threads that ask for keys again and again, so that the cache has an opinion of them at every moment."""

    def __init__(self, one: Node, paths: list[str]) -> None:
        self._over = threading.Event()
        self._failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._probe, args=(one, paths)) for _ in range(3)]

    def _probe(self, one: Node, paths: list[str]) -> None:
        peer = one.connect()
        try:
            while not self._over.is_set():
                for path in paths:
                    peer.send(signed(path, key=OWNER_KEY, host=f"{one.host}:{one.port}"))
                    assert peer.response()[0] in (200, 403, 404)
        except BaseException as error:
            self._failures.append(error)
        finally:
            peer.close()

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        assert self._failures == []


def status_of(one: Node, path: str, key: Key = OWNER_KEY) -> tuple[int, bytes]:
    peer = one.connect()
    try:
        peer.send(signed(path, key=key, host=f"{one.host}:{one.port}"))
        status, _, body = peer.response()
        return status, body
    finally:
        peer.close()


def test_an_object_is_there_when_its_creation_was_answered_and_gone_after_its_deletion(native: Node) -> None:
    client = native.client()
    client.create_bucket(Bucket="probed")
    keys = ["a", "b", "c"]
    with Probers(native, [f"/probed/{key}" for key in keys]):
        for number in range(60):
            for key in keys:
                body = b"%d" % number
                client.put_object(Bucket="probed", Key=key, Body=body)
                assert status_of(native, f"/probed/{key}") == (200, body)
            client.delete_objects(Bucket="probed", Delete={"Objects": [{"Key": key} for key in keys]})
            assert [status_of(native, f"/probed/{key}")[0] for key in keys] == [404] * 3


def test_a_bucket_that_was_deleted_and_created_anew_has_nothing_of_its_namesake(native: Node) -> None:
    mine, others = native.client(), native.client(OTHER)
    with Probers(native, ["/reborn/key", "/reborn/absent"]):
        for number in range(15):
            owner, stranger, key = (mine, OTHER_KEY, OWNER_KEY) if number % 2 else (others, OWNER_KEY, OTHER_KEY)
            owner.create_bucket(Bucket="reborn")
            assert b"<Code>NoSuchKey<" in status_of(native, "/reborn/key", key)[1]
            assert b"<Code>AccessDenied<" in status_of(native, "/reborn/key", stranger)[1]
            owner.put_object(Bucket="reborn", Key="key", Body=b"%d" % number)
            assert status_of(native, "/reborn/key", key) == (200, b"%d" % number)
            assert status_of(native, "/reborn/key", stranger)[0] == 403
            owner.delete_object(Bucket="reborn", Key="key")
            assert b"<Code>NoSuchKey<" in status_of(native, "/reborn/key", key)[1]
            owner.delete_bucket(Bucket="reborn")
            for who in (OWNER_KEY, OTHER_KEY):
                assert b"<Code>NoSuchBucket<" in status_of(native, "/reborn/key", who)[1]
                assert b"<Code>NoSuchBucket<" in status_of(native, "/reborn/absent", who)[1]
