"""The option `--override`, and reasons as people write them."""

from collections.abc import Iterable
from typing import Annotated

import typer

from maitred_client.messages import ErrorReason
from maitred_client.values import enum_word
from server.cli.options import option

PREFIX = "ERROR_REASON_"

Overrides = Annotated[
    list[str] | None,
    option(
        "--override",
        None,
        "Set this rule aside, for example COMBINATION_NOT_ADJACENT; may be given several times. Rules that the "
        "policy does not relax take the scope override.",
        metavar="REASON",
    ),
]


def overrides(words: Iterable[str] | None) -> "list[ErrorReason.ValueType]":
    """The reasons that an option names. Which of them may be overridden is the server's to say."""
    return [_reason(word) for word in words or ()]


def _reason(word: str) -> "ErrorReason.ValueType":
    try:
        return ErrorReason.Value(PREFIX + word.strip().upper().replace("-", "_"))
    except ValueError:
        raise typer.BadParameter(
            f"{word!r} is no reason; docs/errors.md lists them", param_hint="--override"
        ) from None


def reason_names(reasons: "Iterable[ErrorReason.ValueType]") -> str:
    return ", ".join(enum_word(ErrorReason, reason) for reason in reasons)
