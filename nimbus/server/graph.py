"""The composition root: every part behind the listener, made of the configuration and joined here.

Must always hold: parts open from the disk upwards and close in the opposite order, also when opening fails
half-way; no other file knows which engine is which.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from nimbus import __version__
from nimbus._native.plane import AccessLog
from nimbus.admin.readiness import Readiness
from nimbus.auth.api import User
from nimbus.auth.keys import KeyRing, Secret
from nimbus.auth.verifier import HeadVerifier
from nimbus.base.clock import SystemClock
from nimbus.base.config import Config, UserEntry
from nimbus.data import registry as data_engines
from nimbus.data.api import DataStore
from nimbus.data.layers.metered import MeteredDataStore
from nimbus.data.local import LocalDataStore, open_local
from nimbus.data.location import check_of
from nimbus.data.memory import open_memory as open_memory_data
from nimbus.meta import registry as metadata_engines
from nimbus.meta.api import OrderedMap
from nimbus.meta.memory import open_memory as open_memory_map
from nimbus.meta.rocksdb import RocksMap, open_rocksdb
from nimbus.metrics.access_log import AccessLogSource
from nimbus.metrics.api import Source
from nimbus.metrics.commits import CommitMeter
from nimbus.metrics.process import ProcessSource
from nimbus.metrics.storage import DataMeter
from nimbus.s3.access import AccessRecorder
from nimbus.s3.api import Services, Settings
from nimbus.s3.app import App
from nimbus.s3.asgi import S3Asgi
from nimbus.server.access_log import access_log_of
from nimbus.server.coherence import CoherentMap
from nimbus.server.directory import owned
from nimbus.server.halves import Consent, open_halves
from nimbus.server.listener import Application
from nimbus.server.notices import warn
from nimbus.server.plane import Key, PlaneListener
from nimbus.server.plane_readers import PlaneReaders
from nimbus.server.plane_sends import PlaneSends
from nimbus.server.plane_uploads import PlaneUploads
from nimbus.server.sockets import Bound
from nimbus.store.reclaiming.leases import AskReaders, no_other_readers
from nimbus.store.store import Store

# Further engines come from installed packages, by entry points; see the two registries.
METADATA_ENGINES: Final[dict[str, metadata_engines.Factory]] = {"rocksdb": open_rocksdb, "memory": open_memory_map}
DATA_ENGINES: Final[dict[str, data_engines.Factory]] = {"local": open_local, "memory": open_memory_data}


Front = Callable[[Bound, int], PlaneListener]


class Node(msgspec.Struct, frozen=True):
    """What stands behind the listeners. The tasks that opening it began run until it is closed."""

    app: Application
    sources: tuple[Source, ...] = ()
    readiness: Readiness | None = None
    access_log: AccessLog | None = None
    front: Front | None = None  # makes a native plane for an address and so many connections; None: Granian alone


@asynccontextmanager
async def node(
    config: Config,
    users: tuple[UserEntry, ...],
    consent: Consent = Consent(),  # noqa: B008 (it is frozen)
) -> AsyncIterator[Node]:
    """The S3 application over opened engines, for as long as the context lasts."""
    register_engines()
    clock = SystemClock()
    async with AsyncExitStack() as parts:
        log = parts.enter_context(access_log_of(config))
        directory = parts.enter_context(owned(Path(config.data_dir)))
        halves = parts.enter_context(open_halves(config, directory, consent))
        map, data = halves.map, halves.data
        check_room = map.check_room if isinstance(map, RocksMap) else None
        if config.data_plane == "on" and metadata_engines.is_owned_map(map):
            map = CoherentMap(map)
        _say_what_is_volatile(config, map, data)
        commits, bytes_moved = CommitMeter(), DataMeter()
        committer = metadata_engines.open_committer(map, commits)
        parts.callback(committer.close)
        plane_readers = _plane_readers(map, data)
        store = Store(
            map,
            committer,
            MeteredDataStore(data, bytes_moved),
            clock,
            readers=_readers(map, plane_readers),
            custody=halves.custody,
            skips_damaged=config.metadata.damaged == "skip",
        )
        parts.push_async_callback(store.close)
        await store.start()
        hashing = parts.enter_context(ThreadPoolExecutor(os.cpu_count(), "hashing"))
        verifier = HeadVerifier(KeyRing(_keys(users), config.region), sigv2=config.sigv2)
        app = App(Services(store, verifier, clock, hashing, _settings(config)))
        sources: list[Source] = [app.meter, commits, bytes_moved, *store.metrics, ProcessSource(__version__)]
        if log is not None:
            sources.append(AccessLogSource(log.counters))
        asgi = S3Asgi(app, None if log is None else AccessRecorder(log))
        front = (
            _front(config, users, map, data, store, app, asgi, log, bytes_moved, plane_readers)
            if config.data_plane == "on"
            else None
        )
        yield Node(asgi, tuple(sources), Readiness(committer, data, check_room), log, front)


def _front(
    config: Config,
    users: tuple[UserEntry, ...],
    map: OrderedMap,
    data: DataStore,
    store: Store,
    app: App,
    asgi: S3Asgi,
    log: AccessLog | None,
    bytes_moved: DataMeter,
    readers: PlaneReaders | None,
) -> Front:
    """The native plane before `asgi`. Objects and uploads are its own on local files under a map that only we write."""
    keys = [Key(user.access_key, user.secret_key, user.id) for user in users]

    def listen(bound: Bound, connections: int) -> PlaneListener:
        if not (isinstance(map, CoherentMap) and isinstance(data, LocalDataStore)):
            return PlaneListener(bound, asgi, config, connections, keys, app.host_id, None, None, check_of, log=log)
        uploads = partial(PlaneUploads, handover=store.handover, data=data, app=app, meter=bytes_moved)
        sends = partial(PlaneSends, store=store, files=data, checks=check_of)
        return PlaneListener(
            bound, asgi, config, connections, keys, app.host_id, map, data, check_of, uploads, sends, readers, log
        )

    return listen


def _plane_readers(map: OrderedMap, data: DataStore) -> PlaneReaders | None:
    """What a native plane reads without a lease: objects that it finds by itself."""
    if isinstance(map, CoherentMap) and isinstance(data, LocalDataStore):
        return PlaneReaders(data, check_of)
    return None


def _readers(map: OrderedMap, plane: PlaneReaders | None) -> AskReaders | None:
    """Who knows what is read without a lease; nobody does when other nodes may read."""
    return None if map.capabilities.shared else plane or no_other_readers


def register_engines() -> None:
    """Make the built-in engines known by their names."""
    for name, open_engine in METADATA_ENGINES.items():
        metadata_engines.register(name, open_engine)
    for name, open_bytes in DATA_ENGINES.items():
        data_engines.register(name, open_bytes)


def _say_what_is_volatile(config: Config, map: OrderedMap, data: DataStore) -> None:
    engines = {
        f"the metadata backend {config.metadata.backend!r}": map.capabilities.durable,
        f"the data backend {config.data.backend!r}": data.capabilities.durable,
    }
    for engine, is_durable in engines.items():
        if not is_durable:
            warn(f"{engine} does not promise that what is written survives a power cut")


def _keys(users: tuple[UserEntry, ...]) -> Iterable[tuple[User, Secret]]:
    for user in users:
        yield User(user.id, user.display_name or user.id, user.email, user.access_key), Secret(user.secret_key)


def _settings(config: Config) -> Settings:
    return Settings(
        region=config.region,
        domains=config.domains,
        requests_max=config.limits.requests,
        upload_bytes_max=config.limits.upload_bytes,
        body_rate_bytes_per_s=config.limits.body_rate_bytes_per_s,
        body_grace_s=config.limits.body_grace_s,
    )
