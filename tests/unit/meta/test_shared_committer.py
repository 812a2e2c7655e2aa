"""The optimistic committer: lost checks are tried again, answers rest on reads of one moment, tries end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import msgspec
import pytest

from nimbus.base.errors import BatchTooLarge, ConditionLost, EngineClosed, Overloaded, WriteRace
from nimbus.meta import shared_committer as module
from nimbus.meta.api import Capabilities, View
from nimbus.meta.memory import CAPABILITIES, MemoryMap
from nimbus.meta.shared_committer import PAUSE_S_MAX, TRIES_MAX, SharedCommitter


class RivalMap(MemoryMap):
    """A map to which a rival may write between a mutation's reads and its step."""

    def __init__(self) -> None:
        super().__init__()
        self.rival: Callable[[], None] | None = None
        self.steps = 0

    @property
    def capabilities(self) -> Capabilities:
        return msgspec.structs.replace(CAPABILITIES, shared=True)

    def txn(self, checks: Mapping[bytes, bytes | None], ops: Mapping[bytes, bytes | None]) -> bool:
        self.steps += 1
        if self.rival is not None:
            self.rival()
        return super().txn(checks, ops)

    def write_elsewhere(self, ops: Mapping[bytes, bytes | None]) -> None:
        """As another node does."""
        super().txn({}, ops)

    def act_once(self, ops: Mapping[bytes, bytes | None]) -> None:
        def act() -> None:
            self.rival = None
            self.write_elsewhere(ops)

        self.rival = act


@pytest.fixture
def map() -> RivalMap:
    return RivalMap()


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def committer(map: RivalMap, pauses: list[float]) -> Iterator[SharedCommitter]:
    committer = SharedCommitter(map, pause=pauses.append, chance=lambda: 1.0)
    yield committer
    committer.close()


def count(view: View) -> int:
    number = int(view.get(b"counter") or b"0") + 1
    view.put(b"counter", b"%d" % number)
    return number


def test_a_lost_check_runs_the_mutation_again_on_fresh_reads(
    committer: SharedCommitter, map: RivalMap, pauses: list[float]
) -> None:
    map.act_once({b"counter": b"41"})
    assert committer.commit_now(count) == 42
    assert map.get(b"counter") == b"42"
    assert len(pauses) == 1


def test_a_refusal_that_rests_on_an_old_read_is_decided_anew(committer: SharedCommitter, map: RivalMap) -> None:
    def take(view: View) -> str:
        if view.get(b"stock") is None:
            raise ConditionLost
        view.delete(b"stock")
        return "taken"

    map.act_once({b"stock": b"1"})
    assert committer.commit_now(take) == "taken"
    with pytest.raises(ConditionLost):
        committer.commit_now(take)


def test_a_read_that_somebody_changed_is_not_answered(committer: SharedCommitter, map: RivalMap) -> None:
    map.write_elsewhere({b"a": b"1", b"b": b"1"})
    map.act_once({b"a": b"2", b"b": b"2"})
    assert committer.commit_now(lambda view: (view.get(b"a"), view.get(b"b"))) == (b"2", b"2")


def test_tries_and_pauses_are_bounded(committer: SharedCommitter, map: RivalMap, pauses: list[float]) -> None:
    turn = iter(range(1000))
    map.rival = lambda: map.write_elsewhere({b"counter": b"%d" % next(turn)})
    with pytest.raises(WriteRace):
        committer.commit_now(count)
    assert map.steps == TRIES_MAX
    assert max(pauses) == PAUSE_S_MAX
    assert sum(pauses) < 2


def test_a_key_is_read_once_and_own_writes_are_seen(committer: SharedCommitter, map: RivalMap) -> None:
    def mutation(view: View) -> tuple[bytes | None, ...]:
        first = view.get(b"key")
        map.write_elsewhere({b"key": b"rival"})
        second = view.get(b"key")
        view.put(b"other", b"own")
        view.delete(b"third")
        return first, second, view.get(b"other"), view.get(b"third")

    map.write_elsewhere({b"key": b"rival", b"third": b"3"})
    assert committer.commit_now(mutation) == (b"rival", b"rival", b"own", None)


def test_a_mutation_beyond_the_envelope_is_refused(committer: SharedCommitter, map: RivalMap) -> None:
    with pytest.raises(BatchTooLarge):
        committer.commit_now(lambda view: view.put(b"key", bytes(65_537)))
    assert map.get(b"key") is None


def test_writers_on_many_threads_lose_no_step(map: RivalMap) -> None:
    committer = SharedCommitter(map)
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda _: committer.commit_now(count), range(60)))
    committer.close()
    assert sorted(results) == list(range(1, 61))


def test_the_barrier_comes_first_and_its_failure_is_the_answer(committer: SharedCommitter, map: RivalMap) -> None:
    calls: list[bytes | None] = []
    assert committer.commit_now(count, barrier=lambda: calls.append(map.get(b"counter"))) == 1
    assert calls == [None]

    def fail() -> None:
        raise ConditionLost

    with pytest.raises(ConditionLost):
        committer.commit_now(count, barrier=fail)
    assert map.get(b"counter") == b"1"


async def test_an_awaiting_writer_gets_the_result(committer: SharedCommitter) -> None:
    assert await committer.commit(count) == 1


def test_a_full_queue_refuses_and_closing_finishes_it(map: RivalMap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE_MUTATIONS_MAX", 2)
    gate, told = Event(), []
    map.rival = lambda: assert_opened(gate)
    committer = SharedCommitter(map)
    for number in range(2):
        committer.submit(lambda view, key=b"%d" % number: view.put(key, b""), lambda *answer: told.append(answer))
    with pytest.raises(Overloaded):
        committer.submit(count, lambda *answer: None)
    gate.set()
    committer.close()
    assert told == [(None, None)] * 2
    with pytest.raises(EngineClosed):
        committer.commit_now(count)


def assert_opened(gate: Event) -> None:
    assert gate.wait(10)
