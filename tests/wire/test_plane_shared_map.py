"""The native plane over metadata that other nodes write to as well: it remembers nothing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nimbus.base.config import Address, Config, MetadataConfig, UserEntry
from nimbus.meta import registry
from nimbus.meta.api import Capabilities
from nimbus.meta.memory import MemoryMap
from nimbus.metrics import names
from nimbus.server.graph import node
from nimbus.server.sockets import bind
from tests.wire.plane_front import Peer
from tests.wire.plane_signing import Key, signed

OWNER = Key("OWNER", "secret-of-owner", "owner")


class SharedMap(MemoryMap):
    """One that says that other nodes have it, too."""

    @property
    def capabilities(self) -> Capabilities:
        return msgspec.structs.replace(super().capabilities, shared=True)


def open_shared(options: Mapping[str, Any], directory: Path) -> SharedMap:
    return SharedMap()


@pytest.mark.parametrize(
    ("backend", "answered"),
    [
        ("memory", {("relayed",), ("get",)}),
        ("shared-for-test", {("relayed",)}),
    ],
)
async def test_reads_are_answered_natively_only_when_nobody_else_writes(
    tmp_path: Path, backend: str, answered: set[tuple[str]]
) -> None:
    registry.register("shared-for-test", open_shared)
    config = Config(data_dir=str(tmp_path), metadata=MetadataConfig(backend=backend), data_plane="on")
    user = UserEntry(id=OWNER.user_id, access_key=OWNER.access_key, secret_key=OWNER.secret)
    async with node(config, (user,)) as opened:
        assert opened.front is not None
        bound = bind(Address(host="127.0.0.1", port=0))
        listener = opened.front(bound, 100)
        listener.start()
        try:
            statuses = await asyncio.to_thread(probe, bound.address)
            counted = [reading for reading in listener.source.read() if reading.metric is names.PLANE_REQUESTS]
        finally:
            await listener.drain(5)
            bound.socket.close()
    assert statuses == [200, 404, 404]
    assert {reading.labels for reading in counted} == answered


def probe(address: Address) -> list[int]:
    """Create a bucket, and ask twice for what is not in it."""
    host = f"{address.host}:{address.port}"
    peer = Peer(socket.create_connection((address.host, address.port), 20))
    statuses = []
    try:
        for method, path in [("PUT", ""), ("GET", "/absent"), ("GET", "/absent")]:
            peer.send(signed(f"/bucket{path}", method=method, key=OWNER, host=host))
            statuses.append(peer.response()[0])
    finally:
        peer.close()
    return statuses
