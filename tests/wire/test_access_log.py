"""The access log of a real server: one line for each request, whoever answered it, the same in both modes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from nimbus._native.plane import AccessLog
from tests.wire.conftest import DATA_PLANES
from tests.wire.ops import doors
from tests.wire.plane_front import front
from tests.wire.serving import Server, running

PATIENCE_S = 20.0
VARYING = ("time", "request_id", "via", "first_byte_us", "total_us", "user_agent")
EVIL = 'a"}\n{"time":"x\r\x1b[31m\u2028 \u202e\U0001f600 é\x7f'


def lines_of(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes()
    assert all(0x20 <= byte < 0x7F or byte == 0x0A for byte in data)
    return [json.loads(line) for line in data.splitlines()]


def lines_when(path: Path, count: int) -> list[dict[str, Any]]:
    """The lines once there are so many: the log writes a little later than the client reads."""
    deadline = time.monotonic() + PATIENCE_S
    while len(lines := lines_of(path) if path.exists() else []) < count:
        assert time.monotonic() < deadline, lines
        time.sleep(0.02)
    return lines


def attempt(call: Any, **arguments: Any) -> None:
    with pytest.raises(ClientError):
        call(**arguments)


def converse(server: Server) -> int:
    """Requests of every kind; how many."""
    client = server.client(retries={"max_attempts": 0})
    stranger = server.client(server.other, retries={"max_attempts": 0})
    one = {"Bucket": "logged", "Key": "one"}
    client.create_bucket(Bucket="logged")
    client.put_object(Body=b"x" * 1000, **one)
    client.put_object(Bucket="logged", Key=EVIL, Body=b"evil")
    client.put_object(Bucket="logged", Key="large", Body=b"x" * 1_000_000, Metadata={"a": "b"})
    for _ in range(2):
        assert client.get_object(Bucket="logged", Key="large")["Body"].read() == b"x" * 1_000_000
        client.get_object(Bucket="logged", Key=EVIL)["Body"].read()
    client.get_object(Range="bytes=10-19", **one)["Body"].read()
    client.head_object(**one)
    client.list_objects_v2(Bucket="logged")
    client.list_buckets()
    attempt(client.get_object, Bucket="logged", Key="missing")
    attempt(client.head_object, Bucket="logged", Key="missing")
    attempt(client.get_object, Bucket="nowhere-at-all", Key="missing")
    attempt(stranger.get_object, **one)
    attempt(stranger.put_object, Body=b"no", **one)
    attempt(client.put_object, Body=b"abc", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==", **one)
    upload = client.create_multipart_upload(Bucket="logged", Key="parts")["UploadId"]
    part = {"Bucket": "logged", "Key": "parts", "UploadId": upload}
    client.upload_part(PartNumber=1, Body=b"part", **part)
    client.abort_multipart_upload(**part)
    client.delete_objects(Bucket="logged", Delete={"Objects": [{"Key": "one"}]})
    url = client.generate_presigned_url("get_object", Params={"Bucket": "logged", "Key": "large"})
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Referer": url})) as answer:
        answer.read()
    return 23


def test_both_modes_write_the_same_lines(tmp_path: Path) -> None:
    told: dict[str, list[dict[str, Any]]] = {}
    for mode in DATA_PLANES:
        folder = tmp_path / mode
        folder.mkdir()
        with running(folder, "--data-plane", mode, "--access-log", str(folder / "log")) as server:
            count = converse(server)
        told[mode] = sorted(lines_of(folder / "log"), key=lambda line: line["time"])
        assert len(told[mode]) == count
    assert {line["via"] for line in told["off"]} == {"granian"}
    assert {line["via"] for line in told["on"]} == {"native", "relayed"}
    for ours, theirs in zip(told["on"], told["off"], strict=True):
        assert comparable(ours) == comparable(theirs)


def comparable(line: dict[str, Any]) -> dict[str, Any]:
    """What must not depend on who answered, on the hour, the port, or an id that a server made up."""
    kept = {name: value for name, value in line.items() if name not in VARYING}
    kept["target"] = re.sub(r"(uploadId|X-Amz-Date)=[^&]*", r"\1=", kept["target"])
    kept["referer"] = re.sub(r"X-Amz-Date=[^&]*", "", kept["referer"].partition("?")[2])
    if kept["error"]:
        kept["sent_bytes"] = None  # the document repeats ids
    return kept


@pytest.mark.parametrize("mode", DATA_PLANES)
def test_a_line_tells_who_did_what_and_how_it_ended(mode: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running(tmp_path, "--data-plane", mode, "--access-log", str(log)) as server:
        client = server.client()
        client.create_bucket(Bucket="logged")
        client.put_object(Bucket="logged", Key=EVIL, Body=b"x" * 100_000)
        answer = client.get_object(Bucket="logged", Key=EVIL)
        answer["Body"].read()
        lines = lines_when(log, 3)
    line = next(line for line in lines if line["operation"] == "GetObject")
    assert line["request_id"] == answer["ResponseMetadata"]["RequestId"]
    assert (line["user"], line["access_key"], line["bucket"], line["key"]) == (
        server.user.id,
        server.access_key,
        "logged",
        EVIL,
    )
    assert (line["peer"], line["method"], line["status"], line["error"]) == ("127.0.0.1", "GET", 200, "")
    assert (line["received_bytes"], line["sent_bytes"]) == (0, 100_000)
    assert 0 <= line["first_byte_us"] <= line["total_us"] < PATIENCE_S * 1e6
    assert line["user_agent"].startswith("Boto3/")
    put = next(line for line in lines if line["operation"] == "PutObject")
    assert (put["received_bytes"], put["sent_bytes"]) == (100_000, 0)


@pytest.mark.parametrize("mode", DATA_PLANES)
def test_no_secret_stands_in_the_log(mode: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running(tmp_path, "--data-plane", mode, "--access-log", str(log)) as server:
        client = server.client()
        client.create_bucket(Bucket="logged")
        url = client.generate_presigned_url("list_objects_v2", Params={"Bucket": "logged"})
        old = server.client(signature_version="s3")
        older = old.generate_presigned_url("list_objects", Params={"Bucket": "logged"})
        secrets = [url.split("Signature=")[1].split("&")[0], older.split("Signature=")[1].split("&")[0]]
        for address in (url, older):
            with urllib.request.urlopen(urllib.request.Request(address, headers={"Referer": address})) as answer:
                answer.read()
        lines_when(log, 3)
    text = log.read_text()
    assert text.count("ignature=***") == 4
    assert not [secret for secret in (*secrets, server.secret_key) if secret in text]


@pytest.mark.parametrize("mode", DATA_PLANES)
def test_who_has_not_signed_has_no_name_and_an_unknown_key_is_not_repeated(mode: str, tmp_path: Path) -> None:
    """Somebody may have put a secret where the access key belongs."""
    log = tmp_path / "log"
    with running(tmp_path, "--data-plane", mode, "--access-log", str(log)) as server:
        stranger = server.client(server.user.__class__("x", "", "swapped-secret", "swapped-key"))
        attempt(stranger.get_object, Bucket="bucket", Key="key")
        line = lines_when(log, 1)[0]
    assert (line["user"], line["access_key"], line["error"], line["status"]) == ("", "", "InvalidAccessKeyId", 403)
    assert "swapped" not in log.read_text()


@pytest.mark.parametrize("mode", DATA_PLANES)
def test_a_client_that_goes_away_is_logged_once(mode: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running(tmp_path, "--data-plane", mode, "--access-log", str(log)) as server:
        client = server.client()
        client.create_bucket(Bucket="logged")
        url = client.generate_presigned_url("put_object", Params={"Bucket": "logged", "Key": "cut"})
        target = url.partition(f":{server.port}")[2]
        with socket.create_connection((server.host, server.port)) as peer:
            peer.sendall(f"PUT {target} HTTP/1.1\r\nHost: {server.host}:{server.port}\r\n".encode())
            peer.sendall(b"Content-Length: 100000\r\n\r\n" + b"x" * 1000)
        lines = lines_when(log, 2)
    assert [line["operation"] for line in lines_of(log)] == ["CreateBucket", "PutObject"]
    assert (lines[1]["received_bytes"], lines[1]["key"]) == (1000, "cut")


def test_heads_that_nobody_understands_have_a_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running(tmp_path, "--data-plane", "on", "--access-log", str(log)) as server:
        with socket.create_connection((server.host, server.port)) as peer:
            peer.sendall(b'GET /\x01"} HTTP/1.1\r\n\r\n')
            assert peer.recv(100).startswith(b"HTTP/1.1 400")
        line = lines_when(log, 1)[0]
    assert (line["status"], line["method"], line["target"], line["via"]) == (400, "", "", "native")


@pytest.mark.parametrize("mode", DATA_PLANES)
def test_the_file_is_opened_anew_on_sighup(mode: str, tmp_path: Path) -> None:
    log, moved = tmp_path / "log", tmp_path / "log.1"
    with running(tmp_path, "--data-plane", mode, "--access-log", str(log)) as server:
        client = server.client()
        client.list_buckets()
        lines_when(log, 1)
        log.rename(moved)
        os.kill(server.pid, signal.SIGHUP)
        deadline = time.monotonic() + PATIENCE_S
        while not log.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        client.list_buckets()
    assert (len(lines_of(moved)), len(lines_of(log))) == (1, 1)


def test_a_log_that_is_closed_under_a_running_plane_lives_as_long_as_the_plane(tmp_path: Path) -> None:
    """A server that has failed closes its parts in that order."""
    log = AccessLog(str(tmp_path / "log"), 2)
    with front(log) as plane:
        log.close()
        peer = plane.connect()
        peer.send(b"GET /large?4 HTTP/1.1\r\nHost: x\r\n\r\n")
        peer.response()
        assert plane.eventually(lambda: plane.counter("in_flight") == 0)
    assert [line["target"] for line in lines_of(tmp_path / "log")] == ["/large?4"]
    with pytest.raises(AssertionError, match="closed"):
        log.counters()


@pytest.mark.parametrize("mode", DATA_PLANES)
def test_under_load_every_request_has_its_line(mode: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    arguments = ("--listen", "127.0.0.1:0", "--data-plane", mode, "--access-log", str(log))
    with doors(tmp_path, *arguments) as started:
        server = started.s3
        client = server.client()
        client.create_bucket(Bucket="logged")
        client.put_object(Bucket="logged", Key="hot", Body=b"x")
        url = client.generate_presigned_url("get_object", Params={"Bucket": "logged", "Key": "hot"})
        head = f"GET {url.partition(f':{server.port}')[2]} HTTP/1.1\r\nHost: {server.host}:{server.port}\r\n\r\n"
        with socket.create_connection((server.host, server.port), timeout=60) as peer:
            for _ in range(40):
                peer.sendall(head.encode() * 50)
                seen = b""
                while seen.count(b"HTTP/1.1 200") < 50:
                    received = peer.recv(1 << 20)
                    assert received, "the server has closed"
                    seen += received
        deadline = time.monotonic() + 30
        while started.scrape()["nimbus_access_log_lines_total", ()] < 2002:  # a busy machine writes them later
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert started.scrape()["nimbus_access_log_dropped_lines_total", ()] == 0
    lines = lines_of(log)
    assert len(lines) == 2 + 2000
    assert len({line["request_id"] for line in lines}) == len(lines)
