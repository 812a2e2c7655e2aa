"""The query as signatures see it: its parameters, and those of them that are headers which a presigner put there."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

import msgspec


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
