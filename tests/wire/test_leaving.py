"""A peer that leaves: its download ends soon, and what is logged and counted as sent is what was sent.

In both modes and over TLS. What the kernel had taken for the peer counts, up to its largest send buffer, and where
Granian answers so does what its connection was writing: all of it a small part of what was asked for.
"""

from __future__ import annotations

import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.wire.ops import Doors, doors, labels
from tests.wire.serving import Server
from tests.wire.test_access_log import lines_when

MIB = 1 << 20
SIZE = 96 * MIB
LITTLE = 48 * MIB  # more than the buffers of both kernels, and what is taken until the end is heard of
LAG = 6 * MIB  # pieces that Granian may not have written when they are handed over are not counted
PATIENCE_S = 20.0
SENT = ("nimbus_s3_sent_bytes_total", labels(operation="GetObject"))
READ = ("nimbus_data_read_bytes_total", ())


class Away:
    """A server with one large object, and raw connections to it."""

    def __init__(self, started: Doors, log: Path, tls: ssl.SSLContext | None) -> None:
        self.started = started
        self._log = log
        self._tls = tls
        self._client = started.s3.client()
        self._client.create_bucket(Bucket="away")
        self._client.put_object(Bucket="away", Key="large", Body=b"x" * SIZE)
        self._lines = len(lines_when(log, 2))

    @property
    def _server(self) -> Server:
        return self.started.https if self._tls else self.started.s3

    def connect(self) -> socket.socket:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        raw.settimeout(PATIENCE_S)
        raw.connect((self._server.host, self._server.port))
        return self._tls.wrap_socket(raw, server_hostname="localhost") if self._tls else raw

    def ask(self, peer: socket.socket, extra: str = "", **parameters: str) -> None:
        client = self.started.s3.client()
        url = client.generate_presigned_url("get_object", Params={"Bucket": "away", "Key": "large", **parameters})
        target = url.partition(f":{self.started.s3.port}")[2]
        host = f"{self.started.s3.host}:{self.started.s3.port}"
        peer.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n{extra}\r\n".encode())

    def line(self) -> dict[str, Any]:
        """The next line of the log."""
        self._lines += 1
        return lines_when(self._log, self._lines)[-1]

    def counters(self) -> tuple[float, float]:
        """What /metrics says was sent of objects, and read of them."""
        found = self.started.scrape()
        return found.get(SENT, 0), found.get(READ, 0)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("certificate")
    cert, key = folder / "s.crt", folder / "s.key"
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*new, *names, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    key.chmod(0o600)
    return cert, key


@pytest.fixture(scope="module", params=["off", "on", "tls"])
def away(
    request: pytest.FixtureRequest, certificate: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Away]:
    folder = tmp_path_factory.mktemp("away")
    arguments = ["--listen", "127.0.0.1:0", "--access-log", str(folder / "log")]
    tls = None
    if request.param == "tls":
        tls = ssl.create_default_context(cafile=str(certificate[0]))
        arguments += [
            "--tls-cert",
            str(certificate[0]),
            "--tls-key",
            str(certificate[1]),
            "--tls-listen",
            "127.0.0.1:0",
        ]
    else:
        arguments += ["--data-plane", request.param]
    with doors(folder, *arguments) as started:
        yield Away(started, folder / "log", tls)


def received(peer: socket.socket, least: int) -> int:
    """How many bytes came until there were so many."""
    count = 0
    while count < least:
        piece = peer.recv(min(1 << 20, least - count))
        assert piece, "the server has closed"
        count += len(piece)
    return count


def reset(peer: socket.socket) -> None:
    """Close so that the other side is told at once."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


@pytest.mark.parametrize("leave", [socket.socket.close, reset], ids=["closed", "reset"])
@pytest.mark.parametrize("pause_s", [0, 0.3], ids=["at once", "after a while"])
def test_a_download_that_is_given_up_counts_what_was_sent(away: Away, leave: Any, pause_s: float) -> None:
    sent, read = away.counters()
    with closing(away.connect()) as peer:
        away.ask(peer)
        received(peer, 1)
        time.sleep(pause_s)
        leave(peer)
        line = away.line()
        assert (line["operation"], line["status"]) == ("GetObject", 200)
        assert 0 <= line["sent_bytes"] < LITTLE
        now_sent, now_read = away.counters()
        assert now_sent - sent == line["sent_bytes"]
        assert now_read - read < LITTLE


def test_a_download_that_is_given_up_half_way_counts_about_half(away: Away) -> None:
    with closing(away.connect()) as peer:
        away.ask(peer)
        took = received(peer, SIZE // 2)
        peer.close()
        assert took - LAG < away.line()["sent_bytes"] < took + LITTLE // 2


def test_a_range_and_a_second_request_of_a_connection_are_counted_alike(away: Away) -> None:
    with closing(away.connect()) as peer:
        away.ask(peer, "Range: bytes=1-1000\r\n")
        received(peer, 1200)
        assert away.line()["sent_bytes"] == 1000
        away.ask(peer, f"Range: bytes=1-{SIZE // 2}\r\n")
        received(peer, 1)
        peer.close()
        line = away.line()
        assert (line["status"], line["sent_bytes"] < LITTLE) == (206, True)


def test_a_whole_download_counts_whole_also_to_a_slow_reader(away: Away) -> None:
    sent, _ = away.counters()
    with closing(away.connect()) as peer:
        away.ask(peer)
        received(peer, MIB)
        time.sleep(0.3)
        received(peer, SIZE - MIB)
        assert away.line()["sent_bytes"] == SIZE
        assert away.counters()[0] - sent == SIZE
        peer.close()


def test_the_tail_of_a_download_counts_only_when_it_was_taken(away: Away) -> None:
    """All of it lies in buffers of the server when the client goes; what lies in those of the kernel counts."""
    with closing(away.connect()) as peer:
        away.ask(peer, f"Range: bytes=0-{16 * MIB - 1}\r\n")
        received(peer, 1)
        time.sleep(0.3)
        peer.close()
        assert away.line()["sent_bytes"] < 16 * MIB


def test_who_closes_its_sending_side_after_a_whole_request_is_answered_by_the_native_plane(tmp_path: Path) -> None:
    """Natively answered, relayed and sent by ticket; docs/https.md names Granian, which has no setting for it."""
    with doors(tmp_path, "--listen", "127.0.0.1:0", "--access-log", str(tmp_path / "log")) as started:
        away = Away(started, tmp_path / "log", None)
        for parameters in ({}, {"ResponseContentType": "text/plain"}):
            with closing(away.connect()) as peer:
                away.ask(peer, "", **parameters)
                peer.shutdown(socket.SHUT_WR)
                assert peer.recv(12) == b"HTTP/1.1 200"
                assert received(peer, SIZE) == SIZE
            assert away.line()["sent_bytes"] == SIZE
