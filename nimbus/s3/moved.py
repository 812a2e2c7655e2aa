"""Headers in the query: what a presigner moved there means what it means in the head.

One place reads them, so that whoever looks for a header finds it whichever way it came. What the signatures cover
there is the business of the verifier: SigV4 signs the whole query; SigV2 signs the headers of S3 and those of content,
or the verifier refuses them, and signs the other headers nowhere.

Must always hold: a header that is given in both places says one thing; what no head could carry does not get in by
the query. Checksums of a body are not taken from there: whoever presigned did not have the body, and S3 does not look
at them either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from nimbus.s3.errors import S3Error
from nimbus.s3.fields import fields_of
from nimbus.s3.markers import Header
from nimbus.s3.model import WIRES
from nimbus.s3.router import Query, repeated_parameter

Headers = list[tuple[bytes, bytes]]

_PREFIX: Final = "x-amz-"
# Who signed: parameters that are no headers.
_SIGNING: Final = frozenset(
    {
        "x-amz-algorithm",
        "x-amz-content-sha256",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-security-token",
        "x-amz-signature",
        "x-amz-signedheaders",
    }
)
# What is said of the body on its way, but for what is asked of the object.
_OF_BODY: Final = ("x-amz-checksum-", "x-amz-sdk-checksum-algorithm", "x-amz-decoded-content-length", "x-amz-trailer")
_OF_OBJECT: Final = frozenset({"x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type"})
# The other headers that the operations of S3 read.
_PLAIN: Final = {
    field.marker.name for wire in WIRES for field in fields_of(wire.input) if isinstance(field.marker, Header)
} - {"content-length"} | {"content-md5", "if-range"}  # fmt: skip
_SIGV2: Final = "AWSAccessKeyId"  # in a query that has this, Expires is a part of the signature
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_UNSENDABLE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def moved_headers(query: Query) -> Headers:
    """The headers that stand in the query, as the head would have them. Raises `InvalidArgument`."""
    found: dict[str, str] = {}
    for parameter, text in query.values.items():
        name = parameter.lower()
        if not _is_header(name) or (name == "expires" and _SIGV2 in query):
            continue
        if parameter in query.repeated or name in found:
            raise repeated_parameter(parameter)
        if not _NAME.fullmatch(name) or _UNSENDABLE.search(text):
            raise S3Error("InvalidArgument", "The parameter cannot be a header", ArgumentName=parameter)
        found[name] = text.strip(" \t")
    return [(name.encode(), text.encode()) for name, text in found.items()]


def new_headers(moved: Headers, headers: Mapping[str, str]) -> Headers:
    """Those of them that the head does not have. Raises `InvalidArgument` where it says something else."""
    new = []
    for name, value in moved:
        present = headers.get(name.decode())
        if present is None:
            new.append((name, value))
        elif present != value.decode("latin-1"):
            message = f"The header {name.decode()} and the query parameter of this name differ"
            raise S3Error("InvalidArgument", message, ArgumentName=name.decode(), ArgumentValue=present)
    return new


def _is_header(name: str) -> bool:
    if not name.startswith(_PREFIX):
        return name in _PLAIN
    return name in _OF_OBJECT or not (name in _SIGNING or name.startswith(_OF_BODY))
