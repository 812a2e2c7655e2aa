"""A running store with one bucket, "b"."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.store.node import Node, running


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with running() as node:
        await node.store.create_bucket("b", "owner", "us-east-1")
        yield node
