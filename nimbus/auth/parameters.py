"""The query as signatures see it: its parameters, and those of them that are headers which a presigner put there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from nimbus.auth.api import Head

_SECURITY_TOKEN: Final = b"x-amz-security-token"


class Parameter(msgspec.Struct, frozen=True):
    """One part of the query, percent-decoded."""

    name: bytes
    value: bytes


def parameters(raw_query: bytes) -> list[Parameter]:
    """The parts of a raw query in their order. A plus stays a plus: base64 signatures come with bare ones."""
    parts = (part.partition(b"=") for part in raw_query.split(b"&") if part)
    return [Parameter(unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in parts]


def moved_headers(raw_query: bytes, names: frozenset[bytes]) -> Iterator[Parameter]:
    """The x-amz-* headers, and those of `names`, in a query: names in lower case, and a plus is a space."""
    for parameter in parameters(raw_query.replace(b"+", b" ")):
        name = parameter.name.lower()
        if name in names or name.startswith(b"x-amz-"):
            yield Parameter(name, parameter.value.strip())


def has_security_token(head: Head) -> bool:
    """Whether the request brings a session token, in the head or in the query."""
    if any(name == _SECURITY_TOKEN and value.strip() for name, value in head.headers):
        return True
    return any(moved.name == _SECURITY_TOKEN and moved.value for moved in moved_headers(head.raw_query, frozenset()))
