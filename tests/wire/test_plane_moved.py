"""What SDKs send with every read, in the head or in the query of a presigned one: the native plane knows it, and leaves
what may change the answer to the embedded server.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.wire.plane_signing import signed
from tests.wire.test_plane_get import Shelf, ask, is_relayed, shelf


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    with shelf(tmp_path_factory.mktemp("shelf")) as running:
        running.put("mine", b"hello", bucket="echo")
        yield running


@pytest.mark.parametrize("name", ["x-amz-checksum-mode", "X-Amz-Checksum-Mode"])
def test_what_the_sdks_for_javascript_and_go_presign_never_leaves_the_plane(name: str, store: Shelf) -> None:
    """They move x-amz-checksum-mode into the query, and say there how the body is signed and what is asked for."""
    path = f"/echo/mine?X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&{name}=ENABLED&x-id=GetObject"
    assert not is_relayed(store.front, signed(path, presigned=True))
    assert ask(store.front.connect(), signed(path, presigned=True))[2] == b"hello"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x_amz_api_version", "2006-03-01"),  # aws-sdk-cpp 1.11, which Arrow has within
        ("x_amz_te", "append-md5"),  # aws-sdk-java-v2 issue 1974
        ("x_amz_user_agent", "aws-sdk-js/3.1175.0"),
        ("amz_sdk_request", "attempt=1; max=3"),
    ],
)
def test_what_sdks_always_send_never_leaves_the_plane(name: str, value: str, store: Shelf) -> None:
    assert not is_relayed(store.front, signed("/echo/mine", **{name: value}))
    status, headers, body = ask(store.front.connect(), signed("/echo/mine", **{name: value}))
    assert (status, body) == (200, b"hello")
    assert "x-amz-transfer-encoding" not in headers


@pytest.mark.parametrize(
    "query",
    [
        *("If-None-Match=%2A", "if-match=%22x%22", "Range=bytes%3D0-1", "x-amz-expected-bucket-owner=bob"),
        *("X-Amz-Security-Token=x", "x-amz-checksum-mode=DISABLED", "x-amz-meta-a=b", "x-amz-request-payer=requester"),
        "x-amz-checksum-mode=ENABLED&X-Amz-Checksum-Mode=ENABLED",
    ],
)
def test_whatever_else_stands_there_is_the_servers_to_read(query: str, store: Shelf) -> None:
    assert not is_relayed(store.front, signed("/echo/mine", presigned=True))
    assert is_relayed(store.front, signed(f"/echo/mine?{query}", presigned=True))


def test_what_is_said_in_both_places_is_the_servers_to_compare(store: Shelf) -> None:
    path = "/echo/mine?x-amz-checksum-mode=ENABLED"
    assert not is_relayed(store.front, signed(path))
    assert is_relayed(store.front, signed(path, x_amz_checksum_mode="ENABLED"))
