"""obstore (Rust's object_store), against a real server."""

from __future__ import annotations

import obstore
import pytest
from obstore.exceptions import AlreadyExistsError
from obstore.store import S3Store


@pytest.fixture
def store(server, client) -> S3Store:
    client.create_bucket(Bucket="obstore")
    return S3Store(
        "obstore",
        endpoint=server.endpoint,
        access_key_id=server.access_key,
        secret_access_key=server.secret_key,
        region="us-east-1",
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )


def test_put_get_ranges_list_copy_rename_delete(store: S3Store) -> None:
    body = bytes(range(256)) * 500
    obstore.put(store, "dir/a", body)
    assert bytes(obstore.get(store, "dir/a").bytes()) == body
    assert bytes(obstore.get_range(store, "dir/a", start=7, end=19)) == body[7:19]
    spans = obstore.get_ranges(store, "dir/a", starts=[0, 1000], ends=[10, 1010])
    assert [bytes(span) for span in spans] == [body[0:10], body[1000:1010]]
    obstore.copy(store, "dir/a", "dir/b")
    obstore.rename(store, "dir/b", "dir/c")
    listed = [meta["path"] for page in obstore.list(store, "dir") for meta in page]
    assert sorted(listed) == ["dir/a", "dir/c"]
    obstore.delete(store, ["dir/a", "dir/c"])
    with pytest.raises(FileNotFoundError):
        obstore.get(store, "dir/a")


def test_create_mode_writes_only_once(store: S3Store) -> None:
    obstore.put(store, "once", b"first", mode="create")
    with pytest.raises(AlreadyExistsError):
        obstore.put(store, "once", b"second", mode="create")
    assert bytes(obstore.get(store, "once").bytes()) == b"first"


def test_large_put_goes_up_in_parts(store: S3Store) -> None:
    body = b"obstore!" * 3_000_000
    obstore.put(store, "big", body, use_multipart=True, chunk_size=6 * 1024 * 1024)
    assert bytes(obstore.get(store, "big").bytes()) == body
    assert obstore.head(store, "big")["size"] == len(body)
