"""What is made of a plan's answer: the request that holds its best tables, or the one reason why there are none."""

from maitred_client.messages import (
    ErrorReason,
    HoldTablesRequest,
    Plan,
    PlanOutcome,
    PlanTablesResponse,
    Rejection,
)
from maitred_client.values import enum_word

TAKEN = frozenset({"TABLE_BLOCKED", "TABLE_CONFLICT_ASSIGNED", "TABLE_CONFLICT_HELD"})
NEVER_DECISIVE = frozenset({"COMBINATION_REDUNDANT"})


def hold_request(restaurant_id: str, booking_id: str, plan: Plan) -> HoldTablesRequest:
    """Holds what was planned, unless something that the plan depends on has changed since."""
    return HoldTablesRequest(
        restaurant_id=restaurant_id,
        booking_id=booking_id,
        table_ids=plan.table_ids,
        context_version=plan.context_version,
        overrides=plan.relaxed,
    )


def refusal_reason(response: PlanTablesResponse) -> str:
    """The one reason that stands for an empty plan: the one that most table sets were left out for.

    When everything that would fit is taken, only what takes tables counts: that most tables are too small anyway
    says nothing about this evening. Equal counts go by the precedence of the contract.
    """
    taken = response.outcome == PlanOutcome.PLAN_OUTCOME_FULLY_TAKEN
    candidates = [
        rejection
        for rejection in response.rejections
        if reason_word(rejection) not in NEVER_DECISIVE and (not taken or reason_word(rejection) in TAKEN)
    ]
    if not candidates:
        return enum_word(PlanOutcome, response.outcome)
    return reason_word(max(candidates, key=lambda item: (item.tables + item.combinations, -item.reason)))


def reason_word(rejection: Rejection) -> str:
    """The reason without the prefix of its enum."""
    return enum_word(ErrorReason, rejection.reason)
