"""Uploads beyond the memory there is for them, with no native plane in front: refused from their heads, at once."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.wire.serving import running
from tests.wire.test_raw_http import SECONDS_MAX, Raw, read_answer

MIB = 1 << 20


def test_bodies_that_wait_hold_no_more_than_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIMBUS_LIMITS__UPLOAD_BYTES", str(8 * MIB))
    with running(tmp_path, "--data-plane", "off") as server, ExitStack() as open_:
        server.client().create_bucket(Bucket="bucket")
        raw = Raw(server, "bucket")

        def begin(key: str) -> socket.socket:
            peer = open_.enter_context(socket.create_connection((server.host, server.port), timeout=SECONDS_MAX))
            length = f"Content-Length: {MIB}\r\nExpect: 100-continue\r\n\r\n"
            peer.sendall(raw.head("PUT", f"/{key}")[:-2] + length.encode())
            return peer

        held = [begin(f"held-{number}") for number in range(8)]
        for peer in held:
            assert peer.recv(100).startswith(b"HTTP/1.1 100 ")
        answer = read_answer(begin("refused"))
        assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "SlowDown", "1")
        held[0].sendall(bytes(MIB))
        assert read_answer(held[0]).status == 200
        assert begin("admitted").recv(100).startswith(b"HTTP/1.1 100 ")
        assert raw.talk(raw.head("GET", "?list-type=2")).status == 200
