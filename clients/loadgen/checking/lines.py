"""What the lines of a history hold: the fields of each kind of line, and what may be in them.

Whoever checks a history relies on this and on nothing else, wherever the history comes from. What a service answered
may be as wrong as it likes as long as it can be read: that is for the checks.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

# What is in the answer of a call that was done, and that nothing can be said without.
NEEDED: Final[Mapping[str, str]] = dict.fromkeys(("HoldTables", "ReplaceHold", "ExtendHold"), "hold")
# A default is not looked at.
_LEFT_OUT: Final[Any] = None


def _instant(text: str) -> str:
    try:
        with_offset = datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        with_offset = False
    if not with_offset:
        raise ValueError("Input should be an instant in ISO 8601 with its offset")
    return text


Instant: TypeAlias = Annotated[str, AfterValidator(_instant)]
Whole: TypeAlias = Annotated[int, Field(ge=0, lt=1 << 63)]
Step: TypeAlias = Literal["queue", "check_in", "complete", "cancel", "no_show", "undo_no_show"]


class _Fields(BaseModel):
    """Others than these may be there."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _Member(_Fields):
    """What a response says of a hold, an assignment, a booking or a block."""

    window_start: Instant
    window_end: Instant
    booking_id: str = ""
    table_ids: list[str] = []
    state: str = ""
    status: str = ""


class _Hold(_Member):
    hold_id: str
    expires_at: Instant


class _Assignment(_Member):
    assignment_id: str


class _Booking(_Member):
    booking_id: str


class _Block(_Member):
    block_id: str


class _Answer(_Fields):
    """Each of them may be left out, and none is null."""

    hold: _Hold = _LEFT_OUT
    assignment: _Assignment = _LEFT_OUT
    booking: _Booking = _LEFT_OUT
    block: _Block = _LEFT_OUT
    superseded_hold_ids: list[str] = []


class _Client(_Fields):
    line: Literal["client"]
    client: Whole
    seed: str


class _Clock(_Fields):
    line: Literal["clock"]
    monotonic_ns: Whole
    wall_ns: Whole


class _Invoke(_Fields):
    line: Literal["invoke"]
    call: Whole
    method: str
    request_id: str
    restaurant_id: str
    booking_id: str
    hold_id: str
    table_ids: list[str]
    window: Annotated[list[Instant], Field(min_length=2, max_length=2)] | None
    ttl_s: float | None
    attempt: Whole
    request_digest: str
    invoked_ns: Whole
    # Older histories have no actions.
    action: Literal["", Step] = ""


class _Return(_Fields):
    line: Literal["return"]
    call: Whole
    returned_ns: Whole
    outcome: Literal["ok", "refused", "unknown"]
    reason: str
    answer: _Answer
    answer_digest: str


_LINE: Final[TypeAdapter[Any]] = TypeAdapter(
    Annotated[_Client | _Clock | _Invoke | _Return, Field(discriminator="line")]
)


def checked(text: bytes) -> Mapping[str, Any]:
    """The line, which has all that its kind of line needs. Raises ValueError, which names the field."""
    try:
        _LINE.validate_json(text)
    except ValidationError as error:
        raise ValueError(_sentence(error)) from None
    line: Mapping[str, Any] = json.loads(text)
    return line


def _sentence(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    # It begins with the kind of line, once that is known.
    path = ".".join(map(str, problem["loc"][1:]))
    return f"{path or 'line'}: {problem['msg'].removeprefix('Value error, ')}"
