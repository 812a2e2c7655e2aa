"""botocore as the oracle, both ways, for every operation of the model and random values.

What botocore's serializer writes, our decoder reads as the same values; what our encoder writes, botocore's
parser reads as the same values. On the way the router has to find the operation from the request alone.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any

import msgspec
import pytest
from botocore.awsrequest import HeadersDict
from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from botocore.utils import percent_encode_sequence
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nimbus.s3 import model
from nimbus.s3.codec import decode, encode
from nimbus.s3.markers import Wire
from nimbus.s3.overrides import BYTES, INTEGERS
from nimbus.s3.router import Query, find, split_target

SERVICE = ServiceModel(Loader().load_service_model("s3", "service-2"), "s3")
SERIALIZER = create_serializer("rest-xml")
PARSER = create_parser("rest-xml")
EXAMPLES = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

# What XML can hold, without the surrogates that UTF-8 cannot. A carriage return does not survive botocore.
XML_TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n", exclude_characters="\ufffe\uffff"),
    max_size=20,
)
HEADER_TEXT = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
KEYS = ANY_TEXT.filter(lambda key: bool(key) and ".." not in key.split("/")) | st.sampled_from(
    [".", "...", "a//b", "a/../b", "a/", "/a", "%2F", "a+b c", "\x00", "\U0001f600"]
)
BUCKETS = st.from_regex(r"[a-z0-9][a-z0-9-]{1,20}[a-z0-9]", fullmatch=True).filter(
    lambda name: (
        not name.startswith(("xn--", "sthree-")) and not name.endswith(("-s3alias", "--ol-s3", "--x-s3", "--table-s3"))
    )
)
SECONDS = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=0)
)
METADATA = st.dictionaries(st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True), HEADER_TEXT, min_size=1, max_size=3)


def strategy_of(shape: Shape, text: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Values that botocore accepts for a shape."""
    if shape.type_name == "structure":
        return structure(shape)
    if shape.type_name == "list":
        is_flat = shape.serialization.get("flattened") or text is HEADER_TEXT
        return st.lists(strategy_of(shape.member, text), min_size=1 if is_flat else 0, max_size=3)
    if shape.type_name == "map":
        return METADATA
    if shape.type_name == "string":
        shortest = shape.metadata.get("min", 0)
        return st.sampled_from(shape.enum) if shape.enum else text.filter(lambda value: len(value) >= shortest)
    scalars = {
        "integer": st.integers(shape.metadata.get("min", -(2**31)), shape.metadata.get("max", 2**31 - 1)),
        "long": st.integers(-(2**63), 2**63 - 1),
        "boolean": st.booleans(),
        "timestamp": SECONDS,
        "blob": st.just(b""),
    }
    return scalars[shape.type_name]


def structure(shape: Shape) -> st.SearchStrategy[dict[str, Any]]:
    members = {
        name: values_of(name, member)
        for name, member in shape.members.items()
        if not member.serialization.get("streaming") and member.type_name != "blob"
    }
    required = {name: members.pop(name) for name in shape.required_members if name in members}
    return st.fixed_dictionaries(required, optional=members)


def values_of(name: str, member: Shape) -> st.SearchStrategy[Any]:
    """Those of a member; of an integer in a header or parameter those that S3 takes."""
    if member.type_name in ("integer", "long") and "location" in member.serialization:
        bounds = INTEGERS.get(member.serialization["name"], BYTES)
        return st.integers(max(bounds.first, member.metadata.get("min", 0)), bounds.last)
    return strategy_of(member, text_of(name, member))


def text_of(name: str, member: Shape) -> st.SearchStrategy[str]:
    location = member.serialization.get("location")
    if location == "uri":
        return BUCKETS if name == "Bucket" else KEYS
    if name == "Policy":
        return XML_TEXT.filter(bool)
    return {"header": HEADER_TEXT, "querystring": ANY_TEXT}.get(location or "", XML_TEXT)


def expected(shape: Shape, kind: type[msgspec.Struct], values: dict[str, Any]) -> msgspec.Struct:
    """The struct of ours that holds botocore's values; both list their members in the order of the model."""
    names = dict(zip(shape.members, kind.__struct_fields__, strict=True))
    hints = msgspec.structs.fields(kind)
    kinds = {field.name: field.type for field in hints}
    return kind(
        **{names[key]: converted(shape.members[key], kinds[names[key]], value) for key, value in values.items()}
    )


def converted(shape: Shape, hint: Any, value: Any) -> Any:
    if shape.type_name == "structure":
        return expected(shape, getattr(model, shape.name), value)
    if shape.type_name == "list":
        return [converted(shape.member, None, item) for item in value]
    if shape.name in ("Expires", "ResponseExpires"):
        return formatdate(value.timestamp(), usegmt=True)
    return value


def never_absent(shape: Shape) -> dict[str, Any]:
    """What botocore's parser puts into its result when nothing came: metadata, and the body as a document or text."""
    body = shape.serialization.get("payload")
    absent = {name: {} for name, member in shape.members.items() if member.type_name == "map"}
    if body and not shape.members[body].serialization.get("streaming"):
        absent[body] = "" if shape.members[body].type_name == "string" else {}
    return absent


def wire_named(name: str) -> Wire:
    return next(wire for wire in model.WIRES if wire.name == name)


def sent(wire: Wire, values: dict[str, Any]) -> tuple[Wire, Any]:
    """What we make of botocore's request for these values."""
    request = SERIALIZER.serialize_to_request(values, SERVICE.operation_model(wire.name))
    path, _, literal = request["url_path"].partition("?")
    query = percent_encode_sequence(request["query_string"])
    headers = [(name.lower().encode(), str(text).encode("latin-1")) for name, text in request["headers"].items()]
    target = split_target(path.encode(), "127.0.0.1:8080", ())
    parsed = Query.parse("&".join(part for part in (literal, query) if part).encode())
    found = find(request["method"], target.bucket, target.key, parsed, headers)
    body = request["body"] or b""
    body = body.encode() if isinstance(body, str) else body
    return found, decode(found, target.bucket, target.key, parsed, headers, body)


@pytest.mark.parametrize("name", [wire.name for wire in model.WIRES])
@EXAMPLES
@given(data=st.data())
def test_what_botocore_sends_is_decoded_to_the_same_values(name: str, data: st.DataObject) -> None:
    wire = wire_named(name)
    shape = SERVICE.operation_model(name).input_shape
    values = data.draw(structure(shape))
    found, decoded = sent(wire, values)
    assert found is wire
    assert decoded == expected(shape, wire.input, values)


@pytest.mark.parametrize(
    "name", [wire.name for wire in model.WIRES if wire.output is not None and wire.name != "GetBucketLocation"]
)
@EXAMPLES
@given(data=st.data())
def test_what_we_encode_is_parsed_by_botocore_to_the_same_values(name: str, data: st.DataObject) -> None:
    wire = wire_named(name)
    shape = SERVICE.operation_model(name).output_shape
    values = data.draw(structure(shape))
    values.pop("EncodingType", None)
    assert wire.output is not None
    assert received(wire, expected(shape, wire.output, values)) == never_absent(shape) | values


def received(wire: Wire, output: msgspec.Struct) -> dict[str, Any]:
    """What botocore makes of our reply."""
    encoded = encode(wire, output)
    headers = HeadersDict({name.decode(): text.decode("latin-1") for name, text in encoded.headers})
    response = {"status_code": encoded.status, "headers": headers, "body": encoded.body}
    parsed = PARSER.parse(response, SERVICE.operation_model(wire.name).output_shape)
    parsed.pop("ResponseMetadata")
    parsed.pop("Body", None)
    return dict(parsed)
