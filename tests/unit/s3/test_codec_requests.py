"""What a request may say in its headers and query, and how it is refused when it says it wrongly."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

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


@pytest.mark.parametrize("text", [b"1_0", b"1.0", b"0x10", b"", b" 5", b"5 ", b"%D9%A3", b"9" * 20, b"--1", b"1e3"])
def test_only_ascii_digits_are_an_integer(text: bytes) -> None:
    error = refusal("ListObjectsV2", b"list-type=2&max-keys=" + text)
    assert (error.code, error.fields["ArgumentName"]) == ("InvalidArgument", "max-keys")


@pytest.mark.parametrize(("text", "value"), [(b"0", 0), (b"-1", -1), (b"%2B5", 5), (b"1000", 1000), (b"007", 7)])
def test_an_integer_may_have_a_sign(text: bytes, value: int) -> None:
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
