"""The life of one server process: bind, open, announce, serve, drain, close.

Promises: what can be refused is refused before anything is opened, in one line; the ready line is printed
when requests are answered, and it is all that standard output gets; SIGTERM and SIGINT let running requests
finish for `limits.shutdown_s`, then close everything in order (stopping.py); a stop that hangs ends the process loudly.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import partial
from typing import Final

import msgspec
import uvloop

from nimbus.base.config import Config, Limits, UserEntry
from nimbus.base.descriptors import FEW, raise_descriptor_limit, shares
from nimbus.base.errors import NimbusError
from nimbus.server import graph
from nimbus.server.admin import admin_listener
from nimbus.server.crash import fail_stop, vital
from nimbus.server.doors import Doors, open_doors
from nimbus.server.hangup import Hangup, Reread
from nimbus.server.listener import Listener
from nimbus.server.memory import give_back_when_idle
from nimbus.server.notices import say, speak_from, warn
from nimbus.server.plane import PlaneListener
from nimbus.server.refusals import check
from nimbus.server.stopping import Orders, drain

# Opens everything behind the listener for as long as the context lasts.
OpenNode = Callable[[Config, tuple[UserEntry, ...]], AbstractAsyncContextManager[graph.Node]]

# The admin listener answers until S3 has stopped; its own last answers take no longer than this.
ADMIN_DRAIN_S: Final = 0.5
# A listing makes thousands of objects and an upload hundreds, nearly all free of cycles and soon gone: Python's own
# 700 would take up to a fifth of their time.
OBJECTS_BEFORE_SEARCH: Final = 10_000


class ListenerFailed(NimbusError):
    """The listener stopped by itself; what it said stands above."""


def serve(
    config: Config, notices: tuple[str, ...], open_node: OpenNode = graph.node, reread: Reread | None = None
) -> None:
    """Serve until told to stop. Raises a `NimbusError` when that cannot begin, or ends by itself.

    `reread` reads the configuration again from where it came from, to say what has changed.
    """
    checked = check(config)
    speak_from(config.log_level)
    faulthandler.enable()  # a crash in native code shows the stacks of all threads
    with open_doors(config) as doors, fail_stop():
        for notice in (*notices, *checked.notices):
            warn(notice)
        fitting = within_descriptors(config, raise_descriptor_limit(), 2 - [doors.plain, doors.tls].count(None))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(fitting, checked.users, doors, open_node, partial(Hangup, config, reread)))


async def _serve(
    config: Config,
    users: tuple[UserEntry, ...],
    doors: Doors,
    open_node: OpenNode,
    hangup: Callable[[Callable[[], None] | None], Hangup],
) -> None:
    orders = Orders(config.limits.shutdown_s)
    orders.heed()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, hangup(None))
    async with open_node(config, users) as node:
        parts = asyncio.all_tasks() - {asyncio.current_task()}
        listeners = _listeners(doors, node, config)
        sources = (*node.sources, *(listener.source for listener in listeners if isinstance(listener, PlaneListener)))
        admin = [] if doors.admin is None else [admin_listener(doors.admin, sources, node.readiness)]
        for listener in (*listeners, *admin):
            listener.start()
        if node.access_log is not None:
            loop.add_signal_handler(signal.SIGHUP, hangup(node.access_log.reopen))
        with vital(parts), _settled_memory(listeners):
            _announce(doors, config)
            await _first(orders.stop, (*listeners, *admin))
        if not orders.stop.is_set():
            raise ListenerFailed
        if node.readiness is not None:
            node.readiness.stop()
        await drain(listeners, sources, config.limits.shutdown_s, orders.hurry)
        for listener in admin:
            await listener.drain(ADMIN_DRAIN_S)
    say("stopped")


@contextmanager
def _settled_memory(listeners: Iterable[Listener | PlaneListener]) -> Iterator[None]:
    """What is here by now stays: the search for cyclic garbage leaves it out, and begins less often than by default.
    What comes on top goes back to the system when there is no work for it."""
    trims = [listener.trim for listener in listeners if isinstance(listener, PlaneListener)]
    giving_back = asyncio.create_task(give_back_when_idle(trims), name="memory")
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(OBJECTS_BEFORE_SEARCH, *thresholds[1:])
    try:
        yield
    finally:
        giving_back.cancel()
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _listeners(doors: Doors, node: graph.Node, config: Config) -> list[Listener | PlaneListener]:
    """One for each address of S3."""
    connections = config.limits.connections
    listeners: list[Listener | PlaneListener] = []
    if doors.plain is not None and node.front is not None:
        listeners.append(node.front(doors.plain, connections))
    elif doors.plain is not None:
        listeners.append(Listener(doors.plain, node.app, config.limits, connections))
    if doors.tls is not None:
        listeners.append(Listener(doors.tls, node.app, config.limits, connections, doors.certificate))
    return listeners


def _announce(doors: Doors, config: Config) -> None:
    if not config.users:
        say("no user is configured: the access key is test, the secret key is test (on loopback only)")
    if doors.admin is not None:
        say(f"metrics and health at http://{doors.admin.address.text}/metrics and /health/ready")
    for scheme, door in (("http", doors.plain), ("https", doors.tls)):
        if door is not None:
            print(f"NimbusStore is ready at {door.address.url(scheme)}", flush=True)


async def _first(stop: asyncio.Event, listeners: Iterable[Listener | PlaneListener]) -> None:
    """Wait for the order to stop, or for the unforeseen end of a listener."""
    waits = {asyncio.create_task(stop.wait()), *(asyncio.create_task(listener.ended()) for listener in listeners)}
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


def within_descriptors(config: Config, granted: int, listeners: int) -> Config:
    """With no more requests, and connections to each listener, than so many descriptors carry; who set what is lowered
    is told."""
    limits, default = config.limits, Limits()
    share = shares(granted, limits.requests)
    if granted < FEW:
        warn(
            f"the system grants {granted} file descriptors, enough for {share.connections} connections; "
            f"raise its hard limit (ulimit -Hn, LimitNOFILE= of a service) to {FEW} or more"
        )
    possible = {"requests": share.requests, "connections": max(1, share.connections // listeners)}
    for name, most in possible.items():
        wanted = getattr(limits, name)
        if most < wanted and wanted != getattr(default, name):
            warn(f"limits.{name} is {most}, not {wanted}: the system grants no more file descriptors")
        possible[name] = min(most, wanted)
    return msgspec.structs.replace(config, limits=msgspec.structs.replace(limits, **possible))
