"""The markers of a struct, read once: what the codec and the XML reader and writer are built from."""

from __future__ import annotations

import types
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

from nimbus.s3.markers import Marker


class Field(msgspec.Struct, frozen=True):
    """One field of a shape: where it travels and what it holds."""

    name: str  # of the attribute
    marker: Marker
    kind: type  # str, int, bool, bytes, datetime, dict, object or a shape; of a list, what its items are
    is_list: bool
    is_required: bool

    @property
    def is_shape(self) -> bool:
        return issubclass(self.kind, msgspec.Struct)


@cache
def fields_of(shape: type[msgspec.Struct]) -> tuple[Field, ...]:
    """The fields of a generated shape, in the order of the model."""
    hints = get_type_hints(shape, include_extras=True)
    required = {field.name for field in msgspec.structs.fields(shape) if field.required}
    return tuple(_field(name, hints[name], name in required) for name in shape.__struct_fields__)


def _field(name: str, hint: Any, is_required: bool) -> Field:
    assert get_origin(hint) is Annotated, f"field {name} has no marker"
    kind, marker = get_args(hint)
    kind = _without_none(kind)
    is_list = get_origin(kind) is list
    if is_list:
        kind = _without_none(get_args(kind)[0])
    return Field(name, marker, get_origin(kind) or kind, is_list, is_required)


def _without_none(hint: Any) -> Any:
    """`X | None` -> X; a `Timestamp` (a datetime or its text) -> datetime."""
    if get_origin(hint) not in (Union, types.UnionType):
        return hint
    kinds = [kind for kind in get_args(hint) if kind is not type(None)]
    return datetime if datetime in kinds else kinds[0]
