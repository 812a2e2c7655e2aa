"""The shares in the file descriptors of a process."""

from __future__ import annotations

import resource

import pytest

from nimbus.base.descriptors import OTHERS, PER_REQUEST, descriptors_granted, shares


@pytest.mark.parametrize("limit", [1_024, 4_096, 20_000, 65_536, 1_048_576])
def test_all_shares_together_are_within_the_limit(limit: int) -> None:
    share = shares(limit, 1_000)
    native = share.native_files + share.native_files // 4 + 64  # as nb_cache_init has it
    running = share.requests * PER_REQUEST
    assert share.tables + share.files + native + running + share.connections + OTHERS == limit


def test_what_many_systems_grant_carries_well_over_10_000_connections() -> None:
    share = shares(20_000, 1_000)
    assert share.requests == 1_000
    assert share.connections > 11_000


def test_no_part_gets_more_than_it_has_use_for() -> None:
    share = shares(1 << 20, 1_000)
    assert (share.tables, share.files, share.native_files, share.requests) == (512, 1024, 4096, 1_000)


@pytest.mark.parametrize("limit", [0, 16, 300])
def test_a_limit_too_low_for_anything_lets_one_in(limit: int) -> None:
    share = shares(limit, 1_000)
    assert share.requests >= 1
    assert share.connections == 1


def test_what_is_granted_is_the_soft_limit() -> None:
    assert descriptors_granted() == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
