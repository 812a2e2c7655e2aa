"""No input of an operation that is offered is ignored in silence: it is read, refused, or known to change nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

import nimbus.s3
from nimbus.s3.checksums import BY_HEADER
from nimbus.s3.fields import fields_of
from nimbus.s3.markers import Header, Query, Wire
from nimbus.s3.operations.table import BY_WIRE
from nimbus.s3.unsupported import HEADERS

# Read from the headers of the request and not from the typed input.
OF_BODY = {"content-length", "content-md5", "x-amz-sdk-checksum-algorithm", *BY_HEADER}
OF_OWNER = {"x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"}
CHANGES_NOTHING = {
    "x-amz-request-payer": "no bucket has its readers pay, and S3 lets everybody say that they would",
    "x-amz-optional-object-attributes": "no object is archived, so that none has a RestoreStatus",
}
SOURCES = "".join(path.read_text() for path in Path(nimbus.s3.__file__).parent.glob("operations/*.py"))


@pytest.mark.parametrize("wire", BY_WIRE, ids=lambda wire: wire.name)
def test_every_input_is_read_or_refused(wire: Wire) -> None:
    known = OF_BODY | OF_OWNER | CHANGES_NOTHING.keys() | HEADERS.keys()
    for field in fields_of(wire.input):
        if isinstance(field.marker, Header | Query) and field.marker.name not in known:
            assert f"request.{field.name}" in SOURCES or f'"{field.name}"' in SOURCES, field.marker.name
