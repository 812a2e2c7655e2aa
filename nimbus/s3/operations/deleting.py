"""Deleting objects, one or up to a thousand at a time."""

from __future__ import annotations

import asyncio
from typing import Final

from nimbus.base.errors import NimbusError
from nimbus.base.limits import DELETE_KEYS_MAX, KEY_SIZE_BYTES_MAX
from nimbus.s3 import model
from nimbus.s3.api import Context, Reply
from nimbus.s3.conditions import delete_condition
from nimbus.s3.errors import S3Error, from_state
from nimbus.s3.unsupported import check_version

_AT_ONCE: Final = 64  # deletions in flight; the commit thread groups them


async def delete_object(ctx: Context, request: model.DeleteObjectRequest) -> Reply:
    """Deleting what is not there succeeds, too, unless the client says which entity it means."""
    check_version(request.version_id)
    condition = delete_condition(request.if_match, request.if_match_last_modified_time, request.if_match_size)
    await ctx.store.delete_object(ctx.bucket, ctx.key, condition)
    return Reply()


async def delete_objects(ctx: Context, request: model.DeleteObjectsRequest) -> Reply:
    """Each key is deleted or refused on its own; in quiet mode only refusals are reported."""
    wanted = request.delete.objects
    if not 1 <= len(wanted) <= DELETE_KEYS_MAX:
        raise S3Error("MalformedXML")
    refusals: list[model.Error | None] = []
    for start in range(0, len(wanted), _AT_ONCE):
        group = wanted[start : start + _AT_ONCE]
        refusals += await asyncio.gather(*(_delete(ctx, identifier) for identifier in group))
    deleted = [
        model.DeletedObject(key=identifier.key, version_id=identifier.version_id)
        for identifier, refusal in zip(wanted, refusals, strict=True)
        if refusal is None
    ]
    errors = [refusal for refusal in refusals if refusal is not None]
    return Reply(model.DeleteObjectsOutput(deleted=None if request.delete.quiet else deleted, errors=errors))


async def _delete(ctx: Context, identifier: model.ObjectIdentifier) -> model.Error | None:
    """Delete one of many; what is wrong with it is reported and stops nothing else."""
    try:
        check_version(identifier.version_id)
        _check_key(identifier.key)
        condition = delete_condition(identifier.etag, identifier.last_modified_time, identifier.size)
        await ctx.store.delete_object(ctx.bucket, identifier.key, condition)
    except (NimbusError, S3Error) as error:
        refusal = error if isinstance(error, S3Error) else from_state(error)
        return model.Error(
            key=identifier.key, version_id=identifier.version_id, code=refusal.code, message=refusal.message
        )
    return None


def _check_key(key: str) -> None:
    """A key in a document has passed none of the checks of a key in a path."""
    if not key:
        raise S3Error("UserKeyMustBeSpecified")
    if len(key.encode()) > KEY_SIZE_BYTES_MAX:
        raise S3Error("KeyTooLongError")
