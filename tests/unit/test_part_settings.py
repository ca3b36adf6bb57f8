"""Each part is told what was set for it, and nothing else."""

import sys

import pytest

from server.config import load_settings
from server.orchestrator.hold_tables import HoldLimits
from server.part_settings import hold_limits, log_form, rpc_settings, store_settings
from server.persistence.group import GroupLimits
from server.persistence.store import StoreSettings
from server.rpc.interceptors.identity import DeadlineLimits
from server.telemetry.logs import LogForm


def test_holds_live_as_long_as_is_set() -> None:
    settings = load_settings(hold_ttl_s_min=61, hold_ttl_s_default=62, hold_ttl_s_max=63, hold_life_s_max=64)
    assert hold_limits(settings) == HoldLimits(
        ttl_s_default=62.0, ttl_s_min=61.0, ttl_s_max=63.0, life_s_max=64.0
    )


def test_the_store_and_its_groups_are_bounded_as_is_set() -> None:
    settings = load_settings(
        attempts_max=3,
        lock_timeout_s=1.5,
        ledger_ttl_s=7_200,
        deadline_s_default=9,
        writers_per_restaurant=4,
        group_members_max=5,
        groups_max=6,
        group_queue_max=7,
    )
    assert store_settings(settings) == StoreSettings(
        attempts_max=3,
        lock_timeout_s=1.5,
        ledger_ttl_s=7_200.0,
        read_timeout_s=9.0,
        writers_per_restaurant=4,
        groups=GroupLimits(
            members_max=5, groups_max=6, queue_max=7, lock_timeout_s=1.5, ledger_ttl_s=7_200.0
        ),
    )


@pytest.mark.parametrize(("processes", "shares_its_port"), [(1, False), (2, True)])
def test_the_edge_is_bounded_as_is_set(processes: int, shares_its_port: bool) -> None:
    settings = load_settings(
        host="localhost",
        port=7_500,
        processes=processes,
        calls_in_flight_max=3,
        calls_waiting_max=4,
        connection_calls_max=5,
        streams_max=6,
        deadline_s_default=7,
        deadline_s_max=8,
    )
    told = rpc_settings(settings)
    assert (told.host, told.port, told.reuse_port) == ("localhost", 7_500, shares_its_port)
    assert (told.calls_max, told.waiting_max, told.connection_calls_max, told.streams_max) == (3, 4, 5, 6)
    assert told.deadlines == DeadlineLimits(default_s=7.0, max_s=8.0)


@pytest.mark.parametrize("terminal", [True, False])
def test_lines_are_for_people_on_a_terminal_unless_it_is_set(
    terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert log_form(load_settings()) is (LogForm.TEXT if terminal else LogForm.JSON)
    assert log_form(load_settings(log_format="text")) is LogForm.TEXT
    assert log_form(load_settings(log_format="json")) is LogForm.JSON
