"""`maitred bench`, `bench outbox` and `bench plans`: the smallest run of each, through the program."""

from pathlib import Path
from typing import Any

import pytest

from server.bench import peer
from server.bench.outbox import TARGETS as OUTBOX_TARGETS
from server.bench.plans import TARGETS as PLAN_TARGETS
from server.bench.rates import RATIOS
from tests.support.programs import run

SMALL_OUTBOX = "--repeats 1 --events 100 --wakes 2 --confirms 8 --kills 1 --rows 2500"
SMALL_MAIN = "--quick --repeats 1 --scale 0.01 --callers 4 --clients 1 --processes 2"
MAIN_FIGURES = {"hold_vs_raw_sql", "hold_vs_empty_rpc", "hold_confirm_vs_raw_sql", "lone_hold_p50_vs_raw_sql"}
SMALL_PLANS = "--repeats 1 --restaurants 2 --tables 12 --calls 2"


def assert_whole(told: dict[str, Any], unmeasured: set[str]) -> None:
    """Every figure has a number within its spread, and says by what machine and versions it was measured."""
    measured = told["ratios"].keys() - unmeasured
    assert told["missing"].keys() == unmeasured
    assert told["spreads"].keys() == measured
    for key in measured:
        least, most = told["spreads"][key]
        assert 0 < least <= told["ratios"][key] <= most, key
    assert told["reached"].keys() == told["targets"].keys() - unmeasured
    assert told["conditions"].keys() >= {"machine", "cores", "python", "maitred", "postgres"}
    assert told["conditions"]["durable"] is True


@pytest.mark.timeout(600)
async def test_the_outbox_is_measured_against_every_target_in_one_run() -> None:
    ended = await run("bench", "outbox", *SMALL_OUTBOX.split(), "--quick", "-o", "json")
    told = ended.json()
    assert told["ratios"].keys() >= OUTBOX_TARGETS.keys() == told["targets"].keys()
    assert_whole(told, set() if peer.is_installed() else {"drain_vs_pgqueuer"})
    assert told["sizes"] == {
        "repeats": 1,
        "events": 100,
        "wakes": 2,
        "confirms": 8,
        "kills": 1,
        "rows": 2500,
    }
    assert "confirms" in ended.err, "what is under way is told meanwhile"


@pytest.mark.timeout(600)
async def test_plans_are_measured_with_a_cold_a_warm_and_no_cache() -> None:
    told = (await run("bench", "plans", *SMALL_PLANS.split(), "-o", "json")).json()
    assert told["ratios"].keys() == {*PLAN_TARGETS, "plan_warm_vs_uncached"}
    assert_whole(told, set())


@pytest.mark.timeout(600)
async def test_the_main_run_measures_holds_beside_raw_sql_and_is_kept_to_be_compared(tmp_path: Path) -> None:
    only, kept = ",".join(MAIN_FIGURES), str(tmp_path / "runs")
    ended = await run("bench", *SMALL_MAIN.split(), "--only", only, "--history", kept, "-o", "json")
    told = ended.json()
    assert told["ratios"].keys() == {
        *MAIN_FIGURES,
        *(f"{key}_processor" for key in told["ratios"] if key in RATIOS),
    }
    assert told["targets"].keys() == MAIN_FIGURES
    assert told["sizes"]["processes"] == 2
    for key in MAIN_FIGURES:
        least, most = told["spreads"][key]
        assert 0 < least <= told["ratios"][key] <= most, key
    assert {"empty_rpc", "hold", "raw_hold", "lone_raw_hold"} < told["latencies"].keys()
    assert told["conditions"]["durable"] is True
    assert Path(told["file"]).with_suffix(".html").exists()
    compared = (await run("bench", "compare", told["file"], "--history", kept, "-o", "json")).json()
    assert {each["verdict"] for each in compared["figures"]} == {"within the noise"}
    assert compared["differs"] == []
