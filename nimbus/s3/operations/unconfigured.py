"""What clients ask in passing about features that are not there yet, where the true answer is the default.

A bucket has never had versioning enabled; an object has no tags. s3fs asks for the first before it removes a
directory, the AWS command line for the second before it copies a large object.
"""

from __future__ import annotations

from nimbus.s3 import model
from nimbus.s3.api import Context, Reply
from nimbus.s3.unsupported import check_version


async def get_bucket_versioning(ctx: Context, request: model.GetBucketVersioningRequest) -> Reply:
    """Without status: versioning was never enabled."""
    return Reply(model.GetBucketVersioningOutput())


async def get_object_tagging(ctx: Context, request: model.GetObjectTaggingRequest) -> Reply:
    """No tags, on an object that exists."""
    check_version(request.version_id)
    await ctx.store.find_object(ctx.bucket, ctx.key)
    return Reply(model.GetObjectTaggingOutput(tag_set=[]))
