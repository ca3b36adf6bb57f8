"""V9: A small load by two client processes: its counts are the server's, and its history is true."""

from pathlib import Path
from uuid import UUID

from loadgen.checking.check import check_history
from loadgen.checking.history import read_history
from loadgen.counters import compare, read_counts
from loadgen.driving import Tally
from loadgen.page import page_of
from loadgen.report import is_sound, refusals, report_of
from loadgen.running import LoadPlan, LoadRun
from loadgen.scenario import parse_scenario
from server.bench.loaded import counting_server

OPERATIONS = 500
# Kinds of steps in the lives of bookings that are taken at least.
STEPS_MIN = 3
SCENARIO = """
about = "Everything at once on one small floor, for the tests."
[floors]
restaurants = 1
tables = 8
capacities = [2, 4]
[bookings]
count = 60
party_sizes = [2, 4]
[holds]
expiring = 0.2
merged = 0.2
[answers]
dropped = 0.2
cut = 0.05
[choices.pending]
hold = 6
plan_and_hold = 1
assign = 6
search = 1
[choices.held]
confirm = 4
release = 2
extend = 1
replace = 2
[choices.expired]
confirm = 1
hold = 1
[choices.assigned]
unassign = 2
reassign = 1
check_in = 3
no_show = 4
cancel = 2
block = 3
unblock = 4
look = 1
[choices.checked_in]
complete = 1
[driving]
shared = 0.05
"""


async def test_callers_and_server_count_the_same_and_nothing_impossible_is_told(
    database_url: str, tmp_path: Path
) -> None:
    async with counting_server(database_url, 1) as server:
        plan = LoadPlan(
            parse_scenario("small", SCENARIO),
            server.address,
            processes=2,
            seed="7",
            in_flight=40,
            operations=OPERATIONS,
            history=tmp_path / "history",
        )
        async with LoadRun(plan) as run:
            await run.prepare()
            before = await read_counts(server.metrics_urls)
            result = await run.drive()
        after = await read_counts(server.metrics_urls)
        state = await server.state([UUID(run.place.restaurant_id(0))])
    tally = result.found.tally
    counted = compare(tally.replies, before, after)
    checked = check_history(tmp_path / "history", state)
    report = report_of(result, counted, checked)
    assert counted.agrees, counted.differences
    assert checked.clean, checked.as_text()
    assert checked.counts["calls"] == tally.calls == counted.compared + counted.unsure
    assert result.found.operations == OPERATIONS
    assert result.found.repeats > 0
    # Which comes how often is chance, and whether a table is free to be blocked.
    assert {method for method, _, _ in tally.replies} >= {"TransitionBooking", "PutBooking", "BlockTables"}
    steps = {call.action for call in read_history(tmp_path / "history").calls if call.outcome == "ok"}
    assert len(steps & {"check_in", "complete", "cancel", "no_show", "undo_no_show"}) >= STEPS_MIN
    assert result.found.unequal == 0
    assert is_sound(report)
    assert sum(sum(second.values()) for second in report["per_second"]) == tally.calls
    assert {"TABLE_CONFLICT_HELD", "TABLE_CONFLICT_ASSIGNED"} <= set(refusals(report))
    page = page_of(report, tally)
    assert page.count("<svg") == 3
    assert 'class="wrong"' not in page
    assert 'class="wrong"' in page_of(report | {"broken": 1}, Tally())
    assert not [foreign for foreign in ("<link", "<script", " src=", "@import") if foreign in page]
