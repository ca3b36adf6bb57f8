"""What the lines of a history hold: the fields of each kind of line, and what may be in them.

Whoever checks a history relies on this and on nothing else, wherever the history comes from. What a service answered
may be as wrong as it likes as long as it can be read: that is for the checks.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

# The steps of a booking that a call may ask for.
ACTIONS: Final = ("queue", "check_in", "complete", "cancel", "no_show", "undo_no_show")
OUTCOMES: Final = ("ok", "refused", "unknown")
# What is in the answer of a call that was done, and that nothing can be said without.
NEEDED: Final[Mapping[str, str]] = dict.fromkeys(("HoldTables", "ReplaceHold", "ExtendHold"), "hold")
WHOLE_MAX: Final = (1 << 63) - 1
SHOWN_MAX: Final = 60
_HALF_PAIR: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class _Shape:
    """`expected` says what `fits`, after "expected"."""

    expected: str
    fits: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class _Object:
    """Fields by name; those in `needed` have to be there, and others than these may be."""

    fields: Mapping[str, "_Shape | _Object"]
    needed: frozenset[str]


def checked(line: Any) -> Mapping[str, Any]:
    """The line, which has all that its kind of line needs. Raises ValueError, which names the field."""
    kind = line.get("line") if isinstance(line, dict) else None
    if not isinstance(kind, str) or kind not in _LINES:
        raise ValueError(f"line: expected an object in which it is one of {', '.join(_LINES)}")
    for problem in _problems(line, _LINES[kind], ""):
        raise ValueError(problem)
    fields: Mapping[str, Any] = line
    return fields


def _problems(value: Any, shape: _Shape | _Object, name: str) -> Iterator[str]:
    if isinstance(shape, _Shape):
        if not shape.fits(value):
            yield f"{name}: expected {shape.expected}, not {_shown(value)}"
    elif not isinstance(value, dict):
        yield f"{name}: expected an object, not {_shown(value)}"
    else:
        for field, inner in shape.fields.items():
            path = f"{name}.{field}" if name else field
            if field in value:
                yield from _problems(value[field], inner, path)
            elif field in shape.needed:
                yield f"{path}: is missing; expected {getattr(inner, 'expected', 'an object')}"


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"


def _is_text(value: Any) -> bool:
    # Half a pair of UTF-16 can be written in JSON, and shown nowhere.
    return isinstance(value, str) and (value.isascii() or not _HALF_PAIR.search(value))


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_whole(value: Any) -> bool:
    return type(value) is int and 0 <= value <= WHOLE_MAX


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= WHOLE_MAX


def _is_instant(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _is_window(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_instant, value))


def _one_of(words: tuple[str, ...]) -> _Shape:
    return _Shape(f"one of {', '.join(words)}", lambda value: value in words)


_TEXT = _Shape("a text", _is_text)
_TEXTS = _Shape("a list of texts", _are_texts)
_WHOLE = _Shape("a whole number from 0 to 2^63 - 1", _is_whole)
_INSTANT = _Shape("an instant in ISO 8601 with its offset", _is_instant)
_MAYBE_NUMBER = _Shape("a number or null", lambda value: value is None or _is_number(value))
_MAYBE_WINDOW = _Shape(
    "a list of two instants in ISO 8601 with their offset, or null",
    lambda value: value is None or _is_window(value),
)


def _member(own_id: str, **more: _Shape) -> _Object:
    """What a response says of a hold, an assignment, a booking or a block."""
    usual = {"table_ids": _TEXTS, "window_start": _INSTANT, "window_end": _INSTANT}
    fields = {own_id: _TEXT, "booking_id": _TEXT, "state": _TEXT, "status": _TEXT, **usual, **more}
    return _Object(fields, frozenset({own_id, "window_start", "window_end", *more}))


_ANSWER = _Object(
    {
        "hold": _member("hold_id", expires_at=_INSTANT),
        "assignment": _member("assignment_id"),
        "booking": _member("booking_id"),
        "block": _member("block_id"),
        "superseded_hold_ids": _TEXTS,
    },
    frozenset(),
)
_ASKED: Final[Mapping[str, _Shape]] = {
    "call": _WHOLE,
    "method": _TEXT,
    "request_id": _TEXT,
    "restaurant_id": _TEXT,
    "booking_id": _TEXT,
    "hold_id": _TEXT,
    "table_ids": _TEXTS,
    "window": _MAYBE_WINDOW,
    "ttl_s": _MAYBE_NUMBER,
    "attempt": _WHOLE,
    "request_digest": _TEXT,
    "invoked_ns": _WHOLE,
}
_TOLD: Final[Mapping[str, _Shape | _Object]] = {
    "call": _WHOLE,
    "returned_ns": _WHOLE,
    "outcome": _one_of(OUTCOMES),
    "reason": _TEXT,
    "answer": _ANSWER,
    "answer_digest": _TEXT,
}
_CLIENT = {"client": _WHOLE, "seed": _TEXT}
_CLOCK = {"monotonic_ns": _WHOLE, "wall_ns": _WHOLE}
_LINES: Final[Mapping[str, _Object]] = {
    "client": _Object(_CLIENT, frozenset(_CLIENT)),
    "clock": _Object(_CLOCK, frozenset(_CLOCK)),
    # Older histories have no actions.
    "invoke": _Object({**_ASKED, "action": _one_of(("", *ACTIONS))}, frozenset(_ASKED)),
    "return": _Object(_TOLD, frozenset(_TOLD)),
}
