"""Find the best tables for a booking and assign them, within the caller's time."""

import asyncio
from dataclasses import dataclass, field, replace
from uuid import UUID

from server.clock import Deadline
from server.domain.auto_assign_job import Trigger
from server.domain.booking import (
    SEATED_OR_CONFIRMED,
    Booking,
    require_assignable,
    require_before_cutoff,
    require_handed_over,
)
from server.domain.derived_request import auto_assign_request_id
from server.domain.events import auto_assign_event
from server.domain.restaurant import Caller
from server.domain.retry_plan import assigned_job
from server.domain.rules import failed
from server.errors import Reason, ServiceError, refuse
from server.orchestrator.assigning import Intent, give_tables, new_assignment
from server.orchestrator.auto_assigned import Attempt, AutoAssigned, AutoAssignOutcome, no_feasible_plan
from server.orchestrator.candidate import Candidate, candidate
from server.orchestrator.idempotency import REQUEST_FIELD, Once, method_of, payload_digests
from server.orchestrator.identity import NewId
from server.orchestrator.plan_tables import answered, horizon_of, question_for
from server.orchestrator.ports import Catalogue, InventorySource, OwnUnit, Reader, RecordedRequest
from server.orchestrator.situation import (
    Situation,
    known_booking,
    known_restaurant,
    lock,
    look,
    require_etag,
)
from server.orchestrator.unassign_tables import active_assignment
from server.planner.plan import Plan
from server.telemetry.metrics import AutoAssignMetrics

DERIVED_ID_VERSION = 5


@dataclass(frozen=True, slots=True)
class AutoAssignCommand:
    """Without a `request_id` one is derived from the booking's present need."""

    request_id: UUID | None
    actor: str
    restaurant_id: UUID
    booking_id: UUID
    avoid: tuple[UUID, ...] = field(default=(), metadata={REQUEST_FIELD: "avoid_table_ids"})
    cutoff_s: int | None = field(default=None, metadata={REQUEST_FIELD: "cutoff"})
    etag: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """The part of a command that every path to the same assignment shares."""

    restaurant_id: UUID
    booking_id: UUID


@dataclass(slots=True)
class Run:
    """One call under way. `epoch` is the need that its derived request_id stands for; None for an id of the caller's.

    `written` says that a transaction has everything but its commit: from then on only the ledger knows.
    """

    caller: Caller
    command: AutoAssignCommand
    budget: Deadline
    trigger: Trigger
    request: RecordedRequest | None = None
    epoch: int | None = None
    written: bool = False

    @property
    def request_id(self) -> UUID:
        assert self.request is not None, "a transaction runs under the name of its request"
        return self.request.request_id

    def require_time(self) -> None:
        """DEADLINE_EXCEEDED when what is left of the caller's time is needed for the answer."""
        if self.budget.passed:
            raise refuse(Reason.DEADLINE_EXCEEDED, "No time is left for the next step.")


class NeedChangedError(Exception):
    """The booking's need is no longer the one that the derived request_id stands for."""


@dataclass(frozen=True, slots=True)
class AutoAssign:
    """`margin_s` of the caller's time are kept for the answer, at most half of it."""

    once: Once
    catalogue: Catalogue
    inventories: InventorySource
    new_id: NewId
    margin_s: float
    metrics: AutoAssignMetrics

    async def __call__(
        self,
        caller: Caller,
        command: AutoAssignCommand,
        deadline: Deadline,
        trigger: Trigger = Trigger.INLINE,
    ) -> AutoAssigned:
        """The booking with tables, or that time ran out. Raises NO_FEASIBLE_PLAN when nothing fits."""
        run = Run(caller.acting_for(command.actor), command, deadline, trigger)
        try:
            answer = await self._in_time(run, deadline)
        except ServiceError as error:
            self.metrics.ended(error.reason.lower(), trigger)
            raise
        except asyncio.CancelledError:
            self.metrics.ended("cancelled", trigger)
            raise
        self.metrics.ended(answer.outcome, trigger)
        return answer

    async def _in_time(self, run: Run, deadline: Deadline) -> AutoAssigned:
        """The database gives statements up when the budget is spent; whatever still hangs half a margin later is cut
        off, early enough to say so.
        """
        margin_s = min(self.margin_s, deadline.remaining_s() / 2)
        run.budget = Deadline(deadline.at_s - margin_s)
        try:
            async with asyncio.timeout(deadline.remaining_s() - margin_s / 2):
                answer = await self._until_named_right(run)
        except TimeoutError:
            return await self._out_of_time(run)
        except ServiceError as error:
            if error.reason is not Reason.DEADLINE_EXCEEDED:
                raise
            return await self._out_of_time(run)
        return _late(answer) if run.written and run.budget.passed else answer

    async def _until_named_right(self, run: Run) -> AutoAssigned:
        """Starts over under the next derived id when the booking changes while it is looked at."""
        while True:
            run.require_time()
            request = run.request = await self._request(run)
            try:
                return await self.once.run_as(
                    request,
                    run.command.restaurant_id,
                    AutoAssigned,
                    lambda unit: self._written(unit, run),
                    run.budget,
                    remembers_refusals=run.epoch is None,
                )
            except NeedChangedError:
                continue

    async def _request(self, run: Run) -> RecordedRequest:
        """How the ledger knows the call. A caller that sends the derived id of the present need means just that.

        What an id is derived from does not show, so one of the same version that is not the present need's may be that
        of an earlier need: then it is known again as what it was recorded as.
        """
        caller, command = run.caller, run.command
        chosen, method = command.request_id, method_of(command)
        run.epoch = None
        if chosen is not None and chosen.version != DERIVED_ID_VERSION:
            return RecordedRequest(caller.tenant_id, method, chosen, payload_digests(command))
        epoch = await self._epoch(caller, command)
        derived = auto_assign_request_id(caller.tenant_id, command.restaurant_id, command.booking_id, epoch)
        need = payload_digests(Need(command.restaurant_id, command.booking_id))
        if chosen is None or chosen == derived:
            run.epoch = epoch
            return RecordedRequest(caller.tenant_id, method, derived, need, payload_digests(command))
        return RecordedRequest(caller.tenant_id, method, chosen, payload_digests(command), need)

    async def _epoch(self, caller: Caller, command: AutoAssignCommand) -> int:
        await known_restaurant(self.catalogue, caller, command.restaurant_id)
        booking = await known_booking(self.catalogue, command.restaurant_id, command.booking_id)
        return booking.assignment_epoch

    async def _written(self, unit: OwnUnit, run: Run) -> AutoAssigned:
        answer = await self._assigned(unit, run)
        run.require_time()
        run.written = True
        return answer

    async def _assigned(self, unit: OwnUnit, run: Run) -> AutoAssigned:
        """Plans on what is there without keeping anybody waiting, then checks the best plan with the restaurant locked.

        When it is no longer right it plans again under the lock, where nobody can be faster: one more plan is always
        enough, and a crowd cannot starve it.
        """
        restaurant_id = run.command.restaurant_id
        seen = await look(unit, self.inventories, run.caller, restaurant_id)
        booking = await _present(unit, seen, run)
        if booking.has_current_tables:
            return await _already(unit, booking, run)
        plan = await _best(unit, seen, booking, run)
        run.require_time()
        situation = await lock(unit, self.inventories, run.caller, restaurant_id)
        booking = await _present(unit, situation, run)
        if booking.has_current_tables:
            return await _already(unit, booking, run)
        attempts = []
        wanted = await _checked(unit, situation, booking, plan)
        if isinstance(wanted, Reason):
            attempts.append(Attempt(plan.set.table_ids, wanted))
            plan = await _best(unit, situation, booking, run)
            wanted = await _set_of(plan, unit, situation, booking)
            wanted.require_fit()
        run.require_time()
        return await self._taken(unit, wanted, plan, run, tuple(attempts))

    async def _taken(
        self, unit: OwnUnit, wanted: Candidate, plan: Plan, run: Run, given_up: tuple[Attempt, ...]
    ) -> AutoAssigned:
        request_id, before = run.request_id, wanted.booking
        assignment = new_assignment(wanted, run.caller, self.new_id)
        intent = Intent(run.caller, request_id, run.command.reason)
        job = assigned_job(before.auto_assign_job, run.trigger, run.caller.actor, wanted.situation.now)
        told = auto_assign_event(before.restaurant_id, before.booking_id, job, assignment)
        done = await give_tables(unit, wanted, assignment, intent, action="auto_assign", told=(told,))
        await unit.put_auto_assign_job(before.restaurant_id, before.booking_id, job)
        return AutoAssigned(
            AutoAssignOutcome.COMPLETED_IN_TIME,
            request_id,
            done.assignment,
            replace(done.booking, auto_assign_job=job),
            (*given_up, Attempt(plan.set.table_ids)),
            plan.cost,
            plan.score,
        )

    async def _out_of_time(self, run: Run) -> AutoAssigned:
        """Before the commit nothing has happened; whether the commit did, only the ledger knows."""
        request = run.request
        before = AutoAssigned(
            AutoAssignOutcome.TIMEOUT_BEFORE_CONFIRM, request.request_id if request else None
        )
        if request is None or not run.written:
            return before
        key = (request.tenant_id, request.method, request.request_id)
        if await self.catalogue.in_progress(*key):
            raise refuse(
                Reason.DEADLINE_EXCEEDED, "The time was over while the tables were committed; ask again."
            )
        found = await self.catalogue.recorded(*key, AutoAssigned)
        if found is None or not isinstance(found.answer, AutoAssigned):
            return before
        return _late(found.answer)


async def _present(unit: OwnUnit, situation: Situation, run: Run) -> Booking:
    """The booking as it is now, if it may be assigned automatically or has its tables already."""
    command = run.command
    booking = await known_booking(unit, command.restaurant_id, command.booking_id)
    if run.epoch not in (None, booking.assignment_epoch):
        raise NeedChangedError
    require_etag("booking", command.etag, booking.etag)
    if booking.status in SEATED_OR_CONFIRMED and booking.has_current_tables:
        return booking
    require_assignable(booking)
    if run.trigger is Trigger.BACKGROUND:
        require_handed_over(booking)
    situation.require_future(booking.window)
    require_before_cutoff(booking, command.cutoff_s, situation.now, situation.time_zone)
    return booking


async def _already(unit: OwnUnit, booking: Booking, run: Run) -> AutoAssigned:
    assignment = await active_assignment(unit, booking)
    request_id = run.request_id
    return AutoAssigned(AutoAssignOutcome.ALREADY_ASSIGNED, request_id, assignment, booking)


async def _best(reader: Reader, situation: Situation, booking: Booking, run: Run) -> Plan:
    """The best plan, or NO_FEASIBLE_PLAN. When nothing regular is free, it relaxes what the policy lists."""
    party, avoid = booking.party, run.command.avoid
    horizon = horizon_of(situation, booking.stay)
    diary = await reader.diary(booking.restaurant_id, horizon)
    asked = question_for(diary, situation, party, booking.stay, horizon, booking.booking_id, avoid, 1)
    run.require_time()
    result = await answered(asked.question)
    if not result.plans:
        raise no_feasible_plan(booking, result)
    return result.plans[0]


async def _set_of(plan: Plan, unit: OwnUnit, situation: Situation, booking: Booking) -> Candidate:
    """The plan's set with what decides now whether the booking can have it."""
    return await candidate(unit, situation, booking, plan.set.table_ids, plan.relaxed)


async def _checked(unit: OwnUnit, situation: Situation, booking: Booking, plan: Plan) -> Candidate | Reason:
    """The plan's set as it is now, or why it is to be given up. A table of it may be gone altogether."""
    try:
        wanted = await _set_of(plan, unit, situation, booking)
    except ServiceError as error:
        if error.reason is not Reason.TABLE_NOT_FOUND:
            raise
        return Reason.POLICY_DRIFT
    if wanted.context_version == plan.context_version:
        return wanted
    if wanted.broken_but_for_occupancy:
        return Reason.POLICY_DRIFT
    broken = failed(wanted.checks)
    return broken[0].reason if broken else Reason.STALE_CONTEXT


def _late(answer: AutoAssigned) -> AutoAssigned:
    """What is told when the tables were given, but too late for the caller's time."""
    if answer.outcome is not AutoAssignOutcome.COMPLETED_IN_TIME:
        return answer
    return replace(answer, outcome=AutoAssignOutcome.TIMEOUT_AFTER_CONFIRM)
