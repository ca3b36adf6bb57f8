"""Writes the page of error reasons from the comments of `enum ErrorReason` in the contract.

Usage: `errors_page.py DESCRIPTORS > docs/errors.md`, with DESCRIPTORS a FileDescriptorSet with comments, made
by `buf build proto -o FILE`. A value whose comment lacks a label, or uses an unknown word, is an error.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
from google.protobuf.descriptor_pb2 import EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet

ENUM = "ErrorReason"
PREFIX = "ERROR_REASON_"
LABELS = ("Status", "Metadata", "Retry", "Remedy")
# NONE marks a reason that is never the status of a call.
STATUSES = frozenset({"NONE", *(code.name for code in grpc.StatusCode if code is not grpc.StatusCode.OK)})
STANDARD_DETAILS = frozenset({"BadRequest", "QuotaFailure", "RetryInfo", "PreconditionFailure", "DebugInfo"})
RETRY_CLASSES = {
    "SAME_KEY": "Repeat the identical call with the same request_id.",
    "REPLAN": "Plan again, then call with a new request_id.",
    "AFTER_FIX": "Change what the error names, then call with a new request_id.",
    "WAIT": "Repeat after the delay that the error carries.",
    "NO": "Final: the same call will be refused again.",
    "HUMAN": "A person has to decide.",
}
# The tag numbers in descriptor.proto by which source locations are addressed.
FILE_ENUMS, ENUM_VALUES = 5, 2


class PageError(Exception):
    """A comment in the contract is not in the form that the page needs. The text names the value."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason as its comment states it. `status` is the gRPC status, then its details."""

    name: str
    number: int
    what: str
    status: tuple[str, ...]
    metadata: tuple[str, ...]
    retry: tuple[str, ...]
    remedy: str


def parse_comment(name: str, comment: str) -> dict[str, str]:
    """The description (under the empty key) and the labelled parts of a comment; parts may span lines."""
    parts: dict[str, str] = {"": ""}
    current = ""
    for line in (raw.strip() for raw in comment.strip().splitlines()):
        label, colon, rest = line.partition(": ")
        if colon and label in LABELS:
            if label in parts:
                raise PageError(f"{name}: the label '{label}' appears twice")
            current, line = label, rest
        parts[current] = f"{parts.get(current, '')} {line}".strip()
    missing = [label for label in LABELS if not parts.get(label)]
    if missing:
        raise PageError(f"{name}: the comment lacks {', '.join(missing)}")
    if not parts[""]:
        raise PageError(f"{name}: the comment does not say what happened")
    return parts


def parse_reason(name: str, number: int, comment: str, messages: frozenset[str]) -> Reason:
    """The reason that a comment describes; `messages` are the contract's own messages, usable as details."""
    parts = parse_comment(name, comment)
    status = tuple(parts["Status"].split(" + "))
    if status[0] not in STATUSES:
        raise PageError(f"{name}: '{status[0]}' is no gRPC status")
    for detail in status[1:]:
        if detail not in STANDARD_DETAILS | messages:
            raise PageError(f"{name}: '{detail}' is no known error detail")
    retry = tuple(parts["Retry"].split(" or "))
    for word in retry:
        if word not in RETRY_CLASSES:
            raise PageError(f"{name}: '{word}' is no retry class (known: {' '.join(RETRY_CLASSES)})")
    metadata = () if parts["Metadata"] == "none" else tuple(parts["Metadata"].split(", "))
    for key in metadata:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", key):
            raise PageError(f"{name}: '{key}' is no metadata key (keys are snake_case, or 'none' alone)")
    return Reason(name.removeprefix(PREFIX), number, parts[""], status, metadata, retry, parts["Remedy"])


def _values(file: FileDescriptorProto) -> Iterator[tuple[EnumDescriptorProto, int, str]]:
    """Each value of the enum in this file: the enum, the value's index, its leading comment."""
    comments = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
    for at, enum in enumerate(file.enum_type):
        if enum.name == ENUM:
            for index in range(len(enum.value)):
                yield enum, index, comments.get((FILE_ENUMS, at, ENUM_VALUES, index), "")


def read_reasons(files: FileDescriptorSet) -> list[Reason]:
    """All reasons, in the order of the contract. All faulty comments are reported in one error."""
    messages = frozenset(message.name for file in files.file for message in file.message_type)
    reasons: list[Reason] = []
    problems: list[str] = []
    for file in files.file:
        for enum, index, comment in _values(file):
            value = enum.value[index]
            if value.number == 0:
                continue
            try:
                reasons.append(parse_reason(value.name, value.number, comment, messages))
            except PageError as error:
                problems.append(str(error))
    if not reasons and not problems:
        problems.append(f"the contract has no enum {ENUM} with values")
    if problems:
        raise PageError("\n".join(problems))
    return reasons


def _code(words: tuple[str, ...], joint: str = ", ") -> str:
    return joint.join(f"`{word}`" for word in words) or "none"


def _anchor(name: str) -> str:
    return name.lower()


def _legend() -> Iterator[str]:
    yield "## Retry classes\n"
    yield "| Class | What to do |\n|---|---|"
    for word, meaning in RETRY_CLASSES.items():
        yield f"| `{word}` | {meaning} |"
    yield ""


def _table(reasons: list[Reason]) -> Iterator[str]:
    yield "## All reasons\n"
    yield "| Reason | Status | Retry |\n|---|---|---|"
    for reason in reasons:
        link = f"[`{reason.name}`](#{_anchor(reason.name)})"
        yield f"| {link} | {_code(reason.status[:1])} | {_code(reason.retry, ' or ')} |"
    yield ""


def _section(reason: Reason) -> Iterator[str]:
    details = f", with {_code(reason.status[1:])}" if reason.status[1:] else ""
    yield f"### {reason.name}\n"
    yield f"{reason.what}\n"
    yield f"- Status: {_code(reason.status[:1])}{details}"
    yield f"- Metadata: {_code(reason.metadata)}"
    yield f"- Retry: {_code(reason.retry, ' or ')}"
    yield f"- Remedy: {reason.remedy}"
    yield f"- Enum value: `{PREFIX}{reason.name}` = {reason.number}\n"


def render(reasons: list[Reason]) -> str:
    """The whole page in Markdown."""
    lines = [
        "# Errors\n",
        "<!-- Generated from proto/maitred/v1 by `make generate`. Change the comments there. -->\n",
        'A refusal carries `google.rpc.ErrorInfo` with `domain = "maitred"` and one of these reasons; the',
        "values that its message mentions are also in `metadata`, under the keys named here. Times are the",
        "restaurant's local ones in the message, and ISO 8601 with an offset in `metadata`, where commas separate",
        "the items of a list. A status of `NONE` marks a word that is only ever a check or a rejection inside an",
        "answer, never the status of a call. How any language reads the details of an error:",
        "[calling](calling.md#errors).\n",
        *_legend(),
        *_table(reasons),
    ]
    for reason in reasons:
        lines.extend(_section(reason))
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: errors_page.py DESCRIPTORS")
    files = FileDescriptorSet.FromString(Path(sys.argv[1]).read_bytes())
    try:
        sys.stdout.write(render(read_reasons(files)))
    except PageError as error:
        sys.exit(f"errors_page: {error}")


if __name__ == "__main__":
    main()
