"""One request from head to answer: find, identify, permit, decode, run, encode.

The order is the promise. Nothing of the body is received before the request was permitted, no backend is asked
before the caller signed, and no handler runs on input that was not checked. Whatever goes wrong ends as one
S3 error document; what a client cannot know about (a traceback, a path, a state of an engine) is written to the
log under the request id and to nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
from typing import Any, Final

import msgspec

from nimbus.auth.api import Head, User, Verified
from nimbus.auth.chunked import chunk_decoder
from nimbus.base.errors import DataDamaged, EngineError, NimbusError
from nimbus.base.limits import KIB
from nimbus.base.seldom import Seldom
from nimbus.metrics.requests import RequestMeter
from nimbus.s3 import codec, identity, router
from nimbus.s3.api import Context, Reply, ReplyBody, Services
from nimbus.s3.body import HeldBody, Pace, Receive, RequestBody
from nimbus.s3.declared import check_checksum_names, declare, is_framed
from nimbus.s3.errors import S3Error, about, error_document, from_state
from nimbus.s3.markers import Wire
from nimbus.s3.moved import moved_headers, new_headers
from nimbus.s3.operations.table import BY_WIRE, OPERATIONS, Operation
from nimbus.s3.unsupported import check_headers

Headers = list[tuple[bytes, bytes]]

_log = logging.getLogger(__name__)
_SERVER: Final = (b"server", b"NimbusStore")
_XML: Final = (b"content-type", b"application/xml")
DOCUMENT_INLINE_SIZE_BYTES_MAX: Final = 32 * KIB  # about 4 ms of work; 10,000 parts are 1.4 MB and 0.2 s
_BODYLESS: Final = frozenset({204, 304})


class Exchange(msgspec.Struct):
    """A request while it is being answered. `body` is set once somebody began to read it."""

    head: Head
    headers: dict[str, str]  # by lower-case name, text as Latin-1; those moved into the query too, once it is verified
    receive: Receive
    request_id: str
    body: RequestBody | None = None
    held: HeldBody | None = None  # when the body need not come through `receive`
    # For the meter and the access log: what was asked for and by whom, and what went out.
    operation: str = ""
    bucket: str = ""
    key: str = ""
    user: User | None = None
    error: str = ""  # S3's code of it
    status: int = 0
    sent_bytes: int = 0
    began_ns: int = 0  # when the head was here
    first_byte_ns: int = -1  # from then to the head of the answer; negative: nothing went out
    is_relayed: bool = False  # whether the native plane stands in between
    is_last: bool = False  # whether the connection ends with the answer, whatever it is


class Answer(msgspec.Struct, frozen=True):
    """What goes back: complete but for the bytes of an `ObjectBody`."""

    status: int
    headers: Headers
    body: ReplyBody


class App:
    """The S3 front without its transport."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.meter = RequestMeter(operation.name for operation in OPERATIONS)
        self._pace = Pace(services.settings.body_rate_bytes_per_s, services.settings.body_grace_s)
        self._damages = Seldom()
        self.host_id = os.urandom(16).hex()  # the same in every answer of this process
        self._id_prefix = os.urandom(4).hex().upper()
        self._numbers = itertools.count(1)
        self._host_header = (b"x-amz-id-2", self.host_id.encode())

    def exchange(self, head: Head, headers: dict[str, str], receive: Receive, held: HeldBody | None = None) -> Exchange:
        """Begin: the request gets its id."""
        return Exchange(head, headers, receive, f"{self._id_prefix}{next(self._numbers):08X}", held=held)

    async def answer(self, exchange: Exchange) -> Answer:
        """The answer, whatever happens."""
        try:
            return await self._handle(exchange)
        except Exception as error:
            return self.refuse(exchange, error)

    def refuse(self, exchange: Exchange, error: Exception) -> Answer:
        """The error document for whatever was raised."""
        refusal = self._translate(exchange, error)
        if refusal.status >= 400:
            self.meter.count_error(refusal.code)
            exchange.error = refusal.code
        headers = self._headers(exchange)
        region = refusal.fields.get("Region", "")  # HEAD has no document that could tell it
        if (exchange.operation, refusal.code) == ("HeadBucket", "AccessDenied"):
            region = (
                self.services.settings.region
            )  # S3 tells it to everybody; clients ask in this way where to sign for
        if region:
            headers.append((b"x-amz-bucket-region", region.encode()))
        body = b""
        if refusal.status not in _BODYLESS:
            resource = exchange.head.raw_path.decode("latin-1")
            subject = about(refusal, exchange.bucket, exchange.key, _upload_id(exchange))
            body = error_document(refusal, resource, exchange.request_id, self.host_id, subject)
            headers += (_XML, (b"content-length", b"%d" % len(body)))
        headers += refusal.headers
        if refusal.status == 503:
            headers.append((b"retry-after", b"1"))
        return Answer(refusal.status, headers, body)

    def _translate(self, exchange: Exchange, error: Exception) -> S3Error:
        if isinstance(error, S3Error):
            return error
        if isinstance(error, NimbusError):
            refusal = from_state(error)
            if type(error) in (DataDamaged, EngineError):
                self._tell_damage(exchange, error)
            elif refusal.status >= 500:
                _log.error("request %s: %s", exchange.request_id, error)
            return refusal
        _log.error("request %s failed", exchange.request_id, exc_info=error)
        return S3Error("InternalError")

    def _tell_damage(self, exchange: Exchange, error: NimbusError) -> None:
        """Of stored bytes that cannot be had: each read is counted, and each place named once a minute."""
        self.meter.count_damage()
        repeats = self._damages.due(str(error), self.services.clock.monotonic_s())
        if repeats is not None:
            more = f" ({repeats} more times since it was said last)" if repeats else ""
            _log.error("request %s for %s/%s: %s%s", exchange.request_id, exchange.bucket, exchange.key, error, more)

    def _headers(self, exchange: Exchange) -> Headers:
        return [(b"x-amz-request-id", exchange.request_id.encode()), self._host_header, _SERVER]

    async def _handle(self, exchange: Exchange) -> Answer:
        head, headers, services = exchange.head, exchange.headers, self.services
        target = router.split_target(head.raw_path, headers.get("host", ""), services.settings.domains)
        exchange.bucket, exchange.key = target.bucket, target.key
        query = router.Query.parse(head.raw_query)
        moved = moved_headers(query) if query.values else []
        wire = router.find(head.method, target.bucket, target.key, query, head.headers + moved)
        exchange.operation = wire.name
        verified = services.verifier.verify(
            head, virtual_bucket=target.bucket if target.virtual else "", now_ms=services.clock.now_ms()
        )
        user = exchange.user = identity.require_user(verified.user)
        new = new_headers(moved, headers)
        if new:
            headers = exchange.headers = headers | {name.decode(): value.decode("latin-1") for name, value in new}
        operation = BY_WIRE.get(wire)
        if operation is None:
            raise S3Error("NotImplemented", f"The operation {wire.name} is not implemented.")
        bucket_record = await identity.permit(services.store, user, operation.permission, target.bucket, headers)
        router.check_copy_source(wire, headers)
        check_headers(headers)
        check_checksum_names(headers)
        context = Context(services, wire.name, target.bucket, target.key, user, headers, bucket_record=bucket_record)
        try:
            document = await self._take_body(exchange, wire, operation, verified)
            request = await self._decode(wire, target, query, head.headers + new, document)
        except S3Error:
            if operation.upload is not None:
                await operation.upload(context, query.get("uploadId"))
            raise
        context.stream = exchange.body
        return self._encode(exchange, wire, await operation.handler(context, request))

    async def _take_body(
        self, exchange: Exchange, wire: Wire, operation: Operation, verified: Verified
    ) -> bytes | None:
        """Prepare the body for the handler, or read the document that the input is made of."""
        if not (wire.streams_in or wire.input_root):
            return None
        declared = declare(exchange.headers, verified, digests=operation.body_checksums)
        if wire.checksum_required and declared.md5 is None and not declared.checksum_names:
            raise S3Error("InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
        decoder = chunk_decoder(verified) if is_framed(verified) else None
        services = self.services
        body = RequestBody(
            exchange.receive, declared, decoder, services.hashing, self._pace, services.clock, exchange.held
        )
        exchange.body = body
        return None if wire.streams_in else await body.collect(codec.body_size_bytes_max(wire))

    async def _decode(
        self, wire: Wire, target: router.Target, query: router.Query, headers: Headers, document: bytes | None
    ) -> Any:
        """The typed input; a large document is read on a thread, because it would hold up everybody else's requests."""
        arguments = (wire, target.bucket, target.key, query, headers, document)
        if document is None or len(document) <= DOCUMENT_INLINE_SIZE_BYTES_MAX:
            return codec.decode(*arguments)
        return await asyncio.get_running_loop().run_in_executor(self.services.hashing, codec.decode, *arguments)

    def _encode(self, exchange: Exchange, wire: Wire, reply: Reply) -> Answer:
        encoded = codec.encode(wire, reply.output)
        headers = self._headers(exchange)
        headers += encoded.headers
        headers += reply.headers
        status = reply.status or encoded.status
        if reply.body is not None:
            return Answer(status, headers, reply.body)
        if status not in _BODYLESS and exchange.head.method != "HEAD":
            headers.append((b"content-length", b"%d" % len(encoded.body)))
        return Answer(status, headers, encoded.body)


def _upload_id(exchange: Exchange) -> str:
    """The upload that a refused request named, "" for none."""
    with contextlib.suppress(S3Error):
        return router.Query.parse(exchange.head.raw_query).values.get("uploadId", "")
    return ""
