"""Who may do what: for now a bucket's owner may do everything in it and nobody else anything.

Default deny. An anonymous request is refused before any backend is asked; a signed one is refused as soon as
the bucket's owner is known. This is the one place where policies and access lists will be decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from nimbus.auth.api import User
from nimbus.base.errors import BucketMissing
from nimbus.s3.errors import S3Error
from nimbus.s3.router import check_new_bucket_name
from nimbus.store.api import ObjectStore
from nimbus.store.records import Bucket

# Permissions that concern no existing bucket: every user has them.
_FOR_EVERY_USER: Final = frozenset({"s3:ListAllMyBuckets", "s3:CreateBucket"})


def require_user(user: User | None) -> User:
    """The user, or AccessDenied for an anonymous request."""
    if user is None:
        raise S3Error("AccessDenied", "Access Denied")
    return user


async def permit(
    store: ObjectStore, user: User, permission: str, bucket: str, headers: Mapping[str, str]
) -> Bucket | None:
    """The record of the bucket in which `user` has `permission`; None when it concerns no bucket.

    Raises AccessDenied, and `BucketMissing` to users who have signed.
    """
    if permission in _FOR_EVERY_USER:
        return None
    try:
        record = await store.find_bucket(bucket)
    except BucketMissing:
        check_new_bucket_name(bucket)
        raise
    if record.owner_id != user.user_id:
        raise S3Error("AccessDenied", "Access Denied")
    expected = headers.get("x-amz-expected-bucket-owner")
    if expected is not None and expected != record.owner_id:
        raise S3Error("AccessDenied", "Access Denied")
    return record


async def permit_source(
    store: ObjectStore, user: User, permission: str, bucket: str, headers: Mapping[str, str]
) -> Bucket:
    """The same for the source of a copy, which has its own header for the expected owner."""
    record = await store.find_bucket(bucket)
    expected = headers.get("x-amz-source-expected-bucket-owner")
    if record.owner_id != user.user_id or expected not in (None, record.owner_id):
        raise S3Error("AccessDenied", "Access Denied")
    return record
