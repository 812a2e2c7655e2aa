"""What a power cut could still take back is told to nobody: while a commit is being synced, readers see what was there.

The metadata's sync waits for the test; meanwhile one client waits for its answer, and another one reads, through the
native plane and without it, what is cached, what is looked up, what is missing, and what is listed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config as ClientConfig
from botocore.exceptions import ClientError

from nimbus.base.config import Address, Config, UserEntry
from nimbus.meta import registry
from nimbus.meta.memory import MemoryMap
from nimbus.server.graph import node
from nimbus.server.listener import Listener
from nimbus.server.sockets import bind

PATIENCE_S = 20.0
USER = UserEntry(id="owner", access_key="OWNER", secret_key="secret-of-owner")


class HeldMap(MemoryMap):
    """A map whose syncs wait while the test wants them to."""

    def __init__(self) -> None:
        super().__init__()
        self.may_sync, self.is_held = threading.Event(), threading.Event()
        self.may_sync.set()

    def sync(self) -> None:
        if not self.may_sync.is_set():
            self.is_held.set()
        assert self.may_sync.wait(PATIENCE_S)
        super().sync()

    @contextmanager
    def holding(self, change: Callable[[], Any]) -> Iterator[Future[Any]]:
        """For as long as this lasts `change`, which runs elsewhere, is written but not synced; after it, answered."""
        self.is_held.clear()
        self.may_sync.clear()
        with ThreadPoolExecutor(1) as writer:
            changing = writer.submit(change)
            try:
                assert self.is_held.wait(PATIENCE_S)
                yield changing
                assert not changing.done(), "nobody is answered before the sync"
            finally:
                self.may_sync.set()
            changing.result(PATIENCE_S)


class Reader:
    """What a client is told."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def get(self, key: str, bucket: str = "bucket") -> bytes | str:
        return self._told(lambda: self.client.get_object(Bucket=bucket, Key=key)["Body"].read())

    def head(self, key: str) -> int | str:
        return self._told(lambda: self.client.head_object(Bucket="bucket", Key=key)["ContentLength"])

    def listed(self) -> list[str]:
        return [entry["Key"] for entry in self.client.list_objects_v2(Bucket="bucket").get("Contents", [])]

    def uploads(self) -> list[str]:
        return [entry["Key"] for entry in self.client.list_multipart_uploads(Bucket="bucket").get("Uploads", [])]

    def buckets(self) -> list[str]:
        return [entry["Name"] for entry in self.client.list_buckets()["Buckets"]]

    def _told(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except ClientError as error:
            return error.response["Error"]["Code"]


def check_objects(map: HeldMap, client: Any) -> None:
    read = Reader(client)
    client.create_bucket(Bucket="bucket")
    for key, body in {"cached": b"old", "unread": b"old", "deleted": b"old"}.items():
        client.put_object(Bucket="bucket", Key=key, Body=body)
    assert (read.get("cached"), read.get("missing")) == (b"old", "NoSuchKey")

    for key, old in {"cached": b"old", "unread": b"old", "missing": "NoSuchKey", "unheard": "NoSuchKey"}.items():
        before = read.listed()
        with map.holding(lambda key=key: client.put_object(Bucket="bucket", Key=key, Body=b"newer")):  # type: ignore[misc]
            for _ in range(3):
                assert read.get(key) == old
                assert read.head(key) == (3 if old == b"old" else "404")
            assert read.listed() == before
        assert (read.get(key), read.head(key)) == (b"newer", 5)
        assert key in read.listed()

    with map.holding(lambda: client.delete_object(Bucket="bucket", Key="deleted")):
        assert read.get("deleted") == read.get("deleted") == b"old"
        assert "deleted" in read.listed()
    assert (read.get("deleted"), read.head("deleted")) == ("NoSuchKey", "404")
    assert "deleted" not in read.listed()


def check_buckets(map: HeldMap, client: Any) -> None:
    read = Reader(client)
    with map.holding(lambda: client.create_bucket(Bucket="created")):
        assert read.get("key", "created") == "NoSuchBucket"
        assert read.buckets() == []
    assert read.get("key", "created") == "NoSuchKey"
    assert read.buckets() == ["created"]
    with map.holding(lambda: client.delete_bucket(Bucket="created")):
        assert read.get("key", "created") == "NoSuchKey"
        assert read.buckets() == ["created"]
    assert read.get("key", "created") == "NoSuchBucket"
    assert read.buckets() == []


def check_uploads(map: HeldMap, client: Any) -> None:
    read = Reader(client)
    client.create_bucket(Bucket="bucket")
    with map.holding(lambda: client.create_multipart_upload(Bucket="bucket", Key="key")):
        assert read.uploads() == []
    assert read.uploads() == ["key"]
    (upload,) = client.list_multipart_uploads(Bucket="bucket")["Uploads"]
    named = {"Bucket": "bucket", "Key": "key", "UploadId": upload["UploadId"]}
    with map.holding(lambda: client.upload_part(**named, PartNumber=1, Body=b"part")):
        assert client.list_parts(**named).get("Parts", []) == []
    (part,) = client.list_parts(**named)["Parts"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    with map.holding(lambda: client.complete_multipart_upload(**named, MultipartUpload=parts)):
        assert (read.uploads(), read.get("key")) == (["key"], "NoSuchKey")
    assert (read.uploads(), read.get("key")) == ([], b"part")


def check_conditions(map: HeldMap, client: Any) -> None:
    """A writer's condition is decided by what will be there, although nobody may read it yet."""
    client.create_bucket(Bucket="bucket")
    with ThreadPoolExecutor(1) as other:
        with map.holding(lambda: client.put_object(Bucket="bucket", Key="key", Body=b"first")):
            second = other.submit(client.put_object, Bucket="bucket", Key="key", Body=b"second", IfNoneMatch="*")
        with pytest.raises(ClientError, match="PreconditionFailed"):
            second.result(PATIENCE_S)
    assert Reader(client).get("key") == b"first"


@pytest.mark.parametrize("data_plane", ["off", "on"])
@pytest.mark.parametrize("check", [check_objects, check_buckets, check_uploads, check_conditions])
async def test_readers_are_told_what_is_durable_and_whoever_was_answered_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: Callable[[HeldMap, Any], None], data_plane: str
) -> None:
    map = HeldMap()
    monkeypatch.setattr(registry, "open_map", lambda *_, **__: map)
    config = Config(data_dir=str(tmp_path), data_plane=data_plane)
    async with node(config, (USER,)) as opened:
        bound = bind(Address(host="127.0.0.1", port=0))
        listener: Any = opened.front(bound, 100) if opened.front else Listener(bound, opened.app, config.limits, 100)
        listener.start()
        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{bound.address.port}",
            aws_access_key_id=USER.access_key,
            aws_secret_access_key=USER.secret_key,
            region_name="us-east-1",
            config=ClientConfig(s3={"addressing_style": "path"}, retries={"max_attempts": 0}, read_timeout=PATIENCE_S),
        )
        try:
            await asyncio.to_thread(check, map, client)
        finally:
            client.close()
            await listener.drain(5)
            bound.socket.close()
