"""The generated model: complete, unambiguous, and what the generator would write again."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec

from nimbus.s3 import model, overrides
from nimbus.s3.fields import fields_of
from nimbus.s3.markers import Attribute, Header, MetadataPrefix, Payload, Query, Streaming, Xml
from nimbus.s3.markers import Path as PathMarker
from nimbus.s3.router import Query as QueryValues
from nimbus.s3.router import find

ROOT = Path(__file__).resolve().parents[3]


def test_the_committed_model_is_what_the_generator_writes() -> None:
    command = [sys.executable, str(ROOT / "ci" / "generate_s3_model.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_no_two_operations_look_alike_on_the_wire() -> None:
    looks = Counter((w.method, w.level, w.query, w.needs_query, w.needs_headers) for w in model.WIRES)
    assert looks.most_common(1)[0][1] == 1


def test_every_operation_is_found_by_what_it_needs() -> None:
    for wire in model.WIRES:
        query = QueryValues(dict(wire.query) | dict.fromkeys(wire.needs_query, "1"))
        headers = [(name.encode(), b"a/b") for name in wire.needs_headers]
        bucket, key = {"service": ("", ""), "bucket": ("b", ""), "object": ("b", "k")}[wire.level]
        assert find(wire.method, bucket, key, query, headers) is wire


def test_every_field_has_a_marker_and_names_on_the_wire_are_unique() -> None:
    for shape in all_shapes():
        names: Counter[tuple[type, str]] = Counter()
        for field in fields_of(shape):
            marker = field.marker
            if isinstance(marker, Header | Query | Xml | Attribute | PathMarker):
                names[type(marker), marker.name] += 1
            else:
                assert isinstance(marker, MetadataPrefix | Payload | Streaming)
        assert not names or names.most_common(1)[0][1] == 1, shape


def all_shapes() -> list[type[msgspec.Struct]]:
    kinds = [kind for kind in vars(model).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
    return [kind for kind in kinds if kind.__module__ == model.__name__]


def test_shapes_are_frozen_and_out_of_the_garbage_collectors_way() -> None:
    for shape in all_shapes():
        assert shape.__struct_config__.frozen
        streams = any(isinstance(field.marker, Streaming) for field in fields_of(shape))
        assert shape.__struct_config__.gc is streams


def test_the_rows_of_overrides_name_what_exists() -> None:
    names = {wire.name: wire for wire in model.WIRES}
    for table in (
        overrides.REPLY_ROOTS,
        overrides.REPLY_TEXT_MEMBERS,
        overrides.DOCUMENT_SIZES_BYTES_MAX,
        overrides.TEXT_TYPES,
    ):
        assert set(table) <= set(names)
    for name, root in overrides.REPLY_ROOTS.items():
        assert names[name].output_root == root
    for shape, field in overrides.LIST_SIZES_MAX:
        assert field in getattr(model, shape).__struct_fields__
    headers = {f.marker.name for w in model.WIRES for f in fields_of(w.input) if isinstance(f.marker, Header)}
    assert headers >= overrides.IGNORABLE_TIMES
    fields = {field for shape in all_shapes() for field in shape.__struct_fields__}
    assert fields >= overrides.URL_ENCODED_FIELDS
