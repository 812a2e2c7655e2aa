"""The end of a server: running requests go on for a time, what is still there then is cut off and told.

Must always hold: nothing new is taken from the first moment; a second order to stop ends the wait at once; the line
about what was cut names operations and bytes, never a bucket or a key.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from nimbus.metrics import names
from nimbus.metrics.api import Metric, Source
from nimbus.server.notices import fail, say, warn

# Closing the engines takes milliseconds; whoever needs this long hangs.
CLOSE_S_MAX: Final = 10.0
EXIT_HUNG: Final = 70
# A stop that takes longer than this says what it waits for.
SILENCE_S: Final = 1.0


class Drained(Protocol):
    """A listener, as its end sees it."""

    async def settle(self, timeout_s: float, hurry: asyncio.Event | None = None) -> bool:
        """Accept nothing more; whether all running requests have ended, before the time was over or hurry ordered."""
        ...

    async def cut(self) -> int:
        """End at once; returns how much still ran."""
        ...


class Orders:
    """What the operator has ordered by signals: to stop, and then to hurry."""

    def __init__(self, shutdown_s: float) -> None:
        self.stop = asyncio.Event()
        self.hurry = asyncio.Event()
        self._shutdown_s = shutdown_s

    def heed(self) -> None:
        """Take SIGTERM and SIGINT as orders from now on."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.order)

    def order(self) -> None:
        """The first order stops, the second cuts off what still runs, the third ends the process as it is."""
        if not self.stop.is_set():
            self.stop.set()
            _end_if_hung(self._shutdown_s + CLOSE_S_MAX)
        elif not self.hurry.is_set():
            self.hurry.set()
            _end_if_hung(CLOSE_S_MAX)
        else:
            _end("ended by a third signal")


async def drain(
    listeners: Sequence[Drained], sources: Sequence[Source], shutdown_s: float, hurry: asyncio.Event
) -> None:
    """Have all listeners finish what runs, cut off what does not end, and tell what that was."""
    began = asyncio.get_running_loop().time()
    if not await _settle(listeners, min(SILENCE_S, shutdown_s), hurry) and shutdown_s > SILENCE_S:
        if not hurry.is_set():
            say(f"stopping: running requests have {shutdown_s:g} s to finish; a second signal cuts them off")
        await _settle(listeners, shutdown_s - SILENCE_S, hurry)
    before = _totals(sources)
    cut = sum(await asyncio.gather(*(listener.cut() for listener in listeners)))
    if cut:
        took_s = asyncio.get_running_loop().time() - began
        when = f"by a second signal, {took_s:.1f} s after the first" if hurry.is_set() else f"after {shutdown_s:g} s"
        _tell(cut, when, before, _totals(sources))


async def _settle(listeners: Sequence[Drained], timeout_s: float, hurry: asyncio.Event) -> bool:
    return all(await asyncio.gather(*(listener.settle(timeout_s, hurry) for listener in listeners)))


class _Total(msgspec.Struct):
    """What one operation has come to."""

    requests: float = 0
    received: float = 0
    sent: float = 0


_FIELDS: Final[dict[Metric, str]] = {
    names.REQUESTS: "requests",
    names.RECEIVED_BYTES: "received",
    names.SENT_BYTES: "sent",
}


def _totals(sources: Sequence[Source]) -> dict[str, _Total]:
    totals: dict[str, _Total] = {}
    for source in sources:
        for reading in source.read():
            field = _FIELDS.get(reading.metric)
            if field is not None and isinstance(reading.value, int | float):
                total = totals.setdefault(reading.labels[0], _Total())
                setattr(total, field, getattr(total, field) + reading.value)
    return totals


def _tell(cut: int, when: str, before: dict[str, _Total], after: dict[str, _Total]) -> None:
    parts, count = [], 0
    for operation, total in after.items():
        was = before.get(operation, _Total())
        requests = int(total.requests - was.requests)
        if requests:
            count += requests
            moved = (("received", total.received - was.received), ("sent", total.sent - was.sent))
            words = " and ".join(f"{int(size)} bytes {word}" for word, size in moved if size) or "nothing sent"
            parts.append(f"{requests} {operation} with {words}")
    number = count or cut
    what = "running request was" if number == 1 else "running requests were"
    text = f"{number} {what} cut off {when}"
    warn(f"{text}: {', '.join(parts)}" if parts else text)


def _end_if_hung(after_s: float) -> None:
    guard = threading.Timer(after_s, _end, (f"still not stopped after {after_s:g} s; ended by force",))
    guard.daemon = True
    guard.start()


def _end(text: str) -> None:
    fail(text)
    os._exit(EXIT_HUNG)
