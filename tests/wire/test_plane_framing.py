"""Where a request ends: the plane's parser against nginx, HAProxy and hyper.

Smuggling needs two servers that see different requests in the same bytes. So whatever our parser takes, at least one
of the others takes too, and all that take it see the same method, target and body, and the next request at the same
byte. To be stricter than all of them is fine; to wait for more where another has seen a whole request is not.
"""

from __future__ import annotations

import os
import random
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from nimbus._native.plane import decode_chunked, parse_request, parse_response
from tests.conftest import SCALE
from tests.wire.framing_cases import mutations, table
from tests.wire.framing_peers import Peers, Understood, running

NEXT: Final = b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n"
SEEN_MAX: Final = 2
PATIENCE_S: Final = 2.0
PATIENCE_OF_DOUBT_S: Final = 10.0
_LENGTH: Final = min(SCALE, 8.0)  # a test has five minutes
_AUTHORITY: Final = re.compile(rb"\Ahttps?://[^/?]*", re.IGNORECASE)
MUTATIONS: Final = round(20_000 * _LENGTH)  # most are refused by our parser, and then nobody else is asked
ASKED_MAX: Final = round(600 * _LENGTH)
WAITING_MAX: Final = round(60 * _LENGTH)  # each costs the patience of every server


@pytest.fixture(scope="module")
def peers() -> Iterator[Peers]:
    with tempfile.TemporaryDirectory(prefix="f") as folder, running(Path(folder)) as all:
        yield all


def understand(data: bytes) -> tuple[list[Understood], bool]:
    """The requests that our parser sees, and whether it then waits for more."""
    found: list[Understood] = []
    while data and len(found) < SEEN_MAX:
        try:
            data = data.removeprefix(b"\r\n")  # RFC 9112, 2.2
            head = parse_request(data)
            if head is None:
                return found, True
            body, rest = take_body(data[head.body_at :], head.content_length or 0, head.chunked)
        except EOFError:
            return found, True
        except ValueError:
            return found, False
        query = b"" if head.query is None else b"?" + head.query
        found.append(Understood(head.method, head.path + query, body))
        if not head.keep_alive:
            return found, False
        data = rest
    return found, False


def take_body(data: bytes, length: int, chunked: bool) -> tuple[bytes, bytes]:
    if not chunked:
        if len(data) < length:
            raise EOFError
        return data[:length], data[length:]
    decoded = decode_chunked([data])
    if decoded is None:
        raise EOFError
    return decoded


def resource(target: bytes) -> bytes:
    """What a target names at its host. A question mark without a query may get lost: it asks for nothing."""
    path = _AUTHORITY.sub(b"", target).rstrip(b"?")
    return path if path.startswith(b"/") else b"/" + path


def same(ours: Understood, theirs: Understood) -> bool:
    """Some leave a target in absolute form as it is, and some take it apart (RFC 9112, 3.2.2)."""
    return ours._replace(target=resource(ours.target)) == theirs._replace(target=resource(theirs.target))


def disagreement(run: bytes, others: dict[str, list[Understood]]) -> str | None:
    ours, waits = understand(run)
    for name, theirs in others.items():
        if not all(map(same, ours, theirs)):
            return f"{name} sees {theirs}, we see {ours}"
        if waits and len(theirs) > len(ours):
            return f"{name} sees {theirs}, we wait for more after {ours}"
    if ours and not any(others.values()):
        return f"we see {ours}, and nobody else sees anything"
    return None


def check(peers: Peers, cases: list[bytes]) -> None:
    runs = [case + NEXT for case in cases]
    suspects = [
        run
        for run, others in zip(runs, peers.understand(runs, SEEN_MAX, PATIENCE_S), strict=True)
        if disagreement(run, others)
    ]
    # A machine that is busy elsewhere makes servers look silent: ask again, one by one, with more patience.
    told = [(run, disagreement(run, peers.understand([run], SEEN_MAX, PATIENCE_OF_DOUBT_S)[0])) for run in suspects]
    assert not [f"{run!r}: {what}" for run, what in told if what]


def worth_asking(cases: Iterator[bytes] | list[bytes]) -> list[bytes]:
    """The cases that our parser does not refuse at once; those that make it wait are few, because they take long."""
    chosen, waiting = [], 0
    for case in cases:
        ours, waits = understand(case + NEXT)
        waiting += waits and not ours
        if ours or (waits and waiting <= WAITING_MAX):
            chosen.append(case)
    return chosen[:ASKED_MAX]


def test_the_table_means_to_us_what_it_means_to_others(peers: Peers) -> None:
    cases = table()
    assert len(cases) > 500
    check(peers, worth_asking(cases))


def test_mutations_mean_to_us_what_they_mean_to_others(peers: Peers) -> None:
    seed = int(os.environ.get("FRAMING_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"FRAMING_SEED={seed}")
    check(peers, worth_asking(mutations(random.Random(seed), table(), MUTATIONS)))


@pytest.mark.parametrize(
    "case",
    [
        b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
        b"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ],
)
def test_everybody_understands_a_plain_request(peers: Peers, case: bytes) -> None:
    wanted = [Understood(b"PUT", b"/x", b"hello"), Understood(b"GET", b"/next", b"")]
    assert understand(case + NEXT) == (wanted, False)
    (others,) = peers.understand([case + NEXT], SEEN_MAX, PATIENCE_OF_DOUBT_S)
    assert others == dict.fromkeys(("nginx", "haproxy", "hyper"), wanted)


def test_what_the_largest_request_stored_fits_into_an_answer() -> None:
    lines = b"".join(b"x-amz-meta-%d: v\r\n" % number for number in range(100))
    answer = parse_response(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n")
    assert answer is not None
    assert len(answer[2]) == 100
    with pytest.raises(ValueError, match="too-many"):
        parse_response(b"HTTP/1.1 200 OK\r\n" + lines * 2 + b"\r\n")
