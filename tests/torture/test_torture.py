"""A small run of everything: load, kills, cuts and lost answers, and a verdict."""

from pathlib import Path
from unittest.mock import AsyncMock

import pytest

from loadgen.checking.history import read_history
from loadgen.scenario import Answers, Bookings, Choices, Floors, Holds, Scenario
from server.torture import run
from server.torture.load import Burden
from server.torture.run import Plan, torture
from server.torture.schedule import Kind

OPERATIONS = 150
LOST = 1 / 3
SCENARIO = Scenario(
    name="small",
    about="Twenty callers and six tables.",
    floors=Floors(restaurants=1, tables=6, capacities=[2, 4]),
    bookings=Bookings(count=48, days=4, party_sizes=[2, 2, 4]),
    holds=Holds(ttl_s=30.0, expiring=0.1, merged=0.2),
    answers=Answers(),
    choices=Choices(
        pending={"hold": 8, "assign": 1, "block": 1},
        held={"confirm": 6, "release": 3},
        assigned={"unassign": 2, "reassign": 1, "check_in": 3, "no_show": 2, "cancel": 1, "unblock": 1},
        checked_in={"complete": 2, "no_show": 1},
    ),
)


@pytest.mark.timeout(300)
async def test_a_service_that_is_killed_cut_off_and_not_heard_keeps_its_promises(tmp_path: Path) -> None:
    said: list[str] = []
    plan = Plan(
        seed=5,
        burden=Burden(
            SCENARIO, 20, clients=1, lines=4, timeout_s=5.0, duration_s=None, operations=OPERATIONS
        ),
        servers=1,
        # Deliveries under fire have a test of their own among the races.
        workers=0,
        kills={Kind.KILL_SERVER: 1, Kind.KILL_POSTGRES: 1},
        disturbances=2,
        lost=LOST,
    )
    outcome = await torture(plan, tmp_path / "history", said.append)
    assert [(each.name, each.wrong) for each in outcome.promises if not each.kept] == []
    assert outcome.missing == ()
    assert outcome.kept
    assert outcome.strikes.counted[Kind.KILL_SERVER] == outcome.strikes.counted[Kind.KILL_POSTGRES] == 1
    assert outcome.found.operations >= OPERATIONS
    assert outcome.lost_answers > OPERATIONS * LOST / 2
    told = {call.outcome for call in read_history(tmp_path / "history").calls}
    assert told == {"ok", "refused", "unknown"}


async def test_events_that_are_never_delivered_are_left_to_the_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker = AsyncMock()
    monkeypatch.setattr(run, "DRAIN_WAIT_S", 0.01)
    monkeypatch.setattr(run, "waiting_events", AsyncMock(return_value=3))
    await run.drained((worker,), "")
    worker.stop.assert_awaited_once()


async def test_events_that_a_worker_brings_about_before_it_stops_are_delivered_by_its_next_life(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker = AsyncMock()
    monkeypatch.setattr(run, "waiting_events", AsyncMock(side_effect=[0, 1, 0, 0]))
    await run.drained((worker,), "")
    assert (worker.start.await_count, worker.stop.await_count) == (2, 2)
