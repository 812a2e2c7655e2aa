"""Writes nimbus/s3/model.py from botocore's machine-readable model of S3.

    python ci/generate_s3_model.py            write the file
    python ci/generate_s3_model.py --check    compare, say in one line what to do, exit 1 when it differs

botocore is needed only here, never by the running store. To offer one more operation, add its name to
OPERATIONS. The text that comes out depends on nothing but the model, OPERATIONS and nimbus/s3/overrides.py.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import keyword
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "nimbus" / "s3" / "model.py"
sys.path.insert(0, str(ROOT))

from nimbus.s3 import overrides  # noqa: E402  (this script runs from anywhere)

OPERATIONS = """
    ListBuckets CreateBucket HeadBucket DeleteBucket GetBucketLocation
    ListObjects ListObjectsV2 ListObjectVersions ListMultipartUploads
    GetObject HeadObject GetObjectAttributes PutObject CopyObject DeleteObject DeleteObjects
    CreateMultipartUpload UploadPart UploadPartCopy ListParts CompleteMultipartUpload AbortMultipartUpload
    GetBucketVersioning PutBucketVersioning
    GetBucketPolicy PutBucketPolicy DeleteBucketPolicy GetBucketPolicyStatus
    GetBucketAcl PutBucketAcl GetObjectAcl PutObjectAcl
    GetBucketCors PutBucketCors DeleteBucketCors
    GetBucketTagging PutBucketTagging DeleteBucketTagging GetObjectTagging PutObjectTagging DeleteObjectTagging
    GetBucketLifecycleConfiguration PutBucketLifecycleConfiguration DeleteBucketLifecycle
    GetBucketReplication PutBucketReplication DeleteBucketReplication
    GetBucketEncryption PutBucketEncryption DeleteBucketEncryption
    GetObjectLockConfiguration PutObjectLockConfiguration
    GetObjectRetention PutObjectRetention GetObjectLegalHold PutObjectLegalHold
    GetBucketWebsite PutBucketWebsite DeleteBucketWebsite
    GetBucketNotificationConfiguration PutBucketNotificationConfiguration
    GetPublicAccessBlock PutPublicAccessBlock DeletePublicAccessBlock
    GetBucketOwnershipControls PutBucketOwnershipControls DeleteBucketOwnershipControls
    GetBucketLogging PutBucketLogging
    GetBucketRequestPayment PutBucketRequestPayment
    GetBucketAccelerateConfiguration PutBucketAccelerateConfiguration
""".split()  # noqa: SIM905 (grouped by subject, not one to a line)

HEADING = '''\
"""The shapes and operations of S3, as typed structs and `Wire` rows. Generated: do not edit.

Made by ci/generate_s3_model.py from botocore's data/s3/2006-03-01/service-2.json and nimbus/s3/overrides.py;
run that script to make it again. Where each field travels is said by its marker, see nimbus/s3/markers.py.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from msgspec import Struct

from nimbus.s3.markers import (
    Attribute, Header, MetadataPrefix, Path, Payload, Query, Streaming, Timestamp, Wire, Xml,
)

'''

SCALARS = {"string": "str", "integer": "int", "long": "int", "boolean": "bool", "blob": "bytes"}
TIME_FORMS = {"rfc822": "http", "iso8601": "iso"}

Shape = dict[str, Any]


class Model:
    """The parts of the machine-readable model that OPERATIONS reach."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.shapes: dict[str, Shape] = document["shapes"]
        self.operations: dict[str, Shape] = {name: document["operations"][name] for name in OPERATIONS}
        self.subresources = sorted(set(_subresources(document["operations"].values())))
        self.read = self._reached("input")  # what a request can hold
        self.written = self._reached("output")  # what a reply can hold
        self.values = self._values()

    def _reached(self, direction: str) -> dict[str, None]:
        """Names of the structures below all inputs or outputs, inner ones first."""
        found: dict[str, None] = {}
        for operation in self.operations.values():
            if direction in operation:
                self._reach(operation[direction]["shape"], found)
        return found

    def _reach(self, name: str, found: dict[str, None]) -> None:
        shape = self.shapes[name]
        if shape["type"] == "list":
            self._reach(shape["member"]["shape"], found)
        if shape["type"] == "structure" and name not in found:
            for member in shape["members"].values():
                self._reach(member["shape"], found)
            found[name] = None

    def _values(self) -> dict[str, set[str]]:
        """The enumerations of the headers and parameters that the codec checks, by their names on the wire."""
        values: dict[str, set[str]] = {}
        for operation in self.operations.values():
            for member in self.shapes[operation["input"]["shape"]]["members"].values():
                name = member.get("locationName", "").lower()
                if member.get("location") in ("header", "querystring") and name in overrides.CHECKED_VALUES:
                    shape = self.shapes[member["shape"]]
                    item = self.shapes[shape["member"]["shape"]] if shape["type"] == "list" else shape
                    values.setdefault(name, set()).update(item["enum"])
        return values


def _subresources(operations: Any) -> Iterator[str]:
    for operation in operations:
        for key, value in _literal_query(operation):
            if not value:
                yield key


def _literal_query(operation: Shape) -> list[tuple[str, str]]:
    text = operation["http"]["requestUri"].partition("?")[2]
    pairs = [item.partition("=") for item in text.split("&") if item]
    return [(key, value) for key, _, value in pairs]


def field_name(name: str) -> str:
    """The Python name of a member: `MaxKeys` -> `max_keys`, `ChecksumCRC32C` -> `checksum_crc32c`."""
    if name in overrides.FIELD_NAMES:
        return overrides.FIELD_NAMES[name]
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    return snake + "_" if keyword.iskeyword(snake) else snake


def structure_text(model: Model, name: str) -> str:
    """The class of one structure."""
    shape = model.shapes[name]
    members = shape["members"]
    required = set(shape.get("required", ())) if name in model.read else set()
    streams = any(member.get("streaming") for member in members.values())
    head = f"class {name}(Struct, frozen=True, kw_only=True{'' if streams else ', gc=False'}):\n"
    lines = [field_text(model, name, member, name in model.read, member in required) for member in members]
    return head + ("".join(lines) or "    pass\n") + "\n\n"


def field_text(model: Model, owner: str, member: str, is_read: bool, is_required: bool) -> str:
    """One line: name, type, marker, and the default unless a request must hold it."""
    reference = model.shapes[owner]["members"][member]
    is_written = owner in model.written
    kind = "object" if reference.get("streaming") else type_text(model, reference["shape"], is_read and not is_written)
    optional = "" if is_required or kind == "object" else " | None"
    default = "" if is_required else " = None"
    marker = marker_text(model, owner, member)
    return f"    {field_name(member)}: Annotated[{kind}{optional}, {marker}]{default}\n"


def type_text(model: Model, name: str, only_read: bool) -> str:
    shape = model.shapes[name]
    kind = shape["type"]
    if kind == "structure":
        return name
    if kind == "list":
        return f"list[{type_text(model, shape['member']['shape'], only_read)}]"
    if kind == "map":
        return "dict[str, str]"
    if kind == "timestamp" and name not in overrides.TEXT_SHAPES:
        return "datetime" if only_read else "Timestamp"
    return SCALARS.get(kind, "str")


def marker_text(model: Model, owner: str, member: str) -> str:
    """The marker of a member, with only those arguments that differ from the default."""
    reference = model.shapes[owner]["members"][member]
    shape = model.shapes[reference["shape"]]
    name = reference.get("locationName", member)
    if reference.get("streaming"):
        return "Streaming()"
    if model.shapes[owner].get("payload") == member:
        return f'Payload("{name}")' if shape["type"] == "structure" else "Payload()"
    location = reference.get("location")
    if location == "uri":
        return f'Path("{name}")'
    if location == "headers":
        return f'MetadataPrefix("{name.lower()}")'
    if location in ("header", "querystring"):
        return parameter_text(location, name.lower() if location == "header" else name, reference, shape)
    if reference.get("xmlAttribute"):
        prefix, _, local = name.partition(":")
        namespace = shape_namespace(model.shapes[owner], prefix)
        return f'Attribute("{prefix}:{local}", "{namespace}")'
    return xml_text(name, reference, shape)


def parameter_text(location: str, name: str, reference: Shape, shape: Shape) -> str:
    kind, usual = ("Header", "http") if location == "header" else ("Query", "iso")
    form = time_form(reference, shape, usual)
    return f'{kind}("{name}")' if form == usual else f'{kind}("{name}", "{form}")'


def time_form(reference: Shape, shape: Shape, usual: str) -> str:
    """How a time is written: as the member says, else as its shape says, else as is usual at its place."""
    return TIME_FORMS.get(reference.get("timestampFormat") or shape.get("timestampFormat", ""), usual)


def shape_namespace(shape: Shape, prefix: str) -> str:
    namespace = shape["xmlNamespace"]
    assert namespace["prefix"] == prefix, namespace
    return str(namespace["uri"])


def xml_text(name: str, reference: Shape, shape: Shape) -> str:
    if shape["type"] != "list":
        form = time_form(reference, shape, "iso")
        return f'Xml("{name}")' if form == "iso" else f'Xml("{name}", form="{form}")'
    item = shape["member"].get("locationName", "")
    if reference.get("flattened") or shape.get("flattened"):
        # The name of the items, where the model gives one, stands for the name of the run.
        return f'Xml("{item or name}", flat=True)'
    return f'Xml("{name}", item="{item or "member"}")'


def wire_text(model: Model, name: str) -> str:
    """The row of one operation, with only those columns that differ from the default."""
    operation = model.operations[name]
    source = model.shapes[operation["input"]["shape"]]
    output = operation.get("output", {}).get("shape", "")
    result = model.shapes[output] if output else {"members": {}}
    columns = {
        "status": operation["http"].get("responseCode", 200),
        "query": tuple(_literal_query(operation)),
        "needs_query": required_at(source, "querystring"),
        "needs_headers": tuple(h.lower() for h in required_at(source, "header") if h == "x-amz-copy-source"),
        "input_root": payload_root(model, source),
        "output_root": overrides.REPLY_ROOTS.get(name) or payload_root(model, result),
        "has_document": "payload" in source and not has_stream(source),
        "body_required": source.get("payload", "") in source.get("required", ()),
        "checksum_required": operation.get("httpChecksum", {}).get("requestChecksumRequired", False),
        "streams_in": has_stream(source),
        "streams_out": has_stream(result),
    }
    usual = {"status": 200}
    extra = "".join(f", {key}={value!r}" for key, value in columns.items() if value and usual.get(key) != value)
    level = path_level(operation["http"]["requestUri"])
    ends = f"{operation['input']['shape']}, {output or None}"
    return f'Wire("{name}", "{operation["http"]["method"]}", "{level}", {ends}{extra}),\n'


def path_level(template: str) -> str:
    return {"/": "service", "/{Bucket}": "bucket", "/{Bucket}/{Key+}": "object"}[template.partition("?")[0]]


def required_at(shape: Shape, location: str) -> tuple[str, ...]:
    members = [shape["members"][member] for member in shape.get("required", ())]
    return tuple(member["locationName"] for member in members if member.get("location") == location)


def payload_root(model: Model, shape: Shape) -> str:
    member = shape["members"].get(shape.get("payload", ""))
    if member is None or model.shapes[member["shape"]]["type"] != "structure":
        return ""
    return str(member.get("locationName", shape["payload"]))


def has_stream(shape: Shape) -> bool:
    return any(member.get("streaming") for member in shape["members"].values())


def model_text(document: dict[str, Any]) -> str:
    """The whole file, not yet formatted."""
    model = Model(document)
    structures = [structure_text(model, name) for name in {**model.read, **model.written}]
    rows = "".join(wire_text(model, name) for name in OPERATIONS)
    values = "".join(f'"{name}": frozenset({sorted(model.values[name])}),\n' for name in sorted(model.values))
    return (
        HEADING
        + "\n"
        + "".join(structures)
        + f"WIRES: Final[tuple[Wire, ...]] = (\n{rows})\n\n"
        + "# Every key that by itself names a sub-resource in some operation of S3, offered here or not.\n"
        + f"SUBRESOURCES: Final = frozenset({model.subresources})\n\n"
        + "# What checked headers and parameters may say, by their names on the wire.\n"
        + f"VALUES: Final = {{\n{values}}}\n"
    )


def formatted(text: str) -> str:
    """The text as `ruff format` leaves it, with the project's own settings."""
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(TARGET), "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout


def botocore_document() -> dict[str, Any]:
    spec = importlib.util.find_spec("botocore")
    if spec is None or spec.origin is None:
        raise SystemExit("botocore is needed to generate the S3 model: pip install botocore")
    path = Path(spec.origin).parent / "data" / "s3" / "2006-03-01" / "service-2.json"
    if path.exists():
        return dict(json.loads(path.read_bytes()))
    return dict(json.loads(gzip.decompress(path.with_suffix(".json.gz").read_bytes())))


def main(arguments: list[str]) -> int:
    text = formatted(model_text(botocore_document()))
    if arguments == ["--check"]:
        if TARGET.exists() and TARGET.read_text() == text:
            return 0
        print(f"{TARGET.relative_to(ROOT)} is not what the model gives: run python ci/generate_s3_model.py")
        return 1
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
