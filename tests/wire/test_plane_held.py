"""Large uploads that the application decides on and the plane takes in: bytes never pass the relay, answers are alike.

They are such whose heads the plane does not understand: signed with the old signature, or with a header whose meaning
only the application knows (`ODD`). Sent raw to two nodes as in test_plane_put.py.
"""

from __future__ import annotations

import base64
import hashlib
import os
import random
import socket
import struct
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nimbus.s3.checksums import ALGORITHMS, encode
from tests.wire.clients import run
from tests.wire.ops import doors
from tests.wire.plane_framed import FORMS, WRONGS, framed
from tests.wire.plane_node import OTHER, OWNER
from tests.wire.plane_pair import ANSWER, EMPTY, LARGE, Node, alike, eventually, is_absent, pair_of_nodes, put

ODD = {"x-amz-acl": "bucket-owner-read"}
MIB = 1 << 20
HELD_MIN = 64 << 10  # NB_HELD_SIZE_BYTES_MIN of nimbus/_native/plane/held.h
HUGE = 9 * MIB  # more than anybody reads off to keep a connection
SIZES = [HELD_MIN - 1, HELD_MIN, 262_144, 262_145, 524_288, MIB - 1, MIB, MIB + 1, 3_000_000]


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[Node, Node]]:
    """Much more than this is sent to them; what the test of small bodies sends is about half of it."""
    with pair_of_nodes(relayed_max=MIB) as pair:
        yield pair


def body_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def put_v2(one: Node, path: str, body: bytes, **how: Any) -> ANSWER:
    headers = {"Content-Length": str(len(body)), **how.pop("headers", {})}
    return one.exchange(one.sign_v2(path, headers, **how) + body)


def stored(one: Node, key: str) -> bytes:
    return bytes(one.client().get_object(Bucket="bucket", Key=key)["Body"].read())


def descriptors(one: Node) -> int:
    """Open files of the node that are no socket."""
    folder = Path(f"/proc/{one.pid}/fd")
    names = []
    for link in folder.iterdir():
        try:
            names.append(os.readlink(link))
        except FileNotFoundError:
            continue
    return sum(name.endswith((".blob", "(deleted)")) for name in names)


# --- what is stored -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_a_body_of_any_size_is_stored_as_it_came(nodes: tuple[Node, Node], size: int) -> None:
    body = body_of(size)
    status, headers, _ = alike(nodes, lambda one: put_v2(one, f"/bucket/size-{size}", body))
    assert (status, headers["etag"]) == (200, f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"')
    for one in nodes:
        assert stored(one, f"size-{size}") == body


@pytest.mark.parametrize("size", [0, 1, HELD_MIN, 262_144, 262_145, 20_000_000])
def test_a_body_of_unknown_size_is_stored_as_it_came(nodes: tuple[Node, Node], size: int) -> None:
    body = body_of(size)
    chance = random.Random(size)
    chunks, at = [], 0
    while at < size:
        end = at + chance.choice([1, 1000, 262_144, MIB])
        chunks.append(b"%x\r\n%b\r\n" % (len(body[at:end]), body[at:end]))
        at = end
    whole = b"".join([*chunks, b"0\r\n\r\n"])
    headers = {"Transfer-Encoding": "chunked"}
    files = [len(one.blobs()) for one in nodes]
    answer = alike(nodes, lambda one: one.exchange(one.sign_v2(f"/bucket/chunked-{size}", headers) + whole))
    assert answer[0] == 200
    for one in nodes:
        assert stored(one, f"chunked-{size}") == body
    made = 1 if size > 262_144 else 0
    assert eventually(lambda: [len(one.blobs()) for one in nodes] == [count + made for count in files])


def test_many_large_uploads_at_once_are_each_what_was_sent(nodes: tuple[Node, Node]) -> None:
    native = nodes[0]
    bodies = {f"/bucket/many-{number}": body_of(HELD_MIN + 150_000 * number) for number in range(12)}
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda row: put_v2(native, *row), bodies.items()))
    assert {answer[0] for answer in answers} == {200}
    for path, body in bodies.items():
        assert stored(native, path.removeprefix("/bucket/")) == body


def test_parts_are_stored_and_completed(nodes: tuple[Node, Node]) -> None:
    bodies = [body_of(5 * MIB), body_of(200_000)]
    checksum = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
    for one in nodes:
        client = one.client()
        upload = client.create_multipart_upload(Bucket="bucket", Key="parts", **checksum)["UploadId"]
        for number, body in enumerate(bodies, 1):
            assert put_v2(one, f"/bucket/parts?partNumber={number}&uploadId={upload}", body)[0] == 200
        listed = client.list_parts(Bucket="bucket", Key="parts", UploadId=upload)["Parts"]
        parts = [{name: part[name] for name in ("PartNumber", "ETag", "ChecksumCRC32")} for part in listed]
        client.complete_multipart_upload(
            Bucket="bucket", Key="parts", UploadId=upload, MultipartUpload={"Parts": parts}
        )
        assert stored(one, "parts") == b"".join(bodies)


def test_the_next_request_of_the_connection_is_answered(nodes: tuple[Node, Node]) -> None:
    for one in nodes:
        peer = one.connect()
        for size in (HELD_MIN, 1000, 600_000):
            peer.send(one.sign_v2("/bucket/next", {"Content-Length": str(size)}) + body_of(size))
        assert [peer.response()[0] for _ in range(3)] == [200, 200, 200]
        assert stored(one, "next") == body_of(600_000)
        peer.close()


# --- what is wrong with a body ------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("size", [200_000, len(LARGE)])
def test_every_checksum_is_checked_and_answered(nodes: tuple[Node, Node], algorithm: str, size: int) -> None:
    row = ALGORITHMS[algorithm]
    body = body_of(size)
    digest = row.new()
    digest.update(body)
    value = encode(digest.digest())
    right = alike(nodes, lambda one: put_v2(one, "/bucket/checksum", body, headers={row.header: value}))
    assert (right[0], right[1][row.header]) == (200, value)
    false = {row.header: encode(bytes(row.size_bytes))}
    wrong = alike(nodes, lambda one: put_v2(one, f"/bucket/wrong-{algorithm}", body, headers=false))
    assert wrong[0] == 400
    assert b"<Code>BadDigest<" in wrong[2]
    assert is_absent(nodes, f"wrong-{algorithm}")


def test_a_wrong_md5_leaves_nothing_and_the_connection_goes_on(nodes: tuple[Node, Node]) -> None:
    def once(one: Node) -> ANSWER:
        before = one.blobs()
        peer = one.connect()
        headers = {"Content-Length": str(len(LARGE)), "Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}
        peer.send(one.sign_v2("/bucket/md5", headers) + LARGE)
        answer = peer.response()
        headers["Content-MD5"] = base64.b64encode(hashlib.md5(LARGE, usedforsecurity=False).digest()).decode()
        assert eventually(lambda: one.blobs() == before)
        peer.send(one.sign_v2("/bucket/right-md5", headers) + LARGE)
        assert peer.response()[0] == 200
        peer.close()
        return answer

    assert b"<Code>BadDigest<" in alike(nodes, once)[2]
    assert is_absent(nodes, "md5")


@pytest.mark.parametrize("size", [200_000, len(LARGE)])
def test_a_signed_payload_must_be_the_one_that_was_signed(nodes: tuple[Node, Node], size: int) -> None:
    body = body_of(size)
    right = hashlib.sha256(body).hexdigest()
    assert alike(nodes, lambda one: put(one, "/bucket/hash", ODD, body, right))[0] == 200
    wrong = alike(nodes, lambda one: put(one, "/bucket/wronghash", ODD, body, EMPTY))
    assert b"XAmzContentSHA256Mismatch" in wrong[2]
    assert is_absent(nodes, "wronghash")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("chunks", [[body_of(262_000), b"tail"], [LARGE, LARGE, b"tail"]], ids=["small", "large"])
def test_framed_bodies_are_taken_apart(nodes: tuple[Node, Node], form: str, chunks: list[bytes]) -> None:
    assert alike(nodes, lambda one: framed(one, "/bucket/framed", form, chunks, ODD))[0] == 200
    for one in nodes:
        assert stored(one, "framed") == b"".join(chunks)


@pytest.mark.parametrize(("form", "wrong", "code"), WRONGS, ids=str)
def test_a_wrong_framed_body_is_refused_in_the_same_words(
    nodes: tuple[Node, Node], form: str, wrong: dict[str, Any], code: str
) -> None:
    chunks = [LARGE, LARGE, b"tail"]
    status, _, body = alike(nodes, lambda one: framed(one, "/bucket/wrongframe", form, chunks, ODD, **wrong))
    assert status >= 400
    assert f"<Code>{code}<".encode() in body
    assert is_absent(nodes, "wrongframe")


# --- who is refused before it -------------------------------------------------------------------------------

REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("/foreign/key", {}),
    ("/nosuchbucket/key", {}),
    ("/bucket/key", {"who": ("NOBODY", "x", "x")}),
    ("/bucket/key", {"who": (*OTHER[:1], "not the secret", "x")}),
    ("/bucket/key", {"who": OTHER}),
    ("/bucket/key", {"headers": {"x-amz-tagging": "a=b"}}),
    ("/bucket/key", {"headers": {"Content-MD5": "nonsense"}}),
    ("/bucket/known", {"headers": {"If-None-Match": "*"}}),
    ("/bucket/key?partNumber=1&uploadId=" + "0" * 32, {}),
]


@pytest.mark.parametrize("size", [len(LARGE), HUGE], ids=["drained", "closed"])
@pytest.mark.parametrize(("path", "how"), REFUSED, ids=str)
def test_a_refusal_reaches_a_client_that_sends(
    nodes: tuple[Node, Node], path: str, how: dict[str, Any], size: int
) -> None:
    def once(one: Node) -> ANSWER:
        peer = one.connect()
        peer.send(one.sign_v2(path, {"Content-Length": str(size), **how.get("headers", {})}, how.get("who", OWNER)))
        peer.send(bytes(size if size < HUGE else MIB))
        answer = peer.response()
        if size == HUGE:
            assert peer.rest() == b""
        else:
            peer.send(one.sign_v2("/bucket/after", {"Content-Length": "1"}) + b"x")
            assert peer.response()[0] == 200
        peer.close()
        return answer

    status, headers, _ = alike(nodes, once)
    assert status >= 400
    assert ("connection" in headers) is (size == HUGE)


def test_a_client_that_waits_is_refused_without_its_body(nodes: tuple[Node, Node]) -> None:
    def once(one: Node) -> ANSWER:
        peer = one.connect()
        peer.send(one.sign_v2("/foreign/key", {"Content-Length": str(HUGE), "Expect": "100-continue"}))
        answer = peer.response()
        peer.close()
        return answer

    assert alike(nodes, once)[0] == 403


def test_a_client_that_waits_is_invited_once(nodes: tuple[Node, Node]) -> None:
    for one in nodes:
        peer = one.connect()
        peer.send(one.sign_v2("/bucket/invited", {"Content-Length": str(len(LARGE)), "Expect": "100-continue"}))
        assert peer.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        peer.send(LARGE)
        assert peer.response()[0] == 200
        peer.close()
        assert stored(one, "invited") == LARGE


def test_nobody_can_offer_a_body_of_somebody_else(nodes: tuple[Node, Node]) -> None:
    for ticket in ("64", "1;uninvited", "nonsense"):
        headers = {"x-nimbus-body": ticket}
        assert alike(nodes, lambda one: put_v2(one, "/bucket/forged", b"small", headers=headers))[0] == 200  # noqa: B023


def test_a_large_document_is_still_judged_by_its_size(nodes: tuple[Node, Node]) -> None:
    status, _, body = alike(nodes, lambda one: put_v2(one, "/new-bucket", bytes(MIB)))
    assert (status, b"MaxMessageLengthExceeded" in body) == (400, True)


# --- bodies that do not come to their end -------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_a_body_that_is_cut_leaves_nothing(nodes: tuple[Node, Node], ending: str) -> None:
    for one in nodes:
        before, open_before = one.blobs(), descriptors(one)
        for sent in (0, 1, 300_000, len(LARGE) - 1):
            peer = one.connect()
            peer.send(one.sign_v2("/bucket/cut", {"Content-Length": str(len(LARGE))}) + LARGE[:sent])
            if ending == "reset":
                peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
        assert eventually(lambda one=one, before=before: one.blobs() == before)  # type: ignore[misc]
        assert eventually(lambda one=one, count=open_before: descriptors(one) <= count)  # type: ignore[misc]
    assert is_absent(nodes, "cut")


@pytest.mark.parametrize("headers", [{"Content-Length": str(len(LARGE))}, {"Transfer-Encoding": "chunked"}], ids=str)
def test_a_peer_that_says_no_more_is_told_that_it_was_too_little(
    nodes: tuple[Node, Node], headers: dict[str, str]
) -> None:
    def once(one: Node) -> ANSWER:
        peer = one.connect()
        before = one.blobs()
        peer.send(one.sign_v2("/bucket/half", headers) + b"80000\r\n" + LARGE[:400_000])
        peer.socket.shutdown(socket.SHUT_WR)
        answer = peer.response()
        peer.close()
        assert eventually(lambda: one.blobs() == before)
        return _of_a_last_request(answer)

    status, _, body = alike(nodes, once)
    assert (status, b"<Code>IncompleteBody<" in body) == (400, True)
    assert is_absent(nodes, "half")


def _of_a_last_request(answer: ANSWER) -> ANSWER:
    """Without the word that the connection ends: the plane has it, Granian just does it."""
    answer[1].pop("connection", None)
    return answer


def test_broken_chunk_framing_is_refused_alike(nodes: tuple[Node, Node]) -> None:
    whole = b"40000\r\n" + bytes(0x40000) + b"\r\nnonsense\r\n"
    headers = {"Transfer-Encoding": "chunked"}
    answer = alike(nodes, lambda one: _of_a_last_request(one.exchange(one.sign_v2("/bucket/broken", headers) + whole)))
    assert (answer[0], b"<Code>IncompleteBody<" in answer[2]) == (400, True)
    assert is_absent(nodes, "broken")


def test_a_stalled_body_times_out_in_the_same_words(nodes: tuple[Node, Node]) -> None:
    def once(one: Node) -> ANSWER:
        before = one.blobs()
        peer = one.connect()
        peer.send(one.sign_v2("/bucket/stalled", {"Content-Length": str(HUGE)}) + LARGE)
        answer = peer.response()
        peer.close()
        assert eventually(lambda: one.blobs() == before)
        return answer

    status, _, body = alike(nodes, once)
    assert (status, b"<Code>RequestTimeout<" in body) == (400, True)
    assert is_absent(nodes, "stalled")


def test_a_stop_in_mid_body_is_clean(tmp_path: Path) -> None:
    with doors(tmp_path, "--listen", "127.0.0.1:0", "--data-plane", "on") as node:
        server = node.s3
        server.client().create_bucket(Bucket="bucket")
        one = Node(server.host, server.port, tmp_path, server.pid)
        peer = one.connect()
        who = (server.access_key, server.secret_key, "")
        peer.send(one.sign_v2("/bucket/stopped", {"Content-Length": str(HUGE)}, who) + LARGE)
        assert eventually(lambda: len(one.blobs()) == 1)
    assert peer.rest() == b""
    peer.close()
    assert one.blobs() == set()


# --- clients ------------------------------------------------------------------------------------------------


def test_old_signatures_of_real_clients_do_not_send_their_bytes_through_python(tmp_path: Path) -> None:
    """s3cmd whole and in parts, boto3, and curl with a presigned URL; 64 MiB each."""
    body = body_of(64 * MIB)
    (tmp_path / "large").write_bytes(body)
    with doors(tmp_path, "--listen", "127.0.0.1:0", "--data-plane", "on") as node:
        server = node.s3
        client = server.client(signature_version="s3")
        client.create_bucket(Bucket="clients")
        config = tmp_path / "s3cfg"
        config.write_text(
            f"[default]\naccess_key = {server.access_key}\nsecret_key = {server.secret_key}\n"
            f"host_base = {server.host}:{server.port}\nhost_bucket = {server.host}:{server.port}\n"
            "use_https = False\nsignature_v2 = True\n"
        )
        s3cmd = ["s3cmd", "-c", config, "--no-progress", "put", "large"]
        run([*s3cmd, "s3://clients/whole", "--multipart-chunk-size-mb=100"], cwd=tmp_path)
        run([*s3cmd, "s3://clients/parts", "--multipart-chunk-size-mb=15"], cwd=tmp_path)
        client.put_object(Bucket="clients", Key="boto3", Body=body)
        url = client.generate_presigned_url("put_object", Params={"Bucket": "clients", "Key": "curl"})
        run(["curl", "-sS", "--fail-with-body", "-T", "large", url], cwd=tmp_path)
        for key in ("whole", "parts", "boto3", "curl"):
            assert client.get_object(Bucket="clients", Key=key)["Body"].read() == body
        series = {name: value for (name, found), value in node.scrape().items() if not found}
    assert series["nimbus_plane_received_bytes_total"] > 4 * len(body)
    assert series["nimbus_plane_relayed_body_bytes_total"] < MIB
    assert urllib.parse.urlsplit(url).query.startswith("AWSAccessKeyId=")
