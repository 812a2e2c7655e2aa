"""From a request head to the operation it asks for: target, query, `Wire`.

The raw path, the raw query and the source of a copy are decoded here, once, and nowhere else; the names that come
out go to permission and store alike. Keys are literal, nothing is normalised; a key that would lead out of its bucket
if somebody took it for a path is refused, as by S3 ("Naming Amazon S3 objects").

Must always hold: a sub-resource that we do not offer is refused and never answered by the operation under it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from nimbus.base.limits import KEY_SIZE_BYTES_MAX
from nimbus.s3.errors import S3Error
from nimbus.s3.markers import Wire
from nimbus.s3.model import SUBRESOURCES, WIRES
from nimbus.s3.overrides import BUCKET_NAME_PREFIXES_RESERVED, BUCKET_NAME_SUFFIXES_RESERVED

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_IPV4 = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+", re.ASCII)


class Target(NamedTuple):
    """What a request names: no bucket is the service, a bucket without key is the bucket itself."""

    bucket: str
    key: str
    virtual: bool  # whether the bucket came from the Host header


class Query(msgspec.Struct, frozen=True):
    """The parameters of a query, decoded; of repeated ones the first value counts until somebody asks."""

    values: dict[str, str]
    repeated: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, raw: bytes) -> Query:
        """Decode a raw query without its question mark. `+` is a space, as S3 reads it. Raises `InvalidURI`."""
        if not raw:
            return _NO_QUERY
        values: dict[str, str] = {}
        repeated = []
        for item in raw.replace(b"+", b" ").split(b"&"):
            name, _, value = item.partition(b"=")
            text = _unquoted(name)
            if text in values:
                repeated.append(text)
            elif name:
                values[text] = _unquoted(value)
        return cls(values, frozenset(repeated))

    def get(self, name: str, default: str = "") -> str:
        """The value of one parameter. Raises `InvalidArgument` when it was given twice."""
        if name in self.repeated:
            raise repeated_parameter(name)
        return self.values.get(name, default)

    def __contains__(self, name: str) -> bool:
        return name in self.values


_NO_QUERY: Final = Query({})


def repeated_parameter(name: str) -> S3Error:
    """The refusal of a parameter that was given more than once."""
    return S3Error("InvalidArgument", f"Query parameter {name} was given more than once", ArgumentName=name)


def split_target(raw_path: bytes, host: str, domains: Sequence[str]) -> Target:
    """Bucket and key of a raw, still percent-encoded path without its query.

    The bucket stands in the Host header when that is a name below one of `domains`, else first in the path.
    Raises `InvalidURI`, `InvalidBucketName`, `KeyTooLongError`.
    """
    if raw_path[:1] != b"/":
        raise S3Error("InvalidURI")
    bucket = _virtual_bucket(host, domains)
    if bucket:
        check_bucket_name(bucket)
        return Target(bucket, _decoded_key(raw_path[1:]), True)
    if raw_path == b"/":
        return Target("", "", False)
    raw_bucket, _, raw_key = raw_path[1:].partition(b"/")
    bucket = _unquoted(raw_bucket)
    check_bucket_name(bucket)
    return Target(bucket, _decoded_key(raw_key), False)


def split_copy_source(value: str) -> tuple[str, str, str]:
    """Bucket, key and version id ("" when none) of an x-amz-copy-source header.

    The value is encoded as in a form, `+` being a space, whole or in its parts, with or without a leading slash; only
    a query `?versionId=` may follow. Raises `InvalidArgument`, `KeyTooLongError`, `NotImplemented`.
    """
    raw, mark, raw_version = value.encode("latin-1").partition(b"?versionId=")
    try:
        path = _unquoted(raw.replace(b"+", b" ")).removeprefix("/")
        version_id = _unquoted(raw_version)
    except S3Error:
        raise _bad_copy_source("Invalid copy source encoding") from None
    if path.startswith("arn:"):
        message = "Access points and outposts as the source of a copy are not implemented."
        raise S3Error("NotImplemented", message, Header="x-amz-copy-source")
    bucket, _, key = path.partition("/")
    if not key or _leads_out(key):
        raise _bad_copy_source("Invalid copy source object key")
    if not _is_bucket_name(bucket):
        raise _bad_copy_source("Invalid copy source bucket name")
    if mark and not version_id:
        raise _bad_copy_source("Version id cannot be the empty string")
    _check_size(key)
    return bucket, key, version_id


def _bad_copy_source(message: str) -> S3Error:
    return S3Error("InvalidArgument", message, ArgumentName="x-amz-copy-source", ArgumentValue="x-amz-copy-source")


@lru_cache(maxsize=4096)
def check_bucket_name(name: str) -> None:
    """Raises `InvalidBucketName`."""
    if not _is_bucket_name(name):
        raise S3Error("InvalidBucketName", BucketName=name)


def _is_bucket_name(name: str) -> bool:
    """The rules for names of general purpose buckets ("Bucket naming rules")."""
    is_well_formed = _BUCKET_NAME.fullmatch(name) and ".." not in name and not _IPV4.fullmatch(name)
    is_reserved = name.startswith(BUCKET_NAME_PREFIXES_RESERVED) or name.endswith(BUCKET_NAME_SUFFIXES_RESERVED)
    return bool(is_well_formed) and not is_reserved


def check_new_bucket_name(name: str) -> None:
    """What else a bucket must not be called: its labels begin and end with a letter or a digit.

    Raises `InvalidBucketName`. A bucket that has such a name from earlier days stays reachable.
    """
    if ".-" in name or "-." in name:
        raise S3Error("InvalidBucketName", BucketName=name)


def _virtual_bucket(host: str, domains: Sequence[str]) -> str:
    """The bucket that the Host header names, "" in path style; the longest domain that fits decides."""
    if not domains:
        return ""
    name, _, port = host.lower().rpartition(":")
    if not name or not (port.isdigit() or not port):  # no port, or the colon belongs to an IPv6 address
        name = host.lower()
    name = name.removesuffix(".")
    fitting = [domain for domain in domains if name == domain or name.endswith("." + domain)]
    return name[: -len(max(fitting, key=len)) - 1] if fitting else ""


def _unquoted(raw: bytes) -> str:
    """Percent-decode once. Raises `InvalidURI` for a broken escape or what is not UTF-8 then."""
    try:
        if b"%" not in raw:
            return raw.decode()
        if _BAD_ESCAPE.search(raw):
            raise S3Error("InvalidURI")
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise S3Error("InvalidURI") from None


def _decoded_key(raw: bytes) -> str:
    key = _unquoted(raw)
    _check_size(key)
    if _leads_out(key):
        raise S3Error("InvalidURI")
    return key


def _check_size(key: str) -> None:
    size = len(key) if key.isascii() else len(key.encode())
    if size > KEY_SIZE_BYTES_MAX:
        raise S3Error("KeyTooLongError", Size=size, MaxSizeAllowed=KEY_SIZE_BYTES_MAX)


def _leads_out(key: str) -> bool:
    """Whether, read from left to right, there have ever been more `..` than names."""
    if ".." not in key:
        return False
    depth = 0
    for segment in key.split("/"):
        if segment == "..":
            depth -= 1
        elif segment not in ("", "."):
            depth += 1
        if depth < 0:
            return True
    return False


# --- operations -------------------------------------------------------------------------------------------


def _subresource(wire: Wire) -> str:
    """The sub-resource that an operation is about: a literal key without value, or its upload; "" for none."""
    bare = [key for key, value in wire.query if not value]
    return "uploadId" if "uploadId" in wire.needs_query else "".join(bare)


def _specificity(wire: Wire) -> int:
    return len(wire.query) + len(wire.needs_query) + len(wire.needs_headers)


def _routes() -> dict[tuple[str, str, str], tuple[Wire, ...]]:
    """Candidates by method, level and sub-resource, the most demanding first."""
    routes: dict[tuple[str, str, str], tuple[Wire, ...]] = {}
    for wire in sorted(WIRES, key=_specificity, reverse=True):
        place = (wire.method, wire.level, _subresource(wire))
        routes[place] = (*routes.get(place, ()), wire)
    return routes


_ROUTES: Final = _routes()
_SUBRESOURCE_KEYS: Final = SUBRESOURCES | {"uploadId"}
_METHODS: Final = frozenset(wire.method for wire in WIRES)
# Parameters that only a sub-resource gives a meaning, by method and level: alone they are a mistake.
_COPY_SOURCE: Final = "x-amz-copy-source"
# What S3 says of the sub-resources of a bucket when a key is named.
_NOT_OF_A_KEY: Final = {
    ("GET", "object", "uploads"): "Key is not expected for the GET method ?uploads subresource",
    ("GET", "object", "versions"): "There is no such thing as the ?versions sub-resource for a key",
}
_DEPENDENT: Final = {(wire.method, wire.level): wire.needs_query for wire in WIRES if len(wire.needs_query) > 1}


def find(method: str, bucket: str, key: str, query: Query, headers: Iterable[tuple[bytes, bytes]]) -> Wire:
    """The operation that a request asks for. Header names are in lower case.

    Raises `NotImplemented` for sub-resources not offered, `MethodNotAllowed`, `InvalidArgument`.
    """
    level = "object" if key else "bucket" if bucket else "service"
    subresource = _named_subresource(query) if query.values else ""
    candidates = _ROUTES.get((method, level, subresource))
    if candidates is None:
        if (method, level, subresource) == ("POST", "bucket", ""):
            raise _form_refusal(headers)
        raise _refusal(method, level, subresource)
    is_whole = subresource or not any(name in query.values for name in _DEPENDENT.get((method, level), ()))
    for wire in candidates if is_whole else ():
        if _fits(wire, query, headers):
            return wire
    needed = _DEPENDENT.get((method, level), ())
    given = next((name for name in needed if name in query.values), "")
    missing = " and ".join(name for name in needed if name not in query.values)
    message = f"This operation does not accept {given} without {missing}"
    raise S3Error("InvalidArgument", message, ArgumentName=given, ArgumentValue=query.values.get(given, ""))


def _named_subresource(query: Query) -> str:
    named = sorted(_SUBRESOURCE_KEYS.intersection(query.values))
    for name in named:
        if name in query.repeated:
            raise repeated_parameter(name)
    if len(named) > 1:
        message = f"Conflicting query string parameters: {', '.join(named)}"
        raise S3Error("InvalidArgument", message, ArgumentName="ResourceType", ArgumentValue=named[0])
    return named[0] if named else ""


def _fits(wire: Wire, query: Query, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    for name, value in wire.query:
        if name not in query.values or (value and query.get(name) != value):
            return False
    if any(name not in query.values for name in wire.needs_query):
        return False
    if not wire.needs_headers:
        return True
    return {name.encode() for name in wire.needs_headers} <= {name for name, _ in headers}


def check_copy_source(wire: Wire, headers: Mapping[str, str]) -> None:
    """Raises InvalidArgument where a copy source is named and nothing is copied: the client means something else."""
    if _COPY_SOURCE in headers and _COPY_SOURCE not in wire.needs_headers:
        message = "You can only specify a copy source header for copy requests."
        raise S3Error("InvalidArgument", message, ArgumentName=_COPY_SOURCE, ArgumentValue=headers[_COPY_SOURCE])


def _refusal(method: str, level: str, subresource: str) -> S3Error:
    """Why no operation fits: nobody offers the sub-resource, or not with this method."""
    told = _NOT_OF_A_KEY.get((method, level, subresource))
    if told is not None:
        return S3Error("InvalidRequest", told)
    offered = sorted(other for other in _METHODS if (other, level, subresource) in _ROUTES)
    if subresource and not offered:
        return S3Error("NotImplemented", f"The sub-resource {subresource} is not implemented")
    error = S3Error("MethodNotAllowed", Method=method, ResourceType=(subresource or level).upper())
    error.headers = ((b"allow", ", ".join(offered).encode()),)  # a 405 has it (RFC 9110, section 15.5.6)
    return error


def _form_refusal(headers: Iterable[tuple[bytes, bytes]]) -> S3Error:
    """A POST to a bucket is an upload by a form, and what is no form is none ("POST Object" of the API reference)."""
    if any(name == b"content-type" and value.lower().startswith(b"multipart/form-data") for name, value in headers):
        return S3Error("NotImplemented", "Uploads by a form (POST Object) are not implemented.")
    condition = "Bucket POST must be of the enclosure-type multipart/form-data"
    return S3Error("PreconditionFailed", Condition=condition)
