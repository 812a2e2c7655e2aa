"""Uploads that are too much: refused from their heads, at once, and so that the client reads it.

The plane's uploads are taken by nobody here, so whatever comes in stays: a disk and a commit thread that stand still.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.wire.plane_front import Front, Peer, front
from tests.wire.plane_signing import ALICE, signed

MIB = 1 << 20
FLOOR = 8 * MIB // (256 * 1024 + 64 * 1024)  # NB_WORK_FLOOR_BYTES, in uploads
MOST = 3 * FLOOR + 60  # by the pace that is thought of before there is one, and what the clock lets in besides
PAYLOAD = "UNSIGNED-PAYLOAD"


@pytest.fixture
def standing() -> Iterator[Front]:
    with front(takes_uploads=True) as one:
        one.plane.set_keys([ALICE], "us-east-1")
        yield one


def head(size: int, *, part: bool = False, **headers: str) -> bytes:
    path = "/bucket/key" + (f"?partNumber=1&uploadId={'0' * 32}" if part else "")
    return signed(path, method="PUT", Content_Length=str(size), x_amz_content_sha256=PAYLOAD, **headers)


def fill(one: Front, size: int = MIB) -> tuple[list[Peer], Peer]:
    """Uploads until one is refused: those that are in, and that one."""
    held: list[Peer] = []
    for _ in range(MOST):
        peer = one.connect()
        peer.send(head(size))
        assert one.eventually(lambda: one.counter("in_flight") == len(held) + 1 or one.counter("refused") > 0)
        if one.counter("refused"):
            return held, peer
        held.append(peer)
    raise AssertionError(f"{len(held)} uploads were let in")


def check_refusal(answer: tuple[int, dict[str, str], bytes]) -> None:
    status, headers, document = answer
    assert (status, headers["retry-after"]) == (503, "1")
    assert b"<Code>SlowDown</Code>" in document


def test_uploads_are_refused_from_their_heads_when_those_before_do_not_get_done(standing: Front) -> None:
    held, refused = fill(standing)
    check_refusal(refused.response())  # not a byte of the body was sent
    assert len(held) >= FLOOR


@pytest.mark.parametrize("part", [False, True])
def test_a_client_that_sends_on_reads_its_refusal_and_may_ask_again_on_its_connection(
    standing: Front, part: bool
) -> None:
    fill(standing)
    peer = standing.connect()
    for _ in range(3):
        peer.send(head(8 * MIB, part=part) + bytes(8 * MIB))
        answer = peer.response()
        check_refusal(answer)
        assert "connection" not in answer[1]


def test_a_client_that_sends_more_than_is_worth_reading_reads_its_refusal(standing: Front) -> None:
    fill(standing)
    peer = standing.connect()
    peer.send(head(64 * MIB) + bytes(64 * MIB))
    answer = peer.response()
    check_refusal(answer)
    assert answer[1]["connection"] == "close"
    assert peer.rest() == b""


def test_a_client_that_waits_for_an_invitation_gets_its_refusal_instead(standing: Front) -> None:
    fill(standing)
    peer = standing.connect()
    peer.send(head(MIB, Expect="100-continue"))
    answer = peer.response()
    check_refusal(answer)
    assert answer[1]["connection"] == "close"
    assert peer.rest() == b""


def test_large_uploads_that_are_relayed_are_refused_alike(standing: Front) -> None:
    fill(standing)
    peer = standing.connect()
    peer.send(f"PUT /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {MIB}\r\n\r\n".encode())
    check_refusal(peer.response())
    assert standing.behind.requests == []


def test_everything_else_is_answered_meanwhile(standing: Front) -> None:
    fill(standing)
    peer = standing.connect()
    peer.send(b"GET /large?7 HTTP/1.1\r\nHost: h\r\n\r\n")
    assert peer.response()[0] == 200


def test_memory_for_uploads_is_bounded_whatever_time_there_is() -> None:
    with front(takes_uploads=True, upload_memory_bytes_max=MIB) as one:
        one.plane.set_keys([ALICE], "us-east-1")
        held, refused = fill(one)
        check_refusal(refused.response())
        assert len(held) == 4
