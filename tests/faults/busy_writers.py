"""Clients that change objects of a real server until it dies under them, and that know what it owes them then.

Each writer has keys of its own, so that what a key may hold is known exactly: what was acknowledged last, or any of
the changes since that were sent and never answered.
"""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

KIB, MIB = 1 << 10, 1 << 20
BUCKET = "busy"
SIZES = (0, 1, 4 * KIB, 4 * KIB, 4 * KIB, 300 * KIB, 6 * MIB)
KEYS_PER_WRITER = 6
PART_SIZES = (5 * MIB, 100 * KIB)

Body = tuple[int, int]  # seed and size; None: there is no object
Bodies = set[Body | None]


def bytes_of(body: Body) -> bytes:
    """The payload that a seed and a size stand for."""
    seed, size = body
    return hashlib.shake_128(seed.to_bytes(8)).digest(size)


def client_of(port: int) -> Any:
    """A client that asks once and does not ask again."""
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
        config=Config(
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 1},
            connect_timeout=10,
            read_timeout=30,
        ),
    )


class Writer:
    """One client with its keys. `pause` freezes what counts as acknowledged, for a power cut that has no sharp end."""

    def __init__(self, number: int, seed: int) -> None:
        self._chance = random.Random(seed * 1000 + number)
        self._keys = [f"{number}/{index}" for index in range(KEYS_PER_WRITER)]
        self._next_seed = (seed * 1000 + number) << 32
        self.allowed: dict[str, Bodies] = {key: {None} for key in self._keys}
        self.acknowledged = 0
        self.errors: list[Exception] = []
        self._changes: tuple[Callable[[Any, str], Body | None], ...] = (self._put,) * 6 + (
            self._put_multipart,
            self._delete,
        )

    def work(self, port: int, stop: threading.Event) -> None:
        """Change objects until told to stop or until the server is gone."""
        client = client_of(port)
        try:
            while not stop.is_set():
                self._change(client, stop)
        except (BotoCoreError, ClientError) as error:
            if not stop.is_set():  # nobody has hurt the server yet
                self.errors.append(error)
        finally:
            client.close()

    def _change(self, client: Any, stop: threading.Event) -> None:
        key = self._chance.choice(self._keys)
        body = self._chance.choice(self._changes)(client, key)
        if not stop.is_set():
            self.allowed[key] = {body}
            self.acknowledged += 1

    def _new_body(self, key: str, size: int) -> Body:
        self._next_seed += 1
        body = (self._next_seed, size)
        self.allowed[key].add(body)
        return body

    def _put(self, client: Any, key: str) -> Body:
        body = self._new_body(key, self._chance.choice(SIZES))
        client.put_object(Bucket=BUCKET, Key=key, Body=bytes_of(body))
        return body

    def _put_multipart(self, client: Any, key: str) -> Body:
        body = self._new_body(key, sum(PART_SIZES))
        upload_id = client.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
        payload, parts = bytes_of(body), []
        for number, size in enumerate(PART_SIZES, 1):
            piece, payload = payload[:size], payload[size:]
            etag = client.upload_part(Bucket=BUCKET, Key=key, UploadId=upload_id, PartNumber=number, Body=piece)["ETag"]
            parts.append({"PartNumber": number, "ETag": etag})
        client.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts})
        return body

    def _delete(self, client: Any, key: str) -> None:
        self.allowed[key].add(None)
        client.delete_object(Bucket=BUCKET, Key=key)

    # --- after the restart ---

    def check(self, client: Any, listed: dict[str, int]) -> None:
        """Each key holds one of the bodies that it may hold, whole, and is listed with its size; that is known now."""
        for key, bodies in self.allowed.items():
            found = _find(client, key, bodies)
            assert (found[1] if found else None) == listed.get(key), (key, found, listed.get(key))
            self.allowed[key] = {found}


def _find(client: Any, key: str, bodies: Bodies) -> Body | None:
    try:
        answer = client.get_object(Bucket=BUCKET, Key=key)
    except client.exceptions.NoSuchKey:
        assert None in bodies, f"{key} is gone; it may hold {bodies}"
        return None
    payload = answer["Body"].read()
    found = [body for body in bodies if body is not None and body[1] == len(payload) and bytes_of(body) == payload]
    assert found, f"{key} has {len(payload)} bytes that nobody wrote; it may hold {bodies}"
    return found[0]


def listed_sizes(client: Any) -> dict[str, int]:
    """Every key of the bucket with its size."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return {entry["Key"]: entry["Size"] for page in pages for entry in page.get("Contents", ())}


def abort_uploads(client: Any) -> None:
    """End the uploads that the death of the server left open."""
    for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=BUCKET):
        for upload in page.get("Uploads", ()):
            client.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
