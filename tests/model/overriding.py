"""Requests that set rules aside: what they name, and who may."""

from collections.abc import Sequence
from typing import Any

from tests.model.rules import OVERRIDABLE, SET_RULES, set_problems, unknown_tables
from tests.model.verb import Moment, any_of, reasons_sent
from tests.model.views import reasons_read

BROKEN = "broken"
# Nothing, whatever the set breaks, some rules in no order, all of them, and one that never gives way.
OVERRIDES = any_of(
    *[()] * 6,
    *[BROKEN] * 5,
    ("SLACK_BUDGET_EXCEEDED", "CAPACITY_BELOW_MIN_PARTY"),
    OVERRIDABLE,
    ("COMBINATION_CROSSES_ZONES",),
)


def overrides_for(moment: Moment, booking_id: str, tables: Sequence[str], given: Any) -> "list[Any]":
    booking = moment.booking(booking_id)
    if given != BROKEN:
        return reasons_sent(given)
    if booking is None or unknown_tables(moment.place, tables):
        return []
    broken = set_problems(moment.place, booking.party, tables)
    return reasons_sent(rule for rule in OVERRIDABLE if rule in broken)


def overrides_of(request: Any) -> tuple[str, ...]:
    """What the request sets aside, in the contract's precedence."""
    return in_precedence(reasons_read(request.overrides))


def in_precedence(rules: Sequence[str]) -> tuple[str, ...]:
    return tuple(rule for rule in SET_RULES if rule in rules)


def never_overridden(request: Any) -> set[str]:
    return {"INVALID_ARGUMENT_FIELD"} if set(overrides_of(request)) - set(OVERRIDABLE) else set()


def not_permitted(moment: Moment, overrides: Sequence[str]) -> set[str]:
    """Decided by what is asked for, whether the set breaks it or not."""
    policy = moment.place.policy
    if overrides and policy is None:
        return {"OUTSIDE_SERVICE_HOURS"}
    granted = moment.may_override or policy is None or set(overrides) <= set(policy.relaxations)
    return set() if granted else {"OVERRIDE_NOT_PERMITTED"}
