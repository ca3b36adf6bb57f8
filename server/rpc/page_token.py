"""Where a list goes on: the sort key of the last row.

A token is only good for the list it came from, and each part is checked before it gets anywhere near a query.
"""

from datetime import datetime
from enum import Enum

from server.domain.limits import NAME_LENGTH_MAX
from server.rpc.forms import is_plain_text, uuid_of
from server.rpc.opaque import opaque, values_in

# A name of the greatest length in the widest characters, in base64, and the parts around it.
PAGE_TOKEN_LENGTH_MAX = 1_500

# Wider than any instant of the service, and far from where calendars end.
YEAR_MIN, YEAR_MAX = 1900, 2500

# So that every number fits the database's.
NUMBER_DIGITS_MAX = 18


class KeyPart(Enum):
    """What a part of a sort key is."""

    TEXT = "text"
    INSTANT = "instant"
    UUID = "uuid"
    NUMBER = "number"


class ListKey(Enum):
    """The lists of the contract, with the parts of their sort keys."""

    RESTAURANTS = ("restaurants", KeyPart.TEXT, KeyPart.UUID)
    BOOKINGS = ("bookings", KeyPart.INSTANT, KeyPart.UUID)
    HOLDS = ("holds", KeyPart.INSTANT, KeyPart.UUID)
    ASSIGNMENTS = ("assignments", KeyPart.INSTANT, KeyPart.UUID)
    BLOCKS = ("blocks", KeyPart.INSTANT, KeyPart.UUID)
    AUDIT = ("audit", KeyPart.INSTANT, KeyPart.NUMBER)
    OUTBOX = ("outbox", KeyPart.INSTANT, KeyPart.UUID, KeyPart.NUMBER, KeyPart.NUMBER)

    @property
    def label(self) -> str:
        return str(self.value[0])

    @property
    def parts(self) -> tuple[KeyPart, ...]:
        return tuple(part for part in self.value if isinstance(part, KeyPart))


def page_token(key: ListKey, after: tuple[str, ...]) -> str:
    """The token for the page after the row with this sort key; empty when there is no such page."""
    if not after:
        return ""
    return opaque([key.label, *after])


def read_page_token(key: ListKey, token: str) -> tuple[str, ...] | None:
    """The sort key in a token of this list, or None when it is none."""
    values = values_in(token, PAGE_TOKEN_LENGTH_MAX)
    if values is None or len(values) != len(key.parts) + 1 or values[0] != key.label:
        return None
    after = values[1:]
    fits = all(
        isinstance(value, str) and _fits(part, value) for part, value in zip(key.parts, after, strict=True)
    )
    return tuple(after) if fits else None


def _fits(part: KeyPart, value: str) -> bool:
    if part is KeyPart.UUID:
        return uuid_of(value) is not None
    if part is KeyPart.NUMBER:
        return value.isascii() and value.isdigit() and len(value) <= NUMBER_DIGITS_MAX
    if part is KeyPart.TEXT:
        return len(value) <= NAME_LENGTH_MAX and is_plain_text(value)
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return False
    return instant.tzinfo is not None and YEAR_MIN <= instant.year <= YEAR_MAX
