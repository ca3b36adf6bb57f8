"""Where a watch goes on: a restaurant, the floor version up to which everything was told, and its last event.

Written so that callers don't take it apart, and checked before it gets anywhere near a query.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from uuid import UUID

from server.orchestrator.floor_log import FloorPlace

LABEL = "watch"
TOKEN_LENGTH_MAX = 200
VERSION_MAX = 2**63 - 1


def watch_token(restaurant_id: UUID, place: FloorPlace) -> str:
    event_id = place.event_id and str(place.event_id)
    text = json.dumps([LABEL, str(restaurant_id), place.floor_version, event_id], separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_watch_token(restaurant_id: UUID, token: str) -> FloorPlace | None:
    """The place in a token of this restaurant, or None when it is none."""
    if len(token) > TOKEN_LENGTH_MAX:
        return None
    try:
        parts = json.loads(urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4)))
    except (Base64Error, UnicodeError, ValueError, RecursionError):
        return None
    if not isinstance(parts, list) or parts[:2] != [LABEL, str(restaurant_id)] or len(parts) != 4:
        return None
    return _place(*parts[2:])


def _place(version: object, event_id: object) -> FloorPlace | None:
    if not isinstance(version, int) or isinstance(version, bool) or not 0 <= version <= VERSION_MAX:
        return None
    if event_id is None:
        return FloorPlace(version)
    try:
        return FloorPlace(version, UUID(event_id)) if isinstance(event_id, str) else None
    except ValueError:
        return None
