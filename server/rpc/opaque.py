"""Texts that callers hand back as they got them: a list of values, written so that nobody takes it apart."""

import json
from base64 import b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from typing import Any


def opaque(values: Sequence[object]) -> str:
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def values_in(token: str, length_max: int) -> list[Any] | None:
    """What `opaque` wrote, or any other list: who reads it checks every value. None for all else."""
    if len(token) > length_max:
        return None
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        values = json.loads(b64decode(padded, altchars=b"-_", validate=True).decode())
    except (Base64Error, UnicodeError, ValueError, RecursionError):
        return None
    return values if isinstance(values, list) else None
