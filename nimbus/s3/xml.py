"""S3's XML documents: strict reading of requests, fast writing of replies. Both are built from the markers.

Reading accepts one UTF-8 document without DOCTYPE, of known size and element count, whose root and every
element are those of the model, in S3's namespace or in none; anything else is `MalformedXML`. Entities are
never expanded and nothing is ever fetched.

Writing: a writer for each shape is compiled to a Python function, so that a page of a thousand keys costs a
thousand calls and not ten thousand. Text is escaped as Amazon does, quotes included. A character that XML
cannot hold is written as a numeric reference, as Amazon does; clients that expect such keys ask for
`encoding-type=url`, and then keys and prefixes are percent-encoded before.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, Final
from urllib.parse import quote

import msgspec
from lxml import etree

from nimbus.s3.errors import S3Error
from nimbus.s3.fields import Field, fields_of
from nimbus.s3.markers import Attribute, Xml
from nimbus.s3.overrides import LIST_SIZES_MAX, URL_ENCODED_FIELDS, URL_ENCODED_IF_UNWRITABLE
from nimbus.s3.times import http_text, iso_text, parse_http, parse_iso

NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
_NAMESPACES_READ: Final = (f"{{{NAMESPACE}}}", "{http://doc.s3.amazonaws.com/2006-03-01}", "")
_ELEMENTS_MAX: Final = 200_000  # 10,000 parts with every checksum; bounds what libxml2 allocates for a body

# --- reading ----------------------------------------------------------------------------------------------

_PROLOG: Final = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s+|<\?.*?\?>|<!--.*?-->)*", re.DOTALL)
_DECLARED_ENCODING: Final = re.compile(rb"""<\?xml\s[^>]*?encoding\s*=\s*["']([^"']*)["']""")
_INTEGER: Final = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_BOOLEANS: Final = {"true": True, "false": False, "1": True, "0": False}

Reader = Callable[[Any], Any]


def read_document(body: bytes, root: str, shape: type[msgspec.Struct], size_bytes_max: int) -> msgspec.Struct:
    """The struct that a request document holds. Raises `MalformedXML`, `MaxMessageLengthExceeded`."""
    if len(body) > size_bytes_max:
        raise S3Error("MaxMessageLengthExceeded", MaxMessageLengthBytes=size_bytes_max)
    element = _parse(body)
    if element.tag not in [namespace + root for namespace in _NAMESPACES_READ]:
        raise S3Error("MalformedXML")
    result: msgspec.Struct = _shape_reader(shape)(element)
    return result


def _parse(body: bytes) -> Any:
    """The root element of a document that is safe to look at."""
    prolog = _PROLOG.match(body)
    declared = _DECLARED_ENCODING.match(body.removeprefix(b"\xef\xbb\xbf"))
    is_utf8 = declared is None or declared[1].upper() in (b"UTF-8", b"UTF8")
    has_doctype = prolog is not None and body.startswith(b"<!DOCTYPE", prolog.end())
    if not is_utf8 or has_doctype or body.count(b"<") > 2 * _ELEMENTS_MAX:
        raise S3Error("MalformedXML")
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        element = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise S3Error("MalformedXML") from None
    if element.getroottree().docinfo.internalDTD is not None:
        raise S3Error("MalformedXML")
    return element


class _Slot(msgspec.Struct, frozen=True):
    """What becomes of a child element."""

    field: str
    is_run: bool
    count_max: int
    read: Reader


@cache
def _shape_reader(shape: type[msgspec.Struct]) -> Reader:
    """Reads the attributes and children of an element into `shape`."""
    slots = _slots(shape)
    attributes = _attributes(shape)
    required = [field.name for field in fields_of(shape) if field.is_required]

    def read(element: Any) -> msgspec.Struct:
        values: dict[str, Any] = {name: element.get(tag) for name, tag in attributes}
        _check_blank(element.text)
        for child in element:
            slot = slots.get(child.tag)
            if slot is None:
                raise S3Error("MalformedXML")
            _check_blank(child.tail)
            _take(slot, child, values)
        if any(values.get(name) is None for name in required):
            raise S3Error("MalformedXML")
        return shape(**values)

    return read


def _slots(shape: type[msgspec.Struct]) -> dict[Any, _Slot]:
    """The children that a shape may have, by their full tags."""
    slots: dict[Any, _Slot] = {}
    for field in fields_of(shape):
        if isinstance(field.marker, Xml):
            count_max = LIST_SIZES_MAX.get((shape.__name__, field.name), _ELEMENTS_MAX)
            slot = _Slot(field.name, field.marker.flat, count_max, _field_reader(field))
            slots.update((namespace + field.marker.name, slot) for namespace in _NAMESPACES_READ)
    return slots


def _attributes(shape: type[msgspec.Struct]) -> list[tuple[str, str]]:
    """The attributes that a shape may have: field and full name."""
    return [
        (field.name, f"{{{field.marker.namespace}}}{field.marker.name.partition(':')[2]}")
        for field in fields_of(shape)
        if isinstance(field.marker, Attribute)
    ]


def _take(slot: _Slot, child: Any, values: dict[str, Any]) -> None:
    if slot.is_run:
        run = values.setdefault(slot.field, [])
        if len(run) == slot.count_max:
            raise S3Error("MalformedXML")
        run.append(slot.read(child))
    elif slot.field in values:
        raise S3Error("MalformedXML")
    else:
        values[slot.field] = slot.read(child)


def _field_reader(field: Field) -> Reader:
    assert isinstance(field.marker, Xml)
    convert = _http_time if field.marker.form == "http" else _CONVERSIONS.get(field.kind, str)
    read = _shape_reader(field.kind) if field.is_shape else _scalar_reader(convert)
    if not field.is_list or field.marker.flat:
        return read
    tags = {namespace + field.marker.item for namespace in _NAMESPACES_READ}

    def read_wrapped(element: Any) -> list[Any]:
        _check_blank(element.text)
        items = []
        for child in element:
            if child.tag not in tags:
                raise S3Error("MalformedXML")
            _check_blank(child.tail)
            items.append(read(child))
        return items

    return read_wrapped


def _scalar_reader(convert: Callable[[str], Any]) -> Reader:
    def read(element: Any) -> Any:
        if len(element):
            raise S3Error("MalformedXML")
        return convert(element.text or "")

    return read


def _check_blank(text: str | None) -> None:
    if text is not None and not text.isspace():
        raise S3Error("MalformedXML")


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text.strip(" \t\r\n")):
        raise S3Error("MalformedXML")
    return int(text)


def _boolean(text: str) -> bool:
    value = _BOOLEANS.get(text.strip().lower())
    if value is None:
        raise S3Error("MalformedXML")
    return value


def _iso_time(text: str) -> datetime:
    return _found(parse_iso(text.strip()))


def _http_time(text: str) -> datetime:
    return _found(parse_http(text.strip()))


def _found(moment: datetime | None) -> datetime:
    if moment is None:
        raise S3Error("MalformedXML")
    return moment


_CONVERSIONS: Final[dict[type, Callable[[str], Any]]] = {str: str, int: _integer, bool: _boolean, datetime: _iso_time}


# --- writing ----------------------------------------------------------------------------------------------

_UNWRITABLE: Final = (*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0xFFFE, 0xFFFF)
_ESCAPES: Final = {
    **{code: f"&#x{code:x};" for code in (*_UNWRITABLE, 0x0D)},
    **{ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;"},
}
# Deleting bytes from a text and looking whether it became shorter is the fastest test for them. 0xEF begins the
# two characters above that XML cannot hold, and some that it can.
_SUSPECT_BYTES: Final = bytes(code for code in _ESCAPES if code < 0x80) + b"\xef"
_URL_SAFE_BYTES: Final = (string.ascii_letters + string.digits + "_.~/-").encode()

Writer = Callable[[Any], str]


def escape(text: str) -> str:
    """Text as the content of an element or an attribute."""
    if text.isidentifier():
        return text
    raw = text.encode()
    return text if len(raw.translate(None, _SUSPECT_BYTES)) == len(raw) else text.translate(_ESCAPES)


def escape_etag(text: str) -> str:
    """The same for an entity tag, in which nearly always only the quotes around it are to be escaped."""
    raw = text.encode()
    has_only_quotes = text[:1] == text[-1:] == '"' and len(raw.translate(None, _SUSPECT_BYTES)) == len(raw) - 2
    return f"&quot;{text[1:-1]}&quot;" if has_only_quotes else escape(text)


def url_encode(text: str) -> str:
    """Text as `encoding-type=url` demands it. A space becomes %20, which every decoder understands."""
    return quote(text) if text.encode().translate(None, _URL_SAFE_BYTES) else text


def url_encode_if_unwritable(text: str) -> str:
    """Plain text, or encoded when it holds a character that no document can."""
    return url_encode(text) if any(ord(character) in _UNWRITABLE for character in text) else escape(text)


def open_document(root: str) -> str:
    """The beginning of a reply document, up to its first child."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{NAMESPACE}">'


@cache
def writer(shape: type[msgspec.Struct], is_url_encoded: bool = False) -> Writer:
    """A function from a struct to its children as text, compiled from the shape's own markers."""
    names: dict[str, Any] = {
        "escape": escape,
        "escape_etag": escape_etag,
        "url_encode": url_encode,
        "url_encode_if_unwritable": url_encode_if_unwritable,
        "http_text": http_text,
        "iso_text": iso_text,
    }
    lines = ["def write(shape):", "    text = ''"]
    for field in fields_of(shape):
        if isinstance(field.marker, Xml):
            lines += _field_lines(shape, field, is_url_encoded, names)
    lines.append("    return text")
    exec("\n".join(lines), names)  # noqa: S102  (made from the markers of our own model alone)
    return names["write"]  # type: ignore[no-any-return]


def _field_lines(shape: type[msgspec.Struct], field: Field, is_url_encoded: bool, names: dict[str, Any]) -> list[str]:
    """The statements that add one field to `text`."""
    marker = field.marker
    assert isinstance(marker, Xml)
    value = _value_source(shape, field, is_url_encoded, names)
    lines = [f"    value = shape.{field.name}", "    if value is not None:"]
    if not field.is_list:
        return [*lines, f"        text += f'{_element(marker.name, value, field, names)}'"]
    item = _element(marker.item or marker.name, value, field, names)
    items = f"''.join([f'{item}' for value in value])"
    return [*lines, f"        text += {items}" if marker.flat else f"        text += {_wrapped(marker.name, items)}"]


def _wrapped(name: str, items: str) -> str:
    return f"'<{name}>' + {items} + '</{name}>'"


def _element(tag: str, value: str, field: Field, names: dict[str, Any]) -> str:
    """An element as the inside of an f-string."""
    attributes = ""
    if field.is_shape:
        for inner in fields_of(field.kind):
            if isinstance(inner.marker, Attribute):
                prefix = inner.marker.name.partition(":")[0]
                attributes += f' xmlns:{prefix}="{inner.marker.namespace}"'
                attributes += f' {inner.marker.name}="{{escape(value.{inner.name})}}"'
    return f"<{tag}{attributes}>{{{value}}}</{tag}>"


def _value_source(shape: type[msgspec.Struct], field: Field, is_url_encoded: bool, names: dict[str, Any]) -> str:
    """The expression that turns `value` into text; what it calls is added to `names`."""
    if field.is_shape:
        names[f"write_{field.kind.__name__}"] = writer(field.kind, is_url_encoded)
        return f"write_{field.kind.__name__}(value)"
    if field.kind is str:
        return f"{_text_function(shape, field, is_url_encoded)}(value)"
    if field.kind is bool:
        return '"true" if value else "false"'
    if field.kind is datetime:
        assert isinstance(field.marker, Xml)
        return f"value if value.__class__ is str else {field.marker.form}_text(value)"
    assert field.kind is int, f"{field.name} holds {field.kind}, which no document can"
    return "value"


def _text_function(shape: type[msgspec.Struct], field: Field, is_url_encoded: bool) -> str:
    """Which of the functions above writes a field's text."""
    if is_url_encoded and field.name in URL_ENCODED_FIELDS:
        is_rather_plain = (shape.__name__, field.name) in URL_ENCODED_IF_UNWRITABLE
        return "url_encode_if_unwritable" if is_rather_plain else "url_encode"
    return "escape_etag" if field.name == "etag" else "escape"
