"""The composition root: parts open, answer together and close again, also when one of them will not open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nimbus.base.config import DEFAULT_USER, Config, DataConfig, MetadataConfig
from nimbus.base.errors import ConfigInvalid, DirectoryLocked
from nimbus.server.directory import owned
from nimbus.server.graph import node

USERS = (DEFAULT_USER,)


def memory(folder: Path) -> Config:
    return Config(data_dir=str(folder), metadata=MetadataConfig(backend="memory"), data=DataConfig(backend="memory"))


def scope(path: bytes) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "path": path.decode(),
        "raw_path": path,
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
    }


async def test_an_opened_node_answers_and_asks_for_credentials(tmp_path: Path) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    async with node(memory(tmp_path), USERS) as opened:
        await opened.app(scope(b"/"), receive, send)
    assert sent[0]["status"] == 403
    assert b"<Code>AccessDenied</Code>" in sent[1]["body"]


async def test_the_data_directory_is_held_while_the_node_is_open_and_free_afterwards(tmp_path: Path) -> None:
    async with node(memory(tmp_path), USERS):
        with pytest.raises(DirectoryLocked), owned(tmp_path):
            pass
    with owned(tmp_path):
        pass


async def test_what_was_opened_is_closed_when_a_later_part_will_not_open(tmp_path: Path) -> None:
    config = Config(data_dir=str(tmp_path), data=DataConfig(backend="papyrus"))
    for _ in range(2):  # the second try would find RocksDB locked, had the first left it open
        with pytest.raises(ConfigInvalid, match="papyrus"):
            async with node(config, USERS):
                pass
    async with node(Config(data_dir=str(tmp_path)), USERS):
        pass


async def test_the_operator_is_told_what_a_power_cut_would_take(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with node(memory(tmp_path / "volatile"), USERS):
        said = caplog.text
    caplog.clear()
    assert "the metadata backend 'memory' does not promise" in said
    assert "the data backend 'memory' does not promise" in said
    async with node(Config(data_dir=str(tmp_path / "durable")), USERS):
        assert caplog.messages == []
