"""The contract inside the S3 room: what an operation is given and what it gives back.

A request is four calls deep: asgi.py makes a `Head` of it, app.py finds the operation, checks who asks and what
they may, decodes the input and calls the handler; the handler calls the store. A handler takes the context of
the request and its typed input, and returns a `Reply`: the typed output, and a body when the operation streams
one. A body that is a span of a stored object stays an `ObjectBody` up to the adapter, which decides how its
bytes are moved.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from concurrent.futures import Executor
from typing import Any, Protocol

import msgspec

from nimbus.auth.api import User, Verifier
from nimbus.base.clock import Clock
from nimbus.base.limits import MIB
from nimbus.base.span import Span
from nimbus.s3.body import RequestBody
from nimbus.store.api import ObjectStore
from nimbus.store.records import Bucket, Object

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration says about the S3 front."""

    region: str = "us-east-1"
    domains: tuple[str, ...] = ("localhost",)
    requests_max: int = 1_000  # in flight at once; one more answers 503 SlowDown
    upload_bytes_max: int = 128 * MIB  # of bodies in memory; an upload for which there is no room answers 503 SlowDown
    body_rate_bytes_per_s: int = 1_024  # a peer that sends or takes a body more slowly is cut off ...
    body_grace_s: float = 20.0  # ... after this long
    drain_size_bytes_max: int = 8 * MIB  # of a body that nobody wants, read so that the client sees the answer
    drain_s: float = 5.0


class Services(msgspec.Struct, frozen=True):
    """What every request works with; made once by the server."""

    store: ObjectStore
    verifier: Verifier
    clock: Clock
    hashing: Executor  # threads for the digests of large bodies
    settings: Settings = Settings()


class Context(msgspec.Struct):
    """One permitted request: who asks for what."""

    services: Services
    operation: str
    bucket: str
    key: str
    user: User
    headers: dict[str, str]  # by lower-case name
    stream: RequestBody | None = None  # of an operation that takes one
    bucket_record: Bucket | None = None  # of the bucket, when the operation concerns one that exists

    @property
    def store(self) -> ObjectStore:
        return self.services.store

    @property
    def body(self) -> RequestBody:
        """The stream of an operation that takes one."""
        assert self.stream is not None, f"{self.operation} takes no stream"
        return self.stream

    @property
    def bucket_owned(self) -> Bucket:
        """The record of the bucket in which the caller has the permission."""
        assert self.bucket_record is not None, f"{self.operation} concerns no bucket"
        return self.bucket_record


class ObjectBody(msgspec.Struct, frozen=True):
    """The bytes of a span of a stored object, not read yet."""

    record: Object
    span: Span


class Sending(Protocol):
    """The body of one answer, about to be sent by a `BodySender`."""

    sent_bytes: int

    async def send(self, start: Message, send: Send) -> None:
        """Send the head `start` and the body; returns once all of it is out, or the client is gone.

        Raises when the body cannot be sent to its end; the connection is cut then.
        """
        ...

    async def aclose(self) -> None: ...


class BodySender(Protocol):
    """A server's own way to send objects, without their bytes crossing the application: `nimbus.send` of the
    extensions in the ASGI scope."""

    async def open(self, body: ObjectBody) -> Sending | None:
        """The body, of which the first bytes were verified; to be closed. None: the application sends it itself, or
        finds out what is wrong with it."""
        ...


ReplyBody = bytes | ObjectBody | AsyncIterator[bytes] | None


class Reply(msgspec.Struct, frozen=True):
    """What an operation answers. `status` 0 is the operation's own."""

    output: msgspec.Struct | None = None
    body: ReplyBody = None
    status: int = 0
    headers: tuple[tuple[bytes, bytes], ...] = ()  # that S3 sends and its model does not have


Handler = Callable[[Context, Any], Awaitable[Reply]]
