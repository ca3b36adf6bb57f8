"""What comes of assigning a booking automatically."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from server.domain.booking import Booking
from server.domain.claims import Assignment
from server.domain.limits import REJECTED_TABLES_REFUSED_MAX
from server.errors import Check, CheckStatus, Reason, Refusal, ServiceError
from server.planner.plan import PlanOutcome, PlanResult
from server.planner.rejections import Rejection


class AutoAssignOutcome(StrEnum):
    COMPLETED_IN_TIME = "completed_in_time"
    TIMEOUT_BEFORE_CONFIRM = "timeout_before_confirm"
    TIMEOUT_AFTER_CONFIRM = "timeout_after_confirm"
    ALREADY_ASSIGNED = "already_assigned"


class NextStep(StrEnum):
    """What a caller does after an outcome or a refusal that left the booking without tables."""

    RETRY_SAME_REQUEST = "RETRY_SAME_REQUEST"
    OFFER_ALTERNATIVES = "OFFER_ALTERNATIVES"
    ASK_STAFF = "ASK_STAFF"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A table set that was tried; `reason` says why it was given up, None that it was assigned."""

    table_ids: tuple[UUID, ...]
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class AutoAssigned:
    """`assignment` and `booking` are None only when time ran out before; `request_id` when that was even before it
    could be derived. Cost and score are those of the plan that was taken, 0 when none was.
    """

    outcome: AutoAssignOutcome
    request_id: UUID | None
    assignment: Assignment | None = None
    booking: Booking | None = None
    attempts: tuple[Attempt, ...] = ()
    cost: float = 0.0
    score: float = 0.0

    @property
    def next_steps(self) -> tuple[NextStep, ...]:
        return (NextStep.RETRY_SAME_REQUEST,) if self.assignment is None else ()


def no_feasible_plan(booking: Booking, result: PlanResult) -> ServiceError:
    """NO_FEASIBLE_PLAN with why each set was left out. Never silent: the caller learns whom to ask next."""
    size = booking.party.party_size
    avoided = any(each.reason is Reason.TABLE_AVOIDED for each in result.rejections)
    seated = f"a party of {size}" + (" without the tables to avoid" if avoided else "")
    if result.outcome is PlanOutcome.NEEDS_STAFF:
        next_step = NextStep.ASK_STAFF
        message = f"No table and no merge of this floor seats {seated}: {result.outcome}."
    else:
        next_step = NextStep.OFFER_ALTERNATIVES
        message = f"Everything that would seat {seated} is taken: {result.outcome}."
    return ServiceError(
        Refusal(
            Reason.NO_FEASIBLE_PLAN,
            message,
            {
                "booking_id": str(booking.booking_id),
                "party_size": str(size),
                "outcome": result.outcome,
                "reasons": ",".join(f"{each.reason}={_sets(each)}" for each in result.rejections),
                "relaxed_taken_by": ",".join(result.relaxed_taken_by),
                "next_steps": next_step,
            },
            checks=tuple(map(_check, result.rejections)),
        )
    )


def _sets(rejection: Rejection) -> int:
    return rejection.tables + rejection.combinations


def _check(rejection: Rejection) -> Check:
    return Check(
        rejection.reason,
        CheckStatus.ERROR,
        f"Keeps {rejection.tables} single tables and {rejection.combinations} combinations out.",
        rejection.table_ids[:REJECTED_TABLES_REFUSED_MAX],
        {"tables": str(rejection.tables), "combinations": str(rejection.combinations)},
    )
