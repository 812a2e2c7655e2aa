"""Tickets between the native plane and the server behind it: good once, for what was offered, and for nobody else."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from itertools import pairwise

import pytest

from nimbus._native.plane import offer_bytes, take_settled, withdraw_offer
from nimbus.data.local import LocalDataStore
from nimbus.data.location import check_of
from nimbus.server.plane_lookups import Extent, plane_extents
from nimbus.store.records import Extent as StoredExtent
from tests.wire.page_cache import evict
from tests.wire.plane_front import Front, front, head

GET = b"GET /say HTTP/1.1\r\nHost: h\r\n\r\n"
BODY = secrets.token_bytes(900_000)
CUTS = (0, 100_000, 500_000, 900_000)  # a frame and two blobs
TICKETS_MAX = 4096


@pytest.fixture(scope="module")
def extents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Extent, ...]]:
    """Which hold BODY together."""
    data = LocalDataStore(tmp_path_factory.mktemp("data"))

    async def store(content: bytes) -> StoredExtent:
        writer = data.writer(len(content))
        await writer.write(content)
        return StoredExtent(await writer.finish(), len(content))

    stored = [asyncio.run(store(BODY[start:end])) for start, end in pairwise(CUTS)]
    data.sync()
    yield plane_extents(stored, data, check_of)
    data.close()


@pytest.fixture
def one() -> Iterator[Front]:
    with front() as running:
        yield running


class Offers:
    """Makes tickets, and remembers them."""

    def __init__(self, one: Front, extents: tuple[Extent, ...]) -> None:
        self.one = one
        self.extents = extents
        self.made: list[bytes] = []

    def __call__(self, start: int, end: int, size: int = len(BODY)) -> bytes:
        ticket = offer_bytes(self.one.plane, self.extents, start, end, size, True)
        assert ticket is not None
        self.made.append(ticket)
        return ticket

    def settled(self) -> dict[bytes, int]:
        """What became of those that were taken, once it is known of so many."""
        return {ticket: sent for ticket, sent, _ in take_settled(self.one.plane)}


@pytest.fixture
def offers(one: Front, extents: tuple[Extent, ...]) -> Offers:
    return Offers(one, extents)


def alone(ticket: bytes) -> bytes:
    return head("200 OK", f"x-nimbus-send: {ticket.decode()}", "content-length: 0", "etag: x")


def followed(first: bytes, *chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    start = head("200 OK", f"x-nimbus-send: {first.decode()}", "transfer-encoding: chunked")
    return start + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + end


def answered(one: Front, *words: bytes, request: bytes = GET) -> bytes:
    """All that a client gets for one request after which it says no more."""
    one.behind.words = list(words)
    peer = one.connect()
    peer.send(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    return peer.rest()


def test_one_ticket_is_the_whole_body_and_its_connection_is_free_at_once(one: Front, offers: Offers) -> None:
    peer = one.connect()
    for start, end in ((0, len(BODY)), (99_999, 500_001), (0, 1)):
        one.behind.words = [alone(offers(start, end, end - start))]
        peer.send(GET)
        status, headers, body = peer.response()
        assert (status, body) == (200, BODY[start:end])
        assert sorted(headers) == ["content-length", "etag"]
    assert one.behind.connections == 1
    assert one.eventually(lambda: offers.settled() == dict(zip(offers.made, (900_000, 400_002, 1), strict=True)))


@pytest.mark.parametrize("piece_size", [1, 7, 100_000])
def test_further_tickets_come_as_the_body_in_pieces_of_any_size(one: Front, offers: Offers, piece_size: int) -> None:
    said = followed(offers(0, 10), offers(10, 300_000), offers(300_000, 900_000))
    one.behind.words = [said[at : at + piece_size] for at in range(0, len(said), piece_size)]
    peer = one.connect()
    for _ in range(2):
        peer.send(GET)
        assert peer.response()[2] == BODY
        one.behind.words = [alone(offers(0, 900_000))]
    peer.close()


NO_TICKET = {
    "a guess": lambda offers: alone(b"0123456789abcdef"),
    "none": lambda offers: alone(b""),
    "no number": lambda offers: alone(b"g" * 16),
    "capitals": lambda offers: alone(b"0123456789ABCDEF"),
    "too long": lambda offers: alone(offers(0, 900_000) + b"0"),
    "too short": lambda offers: alone(offers(0, 900_000)[1:]),
    "a part of the body alone": lambda offers: alone(offers(0, 10)),
    "a whole body and more": lambda offers: followed(offers(0, 900_000)),
    "a body of its own": lambda offers: alone(offers(0, 900_000)).replace(b"length: 0", b"length: 4") + b"mine",
}


@pytest.mark.parametrize("make", NO_TICKET.values(), ids=NO_TICKET)
def test_what_is_no_ticket_for_this_answer_is_refused(one: Front, offers: Offers, make: object) -> None:
    said = make(offers)  # type: ignore[operator]
    assert answered(one, said).startswith(b"HTTP/1.1 503 ")
    for ticket in offers.made:
        assert withdraw_offer(one.plane, ticket) is (ticket not in offers.settled())


CUT = {
    "the end": lambda offers, first: followed(first),
    "a guess": lambda offers, first: followed(first, b"0123456789abcdef"),
    "half a ticket": lambda offers, first: followed(first, offers(10, 900_000)[:8]),
    "two tickets in one": lambda offers, first: followed(first, offers(10, 400_000) + offers(400_000, 900_000)),
    "the same again": lambda offers, first: followed(first, first),
    "more than is owed": lambda offers, first: followed(first, offers(0, 900_000)),
    "too few": lambda offers, first: followed(first, offers(10, 899_999)),
    "broken chunks": lambda offers, first: followed(first, end=b"x\r\n"),
}


@pytest.mark.parametrize("make", CUT.values(), ids=CUT)
def test_what_does_not_go_on_as_promised_is_cut_off(one: Front, offers: Offers, make: object) -> None:
    first = offers(0, 10)
    whole = answered(one, make(offers, first))  # type: ignore[operator]
    start, _, body = whole.partition(b"\r\n\r\n")
    assert start.startswith(b"HTTP/1.1 200 OK")
    assert b"content-length: 900000" in start
    assert BODY.startswith(body)
    assert 10 <= len(body) < len(BODY)


def test_a_ticket_is_good_once(one: Front, offers: Offers) -> None:
    said = alone(offers(0, 900_000))
    assert answered(one, said).endswith(BODY)
    assert answered(one, said).startswith(b"HTTP/1.1 503 ")


def test_a_withdrawn_ticket_is_void(one: Front, offers: Offers) -> None:
    ticket = offers(0, 900_000)
    assert withdraw_offer(one.plane, ticket)
    assert not withdraw_offer(one.plane, ticket)
    assert answered(one, alone(ticket)).startswith(b"HTTP/1.1 503 ")


def test_the_answer_to_a_head_carries_no_ticket(one: Front, offers: Offers) -> None:
    said = alone(offers(0, 900_000))
    assert answered(one, said, request=GET.replace(b"GET", b"HEAD")).startswith(b"HTTP/1.1 503 ")


def test_clients_cannot_hand_in_a_ticket(one: Front, offers: Offers) -> None:
    ticket = offers(0, 900_000)
    asked = GET.replace(b"\r\n\r\n", b"\r\nx-nimbus-send: %b\r\n\r\n" % ticket)
    assert answered(one, head("200 OK", "content-length: 2") + b"ok", request=asked).endswith(b"ok")
    assert one.behind.requests[-1].header("x-nimbus-send") is None
    assert withdraw_offer(one.plane, ticket)


def test_tickets_are_bounded_in_number_and_come_back(one: Front, offers: Offers) -> None:
    made = [offers(0, 1, 1) for _ in range(TICKETS_MAX)]
    assert len(set(made)) == TICKETS_MAX
    assert offer_bytes(one.plane, offers.extents, 0, 1, 1, True) is None
    assert all(withdraw_offer(one.plane, ticket) for ticket in made)
    assert answered(one, alone(offers(0, 900_000))).endswith(BODY)


def test_bytes_that_do_not_match_their_hash_are_not_offered(one: Front, extents: tuple[Extent, ...]) -> None:
    frame = extents[0]
    wrong = Extent(frame.path, frame.is_blob, frame.offset, frame.length, frame.hash ^ 1)
    assert offer_bytes(one.plane, [wrong], 0, 10, 10, True) is None
    gone = Extent(frame.path + "x", frame.is_blob, frame.offset, frame.length, frame.hash)
    assert offer_bytes(one.plane, [frame, gone], 0, 10, 10, True) is None


def test_what_is_not_at_hand_is_offered_by_whoever_may_wait(one: Front, offers: Offers) -> None:
    for extent in offers.extents:
        evict(extent.path)
    with pytest.raises(BlockingIOError):
        offer_bytes(one.plane, offers.extents, 200_000, 900_000, 900_000, False)
    assert answered(one, followed(offers(0, 200_000), offers(200_000, 900_000))).endswith(BODY)
    at_hand = offer_bytes(one.plane, offers.extents, 0, 900_000, 900_000, False)
    assert at_hand is not None
    assert answered(one, alone(at_hand)).endswith(BODY)


def test_what_nobody_took_is_freed_with_the_plane(extents: tuple[Extent, ...]) -> None:
    with front() as one:
        assert offer_bytes(one.plane, extents, 0, 10, 10, True)
