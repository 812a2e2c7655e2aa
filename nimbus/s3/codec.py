"""Between the wire and the typed structs of the model: `decode` for requests, `encode` for replies.

Tables and compiled functions are built from the markers once, when this module is imported; a request costs
look-ups by the headers and parameters that it has, not by those that it could have. Nothing here knows any
single operation.

Texts of headers are the bytes of the wire read as Latin-1, so that what a client stored with an object goes out
again as the very same bytes; user metadata alone has an encoding of its own. Entity tags carry their quotes. No header
leaves with a control byte in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final

import msgspec

from nimbus.base.limits import XML_SIZE_BYTES_MAX
from nimbus.s3 import encoded_words
from nimbus.s3.errors import S3Error
from nimbus.s3.fields import Field, fields_of
from nimbus.s3.markers import Header, MetadataPrefix, Path, Payload, Query, Streaming, Wire, Xml
from nimbus.s3.model import VALUES, WIRES
from nimbus.s3.overrides import (
    BYTES,
    CASELESS_VALUES,
    CHECKED_VALUES,
    DOCUMENT_SIZES_BYTES_MAX,
    DOCUMENT_TYPE,
    IGNORABLE_TIMES,
    INTEGERS,
    REPLY_HEADERS_LAST,
    REPLY_TEXT_MEMBERS,
    TEXT_TYPES,
    Bounds,
)
from nimbus.s3.router import Query as QueryValues
from nimbus.s3.router import repeated_parameter
from nimbus.s3.times import http_text, iso_text, parse_http, parse_iso
from nimbus.s3.xml import Writer, escape, open_document, read_document, writer

# --- requests ---------------------------------------------------------------------------------------------

_INTEGER: Final = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_BOOLEANS: Final = {"true": True, "false": False}

Convert = Callable[[str], Any]


class _Decoder(msgspec.Struct, frozen=True):
    """How the input of one operation is put together."""

    shape: type[msgspec.Struct]
    paths: dict[str, str]  # "Bucket" and "Key" -> field
    headers: dict[bytes, tuple[str, bool, Convert]]  # name -> field, whether a list, conversion
    query: dict[str, tuple[str, Convert]]
    required: dict[str, str]  # fields that must be there -> name on the wire
    prefix: bytes  # of the headers that are gathered into metadata, b"" for none
    metadata: str  # the field that holds them
    payload: str  # the field that holds the body, "" for none


def decode(
    wire: Wire, bucket: str, key: str, query: QueryValues, headers: Iterable[tuple[bytes, bytes]], body: bytes | None
) -> Any:
    """The input struct of a request. Header names are in lower case; a streamed body is never given here.

    Raises `InvalidArgument`, `InvalidRequest`, `MalformedXML`, `MissingRequestBodyError` and what the tables of
    overrides name.
    """
    decoder = _DECODERS[wire]
    values = _header_values(decoder, headers)
    if query.values:
        _add_query_values(decoder, query, values)
    for name, field in decoder.paths.items():
        values[field] = bucket if name == "Bucket" else key
    if decoder.payload and (body or wire.body_required):
        values[decoder.payload] = _payload(wire, decoder, body)
    for field, name in decoder.required.items():
        if field not in values:
            raise S3Error("InvalidRequest", f"Missing required parameter for this request: {name}")
    return decoder.shape(**values)


def body_size_bytes_max(wire: Wire) -> int:
    """How large a body may be that is read whole before `decode`."""
    return DOCUMENT_SIZES_BYTES_MAX.get(wire.name, XML_SIZE_BYTES_MAX)


def _header_values(decoder: _Decoder, headers: Iterable[tuple[bytes, bytes]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    metadata: dict[str, str] = {}
    slots, prefix = decoder.headers, decoder.prefix
    for name, raw in headers:
        slot = slots.get(name)
        if slot is not None:
            field, is_list, convert = slot
            if field not in values:
                values[field] = convert(raw.decode("latin-1"))
            elif is_list:
                values[field] += convert(raw.decode("latin-1"))
            else:
                raise S3Error("InvalidRequest", f"Header {name.decode('latin-1')} was given more than once")
        elif prefix and name.startswith(prefix):
            short = name[len(prefix) :].decode("latin-1")
            text = encoded_words.decoded(raw.decode("latin-1"))
            metadata[short] = f"{metadata[short]},{text}" if short in metadata else text
    if metadata:
        values[decoder.metadata] = metadata
    return values


def _add_query_values(decoder: _Decoder, query: QueryValues, values: dict[str, Any]) -> None:
    for name, text in query.values.items():
        slot = decoder.query.get(name)
        if slot is not None:
            if name in query.repeated:
                raise repeated_parameter(name)
            field, convert = slot
            values[field] = convert(text)


def _payload(wire: Wire, decoder: _Decoder, body: bytes | None) -> Any:
    if not body:
        raise S3Error("MissingRequestBodyError")
    if wire.input_root:
        kind = next(field.kind for field in fields_of(wire.input) if field.name == decoder.payload)
        return read_document(body, wire.input_root, kind, body_size_bytes_max(wire))
    if len(body) > body_size_bytes_max(wire):
        raise S3Error("MaxMessageLengthExceeded", MaxMessageLengthBytes=body_size_bytes_max(wire))
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise S3Error("MalformedPolicy") from None  # the one text among S3's request bodies is a policy


def _decoder(wire: Wire) -> _Decoder:
    decoder = _Decoder(wire.input, {}, {}, {}, {}, b"", "", "")
    prefix, metadata, payload = b"", "", ""
    for field in fields_of(wire.input):
        match field.marker:
            case Path(name):
                decoder.paths[name] = field.name
            case Header(name):
                decoder.headers[name.encode()] = (field.name, field.is_list, _conversion(field, name))
            case Query(name):
                decoder.query[name] = (field.name, _conversion(field, name))
            case MetadataPrefix(start):
                prefix, metadata = start.encode(), field.name
            case Payload():
                payload = field.name
        if field.is_required and isinstance(field.marker, Header | Query):
            decoder.required[field.name] = field.marker.name
    return msgspec.structs.replace(decoder, prefix=prefix, metadata=metadata, payload=payload)


def _conversion(field: Field, name: str) -> Convert:
    """From the text of a header or parameter to the value of its field."""
    assert isinstance(field.marker, Header | Query)
    if field.is_list:
        convert = (lambda text: _chosen(name, text)) if name in CHECKED_VALUES else str
        return lambda text: [convert(item) for item in (part.strip() for part in text.split(",")) if item]
    if field.kind is int:
        bounds = INTEGERS.get(name, BYTES)
        if isinstance(field.marker, Query) and not field.is_required and bounds.may_be_empty:
            return lambda text: _integer(name, text, bounds) if text else None
        return lambda text: _integer(name, text, bounds)
    if field.kind is bool:
        return lambda text: _boolean(name, text)
    if field.kind is datetime:
        parse = parse_http if field.marker.form == "http" else parse_iso
        return parse if name in IGNORABLE_TIMES else lambda text: _time(name, text, parse)
    return (lambda text: _chosen(name, text)) if name in CHECKED_VALUES else str


def _integer(name: str, text: str, bounds: Bounds) -> int:
    number = int(text) if _INTEGER.fullmatch(text) else None
    if number is not None and bounds.first <= number <= bounds.last:
        return number
    is_foreign = number is None or number > bounds.last
    reason = bounds.no_integer if is_foreign else bounds.out_of_bounds
    message = reason.format(name=name, first=bounds.first, last=bounds.last)
    raise _invalid(name, text, message) if bounds.code == "InvalidArgument" else S3Error(bounds.code, message)


def _boolean(name: str, text: str) -> bool:
    value = _BOOLEANS.get(text.lower())
    if value is None:
        raise _invalid(name, text, f"Provided {name} must be true or false")
    return value


def _time(name: str, text: str, parse: Callable[[str], datetime | None]) -> datetime:
    moment = parse(text)
    if moment is None:
        raise _invalid(name, text, f"Provided {name} is not a valid date")
    return moment


def _chosen(name: str, text: str) -> str:
    value = text.upper() if name in CASELESS_VALUES else text
    if value not in VALUES[name]:
        refusal = CHECKED_VALUES[name]
        if refusal.code == "InvalidArgument":
            raise _invalid(name, text, refusal.message)
        raise S3Error(refusal.code, refusal.message, **({refusal.element: text} if refusal.element else {}))
    return value


def _invalid(name: str, text: str, message: str) -> S3Error:
    return S3Error("InvalidArgument", message, ArgumentName=name, ArgumentValue=text)


# --- replies ----------------------------------------------------------------------------------------------

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSENDABLE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

Headers = list[tuple[bytes, bytes]]


class Encoded(msgspec.Struct, frozen=True, gc=False):
    """A reply head and its document. The front adds date, request id, Content-Length and a streamed body."""

    status: int
    headers: Headers
    body: bytes


class _Encoder(msgspec.Struct, frozen=True):
    """How the output of one operation is taken apart."""

    headers: Callable[[Any], Headers]
    body: Callable[[Any], bytes]
    content_type: bytes


def encode(wire: Wire, output: Any) -> Encoded:
    """Status, headers and body of a reply; `output` is None for an operation that has none.

    Raises `InvalidArgument` for a text that no header can carry.
    """
    if output is None:
        return Encoded(wire.status, [], b"")
    encoder = _ENCODERS[wire]
    headers = encoder.headers(output)
    body = encoder.body(output)
    if body:
        headers.append((b"content-type", encoder.content_type))
    return Encoded(wire.status, headers, body)


def is_sendable(text: str) -> bool:
    """Whether a header can carry this text as it is: in Latin-1, without control characters."""
    return all(character <= "\xff" for character in text) and not _UNSENDABLE.search(text)


def header_value(text: str) -> bytes:
    """The bytes of a header's value. Raises `InvalidArgument` for control characters."""
    if text.isascii() and text.isprintable():
        return text.encode()
    if _UNSENDABLE.search(text):
        raise S3Error("InvalidArgument", "The value cannot be sent in a header", ArgumentValue=text)
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


def metadata_headers(prefix: bytes, metadata: dict[str, str]) -> Headers:
    """User metadata as headers. Raises `InvalidArgument` for a name that no header can have."""
    for name in metadata:
        if not _TOKEN.fullmatch(name):
            raise S3Error("InvalidArgument", "The name cannot be sent as a header", ArgumentName=name)
    return [(prefix + name.lower().encode(), encoded_words.encoded(text).encode()) for name, text in metadata.items()]


def _encoder(wire: Wire) -> _Encoder:
    assert wire.output is not None, f"{wire.name} has no output"
    return _Encoder(_headers_of(wire.output), _body_of(wire), TEXT_TYPES.get(wire.name, DOCUMENT_TYPE))


def _headers_of(shape: type[msgspec.Struct]) -> Callable[[Any], Headers]:
    """A function from a struct to its headers, compiled from the shape's own markers."""
    names: dict[str, Any] = {
        "header_value": header_value,
        "metadata_headers": metadata_headers,
        "http_text": http_text,
        "iso_text": iso_text,
    }
    lines = ["def headers_of(shape):", "    headers = []"]
    for field in sorted(fields_of(shape), key=_rank):
        added = _header_source(field)
        if added:
            lines += [f"    value = shape.{field.name}", "    if value is not None:", f"        {added}"]
    lines.append("    return headers")
    exec("\n".join(lines), names)  # noqa: S102  (made from the markers of our own model alone)
    return names["headers_of"]  # type: ignore[no-any-return]


def _rank(field: Field) -> int:
    """Where the header stands among those of its reply: 0, or one of the last, in their order."""
    name = field.marker.name if isinstance(field.marker, Header) else ""
    return next((rank for rank, start in enumerate(REPLY_HEADERS_LAST, 1) if name.startswith(start)), 0)


def _header_source(field: Field) -> str:
    """The statement that adds `value` to `headers`, "" for a field that travels elsewhere."""
    if isinstance(field.marker, MetadataPrefix):
        return f"headers += metadata_headers({field.marker.prefix.encode()!r}, value)"
    if not isinstance(field.marker, Header):
        return ""
    time_text = "http_text" if field.marker.form == "http" else "iso_text"
    sources: dict[type, str] = {
        str: "header_value(value)",
        int: "b'%d' % value",
        bool: "b'true' if value else b'false'",
        datetime: f"header_value(value if value.__class__ is str else {time_text}(value))",
    }
    source = "header_value(', '.join(value))" if field.is_list else sources[field.kind]
    return f"headers.append(({field.marker.name.encode()!r}, {source}))"


def _body_of(wire: Wire) -> Callable[[Any], bytes]:
    """A function from an output to its document, or to the text that is its body."""
    assert wire.output is not None
    fields = fields_of(wire.output)
    payload = next((field for field in fields if isinstance(field.marker, Payload)), None)
    if payload is not None:
        return _payload_writer(payload, wire.output_root)
    if not any(isinstance(field.marker, Xml) for field in fields):
        assert all(isinstance(field.marker, Header | MetadataPrefix | Streaming) for field in fields)
        return lambda output: b""
    if wire.name in REPLY_TEXT_MEMBERS:
        field = next(field for field in fields if field.marker == Xml(REPLY_TEXT_MEMBERS[wire.name]))
        return _document_writer(wire.output_root, lambda output: escape(getattr(output, field.name) or ""))
    write = writer(wire.output)
    if "encoding_type" not in wire.output.__struct_fields__:
        return _document_writer(wire.output_root, write)
    write_url = writer(wire.output, is_url_encoded=True)
    return _document_writer(
        wire.output_root, lambda output: write_url(output) if output.encoding_type == "url" else write(output)
    )


def _document_writer(root: str, write: Writer) -> Callable[[Any], bytes]:
    head, tail = open_document(root), f"</{root}>"
    return lambda output: f"{head}{write(output)}{tail}".encode()


def _payload_writer(field: Field, root: str) -> Callable[[Any], bytes]:
    if not field.is_shape:
        return lambda output: (getattr(output, field.name) or "").encode()
    write = _document_writer(root, writer(field.kind))

    def write_payload(output: Any) -> bytes:
        value = getattr(output, field.name)
        return b"" if value is None else write(value)

    return write_payload


_DECODERS: Final = {wire: _decoder(wire) for wire in WIRES}
_ENCODERS: Final = {wire: _encoder(wire) for wire in WIRES if wire.output is not None}
