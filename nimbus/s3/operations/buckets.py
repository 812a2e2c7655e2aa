"""Buckets: list, create, delete, look at."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime

from nimbus.auth.api import User
from nimbus.base.errors import BucketExists
from nimbus.base.limits import BUCKETS_PER_OWNER_MAX
from nimbus.s3 import model
from nimbus.s3.api import Context, Reply
from nimbus.s3.errors import S3Error
from nimbus.s3.router import check_new_bucket_name
from nimbus.store.records import Bucket

_LEGACY_REGION = "us-east-1"
_PAGE_MAX = 10_000
_REGION = re.compile(r"EU|[a-z]{2,4}(?:-[a-z]+)+-[0-9]{1,2}", re.ASCII)  # as Amazon calls them


async def list_buckets(ctx: Context, request: model.ListBucketsRequest) -> Reply:
    """The caller's own buckets, by name."""
    limit = _PAGE_MAX if request.max_buckets is None else request.max_buckets
    prefix = request.prefix or ""
    after = _from_token(request.continuation_token)
    _check_region(request.bucket_region, ctx.services.settings.region)
    found, more = await ctx.store.list_buckets(ctx.user.user_id, prefix, after, limit)
    rows = [(name, record) for name, record in found if request.bucket_region in (None, "", record.region)]
    return Reply(
        model.ListBucketsOutput(
            buckets=[
                model.Bucket(
                    name=name, creation_date=_moment(record), bucket_region=record.region, bucket_arn=_arn(name)
                )
                for name, record in rows
            ],
            owner=owner_of(ctx.user),
            continuation_token=_to_token(found[-1][0]) if more else None,
            prefix=request.prefix,
        )
    )


def _check_region(asked: str | None, region: str) -> None:
    """Buckets of another region are none of ours; what cannot be a region is a mistake."""
    if asked and asked != region and not _REGION.fullmatch(asked):
        message = f"Argument value {asked} is not a valid AWS Region"
        raise S3Error("InvalidArgument", message, ArgumentName="bucket-region")


async def create_bucket(ctx: Context, request: model.CreateBucketRequest) -> Reply:
    """A new bucket in this server's region. In us-east-1 creating one's own bucket again is no error."""
    _check_location(request.create_bucket_configuration, ctx.services.settings.region)
    check_new_bucket_name(ctx.bucket)
    reply = Reply(model.CreateBucketOutput(location=f"/{ctx.bucket}", bucket_arn=_arn(ctx.bucket)))
    user_id = ctx.user.user_id
    try:
        await _check_quota(ctx)
        await ctx.store.create_bucket(ctx.bucket, user_id, ctx.services.settings.region)
    except BucketExists:
        record = await ctx.store.find_bucket(ctx.bucket)
        if record.owner_id != user_id:
            raise S3Error("BucketAlreadyExists", BucketName=ctx.bucket) from None
        if record.region != _LEGACY_REGION:
            raise S3Error("BucketAlreadyOwnedByYou", BucketName=ctx.bucket) from None
    return reply


async def _check_quota(ctx: Context) -> None:
    """Raises TooManyBuckets when the caller has as many as one may have."""
    owned, _ = await ctx.store.list_buckets(ctx.user.user_id, "", "", BUCKETS_PER_OWNER_MAX)
    if len(owned) >= BUCKETS_PER_OWNER_MAX and all(name != ctx.bucket for name, _ in owned):
        raise S3Error("TooManyBuckets")


def _check_location(configuration: model.CreateBucketConfiguration | None, region: str) -> None:
    """A location constraint must name our region; us-east-1 is named by having none."""
    if configuration is None:
        return
    for name in ("location", "bucket", "tags"):  # of directory buckets the first two
        if getattr(configuration, name):
            raise S3Error("NotImplemented", f"The element {name.title()} of a new bucket is not implemented")
    asked = configuration.location_constraint
    if asked and region == _LEGACY_REGION and not _REGION.fullmatch(asked):
        raise S3Error("InvalidLocationConstraint", LocationConstraint=asked)
    if asked and asked != region:
        raise S3Error(
            "IllegalLocationConstraintException",
            f"The {asked} location constraint is incompatible for the region specific endpoint this request was sent "
            "to.",
        )


async def delete_bucket(ctx: Context, request: model.DeleteBucketRequest) -> Reply:
    await ctx.store.delete_bucket(ctx.bucket)
    return Reply()


async def head_bucket(ctx: Context, request: model.HeadBucketRequest) -> Reply:
    region = ctx.bucket_owned.region
    return Reply(model.HeadBucketOutput(bucket_arn=_arn(ctx.bucket), bucket_region=region, access_point_alias=False))


async def get_bucket_location(ctx: Context, request: model.GetBucketLocationRequest) -> Reply:
    """The region, which for us-east-1 is the empty constraint."""
    region = ctx.bucket_owned.region
    return Reply(model.GetBucketLocationOutput(location_constraint="" if region == _LEGACY_REGION else region))


def owner_of(user: User) -> model.Owner:
    """The caller as listings show an owner."""
    return model.Owner(id=user.user_id, display_name=user.display_name or user.user_id)


def region_headers(ctx: Context) -> tuple[tuple[bytes, bytes], ...]:
    """What a listing tells of its bucket; the model has it for HeadBucket alone."""
    return ((b"x-amz-bucket-region", ctx.bucket_owned.region.encode()),)


def _arn(bucket: str) -> str:
    return f"arn:aws:s3:::{bucket}"


def _moment(record: Bucket) -> datetime:
    return datetime.fromtimestamp(record.created_ms // 1000, UTC)  # S3 shows whole seconds


def _to_token(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _from_token(token: str | None) -> str:
    if not token:
        return ""
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise S3Error(
            "InvalidArgument", "The continuation token provided is incorrect", ArgumentName="continuation-token"
        ) from None
