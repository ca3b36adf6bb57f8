"""Rules of the allocator before this service that are kept, each shown by the part that decides it now."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from server.domain.auto_assign_job import JobState
from server.domain.booking import (
    Booking,
    BookingAction,
    BookingStatus,
    Party,
    allowed_actions,
    next_status,
    require_assignable,
)
from server.domain.claims import Claim
from server.domain.floor import Floor, Table, Zone
from server.domain.hours import opening_at, openings_on, stay_for
from server.domain.policy import AdjacencyMode, Combinations, ServicePeriod, ServicePolicy, TurnTime
from server.domain.retry_plan import queued_job, refused_job
from server.domain.rules import check_selection, failed, forms_merge, select
from server.domain.window import Stay, Window
from server.errors import ClaimKind, InvariantError, Reason, Refusal, ServiceError
from server.persistence.failures import translated
from server.planner.catalog import TableSets
from server.planner.plan import Question, plan_tables
from tests.builders.bookings import booking
from tests.conformance.legacy import (
    DIFFERENT,
    LATER,
    Case,
    cases,
    default_policy,
    floor_of,
    instant,
    present,
    uid,
)
from tests.conformance.test_legacy_calls import CALLS

pytestmark = present

RESTAURANT = uid("restaurant")
SIZES = (15, 90, 180)

# What the old names of refused checks are called here.
WORDS = {
    "CAPACITY_INSUFFICIENT": {Reason.CAPACITY_INSUFFICIENT},
    "ZONE_MISMATCH": {Reason.COMBINATION_CROSSES_ZONES},
    "ADJACENCY_INVALID": {Reason.COMBINATION_NOT_ADJACENT},
    "ASSIGNMENT_CONFLICT": {Reason.TABLE_CONFLICT_ASSIGNED},
    "ZONE_LOCKED": {Reason.ZONE_NOT_REQUESTED},
    "capacity": {Reason.CAPACITY_INSUFFICIENT},
    "zone": {Reason.COMBINATION_CROSSES_ZONES},
    "adjacency": {Reason.COMBINATION_NOT_ADJACENT},
    "conflict": {Reason.TABLE_CONFLICT_ASSIGNED},
    "holds": {Reason.TABLE_CONFLICT_HELD},
    "service_overrun": {Reason.SERVICE_OVERRUN},
    "service_not_found": {Reason.OUTSIDE_SERVICE_HOURS},
    "TRANSITION_NOT_ALLOWED": {Reason.INVALID_STATE_TRANSITION},
    "ALREADY_IN_STATE": {Reason.BOOKING_ALREADY_ASSIGNED},
}


def adjacency(case: Case) -> None:
    """A mode that the case does not name was not asked for."""
    modes = {mode.value: mode for mode in AdjacencyMode}
    expected = {mode: case.expect[mode] for mode in modes if mode in case.expect}
    expected |= {case.given["mode"]: case.expect["satisfied"]} if "mode" in case.given else {}
    assert expected
    place, chosen = _touching(case.given["selection"], case.given["edges"])
    for mode, merges in expected.items():
        assert forms_merge(modes[mode], place, chosen) is merges


def adjacency_commit(case: Case) -> None:
    place, chosen = _touching(case.given["selection"], case.given["edges"])
    assert not forms_merge(AdjacencyMode.CONNECTED, place, chosen)
    policy = ServicePolicy((), combinations=Combinations(tables_max=5))
    assert Reason.COMBINATION_NOT_ADJACENT in _broken(
        place, policy, Party(16, instant("2031-05-01T18:00Z")), chosen
    )


def api_error(case: Case) -> None:
    """One rule of three is broken, or somebody else sits there."""
    check, start = case.given["failed_check"], instant("2031-05-01T18:00Z")
    zones = {"T1": "A", "T2": "B" if check == "zone" else "A"}
    tables = [Table(uid(name), uid(zone), name, 4, 1, 4, True) for name, zone in zones.items()]
    edges = [] if check in ("adjacency", "zone") else [(uid("T1"), uid("T2"))]
    place = Floor.of([Zone(uid("A"), "A"), Zone(uid("B"), "B")], tables, edges)
    window = Window(start, start + timedelta(hours=2))
    foreign = [_claim("T1", window, ClaimKind.ASSIGNMENT)] if check == "conflict" else []
    party = Party(9 if check == "capacity" else 8, start)
    broken = _broken(place, ServicePolicy(()), party, [uid("T1"), uid("T2")], foreign)
    assert WORDS[case.expect["code"]] <= broken


def attempt_plan(case: Case) -> None:
    """What nothing fits is not tried again before something has changed."""
    assert case.expect["hard_failure"]
    now = instant("2031-05-01T12:00Z")
    job, attempts = queued_job("host", now, now, 600), 0
    while job.state is JobState.QUEUED:
        attempts += 1
        refusal = Refusal(Reason.NO_FEASIBLE_PLAN, case.given["inline_last"]["reason"])
        job = refused_job(replace(job, attempt_count=attempts), refusal, now + timedelta(hours=6), now)
    assert attempts <= case.expect["max_attempts_at_most"]


def auto_assign(case: Case) -> None:
    """Each waiting booking, in the order given, takes the best plan that is left."""
    place, policy = floor_of(case.given), default_policy()
    zone = case.given.get("timezone", "Europe/London")
    claims, assigned, stays = [], {}, {}
    for item in case.given["bookings"]:
        party = Party(item["party_size"], instant(item["start"]))
        stays[item["id"]] = stay = stay_for(policy, zone, party.party_size, party.start)
        if item["status"] == "confirmed":
            taken = Window(party.start, instant(item["end"]))
            claims += [_claim(name, taken, ClaimKind.ASSIGNMENT) for name in item["assigned"]]
    for item in case.given["bookings"]:
        if item["status"] != "pending_allocation":
            continue
        party, stay = Party(item["party_size"], instant(item["start"])), stays[item["id"]]
        plans = _plans(place, policy, party, stay, claims)
        if plans:
            assigned[item["id"]] = plans[0]
            claims += [_claim(name, stay.window, ClaimKind.ASSIGNMENT) for name in plans[0]]
    assert assigned == {name: sorted(tables) for name, tables in case.expect["assigned"].items()}
    if "window" in case.expect:
        (stay,) = stays.values()
        assert [stay.window.start, stay.window.end] == [instant(text) for text in case.expect["window"]]


def error_mapping(case: Case) -> None:
    """A failure that nobody foresaw is a broken invariant, never a refusal that a caller could act on."""
    error = asyncpg.PostgresError.new({"C": case.given["sqlstate"], "M": case.given["message"]})
    assert isinstance(translated(error), InvariantError)


def available(case: Case) -> None:
    start = instant(case.given["start"])
    party, policy = Party(case.given["party_size"], start), default_policy()
    stay = stay_for(policy, "UTC", party.party_size, start)
    expected = case.expect.get("available_required", case.expect.get("available"))
    assert _plans(floor_of(case.given), policy, party, stay, []) == [[name] for name in expected]


def manual_validation(case: Case) -> None:
    place, given = floor_of(case.given), case.given
    start, end = (instant(text) for text in given["booking"]["window"])
    locked = given["booking"].get("locked_zone")
    party = Party(given["booking"]["party_size"], start, zone_id=uid(locked) if locked else None)
    foreign = [
        _claim(name, Window(instant(begins), instant(ends)), kind)
        for listed, kind in (("other_assignments", ClaimKind.ASSIGNMENT), ("other_holds", ClaimKind.HOLD))
        for name, _, begins, ends, *_ in given.get(listed, ())
    ]
    rules = Combinations(adjacency_party_size_min=given.get("adjacency_min_party"))
    policy = ServicePolicy((), combinations=rules)
    broken = _broken(place, policy, party, [uid(name) for name in given["selection"]], foreign, end)
    expect = case.expect
    names = expect.get("check_error_any_of", [expect.get("check_error", expect.get("error"))])
    if expect.get("ok") is False:
        assert any(WORDS[name] <= broken for name in names)
    if expect.get("ok") is True:
        assert broken == set()
    if "check_ok" in expect:
        assert not WORDS[expect["check_ok"]] & broken


def occupancy(case: Case) -> None:
    busy = [_window(pair) for pair in case.given["busy"]]
    probes = [_window(pair) for pair in case.given["probe"]]
    assert [not any(probe.overlaps(taken) for taken in busy) for probe in probes] == case.expect["free"]


def overlap(case: Case) -> None:
    a, b = (_span(case.given[name], case.given.get("zone")) for name in ("a", "b"))
    assert a.overlaps(b) is b.overlaps(a) is case.expect["overlap"]


def overlap_property(case: Case) -> None:
    for zone, transitions in case.given["transitions"].items():
        for text in transitions:
            t = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(ZoneInfo("UTC"))
            for before in SIZES:
                for after in SIZES:
                    first = Window(t - timedelta(minutes=before), t)
                    assert not first.overlaps(Window(t, t + timedelta(minutes=after)))


def overlap_buffer(case: Case) -> None:
    first, second = (
        stay_for(
            default_policy(),
            "Europe/London",
            case.given[name]["party_size"],
            instant(case.given[name]["start"]),
        )
        for name in ("first", "second")
    )
    assert first.window.overlaps(second.window) is case.expect["overlap"]
    assert first.window.end == second.window.start


def quote_hold(case: Case) -> None:
    wanted = case.given["booking"]
    party, taken = (
        Party(wanted["party_size"], instant(wanted["start"])),
        _window(case.given["foreign_window"]),
    )
    held = [_claim(name, taken, ClaimKind.HOLD) for name in case.given["foreign_holds_on"]]
    stay = stay_for(default_policy(), "UTC", party.party_size, party.start)
    assert _plans(floor_of(case.given), default_policy(), party, stay, held)[0] == case.expect["hold_tables"]


def service_lookup(case: Case) -> None:
    served = _period_of(instant(case.given["at"]), 2, case.given["timezone"])
    assert served == case.expect["service"]


def validate_window(case: Case) -> None:
    given = case.given
    local = datetime.fromisoformat(f"{given['booking_date']}T{given['start_time']}")
    start = local.replace(tzinfo=ZoneInfo(given["timezone"]))
    assert (_period_of(start, given["party_size"], given["timezone"]) is not None) is case.expect["ok"]


def window(case: Case) -> None:
    given, expect = case.given, case.expect
    start = instant(given["start"])
    if "error" in expect:
        with pytest.raises(ServiceError) as caught:
            stay_for(default_policy(), given["timezone"], given["party_size"], start)
        assert {caught.value.reason} == WORDS[expect["error"]]
        return
    stay = stay_for(default_policy(), given["timezone"], given["party_size"], start)
    assert stay.period == expect["service"]
    assert stay.window.end == instant(expect["block_end"])
    assert stay.dining.start == instant(expect.get("dining_start", given["start"]))
    assert stay.dining.end == instant(expect.get("dining_end", expect["block_end"])) - (
        timedelta() if "dining_end" in expect else timedelta(minutes=5)
    )


def state_machine(case: Case) -> None:
    """Nothing leads from one status to the other: no action does, and confirming a confirmed booking neither."""
    before = booking(BookingStatus(case.given["from"]), assigned_epoch=1)
    reachable = allowed_actions(before)
    assert case.given["to"] not in reachable.values()
    for action in set(BookingAction) - reachable.keys():
        assert _refused(partial(next_status, action=action), before) is Reason.INVALID_STATE_TRANSITION
    if case.given["to"] == case.given["from"]:
        assert {_refused(require_assignable, before)} == WORDS[case.expect["code"]]


def lifecycle(case: Case) -> None:
    before = booking(BookingStatus(case.given["status"]), assigned_epoch=1)
    assert case.given["action"] == "check_out"
    assert (
        _refused(lambda b: next_status(b, BookingAction.COMPLETE), before) is Reason.INVALID_STATE_TRANSITION
    )


SHOWN: dict[str, Callable[[Case], None]] = {
    "adjacency": adjacency,
    "adjacency_commit": adjacency_commit,
    "api_error": api_error,
    "attempt_plan": attempt_plan,
    "auto_assign": auto_assign,
    "error_mapping": error_mapping,
    "filter": available,
    "filter_legacy_defect": available,
    "manual_validation": manual_validation,
    "occupancy": occupancy,
    "overlap": overlap,
    "overlap_property": overlap_property,
    "overlap_buffer": overlap_buffer,
    "quote_hold": quote_hold,
    "service_lookup": service_lookup,
    "validate_window": validate_window,
    "window": window,
    "state_machine": state_machine,
    "lifecycle": lifecycle,
}
ELSEWHERE = DIFFERENT.keys() | LATER.keys() | CALLS.keys()
DECIDED = [case for case in cases() if case.case_id not in ELSEWHERE]


def test_every_case_is_shown_or_named_with_the_reason_why_not() -> None:
    assert not DIFFERENT.keys() & LATER.keys()
    assert not CALLS.keys() & (DIFFERENT.keys() | LATER.keys())
    assert {case.case_id for case in cases()} >= ELSEWHERE
    assert [str(case) for case in DECIDED if case.kind not in SHOWN] == []
    assert {case.kind for case in DECIDED} == SHOWN.keys()


@pytest.mark.parametrize("case", DECIDED, ids=str)
def test_the_rule_is_kept(case: Case) -> None:
    SHOWN[case.kind](case)


def _touching(names: list[str], edges: list[list[str]]) -> tuple[Floor, list[UUID]]:
    """Tables of four in one zone, also those that only edges name."""
    every = sorted({*names, *(name for edge in edges for name in edge)})
    tables = [Table(uid(name), uid("zone"), name, 4, 1, 4, True) for name in every]
    floor = Floor.of([Zone(uid("zone"), "zone")], tables, [(uid(a), uid(b)) for a, b in edges])
    return floor, [uid(name) for name in names]


def _broken(
    place: Floor,
    policy: ServicePolicy,
    party: Party,
    chosen: list[UUID],
    foreign: list[Claim] | None = None,
    end: datetime | None = None,
) -> set[Reason]:
    window = Window(party.start, end or party.start + timedelta(hours=2))
    selection = select(place, policy, party, window, chosen, RESTAURANT)
    return {check.reason for check in failed(check_selection(selection, foreign or [], "UTC"))}


def _plans(
    place: Floor, policy: ServicePolicy, party: Party, stay: Stay, claims: list[Claim]
) -> list[list[str]]:
    """The table names of every plan, best first."""
    sets = TableSets.of(place, policy.combinations)
    horizon = Window(stay.window.start - timedelta(hours=6), stay.window.end + timedelta(hours=6))
    question = Question(place, sets, policy, party, stay, claims, horizon, frozenset(), 50, 1)
    return [sorted(table.name for table in plan.tables) for plan in plan_tables(question).plans]


def _claim(name: str, window: Window, kind: ClaimKind) -> Claim:
    return Claim(uid(name), window, kind, uid("somebody"))


def _window(pair: Any) -> Window:
    return Window(instant(pair[0]), instant(pair[1]))


def _span(pair: Any, zone: str | None) -> Window:
    """Local times are read as the hours of a service period of that day are."""
    if zone is None and isinstance(pair[0], str):
        return _window(pair)
    if zone is None:
        start, end = (instant("2031-05-01T18:00Z") + timedelta(seconds=number) for number in pair)
        return Window(start, end)
    opens, closes = (datetime.fromisoformat(text) for text in pair)
    assert opens.date() == closes.date()
    turns = (TurnTime(2, 3_600),)
    period = ServicePeriod("span", opens.hour * 60 + opens.minute, closes.hour * 60 + closes.minute, turns)
    (opening,) = openings_on(ServicePolicy((period,)), zone, date(opens.year, opens.month, opens.day))
    return opening.span


def _period_of(start: datetime, party_size: int, zone: str) -> str | None:
    if opening_at(default_policy(), zone, start) is None:
        return None
    return stay_for(default_policy(), zone, party_size, start).period


def _refused(step: Callable[[Booking], object], before: Booking) -> Reason:
    with pytest.raises(ServiceError) as caught:
        step(before)
    return caught.value.reason
