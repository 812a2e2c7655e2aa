"""The power goes at every step of a busy store: what was acknowledged is there, the rest is whole or not at all.

Both engines lose what they had not made durable (or keep it: both happen). The next run sweeps, and then
nothing may be left over, in rows or in bytes.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable
from typing import Any

import pytest

from nimbus.base.errors import NimbusError, ObjectMissing
from nimbus.meta import keys
from nimbus.store.recovery.sweep import Sweeper
from tests.faults.store_faults import PowerCut, Steps
from tests.unit.store.node import NEW, Node, running

PAGED = {number: b"page part %d" % number for number in range(1, 40)}
FEW = {1: b"first part", 2: b"last part"}


class Ledger:
    """What the clients know: the acknowledged body of each key, and what may have taken place besides."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, bytes | None] = defaultdict(lambda: None)
        self.possible: dict[str, list[bytes | None]] = defaultdict(list)

    async def change(self, key: str, body: bytes | None, change: Awaitable[Any]) -> None:
        self.possible[key].append(body)
        await change
        self.acknowledged[key] = body
        self.possible[key].clear()

    def is_allowed(self, key: str, body: bytes | None) -> bool:
        return body == self.acknowledged[key] or body in self.possible[key]


async def busy_life(node: Node, ledger: Ledger) -> None:
    """Some of everything, one after the other and at once. Raises when the power goes."""
    store = node.store
    await store.create_bucket("b", "owner", "")
    await asyncio.gather(
        ledger.change("a", b"a1", node.put("a", b"a1")),
        ledger.change("c", b"c1", node.put("c", b"c1")),
        ledger.change("empty", b"", node.put("empty", b"")),
    )
    paged = await node.upload("m", PAGED)
    await node.put_part("m", paged, 2, b"replaced part 2")
    await node.put_part("m", paged, 77, b"not named")
    whole = {**PAGED, 2: b"replaced part 2"}
    await asyncio.gather(
        ledger.change("m", b"".join(whole.values()), node.complete("m", paged, whole)),
        ledger.change("a", b"a2", node.put("a", b"a2")),
        ledger.change("c", None, store.delete_object("b", "c", None)),
    )
    await store.collect_garbage()
    few = await node.upload("a", FEW)
    doomed = await node.upload("doomed", {1: b"doomed part"})
    await asyncio.gather(
        ledger.change("a", b"".join(FEW.values()), node.complete("a", few, FEW)),
        store.abort_upload("b", "doomed", doomed),
        store.replace_metadata("b", "m", NEW, None),
    )
    await ledger.change("m", None, store.delete_object("b", "m", None))
    await node.upload("open", FEW)
    await store.collect_garbage()


async def steps_of_a_life() -> int:
    steps = Steps()
    cut = PowerCut(steps, False)
    steps.at = 0
    async with running(cut.map, cut.data) as node:
        await busy_life(node, Ledger())
    return len(steps.names)


async def check_next_run(cut: PowerCut, ledger: Ledger) -> None:
    map, data = cut.restart()
    Sweeper(map, data).sweep()
    async with running(map, data) as node:
        if map.get(keys.bucket("b")) is None:
            assert not any(ledger.acknowledged.values())
            await node.store.create_bucket("b", "owner", "")
        for key in ("a", "c", "empty", "m"):
            try:
                body = await node.get(key)
            except ObjectMissing:
                body = None
            assert ledger.is_allowed(key, body), (key, body)
        await node.check_nothing_leaked()
        await tear_down(node)
        await node.check_nothing_leaked()
        assert data.stored_count() == 0


async def tear_down(node: Node) -> None:
    """Delete everything, bucket and all: even that leaves nothing."""
    for key, _ in (await node.store.list_objects("b", "", "", "", 100)).objects:
        await node.store.delete_object("b", key, None)
    await node.store.delete_bucket("b")


@pytest.mark.parametrize("unsynced_survives", [False, True], ids=["unsynced lost", "unsynced kept"])
async def test_power_cut_at_any_step_loses_nothing_acknowledged_and_leaks_nothing(unsynced_survives: bool) -> None:
    total = await steps_of_a_life()
    assert total > 200
    for at in range(1, total, 5 if unsynced_survives else 4):
        steps = Steps(at)
        cut = PowerCut(steps, unsynced_survives)
        ledger = Ledger()
        try:
            async with running(cut.map, cut.data) as node:
                await busy_life(node, ledger)
        except NimbusError:
            pass
        if not cut.map.is_dead:  # threads took fewer steps this time
            cut.strike()
        await check_next_run(cut, ledger)
