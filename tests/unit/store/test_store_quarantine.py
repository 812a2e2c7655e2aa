"""What a sweep finds waits in the quarantine, is compared once more, and is dropped only when nothing names it then."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nimbus.base.clock import ManualClock
from nimbus.data.memory import MemoryDataStore
from nimbus.meta import keys
from nimbus.meta.committer import OwnedCommitter
from nimbus.meta.memory import MemoryMap
from nimbus.store.records import Extent, Object, pack
from nimbus.store.recovery.quarantine import Custody, Quarantine
from nimbus.store.recovery.sweep import Sweeper

DATA_ID = b"d" * 16
WEEK_S = 7 * 86400.0


class Crashed:
    """Engines after an unclean stop, with `orphans` that nothing names."""

    def __init__(self) -> None:
        self.map = MemoryMap()
        self.committer = OwnedCommitter(self.map)
        self.data = _CrashedData()
        self.clock = ManualClock()
        self.named = [self.data.keep(b"named %d" % number) for number in range(5)]
        self.orphans = [self.data.keep(b"orphan %d" % number) for number in range(250)]
        self.name(self.named)
        self.data.candidates = (*self.named, *self.orphans)

    def name(self, locations: list[bytes]) -> None:
        record = Object(1, "", 0, "", "", "", "", tuple(Extent(location, 1) for location in locations))
        self.map.txn({}, {keys.object(b"i" * 16, locations[0]): pack(record)})

    def sweeper(self, *, quarantine_s: float = WEEK_S, is_in_doubt: bool = False, is_emptied: bool = False) -> Sweeper:
        custody = Custody(DATA_ID, quarantine_s, is_in_doubt, is_emptied)
        self.quarantine = Quarantine(self.map, self.committer, self.data, self.clock, custody)
        self.quarantine.load()
        return Sweeper(self.map, self.data, self.quarantine)

    def stored(self) -> int:
        return len(self.data._objects)

    def counts(self) -> dict[tuple[str, str], object]:
        return {(reading.metric.name[18:], *reading.labels): reading.value for reading in self.quarantine.read()}  # type: ignore[misc]


class _CrashedData(MemoryDataStore):
    candidates: tuple[bytes, ...] = ()

    def unsettled(self) -> Iterator[bytes]:
        return iter(self.candidates)

    def settled(self) -> None:
        self.candidates = ()


@pytest.fixture
def crashed() -> Iterator[Crashed]:
    crashed = Crashed()
    yield crashed
    crashed.committer.close()


def test_what_nothing_names_waits_for_its_time_and_is_counted(crashed: Crashed) -> None:
    sweeper = crashed.sweeper()
    assert sweeper.sweep() == 250
    crashed.clock.advance(WEEK_S - 1)
    assert sweeper.expire() == 0
    assert crashed.stored() == 255
    assert crashed.counts()["locations", "waiting"] == 250
    assert crashed.counts()["bytes", "waiting"] == sum(map(crashed.data.size, crashed.orphans))
    crashed.clock.advance(1)
    assert sweeper.expire() == 250
    assert crashed.stored() == 5
    assert set(crashed.counts().values()) == {0}
    assert crashed.map.range(keys.quarantine(DATA_ID), keys.after_prefix(keys.quarantine(DATA_ID)), 10) == []


def test_the_time_goes_on_over_restarts_and_crashes_do_not_begin_it_anew(crashed: Crashed) -> None:
    again = crashed.data.candidates
    crashed.sweeper().sweep()
    crashed.clock.advance(WEEK_S / 2)
    crashed.data.candidates = again
    assert crashed.sweeper().sweep() == 0
    crashed.clock.advance(WEEK_S / 2)
    assert crashed.sweeper().expire() == 250


def test_what_is_named_by_then_is_kept(crashed: Crashed) -> None:
    sweeper = crashed.sweeper()
    sweeper.sweep()
    crashed.name(crashed.orphans[:100])
    crashed.clock.advance(WEEK_S)
    assert sweeper.expire() == 150
    assert crashed.stored() == 105
    assert set(crashed.counts().values()) == {0}


def test_what_was_found_in_doubt_is_held_until_the_operator_says_so(crashed: Crashed) -> None:
    sweeper = crashed.sweeper(is_in_doubt=True, quarantine_s=0)
    assert sweeper.sweep() == 250
    crashed.clock.advance(100 * WEEK_S)
    assert sweeper.expire() == 0
    assert crashed.sweeper(quarantine_s=0).expire() == 0
    assert crashed.counts()["locations", "held"] == 250
    crashed.name(crashed.orphans[:1])
    assert crashed.sweeper(is_emptied=True).expire() == 249
    assert crashed.stored() == 6


def test_nothing_leaves_by_time_while_there_is_a_doubt(crashed: Crashed) -> None:
    crashed.sweeper().sweep()
    crashed.clock.advance(2 * WEEK_S)
    doubtful = crashed.sweeper(is_in_doubt=True)
    assert doubtful.expire() == 0
    assert crashed.quarantine.pause_s() is None
    assert crashed.sweeper().expire() == 250


def test_a_thousand_are_dropped_in_bounded_turns(crashed: Crashed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nimbus.store.recovery.quarantine.BATCH_LOCATIONS_MAX", 7)
    sweeper = crashed.sweeper(quarantine_s=0)
    sweeper.sweep()
    assert sweeper.expire() == 250
    assert crashed.stored() == 5


def test_other_data_directories_of_the_same_map_keep_their_own(crashed: Crashed) -> None:
    crashed.sweeper().sweep()
    custody = Custody(b"e" * 16, 0)
    other = Quarantine(crashed.map, crashed.committer, MemoryDataStore(), crashed.clock, custody)
    other.load()
    assert list(other.due()) == []
