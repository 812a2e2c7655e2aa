"""The decisions of a start: who may come in, and how many connections fit."""

from __future__ import annotations

import pytest

from nimbus.base.config import DEFAULT_USER, Config, UserEntry
from nimbus.base.errors import ConfigInvalid
from nimbus.server.listener import connections_within
from nimbus.server.run import users_for

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


@pytest.mark.parametrize(("descriptors", "connections"), [(0, 1), (256, 1), (1024, 384), (1_048_576, 524_160)])
def test_connections_leave_descriptors_for_files(descriptors: int, connections: int) -> None:
    assert connections_within(descriptors) == connections
