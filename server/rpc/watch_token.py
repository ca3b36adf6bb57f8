"""Where a watch goes on: a restaurant and the floor version up to which everything was told.

Written so that callers don't take it apart, and checked before it gets anywhere near a query.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from uuid import UUID

LABEL = "watch"
TOKEN_LENGTH_MAX = 200
VERSION_MAX = 2**63 - 1


def watch_token(restaurant_id: UUID, floor_version: int) -> str:
    text = json.dumps([LABEL, str(restaurant_id), floor_version], separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_watch_token(restaurant_id: UUID, token: str) -> int | None:
    """The floor version in a token of this restaurant, or None when it is none."""
    if len(token) > TOKEN_LENGTH_MAX:
        return None
    try:
        parts = json.loads(urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4)))
    except (Base64Error, UnicodeError, ValueError, RecursionError):
        return None
    if not isinstance(parts, list) or parts[:2] != [LABEL, str(restaurant_id)] or len(parts) != 3:
        return None
    version = parts[2]
    fits = isinstance(version, int) and not isinstance(version, bool) and 0 <= version <= VERSION_MAX
    return version if fits else None
