"""A node with the native plane inside the test's own process, so that a test can look behind the answers.

The same application answers at a second address without the plane. Parts of multipart objects may be of any size, and
nothing protects the bytes of deleted objects but the holds of their readers.
"""

from __future__ import annotations

import asyncio
import base64
import email.utils
import hashlib
import hmac
import socket
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import uvloop
from botocore.config import Config as ClientConfig

from nimbus._native.plane import Plane
from nimbus.auth.api import User
from nimbus.auth.keys import KeyRing, Secret
from nimbus.auth.verifier import HeadVerifier
from nimbus.base.clock import SystemClock
from nimbus.base.config import Address, Config, Limits
from nimbus.data.local import LocalDataStore
from nimbus.data.location import check_of
from nimbus.meta.committer import OwnedCommitter
from nimbus.meta.memory import MemoryMap
from nimbus.metrics.storage import DataMeter
from nimbus.s3.api import Services, Settings
from nimbus.s3.app import App
from nimbus.s3.asgi import S3Asgi
from nimbus.server.coherence import CoherentMap
from nimbus.server.listener import Listener
from nimbus.server.plane import Key, PlaneListener
from nimbus.server.plane_sends import PlaneSends
from nimbus.server.plane_uploads import PlaneUploads
from nimbus.server.sockets import bind
from nimbus.store.store import Store
from tests.wire.plane_front import Peer

ACCESS_KEY, SECRET_KEY = "OWNERACCESSKEY", "owner/secret+key=40"
GRACE_S = 2.0
RATE_BYTES_PER_S = 1 << 20
PATIENCE_S = 30.0


class Inside:
    """The running node. `port` is the plane's, `plain_port` that of the application without it."""

    store: Store
    data: LocalDataStore
    plane: Plane
    listener: PlaneListener
    port: int
    plain_port: int

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = uvloop.new_event_loop()
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run)
        self._peers: list[Peer] = []

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(PATIENCE_S)
        self.client().create_bucket(Bucket="bucket")

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def close(self) -> None:
        """Close the clients."""
        for peer in self._peers:
            peer.close()

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run something on the node's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    def counter(self, name: str) -> int:
        value = self.plane.counters()[name]
        assert isinstance(value, int)
        return value

    def held(self) -> int:
        """How many objects readers hold."""
        return len(self.store._reader._leases._readers)

    def client(self, port: int | None = None, signature: str = "s3") -> Any:
        """Of the plane, signing with SigV2, which the plane does not read by itself, unless told otherwise."""
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port or self.port}",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name="us-east-1",
            config=ClientConfig(
                signature_version=signature, s3={"addressing_style": "path"}, retries={"max_attempts": 0}
            ),
        )

    def put_parts(self, key: str, parts: list[bytes]) -> bytes:
        """An object of these parts, in the bucket `bucket`."""
        client = self.client()
        upload = client.create_multipart_upload(Bucket="bucket", Key=key)["UploadId"]
        named = []
        for number, part in enumerate(parts, 1):
            etag = client.upload_part(Bucket="bucket", Key=key, UploadId=upload, PartNumber=number, Body=part)["ETag"]
            named.append({"PartNumber": number, "ETag": etag})
        client.complete_multipart_upload(Bucket="bucket", Key=key, UploadId=upload, MultipartUpload={"Parts": named})
        return b"".join(parts)

    def connect(self, port: int | None = None) -> Peer:
        """A new client; closed by `close` at the latest."""
        self._peers.append(Peer(socket.create_connection(("127.0.0.1", port or self.port), PATIENCE_S)))
        return self._peers[-1]

    def ask(self, path: str, port: int | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """The answer to a GET on a connection of its own."""
        peer = self.connect(port)
        peer.send(signed(path, **headers))
        try:
            return peer.response()
        finally:
            peer.close()

    # --- the node's own thread ---

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        clock, map = SystemClock(), CoherentMap(MemoryMap())
        self.data = LocalDataStore(self._folder / "data")
        committer = OwnedCommitter(map)
        self.store = Store(map, committer, self.data, clock, part_size_bytes_min=1, garbage_grace_s=0)
        await self.store.start()
        verifier = HeadVerifier(KeyRing([(User("owner", "", "", ACCESS_KEY), Secret(SECRET_KEY))], "us-east-1"))
        limits = Limits(body_grace_s=GRACE_S, body_rate_bytes_per_s=RATE_BYTES_PER_S)
        config = Config(data_dir=str(self._folder), limits=limits)
        settings = Settings(domains=config.domains, body_grace_s=GRACE_S, body_rate_bytes_per_s=RATE_BYTES_PER_S)
        app = App(Services(self.store, verifier, clock, ThreadPoolExecutor(2), settings))
        asgi = S3Asgi(app)
        bound, plain = bind(Address(host="127.0.0.1", port=0)), bind(Address(host="127.0.0.1", port=0))
        self.port, self.plain_port = bound.address.port, plain.address.port
        keys = [Key(ACCESS_KEY, SECRET_KEY, "owner")]
        uploads = partial(PlaneUploads, handover=self.store.handover, data=self.data, app=app, meter=DataMeter())
        sends = partial(PlaneSends, store=self.store, files=self.data, checks=check_of)
        self.listener = PlaneListener(
            bound, asgi, config, 1000, keys, app.host_id, map, self.data, check_of, uploads, sends
        )
        self.plane = self.listener._plane
        without = Listener(plain, asgi, limits, 1000)
        self.listener.start()
        without.start()
        self._started.set()
        await self._stop.wait()
        await self.listener.drain(0.5)
        await without.drain(0.5)
        bound.socket.close()
        await self.store.close()
        committer.close()
        self.data.close()


def signed(path: str, method: str = "GET", **headers: str) -> bytes:
    """A request with a SigV2 signature; `response-*` and `partNumber` of its query are signed."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    date = email.utils.formatdate(usegmt=True)
    resource, _, query = path.partition("?")
    if query:
        resource += "?" + query
    ours = "".join(f"{name.lower()}:{value}\n" for name, value in named.items() if name.startswith("x-amz-"))
    text = f"{method}\n\n\n{date}\n{ours}{resource}".encode()
    signature = base64.b64encode(hmac.new(SECRET_KEY.encode(), text, hashlib.sha1).digest()).decode()
    lines = [
        f"{method} {quote(path, safe='/?=&')} HTTP/1.1",
        "Host: localhost",
        f"Date: {date}",
        f"Authorization: AWS {ACCESS_KEY}:{signature}",
        *(f"{name}: {value}" for name, value in named.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@contextmanager
def inside(folder: Path) -> Iterator[Inside]:
    node = Inside(folder)
    node.start()
    try:
        yield node
    finally:
        node.stop()
        node.close()
