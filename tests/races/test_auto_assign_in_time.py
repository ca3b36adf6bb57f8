"""A13: An automatic assignment ends in time, says on which side of the commit, and does nothing by halves."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest

from maitred_client import new_request_id
from maitred_client.messages import (
    AutoAssignOutcome,
    AutoAssignResponse,
    GetOperationRequest,
    NextStep,
    OperationState,
)
from server.errors import Reason, ServiceError
from server.orchestrator import auto_assign
from server.orchestrator.auto_assigned import AutoAssigned
from server.orchestrator.auto_assigned import AutoAssignOutcome as Outcome
from server.persistence import transactions
from server.persistence.pool import DriverConnection
from tests.conftest import Served
from tests.races.behind_faults import COMMIT, Interrupted, interrupted
from tests.races.direct import CONNECTIONS, MARGIN_S, direct
from tests.races.evidence import broken_invariants, difference, dump
from tests.races.faults import Run
from tests.races.operations import day
from tests.support.clock import TimeLimits, let_pass, run_out
from tests.support.database import connected, restaurant_locked, somebody_waits

COMPLETED = AutoAssignOutcome.AUTO_ASSIGN_OUTCOME_COMPLETED_IN_TIME
BEFORE = AutoAssignOutcome.AUTO_ASSIGN_OUTCOME_TIMEOUT_BEFORE_CONFIRM
AFTER = AutoAssignOutcome.AUTO_ASSIGN_OUTCOME_TIMEOUT_AFTER_CONFIRM
RETRY = NextStep.NEXT_STEP_RETRY_SAME_REQUEST

# Of the caller's time so much is kept for the answer.
PATIENCE_S, KEPT_S = 60.0, 10.0

# BEGIN, the ledger twice, reading and locking, writing, COMMIT: each of them is waited for.
STATEMENTS_MIN = 12


class Hours:
    """Time that passes when the test says so: on the clock of deadlines, and for what cuts an assignment off."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patching = monkeypatch
        self._cuts = TimeLimits(monkeypatch, auto_assign)
        # What hangs is not waited for much longer.
        monkeypatch.setattr(transactions, "END_TIMEOUT_S", 0.01)

    async def until_begun(self, assignments: int) -> None:
        while len(self._cuts.begun) < assignments:  # noqa: ASYNC110 nobody tells
            await asyncio.sleep(0.01)

    def pass_by(self) -> None:
        """What is left is kept for the answer."""
        let_pass(self._patching, PATIENCE_S - KEPT_S)

    def cut_off(self) -> None:
        """So long after that what hangs is cut off."""
        self.pass_by()
        for cut in self._cuts.begun:
            run_out(cut)


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> Hours:
    return Hours(monkeypatch)


@pytest.fixture
async def scene(database_url: str) -> AsyncIterator[Interrupted]:
    async with interrupted(database_url, answer_margin_s=KEPT_S) as ready:
        yield ready
        await ready.require_sound()


async def fate(scene: Interrupted, request_id: str) -> tuple["OperationState.ValueType", AutoAssignResponse]:
    found = await scene.place.client.get_operation(
        GetOperationRequest(method="AutoAssign", operation_request_id=request_id)
    )
    told = AutoAssignResponse()
    found.response.Unpack(told)
    return found.state, told


# Told apart


@pytest.mark.parametrize("request_id", ["", new_request_id()], ids=["derived", "of its own"])
async def test_out_of_time_before_the_commit_nothing_has_changed(
    scene: Interrupted, hours: Hours, request_id: str
) -> None:
    place = scene.place
    booking = await place.party()
    request = place.auto_assign_request(booking.booking_id, request_id=request_id)
    before = await scene.dump()
    async with restaurant_locked(scene.server.database_url, place.restaurant_id) as locking:
        call = asyncio.create_task(place.client.auto_assign(request, timeout_s=PATIENCE_S))
        await somebody_waits(locking)
        hours.cut_off()
        answer = await call
    assert (answer.outcome, list(answer.next_steps)) == (BEFORE, [RETRY])
    assert not answer.HasField("assignment")
    assert await scene.effect(before) == {}
    assert (await fate(scene, answer.request_id))[0] == OperationState.OPERATION_STATE_UNKNOWN
    again = await place.client.auto_assign(request)
    assert (again.outcome, again.request_id) == (COMPLETED, answer.request_id)


async def test_out_of_time_in_the_queue_of_writers_nothing_has_changed(
    scene: Interrupted, hours: Hours
) -> None:
    """The waiting is not done by the database here, which knows nothing of the call yet."""
    place = scene.place
    booking = await place.party()
    before = await scene.dump()
    async with restaurant_locked(scene.server.database_url, place.restaurant_id):
        calls = asyncio.gather(
            *(
                place.client.auto_assign(
                    place.auto_assign_request(booking.booking_id, request_id=new_request_id()),
                    timeout_s=PATIENCE_S,
                )
                for _ in range(6)
            )
        )
        await hours.until_begun(6)
        hours.cut_off()
        answers = await calls
    assert {answer.outcome for answer in answers} == {BEFORE}
    assert await scene.effect(before) == {}


async def late(hours: Hours, _: DriverConnection, run: Run) -> Any:
    """The answer comes when the time for it has begun."""
    answer = await run()
    hours.pass_by()
    return answer


async def never(hours: Hours, _: DriverConnection, run: Run) -> Any:
    """The answer is lost on the way."""
    await run()
    hours.cut_off()
    await asyncio.Event().wait()


async def not_sent(hours: Hours, _: DriverConnection, run: Run) -> Any:
    hours.cut_off()
    await asyncio.Event().wait()


@pytest.mark.parametrize("answer_of_the_database", [late, never])
async def test_out_of_time_after_the_commit_the_tables_are_told(
    scene: Interrupted,
    hours: Hours,
    answer_of_the_database: Callable[[Hours, DriverConnection, Run], Awaitable[Any]],
) -> None:
    place = scene.place
    booking = await place.party()
    scene.plan.arm_for(COMMIT, partial(answer_of_the_database, hours))
    answer = await place.client.auto_assign(
        place.auto_assign_request(booking.booking_id), timeout_s=PATIENCE_S
    )
    scene.plan.disarm()
    assert scene.plan.statements
    assert (answer.outcome, list(answer.next_steps)) == (AFTER, [])
    assert answer.booking == await place.read(booking.booking_id)
    answer.outcome = COMPLETED
    assert await fate(scene, answer.request_id) == (OperationState.OPERATION_STATE_SUCCEEDED, answer)
    assert await place.auto_assign(booking) == answer


async def test_a_commit_that_is_cut_off_before_it_happened_has_changed_nothing(
    scene: Interrupted, hours: Hours
) -> None:
    place = scene.place
    booking = await place.party()
    scene.plan.arm_for(COMMIT, partial(not_sent, hours))
    before = await scene.dump()
    answer = await place.client.auto_assign(
        place.auto_assign_request(booking.booking_id), timeout_s=PATIENCE_S
    )
    scene.plan.disarm()
    assert answer.outcome == BEFORE
    assert await scene.effect(before) == {}
    assert (await place.auto_assign(booking)).outcome == COMPLETED


# Without gRPC: cancelled anywhere, and counted


class CancelledAt:
    """Awaits something, and cancels the task that does when it is about to wait for the `number`-th time."""

    def __init__(self, awaited: Awaitable[object], number: int) -> None:
        self.awaited = awaited
        self.number = number
        self.waits = 0

    def __await__(self) -> Generator[Any, Any, object]:
        steps = self.awaited.__await__()
        proceed: Callable[[], Any] = lambda: steps.send(None)  # noqa: E731
        while True:
            try:
                waiting_for = proceed()
            except StopIteration as end:
                return end.value
            self.waits += 1
            if self.waits == self.number:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            try:
                yield waiting_for
                proceed = lambda: steps.send(None)  # noqa: E731
            except BaseException as error:  # noqa: BLE001 - it belongs to what is awaited
                proceed = lambda error=error: steps.throw(error)  # type: ignore[misc]  # noqa: E731


async def test_whoever_cancels_it_anywhere_leaves_all_or_nothing_and_never_a_hold(server: Served) -> None:
    """A cancellation may come too late to be heard; then the call has ended as if there had been none."""
    async with direct(server) as here, connected(server.database_url) as database:
        ends = []
        for number in itertools.count(1):
            booking = await here.world.booking(start=day(number))
            before = await dump(database, here.world.restaurant_id)
            call = CancelledAt(here.run(booking.booking_id), number)
            (end,) = await asyncio.gather(call, return_exceptions=True)
            effect = difference(before, await dump(database, here.world.restaurant_id))
            ends.append((type(end), effect))
            if call.waits < number:
                break
        whole = ends[-1][1]
        assert whole.keys() >= {"assignments", "table_claims", "booking_history", "idempotency_ledger"}
        assert all(effect == whole for kind, effect in ends if kind is AutoAssigned)
        cancelled = [effect for kind, effect in ends if kind is asyncio.CancelledError]
        assert len(cancelled) > STATEMENTS_MIN
        assert all(effect in ({}, whole) for effect in cancelled)
        assert await database.fetch("SELECT FROM holds") == []
        assert await broken_invariants(database, here.world.restaurant_id) == {}
        assert here.outcomes() == {
            "cancelled": len(cancelled),
            "completed_in_time": len(ends) - len(cancelled),
        }


async def test_a_caller_is_answered_in_time_even_if_there_is_no_connection_to_be_had(server: Served) -> None:
    async with direct(server) as here, AsyncExitStack() as busy:
        booking = await here.world.booking()
        for _ in range(CONNECTIONS):
            await busy.enter_async_context(here.pool.acquire())
        async with asyncio.timeout(PATIENCE_S):
            answer = await here.run(booking.booking_id, seconds=MARGIN_S)
        assert answer == AutoAssigned(Outcome.TIMEOUT_BEFORE_CONFIRM, None)


async def test_a_caller_is_answered_in_time_by_what_the_database_gives_up(server: Served) -> None:
    async with direct(server) as here:
        booking = await here.world.booking()
        async with (
            restaurant_locked(server.database_url, here.world.restaurant_id),
            asyncio.timeout(PATIENCE_S),
        ):
            answer = await here.run(booking.booking_id, seconds=2 * MARGIN_S)
        assert isinstance(answer, AutoAssigned)
        assert answer.outcome is Outcome.TIMEOUT_BEFORE_CONFIRM


async def test_each_end_is_counted_by_its_outcome(server: Served) -> None:
    async with direct(server) as here:
        booking, too_many = await here.world.booking(), await here.world.booking(party=90)
        await here.run(booking.booking_id, seconds=0.0)
        await here.run(booking.booking_id)
        await here.world.seated("T5", party=8)
        by_hand = await here.world.seated("T2")
        await here.run(by_hand.booking_id)
        with pytest.raises(ServiceError) as refused:
            await here.run(too_many.booking_id)
        assert refused.value.reason is Reason.NO_FEASIBLE_PLAN
        assert here.outcomes() == {
            "timeout_before_confirm": 1,
            "completed_in_time": 1,
            "already_assigned": 1,
            "no_feasible_plan": 1,
        }
