"""The decisions of a start: who may come in, and how many connections fit."""

from __future__ import annotations

import pytest

from nimbus.base.config import DEFAULT_USER, Config, Limits, UserEntry
from nimbus.base.errors import ConfigInvalid
from nimbus.server.refusals import users_for
from nimbus.server.run import within_descriptors

REAL = UserEntry(id="u1", access_key="AK", secret_key="s")


def test_without_users_the_well_known_keys_work_on_loopback() -> None:
    assert users_for(Config(), is_loopback=True) == (DEFAULT_USER,)


def test_without_users_an_address_that_others_reach_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match="NIMBUS_ACCESS_KEY"):
        users_for(Config(listen="0.0.0.0:8080"), is_loopback=False)


def test_the_well_known_keys_are_refused_there_also_when_they_are_configured() -> None:
    with pytest.raises(ConfigInvalid, match="known to everybody"):
        users_for(Config(users=(REAL, DEFAULT_USER)), is_loopback=False)


def test_configured_users_replace_the_well_known_one() -> None:
    config = Config(users=(REAL,))
    assert users_for(config, is_loopback=True) == users_for(config, is_loopback=False) == (REAL,)


@pytest.mark.parametrize(
    ("granted", "wanted", "requests", "connections"),
    [(20_000, 1_000, 1_000, 5_791), (1_024, 1_000, 51, 120), (1_048_576, 7, 7, 20_000), (0, 1_000, 1, 1)],
)
def test_two_listeners_share_what_the_descriptors_carry(
    granted: int, wanted: int, requests: int, connections: int
) -> None:
    fitting = within_descriptors(Config(limits=Limits(requests=wanted)), granted, 2).limits
    assert (fitting.requests, fitting.connections) == (requests, connections)


def test_who_has_set_a_limit_hears_that_it_is_lowered(caplog: pytest.LogCaptureFixture) -> None:
    within_descriptors(Config(), 4_096, 1)
    assert caplog.messages == []
    within_descriptors(Config(limits=Limits(requests=500, connections=30_000)), 20_000, 1)
    assert caplog.messages == ["limits.connections is 14082, not 30000: the system grants no more file descriptors"]


def test_who_starts_with_few_descriptors_hears_it(caplog: pytest.LogCaptureFixture) -> None:
    within_descriptors(Config(), 1_024, 1)
    assert caplog.messages == [
        "the system grants 1024 file descriptors, enough for 241 connections; raise its hard limit (ulimit -Hn, "
        "LimitNOFILE= of a service) to 4096 or more"
    ]
