"""Uploads that the native plane has taken in: admitted, named and refused here, by one thread, in groups.

The plane asks before a body whenever more than the signature decides (who owns the bucket, a multipart upload, a
condition, a file to write to); what it may not take is declined, and the embedded server says why. Once the bytes are
in, whole and verified, they become a record by the store's own steps, and the answer goes out from the commit thread.
What is wrong with a body is refused in the very words of the S3 room.

Must always hold: every upload is answered once; a blob that no record will name is removed; nothing here waits for a
commit.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from nimbus._native.plane import UPLOAD_WANTS, Plane, Upload, ask_first, succeed_uploads, take_uploads
from nimbus.auth.api import Head
from nimbus.base.errors import NimbusError
from nimbus.meta.patience import wait_ns
from nimbus.metrics.storage import DataMeter
from nimbus.s3 import codec, model
from nimbus.s3.app import App, Exchange
from nimbus.s3.body import as_of_part
from nimbus.s3.checksums import FULL_OBJECT, kept_algorithm
from nimbus.s3.conditions import write_condition
from nimbus.s3.errors import S3Error
from nimbus.s3.operations.attributes import DEFAULT_CONTENT_TYPE, new_object
from nimbus.s3.operations.multipart import check_part_checksum
from nimbus.s3.router import Query
from nimbus.server.plane_blobs import Blobs, NativeWrites
from nimbus.server.plane_bodies import HeldBodies, failure_of
from nimbus.store.api import Condition, Digests, NewObject
from nimbus.store.handover import Handover
from nimbus.store.ingest import Extents
from nimbus.store.records import Bucket

_log = logging.getLogger(__name__)
GROUP_MAX: Final = 256
WAIT_MS: Final = 60_000
_PUT: Final = next(wire for wire in model.WIRES if wire.name == "PutObject")
_NO_QUERY: Final = Query({})
_HEADERS_OF_THE_PLANE: Final = frozenset({b"date", b"connection"})
_ADMISSION, _COMMIT, _REFUSAL, _DISCARD = map(UPLOAD_WANTS.index, ("admission", "commit", "refusal", "discard"))


class PlaneUploads:
    """The thread behind the plane's uploads."""

    def __init__(self, plane: Plane, handover: Handover, data: NativeWrites, app: App, meter: DataMeter) -> None:
        self._plane = plane
        self._handover = handover
        self._app = app
        self._blobs = Blobs(data, meter)
        self.bodies = HeldBodies(plane, self._blobs, handover.room)
        self._begun_ns = 0  # when the group that is answered next was begun, or could have been; 0: there is none
        handover.on_answers = self._answer
        self._thread = threading.Thread(target=self._run, name="plane uploads", daemon=True)
        self._steps: dict[int, Callable[[Upload], None]] = {
            _ADMISSION: self._admit,
            _COMMIT: self._commit,
            _REFUSAL: self._refuse_body,
            _DISCARD: self._discard,
        }

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """Wait until every answer is given and nothing unnamed is left. REQUIRES: the plane has stopped."""
        if self._thread.ident is not None:
            self._thread.join()
        self._handover.join()
        self.bodies.end()
        self._blobs.close()

    def _run(self) -> None:
        steps, asks_first = self._steps, False
        while (uploads := take_uploads(self._plane, GROUP_MAX, WAIT_MS)) is not None:
            for upload in uploads:
                if upload.ticket:
                    self.bodies.settle(upload)
                else:
                    steps[upload.want](upload)
            self._handover.submit()
            if self._blobs.is_short_of_space != asks_first:
                asks_first = not asks_first
                ask_first(self._plane, asks_first)

    # --- before the body ------------------------------------------------------------------------------

    def _admit(self, upload: Upload) -> None:
        try:
            algorithm = self._check(upload)
            fd = self._begin(upload)
        except Exception as error:
            # The embedded server comes to the same end, and says so. What nobody has foreseen concerns this one
            # request, and not the thread that all others need.
            if not isinstance(error, NimbusError | S3Error | UnicodeError):
                _log.error("upload %s could not be admitted", upload.request_id, exc_info=error)
            upload.decline()
        else:
            upload.admit(fd, algorithm)

    def _begin(self, upload: Upload) -> int:
        """The descriptor of a large one's file. Raises `SpaceExhausted`: the embedded server waits for room."""
        if not upload.is_small:
            return self._blobs.begin(upload.size)
        self._blobs.check_space(upload.size)
        return -1

    def _check(self, upload: Upload) -> str | None:
        """Whatever refuses an upload without its bytes; the algorithm that a part is kept with."""
        self._handover.check_pace()
        bucket = self._handover.find_bucket(upload.bucket)
        _owner_only(upload.user_id)(bucket)
        if upload.upload_id:
            record = self._handover.find_upload(bucket, upload.key, upload.upload_id)
            check_part_checksum(record, upload.given)
            return kept_algorithm(record.checksum_algorithm)
        condition = _described(upload.bucket, upload.key, upload.user_id, upload.headers)[1]
        if condition is not None:
            condition(self._handover.peek_object(bucket, upload.key))
        else:
            upload.key.encode()  # what is no text has no name
        return None

    # --- after it -------------------------------------------------------------------------------------

    def _commit(self, upload: Upload) -> None:
        """Prepare its record; handed over with those of all others that came with it."""
        try:
            self._handover.check_pace()
            bucket, key, user_id, headers, part_number, size, etag, checksums = upload.facts
            new, condition = (None, None) if part_number else _described(bucket, key, user_id, headers)
        except Exception as error:
            self._blobs.remove(upload.fd)
            self._refuse(upload, error)
            return
        try:
            extents = self._extents(upload, size)
        except Exception as error:
            self._refuse(upload, error)
            return
        self._begun_ns = self._begun_ns or time.perf_counter_ns()
        digests = Digests(etag, checksums)
        permit = _owner_only(user_id)
        if new is not None:
            self._handover.put_object(upload, bucket, key, new, digests, extents, size, condition, permit)
        else:
            upload_id = upload.upload_id
            self._handover.put_part(upload, bucket, key, upload_id, part_number, digests, extents, size, permit)

    def _answer(self, named: list[Upload], refused: list[tuple[Upload, BaseException]]) -> None:
        """On the commit thread, mostly. Who is answered comes back soon, and is worth a moment (meta/patience.py)."""
        now_ns = time.perf_counter_ns()
        took_ns = now_ns - self._begun_ns
        self._begun_ns = now_ns if self._handover.open_count > len(named) + len(refused) else 0
        succeed_uploads(named, wait_ns(took_ns) // 1000)
        for upload, error in refused:
            self._refuse(upload, error)

    def _extents(self, upload: Upload, size: int) -> Extents:
        if not size:
            return ()
        if upload.is_small:
            return self._blobs.append(upload.payload)
        return self._blobs.finish(upload)

    # --- refusals -------------------------------------------------------------------------------------

    def _refuse_body(self, upload: Upload) -> None:
        error = failure_of(upload, upload.access_key, self._blobs)
        if upload.upload_id and isinstance(error, S3Error):
            error = as_of_part(error)
        self._blobs.remove(upload.fd)
        self._refuse(upload, error)

    def _refuse(self, upload: Upload, error: BaseException) -> None:
        query = b"uploadId=" + upload.upload_id.encode() if upload.upload_id else b""
        exchange = Exchange(Head("PUT", upload.path, query, []), {}, _no_body, upload.request_id)
        exchange.bucket, exchange.key = upload.bucket, upload.key
        reason = error if isinstance(error, Exception) else RuntimeError(repr(error))
        answer = self._app.refuse(exchange, reason)
        assert isinstance(answer.body, bytes), "refusals are documents"
        lines = [b"%b: %b\r\n" % header for header in answer.headers if header[0] not in _HEADERS_OF_THE_PLANE]
        upload.refuse(answer.status, b"".join(lines) + b"\r\n" + answer.body)

    def _discard(self, upload: Upload) -> None:
        self._blobs.remove(upload.fd)
        upload.forget()


def _described(
    bucket: str, key: str, user_id: str, headers: list[tuple[bytes, bytes]]
) -> tuple[NewObject, Condition | None]:
    """What the head says of the object, and on what condition."""
    if not headers:
        return _plain_object(user_id, b""), None
    if len(headers) == 1 and headers[0][0] == b"content-type":
        return _plain_object(user_id, headers[0][1]), None
    request = codec.decode(_PUT, bucket, key, _NO_QUERY, headers, None)
    condition = write_condition(request.if_match, request.if_none_match)
    return new_object(request, user_id, checksum_type=FULL_OBJECT), condition


@lru_cache(maxsize=1024)
def _owner_only(user_id: str) -> Callable[[Bucket], None]:
    """Lets nobody else write; what nimbus/s3/identity.py says of every permission in a bucket."""

    def permit(bucket: Bucket) -> None:
        if bucket.owner_id != user_id:
            raise S3Error("AccessDenied", "Access Denied")

    return permit


@lru_cache(maxsize=1024)
def _plain_object(user_id: str, content_type: bytes) -> NewObject:
    return NewObject(user_id, content_type.decode("latin-1") or DEFAULT_CONTENT_TYPE, {}, {}, "", FULL_OBJECT)


async def _no_body() -> dict[str, object]:
    raise AssertionError("the body was read by the plane")
