"""A server whose requests wait: `/begun` answers half of its body and the rest when the process gets SIGUSR1.

python waiting_server.py SHUTDOWN_S
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from nimbus.base.config import Config, Limits, UserEntry
from nimbus.server.graph import Node
from nimbus.server.run import serve


@asynccontextmanager
async def node(config: Config, users: tuple[UserEntry, ...]) -> AsyncIterator[Node]:
    release = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, release.set)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"8")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        if scope["path"] == "/begun":
            await release.wait()
        await send({"type": "http.response.body", "body": b"half"})

    yield Node(app)
    print("closed", file=sys.stderr)


if __name__ == "__main__":
    serve(Config(listen="127.0.0.1:0", limits=Limits(shutdown_s=float(sys.argv[1]))), (), node)
