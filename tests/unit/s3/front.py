"""The S3 front over engines in memory, driven as an ASGI server drives it, without a socket.

Who asks stands in the Authorization header as `test NAME`; how signatures are checked is the business of the
auth room. The driver holds the front to its duties: one head, a body of exactly the length announced, `bytes`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from nimbus.auth.api import AuthFailure, BodyForm, Head, User, Verified
from nimbus.base.clock import ManualClock
from nimbus.base.limits import READ_SIZE_BYTES
from nimbus.data.memory import MemoryDataStore
from nimbus.meta.committer import OwnedCommitter
from nimbus.meta.memory import MemoryMap
from nimbus.s3.api import Services, Settings
from nimbus.s3.app import App
from nimbus.s3.asgi import S3Asgi
from nimbus.store.store import Store


class NamedVerifier:
    """Believes the header `authorization: test NAME`; `x-test-body` names the form of the body."""

    def verify(self, head: Head, *, virtual_bucket: str, now_ms: int) -> Verified:
        headers = dict(head.headers)
        name = headers.get(b"authorization", b"").decode()
        if not name:
            return Verified(None, BodyForm.UNSIGNED)
        if name == "test wrong":
            raise AuthFailure("SignatureDoesNotMatch", "The signature does not match.")
        user = User(name.removeprefix("test "), "", "", "KEY")
        sha256 = headers.get(b"x-amz-content-sha256", b"").decode()
        if len(sha256) == 64:
            return Verified(user, BodyForm.SHA256, sha256)
        return Verified(user, BodyForm.UNSIGNED)


class Answered(msgspec.Struct):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_cut: bool = False  # the call ended before the body was whole

    @property
    def code(self) -> str:
        """The code in an error document, "" when there is none."""
        text = self.body.decode()
        return text.partition("<Code>")[2].partition("</Code>")[0]


class Front:
    """Sends requests to the ASGI application."""

    def __init__(self, asgi: S3Asgi, store: Any, data: MemoryDataStore) -> None:
        self.asgi = asgi
        self.store = store
        self._data = data
        self.received = 0  # calls of receive in the last request
        self.extensions: dict[str, object] = {}  # what the server offers

    async def __call__(
        self,
        method: str,
        target: str,
        body: bytes | list[bytes] = b"",
        *,
        user: str = "owner",
        headers: Iterable[tuple[str, str]] | dict[str, str] = (),
        cut: bool = False,
        leaves: bool = False,
    ) -> Answered:
        """The answer to a request; the client stays to read it unless it `leaves` after its body."""
        pieces = [body] if isinstance(body, bytes) else list(body)
        size = sum(len(piece) for piece in pieces)
        raw_path, _, query = target.partition("?")
        given = list(headers.items() if isinstance(headers, dict) else headers)
        names = [name for name, _ in given]
        if "host" not in names:
            given.insert(0, ("host", "localhost"))
        if user:
            given.append(("authorization", f"test {user}"))
        if (size or method == "PUT") and "content-length" not in names and "transfer-encoding" not in names:
            given.append(("content-length", str(size)))
        scope = {
            "type": "http",
            "method": method,
            "raw_path": raw_path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in given],
            "client": ("127.0.0.1", 1),
            "extensions": self.extensions,
        }
        return await self._exchange(scope, pieces, cut, leaves)

    def data_size_bytes(self) -> int:
        """How many bytes the data engine holds."""
        return sum(map(len, self._data._objects.values()))

    async def _exchange(self, scope: dict[str, Any], pieces: list[bytes], cut: bool, leaves: bool) -> Answered:
        incoming = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
        incoming.append({"type": "http.disconnect"} if cut else {"type": "http.request", "body": b""})
        sent: list[dict[str, Any]] = []
        self.received = 0

        async def receive() -> dict[str, Any]:
            self.received += 1
            if incoming:
                return incoming.pop(0)
            if not (cut or leaves):
                await asyncio.Event().wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.asgi(scope, receive, send)  # type: ignore[arg-type]
        return _check(scope, sent)


def _check(scope: dict[str, Any], sent: list[dict[str, Any]]) -> Answered:
    head, *bodies = sent
    assert head["type"] == "http.response.start"
    assert all(type(message["body"]) is bytes for message in bodies)
    assert all(len(message["body"]) <= READ_SIZE_BYTES for message in bodies)
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head["headers"]]
    headers = dict(pairs)
    assert len(headers) == len(pairs), f"repeated headers: {pairs}"
    assert all(name == name.lower() for name in headers)
    assert headers["x-amz-request-id"]
    body = b"".join(message["body"] for message in bodies)
    is_cut = not bodies or bodies[-1].get("more_body", False)
    if head["status"] in (204, 304) or scope["method"] == "HEAD":
        assert body == b""
    elif not is_cut:
        assert headers["content-length"] == str(len(body))
    return Answered(head["status"], headers, body, is_cut)


@asynccontextmanager
async def open_front(**settings: Any) -> AsyncIterator[Front]:
    """A front over a fresh store in memory whose smallest part has one byte."""
    map = MemoryMap()
    committer = OwnedCommitter(map)
    data = MemoryDataStore()
    clock = ManualClock()
    store = Store(map, committer, data, clock, part_size_bytes_min=1)
    await store.start()
    with ThreadPoolExecutor(2) as hashing:
        services = Services(store, NamedVerifier(), clock, hashing, Settings(**settings))
        yield Front(S3Asgi(App(services)), store, data)
    await store.close()
    committer.close()
    data.close()
    map.close()
