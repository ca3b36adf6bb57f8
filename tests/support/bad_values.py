"""Every field of a request, one at a time, made as bad as its type allows."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from maitred_client.calls import DERIVED_BY_SERVER

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1
MANY = 30_000

# What the service writes and never reads, by the message that has it.
OUTPUT_ONLY = {
    "maitred.v1.Restaurant": {"policy_version", "inventory_version", "floor_version"},
    "maitred.v1.Floor": {"restaurant_id", "inventory_version"},
    "maitred.v1.ServicePolicy": {"policy_version"},
}


# Whose restaurant may be left out.
FOR_ALL_RESTAURANTS = {"maitred.v1.CheckInvariantsRequest", "maitred.v1.GetOutboxStatsRequest"}


@dataclass(frozen=True, slots=True)
class Spoiled:
    """A request with one bad field, and the path by which the refusal has to name it."""

    request: Message
    path: str
    how: str

    def __str__(self) -> str:
        return f"{self.path} {self.how}"


def spoiled(good: Message) -> Iterator[Spoiled]:
    """Every way to spoil one field of a good request, deep into its messages."""
    for locate, path, field in _fields(good.DESCRIPTOR, good, lambda message: message, ""):
        for how, spoil in _ways(field):
            request = type(good)()
            request.CopyFrom(good)
            spoil(locate(request), field.name)
            yield Spoiled(request, path, how)


Locate = Callable[[Any], Any]


def _fields(
    descriptor: Any, example: Any, locate: Locate, prefix: str
) -> Iterator[tuple[Locate, str, FieldDescriptor]]:
    """The fields of a message type and of the messages in it, each with the way to the message that has it."""
    for field in descriptor.fields:
        if field.name in OUTPUT_ONLY.get(descriptor.full_name, ()):
            continue
        path = prefix + field.name
        yield locate, path, field
        inner = field.message_type
        if inner is None or inner.file.package != "maitred.v1":
            continue
        value = getattr(example, field.name)
        if not field.is_repeated:
            if example.HasField(field.name):
                yield from _fields(inner, value, _step(locate, field.name, None), f"{path}.")
        elif len(value):
            yield from _fields(inner, value[0], _step(locate, field.name, 0), f"{path}[0].")


def _step(locate: Locate, name: str, index: int | None) -> Locate:
    def further(message: Any) -> Any:
        value = getattr(locate(message), name)
        return value if index is None else value[index]

    return further


def _may_be_missing(field: FieldDescriptor) -> bool:
    """Whether an empty restaurant_id means all of them, or the server derives the request_id."""
    owner = field.containing_type
    may = DERIVED_BY_SERVER if field.name == "request_id" else FOR_ALL_RESTAURANTS
    return owner is not None and owner.full_name in may


Spoil = Callable[[Any, str], None]


def _ways(field: FieldDescriptor) -> Iterator[tuple[str, Spoil]]:
    if field.is_repeated:
        yield from _list_ways(field)
    elif field.message_type is not None:
        yield from _message_ways(field)
    else:
        for how, value in _values(field):
            yield how, _setting(value)


def _setting(value: object) -> Spoil:
    return lambda message, name: setattr(message, name, value)


def _values(field: FieldDescriptor) -> Iterator[tuple[str, object]]:
    """Values of a scalar type that no field of this type accepts."""
    if field.enum_type is not None:
        yield "has an unknown number", 99
        yield "has a negative number", -1
    elif field.type == FieldDescriptor.TYPE_STRING:
        yield "is too long", "x" * 20_000
        yield "holds NUL", "a\x00b"
        yield "holds a control character", "a\x1bb"
        if field.name.endswith("_id") or (field.name.startswith("table_") and field.name != "table_ids"):
            yield "is SQL", "'; SELECT 1; --"
            yield "lacks its hyphens", UUID(int=1).hex
        if field.name in ("request_id", "restaurant_id") and not _may_be_missing(field):
            yield "is missing", ""
    elif field.type == FieldDescriptor.TYPE_INT32:
        if field.name != "sort_order":
            yield "is the smallest number", -INT32_MAX - 1
            yield "is below zero", -1
            yield "is 10,000", 10_000
            yield "is the largest number", INT32_MAX
    elif field.type == FieldDescriptor.TYPE_DOUBLE:
        yield from (
            ("is no number", math.nan),
            ("is infinite", math.inf),
            ("is below zero", -1.0),
            ("is vast", 1e300),
        )


def _message_ways(field: FieldDescriptor) -> Iterator[tuple[str, Spoil]]:
    name = field.message_type.full_name if field.message_type else ""
    if name == "google.protobuf.Timestamp":
        yield "is beyond all years", lambda message, name: _time(message, name, INT64_MAX, 0)
        yield "is before all years", lambda message, name: _time(message, name, -INT64_MAX, 0)
        yield "has negative nanos", lambda message, name: _time(message, name, 1_700_000_000, -1)
        yield "has too many nanos", lambda message, name: _time(message, name, 1_700_000_000, INT32_MAX)
    elif name == "google.protobuf.Duration":
        yield "disagrees in sign", lambda message, name: _time(message, name, 600, -5)
        yield "has too many nanos", lambda message, name: _time(message, name, 600, INT32_MAX)
        if field.name != "ttl":
            yield "is endless", lambda message, name: _time(message, name, INT64_MAX, 0)
            yield "is negative", lambda message, name: _time(message, name, -600, 0)
    elif name == "google.protobuf.FieldMask":
        yield "is missing", lambda message, name: message.ClearField(name)
        yield "names nothing known", lambda message, name: getattr(message, name).paths.append("secrets")
        yield "is huge", lambda message, name: getattr(message, name).paths.extend(["name"] * MANY)
    elif field.name in ("floor", "policy", "restaurant", "table"):
        yield "is missing", lambda message, name: message.ClearField(name)


def _time(message: Any, name: str, seconds: int, nanos: int) -> None:
    value = getattr(message, name)
    value.seconds, value.nanos = seconds, nanos


def _list_ways(field: FieldDescriptor) -> Iterator[tuple[str, Spoil]]:
    if field.message_type is not None:
        yield "has too many entries", lambda message, name: _repeat_first(getattr(message, name))
        return
    bad: object = 99 if field.enum_type is not None else "NOT ONE\x00"
    yield "has a bad entry", lambda message, name: getattr(message, name).append(bad)
    yield "has too many entries", lambda message, name: getattr(message, name).extend([_filler(field)] * MANY)
    yield "has an entry twice", lambda message, name: _twice(getattr(message, name), _filler(field))


def _filler(field: FieldDescriptor) -> Any:
    if field.enum_type is not None:
        return 1
    return str(UUID(int=1)) if field.name.endswith("_ids") else "window"


def _twice(values: Any, filler: Any) -> None:
    entry = values[0] if len(values) else filler
    values.extend([entry, entry])


def _repeat_first(values: Any) -> None:
    for _ in range(MANY if len(values) else 0):
        values.add().CopyFrom(values[0])
