"""How long the commit thread waits for company."""

from __future__ import annotations

import pytest

from nimbus.meta.patience import WAIT_NS_MAX, Patience

MS = 1_000_000


def patience(answered: int, queued: int, took_ns: int) -> Patience:
    """After a group that was over at 10 s."""
    patience = Patience(100)
    patience.renew(answered, queued, 10_000 * MS - took_ns, 10_000 * MS)
    return patience


def test_before_the_first_group_nobody_waits() -> None:
    assert Patience(100).left_ns(1, 0) == 0


@pytest.mark.parametrize(("answered", "queued"), [(1, 0), (1, 2), (8, 8), (90, 30)])
def test_as_many_are_waited_for_as_were_answered_and_had_queued(answered: int, queued: int) -> None:
    waiting = patience(answered, queued, MS)
    everybody = min(answered + queued, 100)
    assert waiting.left_ns(everybody, 10_000 * MS) == 0
    assert waiting.left_ns(everybody - 1, 10_000 * MS) > 0


@pytest.mark.parametrize(("took_ns", "wait_ns"), [(600_000, 300_000), (MS, MS // 2), (20 * MS, WAIT_NS_MAX)])
def test_the_wait_is_half_of_what_the_group_took_and_bounded(took_ns: int, wait_ns: int) -> None:
    waiting = patience(8, 8, took_ns)
    assert waiting.left_ns(9, 10_000 * MS) == wait_ns
    assert waiting.left_ns(9, 10_000 * MS + wait_ns - 1) == 1
    assert waiting.left_ns(9, 10_000 * MS + wait_ns) == 0
    assert waiting.left_ns(9, 20_000 * MS) == 0
