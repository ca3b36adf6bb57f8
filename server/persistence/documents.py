"""Values as JSON documents and back: ledger answers, policies, audit details."""

from typing import TypeVar

import msgspec

ValueT = TypeVar("ValueT")


def encode(value: object) -> str:
    """A dataclass, mapping or sequence as JSON text; ids and instants in their standard text forms."""
    return msgspec.json.encode(value).decode()


def decode(text: str, value_type: type[ValueT]) -> ValueT:
    """The value that `encode` wrote, as an instance of `value_type`."""
    return msgspec.json.decode(text, type=value_type)
