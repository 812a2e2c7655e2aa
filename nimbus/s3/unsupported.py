"""Headers and parameters of S3 that ask for features this store does not have yet.

Ignoring one would be a lie: an object would be less private, less encrypted or less durable than the client was
told. Each is refused with NotImplemented unless its value asks for what happens anyway; those values, which
unmodified clients send by default, stand in the second column.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from nimbus.s3.errors import S3Error
from nimbus.s3.model import VALUES

# A bucket has one owner and nobody else reaches it: these canned lists change nothing.
_PRIVATE: Final = frozenset({"private", "bucket-owner-full-control", "bucket-owner-read"})
_STANDARD: Final = frozenset({"STANDARD"})
_NEVER: Final[frozenset[str]] = frozenset()
_EMPTY: Final = frozenset({""})

HEADERS: Final[dict[str, frozenset[str]]] = {
    "x-amz-acl": _PRIVATE,
    "x-amz-grant-full-control": _NEVER,
    "x-amz-grant-read": _NEVER,
    "x-amz-grant-read-acp": _NEVER,
    "x-amz-grant-write": _NEVER,
    "x-amz-grant-write-acp": _NEVER,
    "x-amz-object-ownership": frozenset({"BucketOwnerEnforced"}),
    "x-amz-bucket-namespace": frozenset({"global"}),
    "x-amz-bucket-object-lock-enabled": frozenset({"false", "False"}),
    "x-amz-storage-class": _STANDARD,
    "x-amz-tagging": _EMPTY,
    "x-amz-tagging-directive": frozenset({"COPY", "REPLACE"}),
    "x-amz-object-annotation-directive": frozenset({"COPY", "EXCLUDE"}),
    "x-amz-website-redirect-location": _NEVER,
    "x-amz-write-offset-bytes": _NEVER,
    "x-amz-mfa": _NEVER,
    "x-amz-bypass-governance-retention": frozenset({"false", "False"}),
    "x-amz-object-lock-mode": _NEVER,
    "x-amz-object-lock-retain-until-date": _NEVER,
    "x-amz-object-lock-legal-hold": frozenset({"OFF"}),
    "x-amz-object-lock-event-hold": frozenset({"OFF"}),
    "x-amz-object-lock-event-hold-duration-days": _NEVER,
    "x-amz-object-lock-event-hold-duration-years": _NEVER,
    "x-amz-server-side-encryption": _NEVER,
    "x-amz-server-side-encryption-aws-kms-key-id": _NEVER,
    "x-amz-server-side-encryption-bucket-key-enabled": frozenset({"false", "False"}),
    "x-amz-server-side-encryption-context": _NEVER,
    "x-amz-server-side-encryption-customer-algorithm": _NEVER,
    "x-amz-server-side-encryption-customer-key": _NEVER,
    "x-amz-server-side-encryption-customer-key-md5": _NEVER,
    "x-amz-copy-source-server-side-encryption-customer-algorithm": _NEVER,
    "x-amz-copy-source-server-side-encryption-customer-key": _NEVER,
    "x-amz-copy-source-server-side-encryption-customer-key-md5": _NEVER,
    "x-amz-if-match-initiated-time": _NEVER,  # of directory buckets alone
}
_NAMES: Final = HEADERS.keys()

VERSION_IDS: Final = frozenset({"null"})  # buckets have no versions: the one object there is has this id


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises NotImplemented for a header that asks for what is not there; what S3 has not either, the codec refuses."""
    for name in _NAMES & headers.keys():
        value = headers[name]
        if value not in HEADERS[name] and value in VALUES.get(name, (value,)):
            message = f"A header you provided implies functionality that is not implemented: {name}"
            raise S3Error("NotImplemented", message, Header=name)


def check_version(version_id: str | None) -> None:
    """Raises NotImplemented for any version but the only one."""
    if version_id is not None and version_id not in VERSION_IDS:
        message = "A parameter you provided implies functionality that is not implemented: versionId"
        raise S3Error("NotImplemented", message, VersionId=version_id)
