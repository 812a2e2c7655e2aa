"""The table of codes, the document, and the translation of every state."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus.auth.api import AuthFailure
from nimbus.base import errors as states
from nimbus.s3.errors import CODES, S3Error, error_document, from_state


def all_states(kind: type[states.NimbusError] = states.NimbusError) -> list[type[states.NimbusError]]:
    below = [inner for child in kind.__subclasses__() if child is not AuthFailure for inner in all_states(child)]
    return [kind, *below]


def test_every_code_has_a_status_of_http_and_a_sentence() -> None:
    for code, (status, message) in CODES.items():
        assert status == 301 or status == 304 or 400 <= status <= 599, code
        assert message, code


def test_a_code_that_is_not_in_the_table_is_a_mistake_of_the_program() -> None:
    with pytest.raises(AssertionError):
        S3Error("NoSuchCode")


@pytest.mark.parametrize("kind", all_states())
def test_every_state_has_an_answer_that_tells_no_internals(kind: type[states.NimbusError]) -> None:
    error = from_state(kind("/var/lib/secret"))
    assert error.code in CODES
    assert "secret" not in error.message
    assert not error.fields


@pytest.mark.parametrize(
    ("state", "code", "status"),
    [
        (states.SpaceExhausted(), "InsufficientStorage", 507),
        (states.StoreReadOnly(), "ServiceUnavailable", 503),
        (states.Overloaded(), "SlowDown", 503),
        (states.WriteRace(), "SlowDown", 503),
        (states.BucketBusy(), "OperationAborted", 409),
        (states.DataDamaged(), "InternalError", 500),
        (states.ConditionLost(), "PreconditionFailed", 412),
        (states.PeerTooSlow(), "RequestTimeout", 400),
        (states.BucketMissing(), "NoSuchBucket", 404),
        (states.ObjectMissing(), "NoSuchKey", 404),
        (states.UploadMissing(), "NoSuchUpload", 404),
        (states.PartTooSmall(), "EntityTooSmall", 400),
        (states.BatchTooLarge(), "InternalError", 500),
        (states.DirectoryDamaged(), "InternalError", 500),
    ],
)
def test_a_state_is_answered_as_s3_does(state: states.NimbusError, code: str, status: int) -> None:
    error = from_state(state)
    assert (error.code, error.status) == (code, status)


def test_what_may_be_retried_is_answered_so_that_clients_retry() -> None:
    for kind in all_states():
        if kind.retry_may_help:
            assert from_state(kind()).status in (409, 503), kind


def test_a_failure_of_authentication_keeps_its_words() -> None:
    error = from_state(AuthFailure("AuthorizationHeaderMalformed", "The region is wrong.", Region="us-east-1"))
    assert (error.code, error.message, error.fields) == (
        "AuthorizationHeaderMalformed",
        "The region is wrong.",
        {"Region": "us-east-1"},
    )


def test_the_document_has_the_elements_that_clients_look_for() -> None:
    error = S3Error("InvalidRange", RangeRequested="bytes=9-", ActualObjectSize=5)
    assert error_document(error, "/bucket/a<b", "4442587FB7D0A2F9", "host") == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InvalidRange</Code>'
        b"<Message>The requested range is not satisfiable</Message><RangeRequested>bytes=9-</RangeRequested>"
        b"<ActualObjectSize>5</ActualObjectSize><Resource>/bucket/a&lt;b</Resource>"
        b"<RequestId>4442587FB7D0A2F9</RequestId><HostId>host</HostId></Error>"
    )


@given(st.text())
def test_the_document_is_well_formed_whatever_the_client_sent(text: str) -> None:
    error = S3Error("InvalidArgument", f"no {text}", ArgumentValue=text)
    root = ElementTree.fromstring(error_document(error, f"/{text}", "id", "host"))  # noqa: S314
    assert root.findtext("Code") == "InvalidArgument"
    if text.isalnum() and text.isascii():
        assert root.findtext("ArgumentValue") == text
