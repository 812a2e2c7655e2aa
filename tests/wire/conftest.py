"""What every wire test stands on: one real server for the session, in each data-plane mode that exists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.wire.serving import Server, running

DATA_PLANES = ["off", "on"]


@pytest.fixture(scope="session", params=DATA_PLANES, ids=lambda mode: f"data-plane-{mode}")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two users; `owner` is the one whose keys `access_key` and `secret_key` are."""
    folder: Path = tmp_path_factory.mktemp("server")
    with running(folder, "--data-plane", request.param) as started:
        yield started


@pytest.fixture
def client(server: Server) -> Any:
    """A boto3 client of the owner."""
    return server.client()


@pytest.fixture
def stranger(server: Server) -> Any:
    """A boto3 client of the other user."""
    return server.client(server.other)


@pytest.fixture
def bucket(client: Any, request: pytest.FixtureRequest) -> str:
    """A fresh bucket, named after the test."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.originalname.lower())
    digest = abs(hash(request.node.nodeid)) % 10**8
    name = f"{name[-50:].strip('-')}-{digest}"
    client.create_bucket(Bucket=name)
    return name
