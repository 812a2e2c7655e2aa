"""Engines fail, and clients go away, at every step: the store stays whole and leaks nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from nimbus.base.errors import EngineError, NimbusError, ObjectMissing, SpaceExhausted, StoreReadOnly, UploadMissing
from nimbus.store.recovery.sweep import Sweeper
from tests.faults.store_faults import PowerCut, SteppedData, SteppedMap, Steps
from tests.unit.store.node import NEW, Node, running

PAGED = {number: b"page part %d" % number for number in range(1, 40)}
FEW = {1: b"first part", 2: b"last part"}

Operation = Callable[[Node, str], Awaitable[object]]

# Each is run on a store where the object "k" lies and the upload whose id it gets is open to "k".
OPERATIONS: dict[str, Operation] = {
    "put": lambda node, upload_id: node.put("k", b"new"),
    "put of a new key": lambda node, upload_id: node.put("n", b"new"),
    "delete": lambda node, upload_id: node.store.delete_object("b", "k", None),
    "replace metadata": lambda node, upload_id: node.store.replace_metadata("b", "k", NEW, None),
    "put part": lambda node, upload_id: node.put_part("k", upload_id, 1, b"part again"),
    "complete": lambda node, upload_id: node.complete("k", upload_id, PAGED),
    "complete of few": lambda node, upload_id: node.complete("k", upload_id, {1: PAGED[1]}),
    "abort": lambda node, upload_id: node.store.abort_upload("b", "k", upload_id),
    "create upload": lambda node, upload_id: node.store.create_upload("b", "k", NEW),
    "collect": lambda node, upload_id: node.store.collect_garbage(),
}

operations = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())


async def prepare(node: Node) -> str:
    """The stage for an operation; returns the id of the open upload."""
    await node.store.create_bucket("b", "owner", "")
    await node.put("k", b"displaced")
    await node.put("k", b"present")
    return await node.upload("k", PAGED)


async def check_whole(node: Node) -> None:
    """Every object reads, and nothing is left over, also after the upload is gone."""
    for key, record in (await node.store.list_objects("b", "", "", "", 100)).objects:
        assert len(await node.body(record)) == record.size, key
    await node.check_nothing_leaked()
    for key, upload_id, _ in (await node.store.list_uploads("b", "", "", "", "", 100)).uploads:
        await node.store.abort_upload("b", key, upload_id)
    for key, _ in (await node.store.list_objects("b", "", "", "", 100)).objects:
        await node.store.delete_object("b", key, None)
    await node.check_nothing_leaked()
    assert node.stored() == 0


async def steps_taken(operation: Operation) -> list[str]:
    steps = Steps()
    async with running(SteppedMap(steps), SteppedData(steps)) as node:
        upload_id = await prepare(node)
        before = len(steps.names)
        await operation(node, upload_id)
        return steps.names[before:]


@operations
async def test_data_engine_that_fails_once_at_any_step_leaks_nothing(operation: Operation) -> None:
    def fail(name: str) -> None:
        if name in ("writer", "before finish", "before data sync", "before drop", "after drop"):
            raise SpaceExhausted

    for at in range(1, len(await steps_taken(operation)) + 1):
        steps = Steps()
        async with running(SteppedMap(steps), SteppedData(steps)) as node:
            upload_id = await prepare(node)
            steps.at, steps.action = len(steps.names) + at, fail
            with suppress(SpaceExhausted):
                await operation(node, upload_id)
            await check_whole(node)


@operations
async def test_metadata_engine_that_fails_makes_the_store_read_only_and_a_restart_whole(operation: Operation) -> None:
    def fail(name: str) -> None:
        if name in ("before sync", "before write"):
            raise EngineError("The disk does not answer.")

    for at, step in enumerate(await steps_taken(operation), 1):
        if step not in ("before sync", "before write"):
            continue
        cut = PowerCut(steps := Steps(), unsynced_survives=True)
        async with running(cut.map, cut.data) as node:
            upload_id = await prepare(node)
            steps.at, steps.action = len(steps.names) + at, fail
            with pytest.raises(NimbusError):
                await operation(node, upload_id)
            if step == "before sync":
                with pytest.raises(StoreReadOnly):
                    await node.put("other", b"body")
            cut.strike()
        map, data = cut.restart()
        Sweeper(map, data).sweep()
        async with running(map, data) as node:
            await check_whole(node)


@operations
async def test_client_that_goes_away_at_any_step_leaks_nothing(operation: Operation) -> None:
    loop = asyncio.get_running_loop()
    for at in range(1, len(await steps_taken(operation)) + 1):
        steps = Steps()
        async with running(SteppedMap(steps), SteppedData(steps)) as node:
            upload_id = await prepare(node)
            task = asyncio.ensure_future(operation(node, upload_id))
            steps.at = len(steps.names) + at
            steps.action = lambda name, task=task: loop.call_soon_threadsafe(task.cancel)  # type: ignore[misc]
            await asyncio.wait([task])
            if not task.cancelled():
                assert task.exception() is None
            await node.store._commits.settled()
            await check_whole(node)


async def test_drop_that_fails_for_good_does_not_disturb_the_writers() -> None:
    class BrokenData(SteppedData):
        def drop(self, location: bytes) -> None:
            raise EngineError("The disk does not answer.")

    async with running(data=BrokenData(Steps()), garbage_grace_s=0) as node:
        await node.store.create_bucket("b", "owner", "")
        for number in range(50):
            await node.put("k", b"%d" % number)
        assert await node.get("k") == b"49"
        assert len(node.garbage()) == 49
        with pytest.raises(ObjectMissing):
            await node.store.find_object("b", "other")
        with pytest.raises(UploadMissing):
            await node.store.find_upload("b", "k", "0" * 32)
