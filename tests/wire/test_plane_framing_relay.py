"""Request smuggling against the relay: what arrives behind the plane is what its parser understood, and nothing else.

Every case of the framing tests goes through a running plane to an echo. Each head that the echo gets must be one that
only the plane could have written: one framing, no header of one hop, and the plane's own x-nimbus-* alone.
"""

from __future__ import annotations

import os
import random
import secrets
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from nimbus._native.plane import Plane
from tests.conftest import SCALE
from tests.wire.framing_cases import CHUNKS, mutations, table
from tests.wire.framing_peers import Peer, Peers, Understood, running
from tests.wire.plane_front import Settings
from tests.wire.test_plane_framing import NEXT, SEEN_MAX, same, understand

TOKEN: Final = secrets.token_hex(32)
PATIENCE_S: Final = 1.0
PATIENCE_OF_DOUBT_S: Final = 10.0
MUTATIONS: Final = round(1500 * min(SCALE, 8.0))
# Bodies of one hop, and what the next one must not believe.
HOP: Final = {"connection", "keep-alive", "proxy-connection", "upgrade", "http2-settings"}
TOLD: Final = {f"x-nimbus-hop-{name}" for name in HOP}  # by us: a signature may cover them
FORGERIES: Final = (
    *(
        b"x-nimbus-token: forged",
        b"X-NIMBUS-TOKEN: forged",
        b"X-Nimbus-Peer: 9.9.9.9",
        b"x-nimbus-: x",
        b"X-nImBuS-Anything: x",
        b"X-Nimbus-Hop-Host: x",
    ),
    *(
        b"x-nimbus-token:forged\r\nX-Nimbus-Token: again",
        b"Connection: x-nimbus-token, x-nimbus-peer, host",
        b"x-nimbus-token:",
    ),
    *(
        b"Connection: transfer-encoding",
        b"Connection: content-length\r\nConnection: close",
        b"Upgrade: h2c\r\nConnection: upgrade",
    ),
)


@pytest.fixture(scope="module")
def peers() -> Iterator[Peers]:
    with (
        tempfile.TemporaryDirectory(prefix="r") as name,
        running(Path(name)) as all,
        socket.socket(socket.AF_UNIX) as front,
    ):
        folder = Path(name)
        front.bind(str(folder / "plane.sock"))
        front.listen(512)
        front.setblocking(False)
        plane = Plane(Settings(front.fileno(), str(folder / "echo.sock"), TOKEN, header_timeout_ms=1000))
        plane.start()
        all.all[:] = [Peer("plane", folder / "plane.sock")]
        yield all
        plane.stop()


def forged() -> list[bytes]:
    cases = []
    for line in FORGERIES:
        cases.append(b"PUT /x HTTP/1.1\r\nHost: h\r\n" + line + b"\r\nContent-Length: 5\r\n\r\nhello")
        cases.append(b"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n" + line + b"\r\n\r\n" + CHUNKS)
        cases.append(
            b"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n" + line + b"\r\n\r\n"
        )
    return cases


def wrong_with(head: bytes) -> str | None:
    """What the plane should never have written."""
    lines = head.decode("latin-1").split("\r\n")[1:-2]
    names = [line.split(": ", 1)[0] for line in lines]
    ours = sorted(name for name in names if name.startswith("x-nimbus-") and name not in TOLD)
    if ours != ["x-nimbus-peer", "x-nimbus-token"]:
        return "not exactly our own headers"
    if f"x-nimbus-token: {TOKEN}" not in lines or "x-nimbus-peer: " not in lines:
        return "values that are not ours"
    if names.count("host") != 1 or names.count("content-length") + names.count("transfer-encoding") > 1:
        return "more than one host or framing"
    if HOP.intersection(names) or any(name != name.lower() or name != name.strip() for name in names):
        return "a header of one hop, or a name that is not plain"
    return None


def difference(ours: list[Understood], seen: list[Understood]) -> bool:
    return len(ours) != len(seen) or not all(map(same, ours, seen))


def check(peers: Peers, cases: list[bytes]) -> None:
    runs = [case + NEXT for case in cases]
    before = len(peers.heads)
    suspects = [
        run
        for run, seen in zip(runs, peers.understand(runs, SEEN_MAX, PATIENCE_S), strict=True)
        if difference(understand(run)[0], seen["plane"])
    ]
    told = [(run, peers.understand([run], SEEN_MAX, PATIENCE_OF_DOUBT_S)[0]["plane"]) for run in suspects]
    assert not [f"{run!r}: {seen}" for run, seen in told if difference(understand(run)[0], seen)]
    assert len(peers.heads) > before
    assert not [f"{head!r}: {wrong}" for head in peers.heads[before:] if (wrong := wrong_with(head))]


def test_headers_that_only_we_may_set_never_come_from_a_client(peers: Peers) -> None:
    check(peers, forged())


def test_what_arrives_behind_the_plane_is_what_its_parser_understood(peers: Peers) -> None:
    check(peers, table())


def test_mutations_arrive_behind_the_plane_as_its_parser_understood_them(peers: Peers) -> None:
    seed = int(os.environ.get("FRAMING_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"FRAMING_SEED={seed}")
    check(peers, list(mutations(random.Random(seed), [*table(), *forged()], MUTATIONS)))
