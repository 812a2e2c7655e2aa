"""A whole node for tests, with the native plane in front or without: `python -m tests.wire.plane_node FOLDER on|off`.

It says its address on standard output once it answers, and stops in order when standard input ends.
"""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, cast

import msgspec
import uvloop

from nimbus._native.plane import OPERATIONS, Plane
from nimbus.auth.api import User
from nimbus.auth.keys import KeyRing, Secret
from nimbus.auth.verifier import HeadVerifier
from nimbus.base.clock import SystemClock
from nimbus.base.config import Address, Config, Limits
from nimbus.data.local import LocalDataStore, LocalOptions
from nimbus.data.location import BLOB, unpack
from nimbus.meta.committer import OwnedCommitter
from nimbus.meta.rocksdb import open_rocksdb
from nimbus.metrics.storage import DataMeter
from nimbus.s3.api import Services, Settings
from nimbus.s3.app import App
from nimbus.s3.asgi import S3Asgi
from nimbus.server.coherence import CoherentMap
from nimbus.server.listener import Listener
from nimbus.server.plane import Key, PlaneListener
from nimbus.server.plane_sends import PlaneSends
from nimbus.server.plane_uploads import PlaneUploads
from nimbus.server.sockets import bind
from nimbus.store.store import Store

OWNER = ("OWNERACCESSKEY", "owner/secret+key=40", "owner")
OTHER = ("OTHERACCESSKEY", "other/secret+key=40", "other")
CONNECTIONS = 1000
DIRECT_SIZE_BYTES_MIN = 1 << 20  # less than usual, so that tests need not send as much


def _checks(location: bytes) -> tuple[bool, int]:
    where = unpack(location)
    return where.kind == BLOB, where.hash


async def _serve(folder: Path, mode: str, grace_s: float) -> None:
    loop = asyncio.get_running_loop()
    clock = SystemClock()
    map: Any = CoherentMap(open_rocksdb({}, folder))
    data = LocalDataStore(folder / "data", LocalOptions(direct_size_bytes_min=DIRECT_SIZE_BYTES_MIN))
    committer = OwnedCommitter(map)
    store = Store(map, committer, data, clock)
    await store.start()
    keys = [(User(user, user, user + "@example.com", key), Secret(secret)) for key, secret, user in (OWNER, OTHER)]
    verifier = HeadVerifier(KeyRing(keys, "us-east-1"))
    limits = Limits(body_grace_s=grace_s)
    config = Config(data_dir=str(folder), limits=limits)
    settings = Settings(domains=config.domains, body_grace_s=grace_s)
    app = App(Services(store, verifier, clock, ThreadPoolExecutor(2), settings))
    bound = bind(Address(host="127.0.0.1", port=0))
    listener: Any
    planes: list[Plane] = []

    def uploads_of(plane: Plane) -> PlaneUploads:
        planes.append(plane)
        return PlaneUploads(plane, store.handover, data, app, DataMeter())

    if mode == "on":
        users = [Key(*row) for row in (OWNER, OTHER)]
        listener = PlaneListener(
            bound, S3Asgi(app), config, CONNECTIONS, users, app.host_id, map, data, _checks,
            uploads_of, partial(PlaneSends, store=store, files=data, checks=_checks),
        )  # fmt: skip
    else:
        listener = Listener(bound, S3Asgi(app), limits, CONNECTIONS)
    listener.start()
    print(bound.address.text, flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    await listener.drain(5.0)
    answered = [plane.counters() for plane in planes]
    taken = {name: sum(sum(one[f"requests_{name}"].values()) for one in answered) for name in OPERATIONS}  # type: ignore[arg-type]
    taken["body bytes"] = sum(cast(int, one["relayed_body_bytes"]) for one in answered)
    print(msgspec.json.encode(taken).decode(), flush=True)
    await store.close()
    committer.close()
    data.close()
    map.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]) if len(sys.argv) > 3 else 20.0))
