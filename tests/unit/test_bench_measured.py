"""What a measurement counts as measured, what it refuses to measure, and where it says that time went."""

import json
import time
from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import typer

from loadgen.driving import Reply, Tally
from server.bench.figures import Curve, Findings
from server.bench.main_run import NAMES, PARTS, TARGETS, Part, left_out, measured_or_missing
from server.bench.measured import RefusedError, latency_counts, measured_of
from server.bench.profile import OTHER_THREADS, profiled, read_profile
from server.bench.sizes import MAIN_FULL, MAIN_QUICK, MainSizes
from server.bench.stage import Stage
from server.cli.bench_main import chosen_figures
from server.cli.bench_view import findings_json

MS = 1_000_000


def tally(*latencies_ms: int, status: str = "OK", reason: str = "") -> Tally:
    """Calls that follow each other without a gap."""
    counted = Tally()
    begin = 0
    for latency_ms in latencies_ms:
        end = begin + latency_ms * MS
        counted.note("/Hold", Reply(status, reason, b"", end), begin)
        begin = end
    return counted


def test_the_rate_of_several_clients_counts_from_the_first_start_to_the_last_end() -> None:
    measured = measured_of([tally(100, 100), tally(500, 1_500)], {"server": 40.0, "database": 20.0})
    assert (measured.seconds, measured.rate) == (2.0, 2.0)
    assert measured.percentile_ms(99) == pytest.approx(1_500, rel=0.01)
    assert measured.processor_per_call_ms("server", "database") == 15.0


def test_refused_calls_are_no_measurement() -> None:
    refused = tally(1, 1, status="FAILED_PRECONDITION", reason="TABLE_CONFLICT_HELD")
    with pytest.raises(RefusedError, match=r"2 of 5 .* 2 × /Hold FAILED_PRECONDITION TABLE_CONFLICT_HELD"):
        measured_of([tally(1, 1, 1), refused], {})


def test_latencies_are_counted_in_steps_that_hold_all_of_them() -> None:
    counts = latency_counts([measured_of([tally(1, 2, 4)], {}), measured_of([tally(4, 100)], {})])
    assert sum(count for _, count in counts) == 5
    bounds = [up_to_ms for up_to_ms, _ in counts]
    assert bounds == sorted(bounds)
    assert max(bounds) == pytest.approx(100, rel=0.26)


def test_every_target_is_given_by_one_part_of_the_run() -> None:
    given = [key for part in PARTS for key in part.keys]
    assert sorted(given) == sorted(TARGETS)
    assert left_out(MAIN_FULL) == ()
    assert {"overload", "second_process"} < set(left_out(MAIN_QUICK)) < NAMES


async def test_what_could_not_be_measured_is_missing_by_name_and_the_rest_goes_on() -> None:
    async def refused(_: Stage, __: MainSizes, ___: Collection[str]) -> Findings:
        raise RefusedError("3 of 3 calls failed")

    said: list[str] = []
    stage = cast(Stage, SimpleNamespace(ground=SimpleNamespace(report=said.append)))
    part = Part(refused, ("hold_vs_raw_sql", "hold_vs_empty_rpc"), ("holds_by_claims",))
    found = await measured_or_missing(part, stage, MAIN_QUICK, {"hold_vs_raw_sql"})
    missing = {"hold_vs_raw_sql": "3 of 3 calls failed", "holds_by_claims": "3 of 3 calls failed"}
    assert findings_json(found, {}, {}, {})["missing"] == missing
    assert "NOT MEASURED" in said[0]


def test_only_what_there_is_can_be_asked_for() -> None:
    assert chosen_figures(None) == NAMES
    assert chosen_figures("planner_ms, overload") == {"planner_ms", "overload"}
    with pytest.raises(typer.BadParameter, match=r"no such figure: speed; there are: .*hold_vs_raw_sql"):
        chosen_figures("planner_ms,speed")
    with pytest.raises(typer.BadParameter):
        chosen_figures(",")


def test_curves_and_latencies_are_told_beside_the_figures() -> None:
    curve = Curve("by_tables", "Holds", "tables", "per second", (12, 400), {"holds": (2.0, 1.0)})
    findings = Findings((), {}, (curve,), {"hold": ((1.25, 3),)}) + Findings((), {"hold_per_s": 2.0})
    told = findings_json(findings, {}, {}, {})
    assert told["curves"][0]["series"] == {"holds": [2.0, 1.0]}
    assert told["latencies"] == {"hold": [[1.25, 3]]}
    assert told["behind"] == {"hold_per_s": 2.0}


def test_a_profile_finds_who_was_at_work(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"

    def at_work() -> None:
        until = time.thread_time() + 0.1
        while time.thread_time() < until:
            json.dumps([1, 2, 3])

    with profiled(path):
        at_work()
    functions = {share.name.rpartition(".")[2]: share for share in read_profile(path).functions}
    assert functions["at_work"].within > 0.5


def test_a_profile_is_told_by_package_by_function_and_by_what_our_functions_call(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    stacks = [
        (60, ["asyncpg.pool.acquire", "server.persistence.store.SqlStore.run", "asyncio.runners.Runner.run"]),
        (30, ["server.persistence.store.SqlStore.run", "asyncio.runners.Runner.run"]),
        (10, [OTHER_THREADS]),
    ]
    path.write_text(json.dumps(stacks), encoding="utf-8")
    profile = read_profile(path)
    shares = {share.name: (share.itself, share.within) for share in profile.packages}
    assert shares == {
        "asyncpg": (0.6, 0.6),
        "server.persistence": (0.3, 0.9),
        OTHER_THREADS: (0.1, 0.1),
        "asyncio": (0.0, 0.9),
    }
    assert [share.name for share in profile.own_functions] == ["server.persistence.store.SqlStore.run"]
