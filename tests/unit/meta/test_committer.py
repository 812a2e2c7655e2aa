"""The commit thread: groups, their order, what a failure takes with it, and who is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from threading import Event, Thread
from typing import Any

import msgspec
import pytest

from nimbus.base.errors import BatchTooLarge, ConditionLost, EngineClosed, Overloaded, SpaceExhausted, StoreReadOnly
from nimbus.meta import committer as committer_module
from nimbus.meta.api import Capabilities, Mutation, View
from nimbus.meta.committer import OwnedCommitter
from nimbus.meta.memory import CAPABILITIES, MemoryMap
from nimbus.meta.patience import WAIT_NS_MAX, Patience


class GatedMap(MemoryMap):
    """A map whose sync waits for the test, so that the test decides what gathers meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[dict[bytes, bytes | None]] = []
        self.syncing = Event()
        self.gate = Event()
        self.write_error: Exception | None = None
        self.sync_error: Exception | None = None
        self.bounds = CAPABILITIES

    @property
    def capabilities(self) -> Capabilities:
        return self.bounds

    def write(self, ops: Mapping[bytes, bytes | None]) -> None:
        if self.write_error is not None:
            raise self.write_error
        super().write(ops)
        self.writes.append(dict(ops))

    def sync(self) -> None:
        self.syncing.set()
        assert self.gate.wait(10)
        if self.sync_error is not None:
            raise self.sync_error
        super().sync()


class Told:
    """Remembers what each `done` was called with, in order."""

    def __init__(self) -> None:
        self.answers: list[tuple[Any, BaseException | None]] = []

    def __call__(self, result: Any, error: BaseException | None) -> None:
        self.answers.append((result, error))

    @property
    def kinds(self) -> list[Any]:
        return [type(error) if error is not None else result for result, error in self.answers]


@pytest.fixture
def map() -> GatedMap:
    return GatedMap()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def committer(map: GatedMap) -> Iterator[OwnedCommitter]:
    committer = OwnedCommitter(map)
    yield committer
    map.gate.set()
    committer.close()


def put(key: bytes, value: bytes = b"value") -> Mutation[bytes]:
    def mutation(view: View) -> bytes:
        view.put(key, value)
        return key

    return mutation


def count(view: View) -> int:
    number = int(view.get(b"counter") or b"0") + 1
    view.put(b"counter", b"%d" % number)
    return number


def refuse(view: View) -> None:
    view.put(b"half", b"")
    raise ConditionLost


def hold(committer: OwnedCommitter, map: GatedMap) -> None:
    """Bring the commit thread into a sync, so that what follows gathers into one group."""
    committer.submit(put(b"first"), lambda result, error: None)
    assert map.syncing.wait(10)


def finish(committer: OwnedCommitter, map: GatedMap) -> None:
    map.gate.set()
    committer.close()


def test_what_gathers_during_a_sync_is_one_write(committer: OwnedCommitter, map: GatedMap, told: Told) -> None:
    hold(committer, map)
    for _ in range(100):
        committer.submit(count, told)
    finish(committer, map)
    assert [len(ops) for ops in map.writes] == [1, 1]
    assert told.kinds == list(range(1, 101))
    assert map.get(b"counter") == b"100"


def test_nobody_is_told_before_the_sync_returned_and_nobody_reads_it(committer: OwnedCommitter, map: GatedMap) -> None:
    told: list[bytes | None] = []
    committer.submit(put(b"key"), lambda result, error: told.append(map.get(b"key")))
    assert map.syncing.wait(10)
    assert map.writes == [{b"key": b"value"}]
    assert map.get(b"key") is None
    assert told == []
    finish(committer, map)
    assert told == [b"value"], "whoever is answered reads what was written"


def test_a_mutation_that_raises_leaves_nothing_and_the_others_stand(
    committer: OwnedCommitter, map: GatedMap, told: Told
) -> None:
    hold(committer, map)
    for mutation in (count, refuse, count):
        committer.submit(mutation, told)
    finish(committer, map)
    assert told.kinds == [1, ConditionLost, 2]
    assert map.get(b"half") is None


def test_a_mutation_sees_deletes_and_writes_of_its_group_and_its_own(
    committer: OwnedCommitter, map: GatedMap, told: Told
) -> None:
    def delete_first(view: View) -> None:
        view.delete(b"first")
        view.put(b"second", b"2")

    def look(view: View) -> tuple[bytes | None, ...]:
        view.put(b"third", b"3")
        view.delete(b"second")
        return view.get(b"first"), view.get(b"second"), view.get(b"third")

    hold(committer, map)
    committer.submit(delete_first, told)
    committer.submit(look, told)
    finish(committer, map)
    assert told.kinds == [None, (None, None, b"3")]
    assert map.range(b"\0", b"\xff", 10) == [(b"third", b"3")]


def test_a_group_reads_a_row_once_and_the_next_group_reads_it_anew(
    committer: OwnedCommitter, map: GatedMap, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []
    get = map.get
    monkeypatch.setattr(map, "get", lambda key: asked.append(key) or get(key))  # type: ignore[func-returns-value]
    hold(committer, map)
    for _ in range(3):
        committer.submit(lambda view: view.get(b"first"), told)
    map.gate.set()
    committer.commit_now(put(b"first", b"changed"))
    assert committer.commit_now(lambda view: view.get(b"first")) == b"changed"
    assert told.kinds == [b"value"] * 3
    assert asked == [b"first"] * 2


def test_a_mutation_that_only_reads_costs_no_write(committer: OwnedCommitter, map: GatedMap) -> None:
    map.gate.set()
    assert committer.commit_now(lambda view: view.get(b"nothing")) is None
    assert map.writes == []
    assert not map.syncing.is_set()


@pytest.mark.parametrize("ops", [101, 1])
def test_a_mutation_beyond_the_envelope_is_refused_alone(
    committer: OwnedCommitter, map: GatedMap, told: Told, ops: int
) -> None:
    def large(view: View) -> None:
        for number in range(ops):
            view.put(b"%d" % number, b"" if ops > 100 else bytes(65_537))

    hold(committer, map)
    for mutation in (count, large, count):
        committer.submit(mutation, told)
    finish(committer, map)
    assert told.kinds == [1, BatchTooLarge, 2]
    assert map.get(b"0") is None


def test_a_group_larger_than_one_write_is_continued_in_the_next(map: GatedMap, told: Told) -> None:
    map.bounds = msgspec.structs.replace(CAPABILITIES, txn_ops_max=3)
    committer = OwnedCommitter(map)
    hold(committer, map)
    for number in range(8):
        committer.submit(put(b"%d" % number), told)
    finish(committer, map)
    assert [len(ops) for ops in map.writes] == [1, 3, 3, 2]
    assert told.kinds == [b"%d" % number for number in range(8)]


def test_a_group_holds_a_bounded_number_of_bytes(
    committer: OwnedCommitter, map: GatedMap, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "_group_size_bytes_max", 250)
    hold(committer, map)
    for number in range(5):
        committer.submit(put(b"%d" % number, bytes(100)), told)
    finish(committer, map)
    assert [len(ops) for ops in map.writes] == [1, 2, 2, 1]
    assert told.kinds == [b"%d" % number for number in range(5)]


# --- company --------------------------------------------------------------------------------------------


class WatchedPatience(Patience):
    """Time stands still unless the test moves it; says when the commit thread is about to wait."""

    def __init__(self) -> None:
        super().__init__(1000)
        self.now_ns = 0
        self.is_waiting = Event()

    def left_ns(self, queued: int, now_ns: int) -> int:
        left_ns = super().left_ns(queued, now_ns)
        if left_ns:
            self.is_waiting.set()
        return left_ns


@pytest.fixture
def patience() -> WatchedPatience:
    return WatchedPatience()


@pytest.fixture
def patient(map: GatedMap, patience: WatchedPatience) -> Iterator[OwnedCommitter]:
    committer = OwnedCommitter(map, now_ns=lambda: patience.now_ns, patience=patience)
    yield committer
    patience.now_ns += 10**9
    finish(committer, map)


def wait_for_company(patient: OwnedCommitter, map: GatedMap, patience: WatchedPatience, told: Told) -> None:
    """One is answered after a second, two have queued meanwhile: the thread waits for three."""
    hold(patient, map)
    for _ in range(2):
        patient.submit(count, told)
    patience.now_ns += 10**9
    map.gate.set()
    assert patience.is_waiting.wait(10)


def test_a_group_waits_for_those_who_were_answered_just_now(
    patient: OwnedCommitter, map: GatedMap, patience: WatchedPatience, told: Told
) -> None:
    wait_for_company(patient, map, patience, told)
    assert patient.commit_now(count) == 3
    assert [len(ops) for ops in map.writes] == [1, 1]
    assert told.kinds == [1, 2]


def test_a_group_goes_without_those_who_do_not_come_back(
    patient: OwnedCommitter, map: GatedMap, patience: WatchedPatience, told: Told
) -> None:
    wait_for_company(patient, map, patience, told)
    patience.now_ns += WAIT_NS_MAX
    finish(patient, map)
    assert told.kinds == [1, 2]


def test_a_committer_that_closes_waits_for_no_company(
    patient: OwnedCommitter, map: GatedMap, patience: WatchedPatience, told: Told
) -> None:
    wait_for_company(patient, map, patience, told)
    patient.close()
    assert told.kinds == [1, 2]


def test_a_writer_who_is_alone_never_waits(patient: OwnedCommitter, map: GatedMap, patience: WatchedPatience) -> None:
    def count_slowly(view: View) -> int:
        patience.now_ns += 10**9
        return count(view)

    map.gate.set()
    assert [patient.commit_now(count_slowly) for _ in range(5)] == [1, 2, 3, 4, 5]
    assert not patience.is_waiting.is_set()


# --- many at once ---------------------------------------------------------------------------------------


def test_many_submitted_at_once_are_told_at_once(committer: OwnedCommitter, map: GatedMap) -> None:
    told: list[Any] = []
    hold(committer, map)
    committer.submit_all([(mutation, None) for mutation in (count, refuse, count)], told.append)
    finish(committer, map)
    assert [[(mutation, result, type(error)) for mutation, result, error in answers] for answers in told] == [
        [(count, 1, type(None)), (refuse, None, ConditionLost), (count, 2, type(None))]
    ]


def test_of_many_submitted_at_once_all_are_queued_or_none(
    committer: OwnedCommitter, map: GatedMap, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer_module, "QUEUE_MUTATIONS_MAX", 3)
    hold(committer, map)
    committer.submit(count, told)
    with pytest.raises(Overloaded):
        committer.submit_all([(count, None)] * 3, lambda answers: None)
    committer.submit_all([(count, None)] * 2, lambda answers: None)
    finish(committer, map)
    assert map.get(b"counter") == b"3"


# --- barriers -------------------------------------------------------------------------------------------


class DataEngine:
    """Counts its syncs and notes what was visible at each."""

    def __init__(self, map: MemoryMap, error: Exception | None = None) -> None:
        self.map = map
        self.error = error
        self.seen: list[bytes | None] = []

    def sync(self) -> None:
        self.seen.append(self.map.get(b"counter"))
        if self.error is not None:
            raise self.error


def test_a_barrier_is_called_once_a_group_and_before_anything_of_it_is_visible(
    committer: OwnedCommitter, map: GatedMap, told: Told
) -> None:
    data = DataEngine(map)
    hold(committer, map)
    for _ in range(5):
        committer.submit(count, told, barrier=data.sync)
    finish(committer, map)
    assert data.seen == [None]
    assert told.kinds == [1, 2, 3, 4, 5]


def test_a_failing_barrier_fails_only_those_that_named_it(committer: OwnedCommitter, map: GatedMap, told: Told) -> None:
    good, bad = DataEngine(map), DataEngine(map, SpaceExhausted())
    hold(committer, map)
    for barrier in (good.sync, bad.sync, None, bad.sync, good.sync):
        committer.submit(count, told, barrier=barrier)
    finish(committer, map)
    assert told.kinds == [1, SpaceExhausted, 2, SpaceExhausted, 3]
    assert (len(good.seen), len(bad.seen)) == (1, 1)


# --- failures -------------------------------------------------------------------------------------------


def test_a_failed_sync_fails_the_group_with_its_refusals_and_everything_later(
    committer: OwnedCommitter, map: GatedMap, told: Told
) -> None:
    map.sync_error = OSError(5, "Input/output error")
    first = Told()
    committer.submit(put(b"first"), first)
    assert map.syncing.wait(10)
    committer.submit(refuse, told)
    committer.submit(count, told)
    map.gate.set()
    with pytest.raises(StoreReadOnly, match="Input/output error"):
        committer.commit_now(lambda view: view.get(b"first"))
    assert first.kinds == [StoreReadOnly]
    assert told.kinds == [StoreReadOnly, StoreReadOnly]
    assert len(map.writes) == 1
    assert map.get(b"first") is None, "nobody reads what may not be on the disk"


def test_a_refused_write_fails_its_group_and_the_next_is_tried_again(committer: OwnedCommitter, map: GatedMap) -> None:
    map.gate.set()
    map.write_error = SpaceExhausted()
    with pytest.raises(SpaceExhausted):
        committer.commit_now(count)
    map.write_error = None
    assert committer.commit_now(count) == 1


def test_a_callback_that_raises_does_not_stop_the_thread(
    committer: OwnedCommitter, map: GatedMap, caplog: pytest.LogCaptureFixture
) -> None:
    map.gate.set()

    def broken(result: Any, error: BaseException | None) -> None:
        raise ValueError(result)

    committer.submit(count, broken)
    assert committer.commit_now(count) == 2
    assert "callback" in caplog.text


# --- bounds and the end ---------------------------------------------------------------------------------


def test_a_full_queue_refuses(
    committer: OwnedCommitter, map: GatedMap, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer_module, "QUEUE_MUTATIONS_MAX", 3)
    hold(committer, map)
    for _ in range(3):
        committer.submit(count, told)
    with pytest.raises(Overloaded):
        committer.submit(count, told)
    finish(committer, map)
    assert told.kinds == [1, 2, 3]


def test_closing_finishes_what_is_queued_and_refuses_what_comes_later(
    committer: OwnedCommitter, map: GatedMap, told: Told
) -> None:
    hold(committer, map)
    for _ in range(3):
        committer.submit(count, told)
    closing = Thread(target=committer.close)
    closing.start()
    map.gate.set()
    closing.join(10)
    assert told.kinds == [1, 2, 3]
    with pytest.raises(EngineClosed):
        committer.submit(count, told)
    committer.close()


# --- event loops ----------------------------------------------------------------------------------------


async def test_all_answers_of_a_group_wake_their_loop_once(
    committer: OwnedCommitter, map: GatedMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    woken = 0
    call = loop.call_soon_threadsafe

    def counted(*args: Any, **kwargs: Any) -> asyncio.Handle:
        nonlocal woken
        woken += 1
        return call(*args, **kwargs)

    hold(committer, map)
    tasks = [asyncio.ensure_future(committer.commit(count)) for _ in range(50)]
    await asyncio.sleep(0)
    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    map.gate.set()
    assert await asyncio.gather(*tasks) == list(range(1, 51))
    assert woken == 1


async def test_a_cancelled_writer_disturbs_nobody(committer: OwnedCommitter, map: GatedMap) -> None:
    hold(committer, map)
    tasks = [asyncio.ensure_future(committer.commit(count)) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    map.gate.set()
    assert await tasks[2] == 3
    assert tasks[1].cancelled()


async def test_an_awaiting_writer_gets_the_error_of_its_mutation(committer: OwnedCommitter, map: GatedMap) -> None:
    map.gate.set()
    with pytest.raises(ConditionLost):
        await committer.commit(refuse)


def test_answers_to_a_closed_loop_are_dropped(
    committer: OwnedCommitter, map: GatedMap, caplog: pytest.LogCaptureFixture
) -> None:
    async def leave() -> None:
        waiting = asyncio.ensure_future(committer.commit(count))
        await asyncio.sleep(0)
        waiting.cancel()

    hold(committer, map)
    asyncio.run(leave())
    map.gate.set()
    assert committer.commit_now(count) == 2
    finish(committer, map)  # those who wait on loops are answered last
    assert "loop had closed" in caplog.text
