"""Reads service-day files, and says of a bad one what is wrong on which line and what to write instead."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from server.cli.json_positions import JsonPath, find_positions
from server.cli.service_day import ServiceDay
from server.cli.service_day_error import FileProblem, ServiceDayFileError
from server.cli.service_day_rules import Complaint, complaints

FILE_BYTES_MAX = 20_000_000
TOP_LEVEL_KEYS = ("traces", "note", "edge_rule", "policy_note")
VALUE_LENGTH_MAX = 40
KINDS = {
    bool: "true or false",
    int: "a number",
    float: "a number with a fraction",
    str: "text",
    list: "a list",
}
DAY_WORDS = "an object with id, restaurant, date, timezone, tables, policy and bookings"


def read_service_days(path: Path) -> tuple[ServiceDay, ...]:
    """All days of a file, in its order. Raises ServiceDayFileError with every problem of the file."""
    name = str(path)
    text = _text(path)
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        problem = f"this is not JSON: {error.msg.lower()} at column {error.colno}"
        raise _failed(name, error.lineno, problem, "Correct the syntax there or just before.") from None
    except RecursionError:
        raise _failed(
            name, 1, "lists and objects are nested too deeply", "See the format in the docs."
        ) from None
    except _NotFiniteError as error:
        raise _failed(name, 1, f"{error} is not a JSON number", "Write plain, finite numbers.") from None
    except ValueError:
        raise _failed(name, 1, "a number has thousands of digits", "Write plain, finite numbers.") from None
    days, found = _days(document)
    positions = find_positions(text)
    problems = [
        FileProblem(name, line, _dotted(path), "the key is there twice", "Keep one of the two.")
        for path, line in positions.repeated_keys
    ]
    problems += [
        FileProblem(name, positions.line(item.path), _dotted(item.path), item.problem, item.remedy)
        for item in found
    ]
    if problems:
        raise ServiceDayFileError(sorted(problems, key=lambda problem: problem.line))
    return days


def read_all(paths: Sequence[Path]) -> tuple[ServiceDay, ...]:
    """All days of several files. Raises ServiceDayFileError with the problems of all of them."""
    days: list[ServiceDay] = []
    problems: list[FileProblem] = []
    for path in paths:
        try:
            days += read_service_days(path)
        except ServiceDayFileError as error:
            problems += error.problems
    if problems:
        raise ServiceDayFileError(problems)
    return tuple(days)


def _text(path: Path) -> str:
    name = str(path)
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise _failed(name, 0, f"cannot be read: {reason}", "Give the path of a service-day file.") from None
    if len(content) > FILE_BYTES_MAX:
        limit = f"{FILE_BYTES_MAX // 1_000_000} MB"
        raise _failed(name, 0, f"is larger than {limit}", "Split it into files of fewer days.")
    if not content.strip():
        raise _failed(name, 1, "the file is empty", 'Write {"traces": [ … ]}.')
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _failed(name, line, "this is not UTF-8 text", "Save the file as UTF-8 JSON.") from None


class _NotFiniteError(ValueError):
    """The text has NaN or an infinity, which Python reads although JSON does not know them."""


def _refuse_constant(name: str) -> float:
    raise _NotFiniteError(name)


def _failed(file: str, line: int, problem: str, remedy: str) -> ServiceDayFileError:
    return ServiceDayFileError([FileProblem(file, line, "", problem, remedy)])


def _days(document: object) -> tuple[tuple[ServiceDay, ...], list[Complaint]]:
    if not isinstance(document, dict):
        found = Complaint((), f"{_kind(document)} where an object belongs", 'Write {"traces": [ … ]}.')
        return (), [found]
    problems = [_unknown_key((), key, TOP_LEVEL_KEYS) for key in document if key not in TOP_LEVEL_KEYS]
    traces = document.get("traces")
    if not isinstance(traces, list) or not traces:
        problem = "is missing" if "traces" not in document else "is not a list with days in it"
        path: JsonPath = ("traces",) if "traces" in document else ()
        problems.append(
            Complaint(path, f'"traces" {problem}', 'Write "traces": [ … ] with one object per day.')
        )
        return (), problems
    days: list[ServiceDay] = []
    for index, trace in enumerate(traces):
        day, found_in_day = _day(trace)
        problems += [
            Complaint(("traces", index, *item.path), item.problem, item.remedy) for item in found_in_day
        ]
        if day is not None:
            days.append(day)
    problems += _repeated_ids(days)
    return tuple(days), problems


def _day(trace: object) -> tuple[ServiceDay | None, list[Complaint]]:
    if unprintable := list(_unprintable(trace, ())):
        return None, unprintable
    try:
        # From text, because only JSON input lets strict mode read a list as a tuple.
        day = ServiceDay.model_validate_json(json.dumps(trace))
    except ValidationError as error:
        return None, [_explained(detail) for detail in error.errors(include_url=False, include_context=True)]
    return day, list(complaints(day))


def _unprintable(value: object, path: JsonPath) -> Iterator[Complaint]:
    """Texts that would garble a screen or are no Unicode at all."""
    if isinstance(value, str) and not value.isprintable():
        yield Complaint(path, "the text has characters that cannot be printed", "Remove them.")
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _unprintable(item, (*path, key))


def _repeated_ids(days: Sequence[ServiceDay]) -> Iterator[Complaint]:
    seen: set[str] = set()
    for index, day in enumerate(days):
        if day.id in seen:
            yield Complaint(
                ("traces", index, "id"), f"{day.id!r} is there twice", "Give every day its own id."
            )
        seen.add(day.id)


def _explained(detail: ErrorDetails) -> Complaint:
    path = tuple(detail["loc"])
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        model = _model_at(path[:-1])
        return _unknown_key(path[:-1], str(path[-1]), tuple(model.model_fields) if model else ())
    accepted = _accepted(path)
    remedy = f"Write {accepted}." if accepted else f"Write {DAY_WORDS}."
    if kind == "missing" and isinstance(path[-1], int):
        return Complaint(path[:-1], "the pair has only one part", remedy)
    if kind == "missing":
        return Complaint(path, "is missing", remedy.replace("Write", f'Add "{path[-1]}":', 1))
    return Complaint(path, _problem(kind, context, detail), remedy)


def _problem(kind: str, context: Mapping[str, Any], detail: ErrorDetails) -> str:
    value = _shown(detail["input"])
    limits = {
        "greater_than_equal": f"{value} is below {context.get('ge')}",
        "less_than_equal": f"{value} is above {context.get('le')}",
        "string_too_short": "the text is empty",
        "string_too_long": f"the text is longer than {context.get('max_length')} characters",
        "too_short": f"there are only {context.get('actual_length')} entries",
        "too_long": f"there are more than {context.get('max_length')} entries",
        "literal_error": f"{value} is not one of the accepted words",
        "string_pattern_mismatch": f"{value} has characters that are not accepted",
        "value_error": str(context.get("error", "")),
    }
    if kind in limits:
        return limits[kind]
    kind = _kind(detail["input"])
    said = kind if kind in (value, "an object") else f"{value} is {kind}, which"
    return f"{said} does not belong here"


def _unknown_key(path: JsonPath, key: str, known: Sequence[str]) -> Complaint:
    close = difflib.get_close_matches(key, known, n=1)
    remedy = f'Did you mean "{close[0]}"?' if close else f"Remove it; known keys are: {', '.join(known)}."
    return Complaint((*path, key), "is not a known key", remedy)


def _accepted(path: JsonPath) -> str:
    """What the innermost described field on the path accepts, in words."""
    for end in range(len(path), 0, -1):
        model, key = _model_at(path[: end - 1]), path[end - 1]
        if model is not None and isinstance(key, str) and key in model.model_fields:
            return model.model_fields[key].description or ""
    return ""


def _model_at(path: JsonPath) -> type[BaseModel] | None:
    model: type[BaseModel] | None = ServiceDay
    for key in path:
        if isinstance(key, str) and model is not None:
            field = model.model_fields.get(key)
            model = _model_in(field.annotation) if field is not None else None
    return model


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _kind(value: object) -> str:
    return KINDS.get(type(value), "null" if value is None else "an object")


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= VALUE_LENGTH_MAX else text[: VALUE_LENGTH_MAX - 1] + "…"


def _dotted(path: JsonPath) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")
