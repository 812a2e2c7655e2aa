"""Where a field of an S3 request or reply travels: the vocabulary of the generated model.

`nimbus/s3/model.py` annotates each field with one of these markers and describes each operation by one `Wire`
row; `nimbus/s3/codec.py` reads both once, at start. Nothing here knows any single operation.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

# What a reply may hold for a time: an aware datetime, or text that is ready for the wire and goes out as it is.
Timestamp = datetime | str


class Path(msgspec.Struct, frozen=True):
    """The bucket or the key, taken from the target of the request."""

    name: str


class Header(msgspec.Struct, frozen=True):
    """A header; `form` is "http" or "iso" for times, a list is one comma-separated value."""

    name: str
    form: str = "http"


class MetadataPrefix(msgspec.Struct, frozen=True):
    """All headers that begin with `prefix`, as a dict from the rest of their names, lower case."""

    prefix: str


class Query(msgspec.Struct, frozen=True):
    """A parameter of the query; `form` as for `Header`."""

    name: str
    form: str = "iso"


class Xml(msgspec.Struct, frozen=True):
    """A child element. A list is a run of such elements (`flat`) or one wrapper around elements named `item`;
    `form` as for `Header`."""

    name: str
    flat: bool = False
    item: str = ""
    form: str = "iso"


class Attribute(msgspec.Struct, frozen=True):
    """An attribute of the element, with its namespace prefix."""

    name: str
    namespace: str


class Payload(msgspec.Struct, frozen=True):
    """The body as a whole: an XML document whose root element is `root`, or plain text when it is empty."""

    root: str = ""


class Streaming(msgspec.Struct, frozen=True):
    """The body as a stream of bytes, which never passes through the codec."""


Marker = Path | Header | MetadataPrefix | Query | Xml | Attribute | Payload | Streaming


class Wire(msgspec.Struct, frozen=True, eq=False):
    """How one operation looks on the wire. Compared and hashed by identity: there is one row for each."""

    name: str
    method: str
    level: str  # what the path names: "service", "bucket" or "object"
    input: type[msgspec.Struct]
    output: type[msgspec.Struct] | None = None
    status: int = 200
    query: tuple[tuple[str, str], ...] = ()  # literal keys, with their value or "" for any
    needs_query: tuple[str, ...] = ()  # parameters without which it is another operation
    needs_headers: tuple[str, ...] = ()  # headers without which it is another operation
    input_root: str = ""  # root element of the request document, "" when there is none
    output_root: str = ""  # root element of the reply document, "" when there is none
    has_document: bool = False  # the request body is a document or a text, read whole before decoding
    body_required: bool = False
    checksum_required: bool = False  # a Content-MD5 or x-amz-checksum-* must come with the body
    streams_in: bool = False  # the request body is the object's bytes
    streams_out: bool = False  # the reply body is the object's bytes
