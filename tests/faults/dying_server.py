"""A server in which something vital dies: the commit thread when the bucket `die-now` is made, the collector at
SIGUSR1.

python dying_server.py FOLDER
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from nimbus.base.config import Config, DataConfig, MetadataConfig, UserEntry
from nimbus.meta import registry
from nimbus.meta.memory import MemoryMap
from nimbus.server.graph import Node, node
from nimbus.server.run import serve


class Death(BaseException):
    """What no part expects."""


class DyingMap(MemoryMap):
    def write(self, ops: Mapping[bytes, bytes | None]) -> None:
        if any(b"die-now" in row for row in ops):
            raise Death("nobody saw it coming")
        super().write(ops)


def open_dying(options: Mapping[str, object], data_dir: Path) -> MemoryMap:
    return DyingMap()


@asynccontextmanager
async def dying_node(config: Config, users: tuple[UserEntry, ...]) -> AsyncIterator[Node]:
    async with node(config, users) as opened:
        (collector,) = (task for task in asyncio.all_tasks() if task.get_name() == "garbage collector")
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, collector.cancel)
        yield opened


if __name__ == "__main__":
    registry.register("dying", open_dying)
    config = Config(
        listen="127.0.0.1:0",
        data_dir=sys.argv[1],
        metadata=MetadataConfig(backend="dying"),
        data=DataConfig(backend="memory"),
    )
    serve(config, (), dying_node)
