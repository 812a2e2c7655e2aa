"""What a request may say in its headers and query, and how it is refused when it says it wrongly."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest

from nimbus.s3 import model
from nimbus.s3.codec import body_size_bytes_max, decode
from nimbus.s3.errors import S3Error
from nimbus.s3.fields import fields_of
from nimbus.s3.markers import Header, Wire
from nimbus.s3.overrides import CASELESS_VALUES, CHECKED_VALUES
from nimbus.s3.router import Query

WIRES = {wire.name: wire for wire in model.WIRES}


def decoded(
    name: str, query: bytes = b"", headers: list[tuple[bytes, bytes]] | None = None, body: bytes | None = None
) -> Any:
    wire: Wire = WIRES[name]
    return decode(wire, "bucket", "key" if wire.level == "object" else "", Query.parse(query), headers or [], body)


def refusal(
    name: str, query: bytes = b"", headers: list[tuple[bytes, bytes]] | None = None, body: bytes = b""
) -> S3Error:
    with pytest.raises(S3Error) as caught:
        decoded(name, query, headers, body)
    return caught.value


# One input for each place and kind of an integer.
INTEGER_INPUTS = [
    ("ListObjects", "max-keys"),
    ("ListObjectsV2", "max-keys"),
    ("ListObjectVersions", "max-keys"),
    ("ListBuckets", "max-buckets"),
    ("ListMultipartUploads", "max-uploads"),
    ("ListParts", "max-parts"),
    ("ListParts", "part-number-marker"),
    ("GetObject", "partNumber"),
    ("HeadObject", "partNumber"),
    ("UploadPart", "partNumber"),
    ("UploadPartCopy", "partNumber"),
    ("GetObjectAttributes", "x-amz-max-parts"),
    ("GetObjectAttributes", "x-amz-part-number-marker"),
    ("DeleteObject", "x-amz-if-match-size"),
]
# Recorded from Amazon, test_list_parts_empty_part_number_marker: as if they were not given.
MAY_BE_EMPTY = {"max-keys", "max-buckets", "max-uploads", "max-parts", "part-number-marker"}
# `+5` and digits of other scripts, as the query spells them; the value of a header is the same, decoded.
NO_INTEGERS = ["1_0", "1.0", "0x10", "", " 5", "5 ", "+5", "٣", "\uff15", "²", "9" * 20, "9" * 5000, "--1", "1e3"]


def integer_refusal(name: str, argument: str, text: str) -> S3Error:
    raw = text.encode()
    if argument.startswith("x-amz-"):
        return refusal(name, headers=[(argument.encode(), raw)])
    return refusal(name, f"{argument}={quote(raw)}".encode())


@pytest.mark.parametrize("text", NO_INTEGERS)
@pytest.mark.parametrize(("name", "argument"), INTEGER_INPUTS)
def test_only_ascii_digits_are_an_integer(name: str, argument: str, text: str) -> None:
    if not text and argument in MAY_BE_EMPTY:
        assert decoded(name, f"uploadId=1&{argument}=".encode()) == decoded(name, b"uploadId=1")
        return
    error = integer_refusal(name, argument, text)
    assert (error.code, error.fields["ArgumentName"]) == ("InvalidArgument", argument)


@pytest.mark.parametrize(
    ("argument", "text", "message"),
    [
        ("max-keys", "-1", "Argument max-keys must be an integer between 0 and 2147483647"),
        ("max-keys", "2147483648", "Provided max-keys not an integer or within integer range"),
        ("max-keys", "x", "Provided max-keys not an integer or within integer range"),
        ("partNumber", "0", "Part number must be an integer between 1 and 10000, inclusive"),
        ("partNumber", "-1", "Part number must be an integer between 1 and 10000, inclusive"),
        ("partNumber", "10001", "Part number must be an integer between 1 and 10000, inclusive"),
        ("partNumber", "x", "Part number must be an integer between 1 and 10000, inclusive"),
        ("part-number-marker", "-1", "Argument part-number-marker must be an integer between 0 and 2147483647"),
    ],
)
def test_an_integer_out_of_bounds_is_refused_in_the_words_of_s3(argument: str, text: str, message: str) -> None:
    """The messages were recorded from AWS by public suites."""
    name = {"max-keys": "ListObjects", "partNumber": "GetObject", "part-number-marker": "ListParts"}[argument]
    error = integer_refusal(name, argument, text)
    assert (error.code, error.message) == ("InvalidArgument", message)
    assert (error.fields["ArgumentName"], error.fields["ArgumentValue"]) == (argument, text)


@pytest.mark.parametrize(("text", "message"), [("-4", "is less than zero."), ("x", "is invalid.")])
def test_the_size_of_an_upload_has_words_of_its_own(text: str, message: str) -> None:
    error = refusal("CompleteMultipartUpload", b"uploadId=1", [(b"x-amz-mp-object-size", text.encode())])
    assert (error.code, error.message) == ("InvalidRequest", f"Value for x-amz-mp-object-size header {message}")


@pytest.mark.parametrize(("text", "value"), [(b"0", 0), (b"1000", 1000), (b"007", 7), (b"2147483647", 2147483647)])
def test_an_integer_is_its_digits(text: bytes, value: int) -> None:
    assert decoded("ListObjectsV2", b"max-keys=" + text).max_keys == value


def test_a_boolean_is_true_or_false() -> None:
    assert decoded("ListObjectsV2", b"fetch-owner=true").fetch_owner is True
    assert decoded("ListObjectsV2", b"fetch-owner=False").fetch_owner is False
    assert refusal("ListObjectsV2", b"fetch-owner=1").code == "InvalidArgument"


def test_a_parameter_given_twice_is_refused() -> None:
    assert refusal("ListObjectsV2", b"prefix=a&prefix=a").code == "InvalidArgument"


def test_an_unknown_parameter_given_twice_is_ignored() -> None:
    assert decoded("GetObject", b"x-id=GetObject&x-id=GetObject").key == "key"


def test_a_header_given_twice_is_refused_unless_it_is_a_list() -> None:
    twice = [(b"range", b"bytes=0-1"), (b"range", b"bytes=0-1")]
    assert refusal("GetObject", headers=twice).code == "InvalidRequest"
    attributes = [(b"x-amz-object-attributes", b"ETag, Checksum"), (b"x-amz-object-attributes", b"ObjectSize")]
    assert decoded("GetObjectAttributes", headers=attributes).object_attributes == ["ETag", "Checksum", "ObjectSize"]


def test_a_conditional_date_that_does_not_parse_is_ignored() -> None:
    request = decoded("GetObject", headers=[(b"if-modified-since", b"yesterday"), (b"if-unmodified-since", b"")])
    assert request.if_modified_since is None
    assert request.if_unmodified_since is None


@pytest.mark.parametrize(
    "text", [b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994"]
)
def test_a_conditional_date_has_the_three_forms_of_http(text: bytes) -> None:
    request = decoded("GetObject", headers=[(b"if-modified-since", text)])
    assert request.if_modified_since == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


def test_a_date_that_is_no_condition_must_parse() -> None:
    headers = [(b"x-amz-object-lock-retain-until-date", b"soon")]
    assert refusal("PutObject", headers=headers).code == "InvalidArgument"


def test_metadata_keeps_its_bytes_and_repeated_ones_are_joined() -> None:
    headers = [
        (b"x-amz-meta-name", "é".encode()),
        (b"x-amz-meta-list", b"a"),
        (b"x-amz-meta-list", b"b"),
        (b"x-amz-meta-", b"empty"),
        (b"x-amz-metadata-directive", b"REPLACE"),
    ]
    request = decoded("CopyObject", headers=[*headers, (b"x-amz-copy-source", b"a/b")])
    assert request.metadata == {"name": "é".encode().decode("latin-1"), "list": "a,b", "": "empty"}
    assert request.metadata_directive == "REPLACE"


def test_expires_stays_the_text_of_the_client() -> None:
    assert decoded("PutObject", headers=[(b"expires", b"next week")]).expires == "next week"
    assert decoded("GetObject", b"response-expires=never").response_expires == "never"


def test_a_missing_required_parameter_is_refused() -> None:
    assert refusal("CopyObject").code == "InvalidRequest"


def test_a_missing_document_is_refused_where_one_is_required() -> None:
    assert refusal("DeleteObjects", b"delete").code == "MissingRequestBodyError"
    assert decoded("CreateBucket").create_bucket_configuration is None


def test_a_policy_is_text() -> None:
    assert decoded("PutBucketPolicy", b"policy", body=b'{"a": 1}').policy == '{"a": 1}'
    assert refusal("PutBucketPolicy", b"policy", body=b"\xff").code == "MalformedPolicy"


def test_a_document_over_its_cap_is_refused() -> None:
    for name in ("PutBucketPolicy", "PutBucketCors"):
        body = b" " * (body_size_bytes_max(WIRES[name]) + 1)
        assert refusal(name, body=body).code == "MaxMessageLengthExceeded"
    assert body_size_bytes_max(WIRES["CompleteMultipartUpload"]) > body_size_bytes_max(WIRES["PutBucketCors"])


@pytest.mark.parametrize("name", sorted(model.VALUES))
def test_every_value_of_a_checked_enumeration_passes_and_another_is_refused(name: str) -> None:
    wire = (
        WIRES["ListObjects"]
        if name == "encoding-type"
        else next(wire for wire in model.WIRES if any(f.marker == Header(name) for f in fields_of(wire.input)))
    )

    required = [(b"x-amz-copy-source", b"a/b")]

    def attempt(value: str) -> None:
        query = f"{name}={value}".encode() if wire.name == "ListObjects" else b""
        decoded(wire.name, query, [*required, (name.encode(), value.encode())])

    for value in model.VALUES[name]:
        attempt(value)
        if name in CASELESS_VALUES:
            attempt(value.lower())
    with pytest.raises(S3Error) as caught:
        attempt("nonsense")
    assert caught.value.code == CHECKED_VALUES[name].code


def test_every_checked_enumeration_is_in_the_model() -> None:
    assert set(model.VALUES) == set(CHECKED_VALUES)
