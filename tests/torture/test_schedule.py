"""The seed decides which faults come, when, and whom they meet."""

import shlex
import sys
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from server.cli import app, torture_command
from server.cli.torture_view import repeat
from server.torture.run import Plan
from server.torture.schedule import DISTURBANCES, LAST, LASTS_S, Kind, schedule

KILLS = {Kind.KILL_SERVER: 5, Kind.KILL_POSTGRES: 2}


def test_the_same_seed_makes_the_same_schedule() -> None:
    assert schedule(7, KILLS, 40) == schedule(7, KILLS, 40)
    assert schedule(7, KILLS, 40) != schedule(8, KILLS, 40)


def test_a_schedule_has_the_kills_that_were_asked_for_and_every_disturbance_as_often_as_the_others() -> None:
    counted = Counter(fault.kind for fault in schedule(1, KILLS, 3 * len(DISTURBANCES)))
    assert counted == Counter(KILLS) + Counter(dict.fromkeys(DISTURBANCES, 3))


def test_faults_come_in_order_and_leave_the_end_of_the_run_alone() -> None:
    moments = [fault.at for fault in schedule(2, KILLS, 100)]
    assert moments == sorted(moments)
    assert 0 <= moments[0] < 0.2
    assert 0.8 < moments[-1] <= LAST


def test_kills_and_disturbances_come_mixed() -> None:
    kinds = [fault.kind in KILLS for fault in schedule(2, KILLS, 100)]
    assert kinds != sorted(kinds)
    assert kinds != sorted(kinds, reverse=True)


def test_a_fault_lasts_as_long_as_its_kind_may_and_meets_one_of_those_that_there_are() -> None:
    for fault in schedule(3, KILLS, 200):
        shortest, longest = LASTS_S.get(fault.kind, (0.0, 1.0))
        assert shortest <= fault.lasts_s <= longest
        assert {fault.choice(among) < among for among in (1, 2, 7)} == {True}
        assert fault.jump_s != 0
    assert {fault.choice(7) for fault in schedule(3, KILLS, 200)} == set(range(7))


def test_clocks_are_set_forwards_and_back() -> None:
    jumps = [fault.jump_s for fault in schedule(4, {}, 400) if fault.kind is Kind.JUMP_CLOCK]
    assert min(jumps) <= -86_400
    assert max(jumps) >= 86_400


def test_the_command_that_is_shown_makes_the_same_plan(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scenario = tmp_path / "our floors.toml"
    scenario.write_text((files("loadgen") / "scenarios" / "torture.toml").read_text())
    plans: list[Plan] = []
    monkeypatch.setattr(torture_command, "_run", lambda plan, *_: plans.append(plan))
    chosen = "--operations 900 --in-flight 20 --lines 3 --timeout 2.5 --processes 3 --workers 2 --lost-answers 0.25"
    faults = "--kills-of-servers 7 --kills-of-postgres 2 --kills-of-workers 3 --disturbances 11"
    command = f"maitred torture {chosen} {faults} --scenario '{scenario}'"
    for _ in range(2):
        monkeypatch.setattr(sys, "argv", shlex.split(command))
        with pytest.raises(SystemExit):
            app.run()
        command = repeat(plans[0], str(scenario))
    assert plans[0] == plans[1]
