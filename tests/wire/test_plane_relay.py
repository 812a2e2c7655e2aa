"""The native plane on the wire: strict heads, limits and timers, and a relay that never loses its place."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest

from nimbus._native import plane
from tests.wire.plane_front import Behind, Front, Peer, Settings, front, open_descriptors, pattern


@pytest.fixture(scope="module")
def plain() -> Iterator[Front]:
    with front() as running:
        yield running


def request(target: str, *lines: str, method: str = "GET", body: bytes = b"") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: h", *lines, "", ""]).encode() + body


def test_a_request_is_written_anew_and_ours_cannot_be_forged(plain: Front) -> None:
    peer = plain.connect()
    peer.send(
        request(
            "/echo/a%20b?x=1&y",
            "X-Amz-Date:   20260101T000000Z ",
            "x-nimbus-peer: 9.9.9.9",
            "X-NIMBUS-TOKEN: forged",
            "Connection: keep-alive, x-amz-date",
            "Upgrade: h2c",
            "Content-Length: 3",
            method="POST",
            body=b"abc",
        )
    )
    status, headers, body = peer.response()
    assert (status, body) == (200, b"abc")
    assert "x-nimbus-secret" not in headers
    seen = plain.behind.requests[-1]
    assert seen.line == "POST /echo/a%20b?x=1&y HTTP/1.1"
    assert seen.headers == [
        ("host", "h"),
        ("x-amz-date", "20260101T000000Z"),
        ("x-nimbus-hop-connection", "keep-alive, x-amz-date"),  # the signature may cover it
        ("x-nimbus-hop-upgrade", "h2c"),
        ("content-length", "3"),
        ("x-nimbus-token", plain.token),
        ("x-nimbus-peer", "127.0.0.1"),
    ]
    peer.close()


def test_a_request_may_arrive_byte_by_byte(plain: Front) -> None:
    peer = plain.connect()
    peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in request("/echo", "Transfer-Encoding: chunked", method="PUT", body=b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"):
        peer.send(bytes([byte]))
    assert peer.response()[2] == b"abcde"
    peer.close()


def test_pipelined_requests_are_answered_in_order(plain: Front) -> None:
    peer = plain.connect()
    bodies = [pattern(size) for size in range(60)]
    peer.send(b"".join(request("/echo", f"Content-Length: {len(body)}", method="PUT", body=body) for body in bodies))
    assert [peer.response()[2] for _ in bodies] == bodies
    peer.close()


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /echo",
        b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nA: \x00\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n\n",
        b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n",
    ],
)
def test_what_has_two_readings_is_refused_and_never_relayed(plain: Front, data: bytes) -> None:
    before = len(plain.behind.requests)
    peer = plain.connect()
    peer.send(data + request("/echo"))
    answered = peer.rest()
    assert answered.startswith((b"HTTP/1.1 400 Bad Request\r\n", b"HTTP/1.1 501 Not Implemented\r\n"))
    assert answered.count(b"HTTP/1.1") == 1
    assert len(plain.behind.requests) == before
    peer.close()


def test_two_expectations_are_refused(plain: Front) -> None:
    peer = plain.connect()
    peer.send(request("/echo", "Expect: 100-continue", "Expect: a miracle"))
    assert peer.rest().startswith(b"HTTP/1.1 417 ")
    peer.close()


def test_a_chunked_body_crosses_the_relay_in_our_own_framing(plain: Front) -> None:
    peer = plain.connect()
    peer.send(request("/echo", "Transfer-Encoding: Chunked", method="PUT"))
    for piece in (b"1;x=y\r\na\r\n", b"A\r\nbcdefghijk\r\n", b"000\r\nTrailer: dropped\r\n\r\n"):
        peer.send(piece)
    assert peer.response()[2] == b"abcdefghijk"
    assert plain.behind.requests[-1].header("trailer") is None
    peer.close()


def test_broken_chunk_framing_cuts_the_request_off_and_ends_the_connection(plain: Front) -> None:
    peer = plain.connect()
    peer.send(request("/judge", "Transfer-Encoding: chunked", method="PUT", body=b"5\r\nhello\r\nx\r\n"))
    peer.send(request("/echo"))
    answered = peer.rest()
    assert answered.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close\r\n" in answered
    assert plain.behind.requests[-1].body == b"5\r\nhello"


def test_a_cut_body_is_the_servers_to_judge(plain: Front) -> None:
    peer = plain.connect()
    peer.send(request("/judge", "Content-Length: 10", method="PUT", body=b"hello"))
    peer.socket.shutdown(socket.SHUT_WR)
    assert peer.rest().startswith(b"HTTP/1.1 400 ")
    assert plain.behind.requests[-1].body == b"hello"


def test_the_body_is_invited_only_when_the_server_asks_for_it(plain: Front) -> None:
    peer = plain.connect()
    peer.send(request("/echo", "Expect: 100-continue", "Content-Length: 5", method="PUT"))
    assert peer.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    peer.send(b"hello")
    assert peer.response()[2] == b"hello"
    peer.send(request("/early", "Expect: 100-continue", "Content-Length: 5", method="PUT"))
    status, headers, _ = peer.response()
    assert (status, headers["connection"]) == (403, "close")
    peer.close()


def test_an_early_refusal_reaches_a_client_that_is_still_sending(plain: Front) -> None:
    peer = plain.connect()
    peer.send(request("/early", f"Content-Length: {4 << 20}", method="PUT") + bytes(1 << 20))
    status, headers, body = peer.response()
    assert (status, headers["connection"], body) == (403, "close", b"no")
    peer.close()


@pytest.mark.parametrize("size", [0, 1, 32768, 100_000, 8 << 20])
def test_bodies_of_any_size_pass_both_ways(plain: Front, size: int) -> None:
    peer = plain.connect()
    peer.send(request(f"/large?{size}"))
    assert peer.response()[2] == pattern(size)
    peer.send(request("/echo", f"Content-Length: {size}", method="PUT") + pattern(size))
    assert peer.response()[2] == pattern(size)
    peer.close()


def test_a_head_answer_has_no_body_and_the_connection_goes_on(plain: Front) -> None:
    peer = plain.connect()
    peer.send(request("/echo", "Content-Length: 3", method="HEAD", body=b"abc"))
    status, headers, _ = peer.response(has_body=False)
    assert (status, headers["content-length"]) == (200, "3")
    peer.send(request("/echo", "Content-Length: 1", method="PUT", body=b"z"))
    assert peer.response()[2] == b"z"
    peer.close()


def test_a_chunked_answer_is_passed_on_and_taken_apart_for_http_1_0(plain: Front) -> None:
    peer = plain.connect()
    peer.send(request("/chunked"))
    assert peer.response()[2] == b"hello" * 3
    peer.send(b"GET /chunked HTTP/1.0\r\nHost: h\r\n\r\n")
    answered = peer.rest()
    assert b"transfer-encoding" not in answered
    assert answered.endswith(b"connection: close\r\n\r\n" + b"hello" * 3)
    peer.close()


def test_connection_close_is_honoured(plain: Front) -> None:
    peer = plain.connect()
    peer.send(request("/large?5", "Connection: close"))
    answered = peer.rest()
    assert b"connection: close" in answered
    assert answered.endswith(pattern(5))
    peer.close()


def test_a_server_that_dies_before_its_answer_is_503_and_in_it_a_cut(plain: Front) -> None:
    peer = plain.connect()
    peer.send(request("/mute", method="POST"))
    status, headers, body = peer.response()
    assert (status, headers["retry-after"]) == (503, "1")
    assert b"<Code>ServiceUnavailable</Code>" in body
    peer = plain.connect()
    peer.send(request("/half"))
    assert peer.rest().endswith(b"half")
    peer.close()


def test_a_pooled_connection_that_the_server_closed_is_replaced() -> None:
    with front(threads=1) as one:
        peer = one.connect()
        peer.send(request("/once"))
        assert peer.response()[2] == b"once"
        peer.send(request("/large?3"))
        assert peer.response()[2] == pattern(3)
        assert one.behind.connections == 2
        peer.close()


def test_a_client_that_reads_slowly_holds_only_itself_up(plain: Front) -> None:
    slow = plain.connect()
    slow.send(request(f"/large?{8 << 20}"))
    peer = plain.connect()
    for _ in range(50):
        peer.send(request("/large?10"))
        assert peer.response()[2] == pattern(10)
    assert slow.response()[2] == pattern(8 << 20)
    slow.close()
    peer.close()


def test_more_requests_than_the_limit_are_told_to_slow_down() -> None:
    with front(requests_max=1) as one:
        first, second = one.connect(), one.connect()
        first.send(request("/wait"))
        assert one.behind.arrived.acquire(timeout=20)
        second.send(request("/large?1"))
        status, headers, body = second.response()
        assert (status, headers["retry-after"]) == (503, "1")
        assert b"<Code>SlowDown</Code>" in body
        one.behind.gate.set()
        assert first.response()[2] == b"at last"
        assert one.counter("refused") == 1


def test_a_refused_head_has_no_body() -> None:
    with front(requests_max=1) as one:
        first = one.connect()
        first.send(request("/wait"))
        assert one.behind.arrived.acquire(timeout=20)
        for head, status in (
            (request("/large?1", method="HEAD"), 503),
            (b"HEAD / HTTP/1.1\r\n\r\n", 400),
            (request("/", "Host: again", method="HEAD"), 400),
            (request("/", "Transfer-Encoding: gzip, chunked", method="HEAD"), 501),
        ):
            refused = one.connect()
            refused.send(head)
            answer = refused.rest()
            assert answer.startswith(b"HTTP/1.1 %d" % status)
            assert answer.endswith(b"\r\n\r\n")
            assert b"content-type: application/xml" in answer
        one.behind.gate.set()
        assert first.response()[2] == b"at last"


def test_more_connections_than_the_limit_are_told_to_slow_down() -> None:
    with front(connections_max=2) as one:
        peers = [one.connect() for _ in range(2)]
        for peer in peers:
            peer.send(request("/large?1"))
            assert peer.response()[0] == 200
        third = one.connect()
        third.send(request("/large?1"))
        assert third.response()[0] == 503
        peers[0].close()
        assert one.eventually(lambda: one.counter("connections") < 2)
        fourth = one.connect()
        fourth.send(request("/large?1"))
        assert fourth.response()[0] == 200


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHo", request("/large?1") + b"GET"])
def test_a_head_that_does_not_come_in_time_ends_the_connection(begun: bytes) -> None:
    with front(header_timeout_ms=200) as one:
        peer = one.connect()
        peer.send(begun)
        peer.rest()
        peer.close()


def drip(peer: Peer, data: bytes) -> int:
    """Send byte by byte with a pause after each; how many the plane took before it closed."""
    peer.socket.settimeout(0.05)
    for sent in range(len(data)):
        try:
            peer.send(data[sent : sent + 1])
            if not peer.socket.recv(1):
                return sent
        except TimeoutError:
            continue
        except OSError:
            return sent
    return len(data)


def test_dripping_bytes_does_not_prolong_the_head() -> None:
    with front(header_timeout_ms=300) as one:
        assert drip(one.connect(), request("/large?1", "A: " + "b" * 1000)) < 40


def test_a_client_that_does_not_take_its_answer_is_cut_off() -> None:
    with front(body_grace_ms=1000, body_rate_bytes_per_s=1 << 40) as one:
        peer = one.connect()
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.send(request(f"/large?{32 << 20}"))
        assert one.eventually(lambda: one.counter("timed_out") == 1)
        assert len(peer.rest()) < 32 << 20


def test_half_closed_clients_get_their_answer(plain: Front) -> None:
    peer = plain.connect()
    peer.send(request("/large?7"))
    peer.socket.shutdown(socket.SHUT_WR)
    assert peer.rest().endswith(pattern(7))
    peer.close()


def test_resets_and_cut_bodies_leave_nothing_behind() -> None:
    with front() as one:
        warm = one.connect()
        warm.send(request("/large?1"))
        warm.response()
        before = open_descriptors()
        for index in range(60):
            peer = one.connect()
            peer.send(request("/echo", "Content-Length: 1000", method="PUT") + bytes(index))
            assert one.behind.arrived.acquire(timeout=20)
            if index % 2:
                peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
        assert one.eventually(lambda: one.counter("connections") == 1)
        assert one.counter("in_flight") == 0
        assert one.eventually(lambda: open_descriptors() <= before)


def test_draining_finishes_what_runs_and_accepts_nothing_more() -> None:
    with front() as one:
        idle, busy = one.connect(), one.connect()
        idle.send(request("/large?1"))
        idle.response()
        busy.send(request("/wait"))
        assert one.behind.arrived.acquire(timeout=20)
        assert one.behind.arrived.acquire(timeout=20)
        one.plane.drain()
        with pytest.raises(ConnectionRefusedError):
            one.connect()
        assert idle.rest() == b""
        one.behind.gate.set()
        status, headers, body = busy.response()
        assert (status, headers["connection"], body) == (200, "close", b"at last")
        assert busy.rest() == b""
        assert one.eventually(lambda: one.counter("connections") == 0)


def test_requests_are_counted_with_their_status() -> None:
    with front() as one:
        peer = one.connect()
        for target in ("/large?1", "/large?2", "/early"):
            peer.send(request(target))
            peer.response()
        peer.close()
        assert one.eventually(lambda: one.plane.counters()["requests_relayed"] == {200: 2, 403: 1})
        latency = one.plane.counters()["latency_relayed"]
        assert isinstance(latency, list)
        assert sum(latency) == 3


def test_the_plane_answers_on_ipv6_and_on_a_unix_socket(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("u")
    behind = Behind(folder / "b")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as six, socket.socket(socket.AF_UNIX) as local:
        local.bind(str(folder / "f"))
        local.listen()
        for listener, address, seen in ((six, six.getsockname(), "::1"), (local, str(folder / "f"), "")):
            listener.setblocking(False)
            native = plane.Plane(Settings(listener.fileno(), str(folder / "b"), "0" * 64))
            native.start()
            connection = socket.socket(listener.family)
            connection.connect(address)
            peer = Peer(connection)
            peer.send(request("/large?4"))
            assert peer.response()[2] == pattern(4)
            assert behind.requests[-1].header("x-nimbus-peer") == seen
            peer.close()
            native.stop()
    behind.close()
