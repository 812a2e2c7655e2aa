"""Who may do what: every operation of the model, asked by everybody who may not.

For each one: anonymous, with a wrong signature, as another user. Neither of the first two reaches a backend.
"""

from __future__ import annotations

from typing import Any

import pytest

from nimbus.s3.markers import Wire
from nimbus.s3.model import WIRES
from nimbus.s3.operations.table import BY_WIRE, OPERATIONS
from tests.unit.s3.front import Front, open_front

# The operations of the model that have no line in the table, and why.
_REASONS: dict[str, str] = {
    "ListObjectVersions PutBucketVersioning": "objects have no versions yet",
    "GetBucketPolicy PutBucketPolicy DeleteBucketPolicy GetBucketPolicyStatus GetPublicAccessBlock "
    "PutPublicAccessBlock DeletePublicAccessBlock": "a bucket's owner alone has access; there are no policies yet",
    "GetBucketAcl PutBucketAcl GetObjectAcl PutObjectAcl GetBucketOwnershipControls PutBucketOwnershipControls "
    "DeleteBucketOwnershipControls": "there are no access lists yet",
    "GetBucketCors PutBucketCors DeleteBucketCors": "browsers of other origins are not served yet",
    "GetBucketTagging PutBucketTagging DeleteBucketTagging PutObjectTagging "
    "DeleteObjectTagging": "tags follow with the policies that use them",
    "GetBucketLifecycleConfiguration PutBucketLifecycleConfiguration DeleteBucketLifecycle": "nothing expires yet",
    "GetBucketReplication PutBucketReplication DeleteBucketReplication": "replication is the cluster's",
    "GetBucketEncryption PutBucketEncryption DeleteBucketEncryption": "bytes are not encrypted at rest yet",
    "GetObjectLockConfiguration PutObjectLockConfiguration GetObjectRetention PutObjectRetention "
    "GetObjectLegalHold PutObjectLegalHold": "locks need versions",
    "GetBucketWebsite PutBucketWebsite DeleteBucketWebsite": "no web sites are served",
    "GetBucketNotificationConfiguration PutBucketNotificationConfiguration": "nothing is notified yet",
    "GetBucketLogging PutBucketLogging": "no access log is delivered into buckets",
    "GetBucketRequestPayment PutBucketRequestPayment": "nobody pays",
    "GetBucketAccelerateConfiguration PutBucketAccelerateConfiguration": "there are no edges to accelerate from",
}
NOT_OFFERED = {name: reason for names, reason in _REASONS.items() for name in names.split()}

_VALUES = {"list-type": "2", "partNumber": "1", "uploadId": "0" * 32, "select-type": "2"}


def target(wire: Wire, bucket: str = "bucket") -> str:
    """A request target that leads to an operation."""
    path = {"service": "/", "bucket": f"/{bucket}", "object": f"/{bucket}/key"}[wire.level]
    given = [(name, value or _VALUES.get(name, "")) for name, value in wire.query]
    given += [(name, _VALUES.get(name, "x")) for name in wire.needs_query]
    return path + "?" + "&".join(f"{name}={value}" for name, value in given)


def needed(wire: Wire) -> dict[str, str]:
    return dict.fromkeys(wire.needs_headers, "/bucket/source")


class Untouchable:
    """A store that nobody may ask."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a backend was asked: {name}")


@pytest.fixture
async def closed() -> Any:
    """A front whose store fails the test when it is touched."""
    async with open_front() as front:
        services = front.asgi._app.services
        object.__setattr__(front.asgi, "_store", Untouchable())
        front.asgi._app.services = type(services)(
            Untouchable(),  # type: ignore[arg-type]
            services.verifier,
            services.clock,
            services.hashing,
            services.settings,
        )
        yield front


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
async def test_anonymous_is_refused_and_no_backend_is_asked(wire: Wire, closed: Front) -> None:
    answered = await closed(wire.method, target(wire), b"<x/>", user="", headers=needed(wire))
    assert answered.status == 403
    assert wire.method == "HEAD" or answered.code == "AccessDenied"


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
async def test_wrong_signature_is_refused_and_no_backend_is_asked(wire: Wire, closed: Front) -> None:
    answered = await closed(wire.method, target(wire), b"<x/>", user="wrong", headers=needed(wire))
    assert answered.status == 403
    assert wire.method == "HEAD" or answered.code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("wire", BY_WIRE, ids=lambda wire: wire.name)
async def test_another_user_is_refused(wire: Wire) -> None:
    async with open_front() as front:
        assert (await front("PUT", "/bucket")).status == 200
        assert (await front("PUT", "/bucket/key", b"precious")).status == 200
        answered = await front(wire.method, target(wire), b"", user="other", headers=needed(wire))
        if wire.name == "ListBuckets":
            assert b"<Name>bucket</Name>" not in answered.body
        elif wire.name == "CreateBucket":
            assert (answered.status, answered.code) == (409, "BucketAlreadyExists")
        else:
            assert answered.status == 403
            assert wire.method == "HEAD" or answered.code == "AccessDenied"
        assert b"precious" not in answered.body
        assert (await front("GET", "/bucket/key")).body == b"precious"


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
async def test_body_is_not_invited_before_the_caller_was_permitted(wire: Wire, closed: Front) -> None:
    headers = {**needed(wire), "expect": "100-continue"}
    await closed(wire.method, target(wire), b"x" * 100, user="", headers=headers)
    assert closed.received == 0


async def test_every_line_of_the_table_is_an_operation_of_the_model() -> None:
    assert {operation.name for operation in OPERATIONS} <= {wire.name for wire in WIRES}
    assert len(OPERATIONS) == len(BY_WIRE)


async def test_operations_without_a_line_are_the_listed_ones_and_say_so() -> None:
    missing = {wire for wire in WIRES if wire not in BY_WIRE}
    assert {wire.name for wire in missing} == NOT_OFFERED.keys()
    async with open_front() as front:
        await front("PUT", "/bucket")
        for wire in missing:
            answered = await front(wire.method, target(wire), headers=needed(wire))
            assert answered.status == 501
            assert wire.method == "HEAD" or answered.code == "NotImplemented"


async def test_source_of_a_copy_needs_its_own_permission() -> None:
    async with open_front() as front:
        await front("PUT", "/bucket")
        await front("PUT", "/bucket/key", b"precious")
        await front("PUT", "/elsewhere", user="other")
        copied = await front("PUT", "/elsewhere/key", user="other", headers={"x-amz-copy-source": "/bucket/key"})
        assert (copied.status, copied.code) == (403, "AccessDenied")
        assert (await front("HEAD", "/elsewhere/key", user="other")).status == 404


@pytest.mark.parametrize("header", ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"])
async def test_expected_owner_is_held(header: str) -> None:
    async with open_front() as front:
        await front("PUT", "/bucket")
        await front("PUT", "/bucket/key", b"x")
        copy = {"x-amz-copy-source": "/bucket/key"}
        refused = await front("PUT", "/bucket/copy", headers={**copy, header: "somebody"})
        assert (refused.status, refused.code) == (403, "AccessDenied")
        assert (await front("PUT", "/bucket/copy", headers={**copy, header: "owner"})).status == 200
