"""Assign every booking of a service date that waits for tables, one after the other."""

from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias
from uuid import UUID

from server.aside import aside
from server.clock import Deadline
from server.domain.booking import ASSIGNABLE, Booking
from server.domain.claims import Claim
from server.domain.hours import service_date, service_day
from server.domain.limits import BATCH_STEP_S
from server.domain.restaurant import Caller
from server.domain.window import Window
from server.errors import PRECEDENCE, Reason, Refusal, ServiceError
from server.orchestrator.auto_assign import AutoAssign, AutoAssignCommand
from server.orchestrator.auto_assigned import AutoAssigned, AutoAssignOutcome
from server.orchestrator.kept_decisions import KeptDecisions
from server.orchestrator.paging import all_pages, booking_sort_key
from server.orchestrator.ports import Catalogue, InventorySource, Page
from server.orchestrator.situation import Situation, foreign, look
from server.planner.batch_order import BatchOrder, Queued, in_order, queued

# What every further booking would be refused with as well.
ENDS_THE_BATCH = frozenset({Reason.STORE_UNAVAILABLE, Reason.RESTAURANT_NOT_FOUND})
ASSIGNED = frozenset({AutoAssignOutcome.COMPLETED_IN_TIME, AutoAssignOutcome.TIMEOUT_AFTER_CONFIRM})


@dataclass(frozen=True, slots=True)
class AutoAssignBatchCommand:
    actor: str
    restaurant_id: UUID
    service_date: date
    order: BatchOrder
    bookings_max: int
    cutoff_s: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Begun:
    """So many bookings are going to be decided."""

    total: int


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of one booking, the `done`-th of the batch."""

    queued: Queued
    result: AutoAssigned | Refusal
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Ended:
    """How the batch ended. `refused` is by reason in order of precedence."""

    total: int
    assigned: int
    already_assigned: int
    out_of_time: int
    refused: tuple[tuple[Reason, int], ...]
    not_reached: int
    left_out: int

    @property
    def done(self) -> int:
        return self.total - self.not_reached


BatchStep: TypeAlias = Begun | Decided | Ended


@dataclass(frozen=True, slots=True)
class AutoAssignBatch:
    """Each booking is a transaction of its own: whenever the batch ends, every booking is as it was or has its tables.

    What was decided about a booking is kept before it is told. `margin_s` of the caller's time are kept for the
    summary. No booking is begun with less than twice that: it would only be told that time ran out.
    """

    catalogue: Catalogue
    inventories: InventorySource
    auto_assign: AutoAssign
    keep: KeptDecisions
    margin_s: float

    async def __call__(
        self, caller: Caller, command: AutoAssignBatchCommand, deadline: Deadline | None
    ) -> AsyncGenerator[BatchStep]:
        """`Begun`, a `Decided` for each booking, `Ended`. No deadline lets it take as long as it takes.

        Raises RESTAURANT_NOT_FOUND, OUTSIDE_SERVICE_HOURS without a policy, STORE_UNAVAILABLE.
        """
        queue = await self._queue(caller, command)
        chosen = queue[: command.bookings_max]
        yield Begun(len(chosen))
        results: list[AutoAssigned | Refusal] = []
        for each in chosen:
            remaining_s = BATCH_STEP_S if deadline is None else deadline.remaining_s() - self.margin_s
            if remaining_s <= 2 * self.margin_s:
                break
            step = Deadline.after(min(BATCH_STEP_S, remaining_s))
            results.append(await self._decide(caller, command, each.booking, step))
            left = Deadline.after(max(step.remaining_s(), self.margin_s))
            await self.keep(caller.acting_for(command.actor), each, results[-1], command.reason, left)
            yield Decided(each, results[-1], len(results), len(chosen))
        yield _ended(results, len(chosen), len(queue) - len(chosen))

    async def _queue(self, caller: Caller, command: AutoAssignBatchCommand) -> tuple[Queued, ...]:
        situation = await look(self.catalogue, self.inventories, caller, command.restaurant_id)
        bookings = await self._waiting(situation, command.service_date)
        claims: tuple[Claim, ...] = ()
        if bookings:
            span = Window.covering(booking.window for booking in bookings)
            claims = await self.catalogue.claims(command.restaurant_id, span)
        sets, slack_max = situation.sets, situation.policy.slack_max
        live = foreign(claims, situation.now, None)
        # Hundreds of bookings on a large floor keep a processor busy for a while; other calls go on meanwhile.
        return await aside(
            lambda: in_order(queued(sets, slack_max, bookings, live), command.order), long=sets.large
        )

    async def _waiting(self, situation: Situation, day: date) -> list[Booking]:
        """The bookings of the service date that wait for tables and whose time is not over."""
        policy, time_zone = situation.policy, situation.restaurant.time_zone
        restaurant_id, statuses = situation.restaurant.restaurant_id, tuple(sorted(ASSIGNABLE))
        span = service_day(policy, time_zone, day)

        async def fetch(page: Page) -> tuple[Booking, ...]:
            return await self.catalogue.bookings(restaurant_id, span, statuses, page)

        return [
            booking
            async for rows in all_pages(fetch, booking_sort_key)
            for booking in rows
            if booking.needs_tables
            and booking.window.end > situation.now
            and service_date(policy, time_zone, booking.party.start) == day
        ]

    async def _decide(
        self, caller: Caller, command: AutoAssignBatchCommand, booking: Booking, deadline: Deadline
    ) -> AutoAssigned | Refusal:
        single = AutoAssignCommand(
            None,
            command.actor,
            command.restaurant_id,
            booking.booking_id,
            cutoff_s=command.cutoff_s,
            reason=command.reason,
        )
        try:
            return await self.auto_assign(caller, single, deadline)
        except ServiceError as error:
            if error.reason in ENDS_THE_BATCH:
                raise
            return error.refusal


def _ended(results: list[AutoAssigned | Refusal], total: int, left_out: int) -> Ended:
    refused = Counter(each.reason for each in results if isinstance(each, Refusal))
    outcomes = Counter(each.outcome for each in results if isinstance(each, AutoAssigned))
    return Ended(
        total,
        sum(outcomes[outcome] for outcome in ASSIGNED),
        outcomes[AutoAssignOutcome.ALREADY_ASSIGNED],
        outcomes[AutoAssignOutcome.TIMEOUT_BEFORE_CONFIRM],
        tuple(sorted(refused.items(), key=lambda item: PRECEDENCE[item[0]])),
        total - len(results),
        left_out,
    )
