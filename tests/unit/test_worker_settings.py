"""Which settings a worker's parts go by, and in which order they stop."""

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from server import worker
from server.config import load_settings
from server.domain.retry_plan import RETRY_AFTER_S
from server.lifecycle import Lifecycle
from server.outbox.relay import RelaySettings
from server.worker import Worker, _job_limits, _relay_settings, _resumer, _upkeep

ROWS_MAX = 7
KEPT_S = {
    "event_retention_s": 1.0,
    "telemetry_retention_s": 2.0,
    "claims_kept_s": 3.0,
    "holds_kept_s": 4.0,
    "history_kept_s": 5.0,
}


class Asked:
    """Notes what it is asked for, and finds nothing to do."""

    def __init__(self) -> None:
        self.of: list[tuple[object, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., Awaitable[int]]:
        async def ask(*values: object) -> int:
            self.of.append((name, *values))
            return 0

        return ask


class Leading:
    async def lead(self, role: int) -> bool:
        return role == worker.UPKEEP_ROLE


async def test_everything_is_kept_for_as_long_as_the_setting_of_its_own_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = Asked()
    for store in ("SqlUpkeep", "SqlTelemetryStore", "SqlHistory"):
        monkeypatch.setattr(worker, store, lambda *_: asked)
    settings = load_settings().model_copy(update={**KEPT_S, "upkeep_rows_max": ROWS_MAX})
    for service in _upkeep(settings, cast("Any", None), cast("Any", Leading()), cast("Any", asked)):
        await service.run_once()
    assert {each for each in asked.of if each[0] != "clock_ahead_s"} == {
        ("delete_delivered", 1.0, ROWS_MAX),
        ("delete_older", 2.0, ROWS_MAX),
        ("forget_answers", ROWS_MAX),
        ("clear_past_claims", 3.0, worker.CLEARED_RESTAURANTS_MAX),
        ("clear_ended_holds", 4.0, ROWS_MAX),
        ("clear_past_bookings", 5.0, ROWS_MAX),
        ("clear_past_blocks", 5.0, ROWS_MAX),
        ("clear_past_entries", 5.0, ROWS_MAX),
    }


async def test_jobs_are_given_back_when_no_round_takes_any_and_the_session_is_closed_last() -> None:
    happened: list[str] = []

    def noted(name: str) -> Callable[..., Awaitable[None]]:
        async def note() -> None:
            happened.append(name)

        return note

    def running(name: str) -> Any:
        return SimpleNamespace(name=name, start=noted(f"+{name}"), stop=noted(f"-{name}"))

    parts = Worker(
        session=cast("Any", SimpleNamespace(close=noted("-session"))),
        relay=running("relay"),
        jobs=cast("Any", SimpleNamespace(let_go=noted("-jobs"))),
        sinks=(cast("Any", SimpleNamespace(open=noted("+sink"), close=noted("-sink"))),),
        services=(running("auto_assign"),),
        health=running("health"),
    ).parts()
    lifecycle = Lifecycle(tuple(parts), 1.0)
    await lifecycle.start()
    assert happened == ["+sink", "+relay", "+auto_assign", "+health"]
    happened.clear()
    await lifecycle.stop()
    assert happened == ["-health", "-auto_assign", "-jobs", "-relay", "-sink", "-session"]


async def test_only_what_waits_longer_than_anything_is_told_to_wait_is_taken_for_a_clock_set_back() -> None:
    asked, settings = cast("Any", Asked()), load_settings()
    await _resumer(settings, asked, asked, asked).run_once()
    ((_, wait_s_max),) = [each for each in asked.of if each[0] == "resume"]
    assert wait_s_max == max(*RETRY_AFTER_S, _job_limits(settings).lease_s)


@pytest.mark.parametrize("deadline_s", [1.0, 100.0])
def test_a_job_stays_taken_until_the_last_try_of_its_turn_is_over(deadline_s: float) -> None:
    limits = _job_limits(load_settings().model_copy(update={"deadline_s_default": deadline_s}))
    assert limits.lease_s > worker.JOBS_TURN_S + deadline_s


def test_a_relay_takes_as_much_as_its_settings_say() -> None:
    given = {"relay_restaurants_max": 3, "relay_events_max": 4, "relay_poll_s": 0.5, "lease_s": 60.0}
    taken = _relay_settings(load_settings(**given))
    assert taken == RelaySettings(runs_max=3, events_max=4, poll_s=0.5, lease_s=60.0)
