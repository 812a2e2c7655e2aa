"""Uploads through the native plane and without it: the same requests, the same answers, byte for byte.

Each request is sent raw to two nodes, one with the plane in front; status, headers (but the date and the ids) and
body must be alike, and what was refused must have left nothing.
"""

from __future__ import annotations

import base64
import hashlib
import random
import socket
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from nimbus.s3.checksums import ALGORITHMS, encode
from tests.wire.plane_framed import FORMS, WRONGS, framed
from tests.wire.plane_node import DIRECT_SIZE_BYTES_MIN, OTHER
from tests.wire.plane_pair import (
    ANSWER,
    EMPTY,
    LARGE,
    SMALL,
    Node,
    alike,
    described,
    eventually,
    is_absent,
    node,
    pair_of_nodes,
    put,
    unsigned,
)

BODIES = {"empty": b"", "small": SMALL, "frame": bytes(262_144), "blob": bytes(262_145), "large": LARGE}
DIRECT_SIZES = [DIRECT_SIZE_BYTES_MIN + more for more in (-1, 0, 1)]
BODIES |= {str(size): random.Random(size).randbytes(size) for size in DIRECT_SIZES}


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[Node, Node]]:
    with pair_of_nodes() as pair:
        yield pair


@pytest.mark.parametrize("name", BODIES)
def test_a_body_of_any_size_is_stored_as_it_came(nodes: tuple[Node, Node], name: str) -> None:
    body = BODIES[name]
    status, headers, _ = unsigned(nodes, f"/bucket/size-{name}", body)
    assert (status, headers["etag"]) == (200, f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"')
    for one in nodes:
        assert one.client().get_object(Bucket="bucket", Key=f"size-{name}")["Body"].read() == body


def test_ordinary_uploads_are_not_relayed() -> None:
    with node("on", taken_min=2 * len(BODIES)) as native:
        client = native.client()
        client.create_bucket(Bucket="bucket")
        # aws-sdk-cpp 1.11, which Arrow has within, always says so.
        always = ("x-amz-api-version", "2006-03-01")
        client.meta.events.register("before-sign.s3", lambda request, **_: request.headers.add_header(*always))
        for name, body in BODIES.items():
            client.put_object(Bucket="bucket", Key=name, Body=body)
        upload = client.create_multipart_upload(Bucket="bucket", Key="parts")["UploadId"]
        for number, body in enumerate(BODIES.values(), 1):
            client.upload_part(Bucket="bucket", Key="parts", UploadId=upload, PartNumber=number, Body=body)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_every_checksum_is_checked_and_answered(nodes: tuple[Node, Node], algorithm: str, body: bytes) -> None:
    row = ALGORITHMS[algorithm]
    digest = row.new()
    digest.update(body)
    value = encode(digest.digest())
    right = unsigned(nodes, "/bucket/checksum", body, **{row.header: value})
    assert (right[0], right[1][row.header]) == (200, value)
    wrong = unsigned(nodes, f"/bucket/wrong-{algorithm}", body, **{row.header: encode(bytes(row.size_bytes))})
    assert wrong[0] == 400
    assert b"<Code>BadDigest<" in wrong[2]
    assert is_absent(nodes, f"wrong-{algorithm}")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="},
        {"Content-MD5": base64.b64encode(hashlib.md5(SMALL, usedforsecurity=False).digest()).decode()},
        {"Content-MD5": "nonsense"},
        {"x-amz-checksum-crc32": "AAAAAA=", "x-amz-checksum-crc32c": "AAAAAA=="},
        {"x-amz-checksum-crc32": "AAAAAB=="},
        {"x-amz-sdk-checksum-algorithm": "CRC32"},
        {"x-amz-sdk-checksum-algorithm": "NONE"},
        {"x-amz-meta-a": "1", "x-amz-meta-b": "ü", "Content-Type": "text/plain", "Cache-Control": "no-store"},
        {"x-amz-meta-a": "a" * 3000},
        {"Content-Encoding": "gzip,aws-chunked", "Expires": "tomorrow", "Content-Disposition": "inline"},
        {"x-amz-acl": "public-read"},
        {"x-amz-acl": "private", "x-amz-storage-class": "STANDARD"},
        {"x-amz-storage-class": "GLACIER"},
        {"x-amz-tagging": "a=b"},
        {"x-amz-server-side-encryption": "AES256"},
        {"x-amz-copy-source": "/bucket/known"},
        {"x-amz-trailer": "x-amz-checksum-crc32"},
        {"If-None-Match": "*"},
        {"If-Match": '"none"'},
        {"Content-Type": ""},
    ],
    ids=str,
)
def test_headers_mean_what_they_mean_without_the_plane(nodes: tuple[Node, Node], headers: dict[str, str]) -> None:
    encoded = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    alike(nodes, lambda one: put(one, "/bucket/headers", encoded, SMALL, "UNSIGNED-PAYLOAD"))
    heads = [one.client().list_objects_v2(Bucket="bucket", Prefix="headers").get("KeyCount") for one in nodes]
    assert heads[0] == heads[1]
    if heads == [1, 1]:
        assert described(nodes[0], "headers") == described(nodes[1], "headers")


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_a_signed_payload_must_be_the_one_that_was_signed(nodes: tuple[Node, Node], body: bytes) -> None:
    right = hashlib.sha256(body).hexdigest()
    assert alike(nodes, lambda one: put(one, "/bucket/hash", {}, body, right))[0] == 200
    wrong = alike(nodes, lambda one: put(one, "/bucket/wronghash", {}, body, EMPTY))
    assert b"XAmzContentSHA256Mismatch" in wrong[2]
    assert is_absent(nodes, "wronghash")


@pytest.mark.parametrize("expectation", ["200-ok", "", "a miracle"])
@pytest.mark.parametrize("body", [SMALL, b""], ids=["small", "empty"])
def test_expectations_that_nobody_knows_are_let_pass(nodes: tuple[Node, Node], expectation: str, body: bytes) -> None:
    headers = {"Expect": expectation}
    answer = alike(nodes, lambda one: put(one, "/bucket/expects", headers, body, "UNSIGNED-PAYLOAD"))
    assert (answer[0], answer[1].get("connection")) == (200, None)


def test_who_may_not_write_is_told_before_the_body(nodes: tuple[Node, Node]) -> None:
    def send(one: Node, path: str, how: dict[str, Any]) -> ANSWER:
        head, _ = one.sign(path, {"Content-Length": "5", "Expect": "100-continue"}, "UNSIGNED-PAYLOAD", **how)
        peer = one.connect()
        peer.send(head)
        answer = peer.response()
        peer.close()
        return answer

    for path, how in [
        ("/foreign/key", {}),
        ("/nosuchbucket/key", {}),
        ("/bucket/key", {"break_signature": True}),
        ("/bucket/key", {"who": ("NOBODY", "x", "x")}),
        ("/bucket/key", {"who": OTHER}),
    ]:
        assert alike(nodes, lambda one, p=path, h=how: send(one, p, h))[0] in (403, 404)  # type: ignore[misc]


def test_a_client_that_waits_is_invited_once_it_has_signed(nodes: tuple[Node, Node]) -> None:
    for one in nodes:
        head, _ = one.sign(
            "/bucket/invited", {"Content-Length": str(len(LARGE)), "Expect": "100-continue"}, "UNSIGNED-PAYLOAD"
        )
        peer = one.connect()
        peer.send(head)
        assert peer.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        peer.send(LARGE)
        assert peer.response()[0] == 200
        peer.close()


# --- framed bodies ------------------------------------------------------------------------------------------

CHUNKS = {"small": [SMALL, b"tail"], "large": [LARGE, LARGE, b"tail"], "empty": []}
CHUNKS |= {str(size): [BODIES[str(size)][:300_000], BODIES[str(size)][300_000:]] for size in DIRECT_SIZES}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", CHUNKS)
def test_framed_bodies_are_taken_apart(nodes: tuple[Node, Node], form: str, size: str) -> None:
    assert alike(nodes, lambda one: framed(one, "/bucket/framed", form, CHUNKS[size]))[0] == 200
    for one in nodes:
        assert one.client().get_object(Bucket="bucket", Key="framed")["Body"].read() == b"".join(CHUNKS[size])


@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize(("form", "wrong", "code"), WRONGS, ids=str)
def test_a_wrong_framed_body_is_refused_in_the_same_words(
    nodes: tuple[Node, Node], form: str, wrong: dict[str, Any], code: str, size: str
) -> None:
    status, _, body = alike(nodes, lambda one: framed(one, "/bucket/wrongframe", form, CHUNKS[size], **wrong))
    assert status >= 400
    assert f"<Code>{code}<".encode() in body
    assert is_absent(nodes, "wrongframe")


# --- parts --------------------------------------------------------------------------------------------------


def begin_upload(one: Node, **more: Any) -> str:
    upload = one.client().create_multipart_upload(Bucket="bucket", Key="parts", **more)
    return str(upload["UploadId"])


@pytest.mark.parametrize("algorithm", ["", "CRC32", "CRC64NVME"])
def test_parts_are_stored_and_completed(nodes: tuple[Node, Node], algorithm: str) -> None:
    more = {"ChecksumAlgorithm": algorithm, "ChecksumType": "FULL_OBJECT"} if algorithm else {}
    ids = {one.port: begin_upload(one, **more) for one in nodes}
    bodies = {1: bytes(5 << 20), 2: b"the last one"}
    for number, body in bodies.items():
        alike(
            nodes,
            lambda one, n=number, b=body: put(  # type: ignore[misc]
                one, f"/bucket/parts?partNumber={n}&uploadId={ids[one.port]}", {}, b, "UNSIGNED-PAYLOAD"
            ),
        )
    for one in nodes:
        listed = one.client().list_parts(Bucket="bucket", Key="parts", UploadId=ids[one.port])["Parts"]
        parts = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in listed]
        one.client().complete_multipart_upload(
            Bucket="bucket", Key="parts", UploadId=ids[one.port], MultipartUpload={"Parts": parts}
        )
        assert one.client().get_object(Bucket="bucket", Key="parts")["Body"].read() == bodies[1] + bodies[2]


@pytest.mark.parametrize("number", ["0", "10001", "x", "1&partNumber=2", ""])
def test_part_numbers_that_are_none_are_refused_alike(nodes: tuple[Node, Node], number: str) -> None:
    ids = {one.port: begin_upload(one) for one in nodes}
    path = f"/bucket/parts?partNumber={number}&uploadId="
    status, _, _ = alike(nodes, lambda one: put(one, path + ids[one.port], {}, SMALL, "UNSIGNED-PAYLOAD"))
    assert status == 400


def test_a_part_of_no_upload_is_refused_alike(nodes: tuple[Node, Node]) -> None:
    path = "/bucket/parts?partNumber=1&uploadId=" + "0" * 32
    assert alike(nodes, lambda one: put(one, path, {}, SMALL, "UNSIGNED-PAYLOAD"))[0] == 404


# --- keys, clients, cuts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["a b", "a+b", "%2F", "ünï", "a/../b", "\u00e4" * 512, "x" * 1024, "x" * 1025, "\x7f"])
def test_keys_of_all_kinds_are_stored_alike(nodes: tuple[Node, Node], key: str) -> None:
    unsigned(nodes, "/bucket/" + urllib.parse.quote(key), SMALL)


@pytest.mark.parametrize("size", [len(SMALL), len(LARGE)])
def test_a_cut_body_leaves_nothing(nodes: tuple[Node, Node], size: int) -> None:
    for one in nodes:
        before = one.blobs()
        head, _ = one.sign("/bucket/cut", {"Content-Length": str(size)}, "UNSIGNED-PAYLOAD")
        peer = one.connect()
        peer.send(head + LARGE[: size - 1])
        peer.close()
        assert eventually(lambda one=one, before=before: one.blobs() == before)  # type: ignore[misc]
    assert is_absent(nodes, "cut")


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        ({"Content-Length": str(len(SMALL))}, SMALL[:-1]),
        ({"Content-Length": str(len(LARGE))}, LARGE[:-1]),
        ({"Transfer-Encoding": "chunked"}, b"10\r\n0123456789"),
        ({"Transfer-Encoding": "chunked"}, b"10\r\n0123456789abcdef\r\n"),
        ({"Transfer-Encoding": "chunked"}, b"5\r\n01234XX\r\n"),
        ({"Transfer-Encoding": "chunked", "x-amz-decoded-content-length": "5"}, b"-1\r\n"),
        ({"Transfer-Encoding": "chunked", "x-amz-decoded-content-length": str(len(LARGE))}, b"zz\r\n"),
    ],
)
@pytest.mark.parametrize("signature", ["v4", "v2"])
def test_a_body_that_ends_too_early_is_refused_alike(
    nodes: tuple[Node, Node], framing: dict[str, str], body: bytes, signature: str
) -> None:
    """By a peer that says no more but still listens: S3 and MinIO say IncompleteBody, nginx says nothing.

    Nobody can tell a peer that has reset its connection.
    """

    def send(one: Node) -> ANSWER:
        path = "/bucket/half"
        head = one.sign_v2(path, framing) if signature == "v2" else one.sign(path, framing, "UNSIGNED-PAYLOAD")[0]
        peer = one.connect()
        peer.send(head + body)
        peer.socket.shutdown(socket.SHUT_WR)
        answer = peer.response()
        assert peer.rest() == b""
        peer.close()
        return answer

    status, headers, document = alike(nodes, send)
    assert (status, headers["connection"]) == (400, "close")
    assert b"<Code>IncompleteBody<" in document
    assert is_absent(nodes, "half")
    assert eventually(lambda: len(nodes[0].blobs()) == len(nodes[1].blobs()))


def test_a_presigned_put_is_taken(nodes: tuple[Node, Node]) -> None:
    def send(one: Node) -> ANSWER:
        url = one.client().generate_presigned_url("put_object", Params={"Bucket": "bucket", "Key": "presigned"})
        parts = urllib.parse.urlsplit(url)
        peer = one.connect()
        head = (
            f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {len(SMALL)}\r\n\r\n"
        )
        peer.send(head.encode() + SMALL)
        answer = peer.response()
        peer.close()
        return answer

    assert alike(nodes, send)[0] == 200


def test_a_stalled_body_times_out_in_the_same_words(nodes: tuple[Node, Node]) -> None:
    def send(one: Node) -> ANSWER:
        head, _ = one.sign("/bucket/stalled", {"Content-Length": "100", "Expect": "100-continue"}, "UNSIGNED-PAYLOAD")
        peer = one.connect()
        peer.send(head)
        assert peer.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        answer = peer.response()
        peer.close()
        return answer

    status, _, body = alike(nodes, send)
    assert status == 400
    assert b"RequestTimeout" in body


# --- many at once -------------------------------------------------------------------------------------------


def _many(one: Node, who: int, count: int) -> dict[str, bytes]:
    """Uploads of one client, over and over the same keys, with aborted ones between; what must be there at the end."""
    chance = random.Random(who)
    kept: dict[str, bytes] = {}
    peer = one.connect()
    for _ in range(count):
        key = f"many/{who}/{chance.randrange(4)}"
        body = chance.randbytes(chance.choice([0, 1, 4096, 65536, 262_144, 262_145, 1_000_000]))
        head, _ = one.sign(f"/bucket/{key}", {"Content-Length": str(len(body))}, "UNSIGNED-PAYLOAD")
        if body and chance.random() < 0.25:
            peer.send(head + body[: chance.randrange(len(body))])
            peer.close()
            peer = one.connect()
        else:
            peer.send(head + body)
            assert peer.response()[0] == 200
            kept[key] = body
    peer.close()
    return kept


def test_many_uploads_at_once_are_each_what_was_sent(nodes: tuple[Node, Node]) -> None:
    native = nodes[0]
    with ThreadPoolExecutor(12) as threads:
        kept = {k: v for one in threads.map(lambda who: _many(native, who, 25), range(12)) for k, v in one.items()}
    client = native.client()
    listed = {row["Key"]: row["ETag"] for row in client.list_objects_v2(Bucket="bucket", Prefix="many/")["Contents"]}
    assert listed == {key: f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"' for key, body in kept.items()}
    for key, body in kept.items():
        assert client.get_object(Bucket="bucket", Key=key)["Body"].read() == body


def test_of_many_conditional_writers_exactly_one_wins(nodes: tuple[Node, Node]) -> None:
    native = nodes[0]

    def create(_: int) -> int:
        return put(native, "/bucket/first", {"If-None-Match": "*"}, SMALL, "UNSIGNED-PAYLOAD")[0]

    with ThreadPoolExecutor(12) as threads:
        statuses = list(threads.map(create, range(24)))
    assert sorted(statuses) == [200] + [412] * 23


def test_a_get_after_a_put_never_sees_what_was_before(nodes: tuple[Node, Node]) -> None:
    native = nodes[0]
    client = native.client()
    for number in range(60):
        body = f"version {number}".encode() * 100
        assert put(native, "/bucket/fresh", {}, body, "UNSIGNED-PAYLOAD")[0] == 200
        assert client.get_object(Bucket="bucket", Key="fresh")["Body"].read() == body
