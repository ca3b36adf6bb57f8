"""P8: Alternatives against exhaustive search: every quarter of an hour of the day, every other zone, one plan each."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from server.domain.claims import Claim
from server.domain.floor import Floor, Table
from server.domain.hours import opening_at, planning_horizon, service_date, stay_for
from server.domain.policy import RELAXABLE, AdjacencyMode, ServicePeriod, ServicePolicy, TurnTime
from server.domain.rules import Selection, check_selection, failed
from server.domain.window import Window
from server.errors import ClaimKind, Reason, ServiceError
from server.planner.alternatives import (
    Alternative,
    AlternativeKind,
    booked_anew,
    find_alternatives,
    other_starts,
    span_of,
)
from server.planner.catalog import TableSets
from server.planner.plan import Plan, Question, plan_tables
from tests.builders.floors import zone_id
from tests.builders.questions import claim
from tests.property.random_worlds import random_question
from tests.property.test_planner_keeps_its_word import reordered

FLOORS = range(40)
STARTS_PER_FLOOR = 2
EVERYTHING = 10_000
QUARTER = timedelta(minutes=15)
BROKEN_RULES = {AlternativeKind.LARGER_COMBINATION, AlternativeKind.RELAXED}
MODES = pytest.mark.parametrize("mode", AdjacencyMode)
# In one of these zones the clock changes in the night of the questions, in the other it never does.
TIME_ZONES = ("UTC", "Europe/London")
NIGHTS = (datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 10, 24, tzinfo=UTC))


@MODES
def test_the_nearest_starts_both_ways_are_those_of_exhaustive_search(mode: AdjacencyMode) -> None:
    found = 0
    for question, time_zone, now in days("times", mode):
        expected = feasible_starts(question, time_zone, now)
        answer = alternatives(question, time_zone, now, EVERYTHING)
        asked = question.stay.dining.start
        before = [each for each in expected if each < asked][::-1]
        after = [each for each in expected if each > asked]
        assert starts(answer, AlternativeKind.EARLIER) == before
        assert starts(answer, AlternativeKind.LATER) == after
        found += bool(before) + bool(after)
    assert found > len(FLOORS)


@MODES
def test_other_zones_are_offered_cheapest_first_with_the_plan_that_each_would_get(
    mode: AdjacencyMode,
) -> None:
    offered = 0
    for question, time_zone, now in days("zones", mode):
        question = in_first_zone(question)
        expected = []
        for zone in question.floor.zones:
            stay = question.stay
            if zone.zone_id != zone_id(1):
                plan = best(question, stay.dining.start, time_zone, zone.zone_id)
                expected += [(plan.cost, zone.zone_id, plan)] if plan else []
        answer = alternatives(question, time_zone, now, EVERYTHING)
        zones = [each for each in answer if each.kind is AlternativeKind.OTHER_ZONE]
        assert [(each.plan.cost, each.party.zone_id, each.plan) for each in zones] == sorted(
            expected, key=lambda each: each[:2]
        )
        offered += len(zones)
    assert offered


@MODES
def test_each_alternative_carries_the_plan_that_would_be_made_for_it(mode: AdjacencyMode) -> None:
    for question, time_zone, now in days("plans", mode):
        for each in alternatives(question, time_zone, now, 6):
            if each.kind in BROKEN_RULES:
                continue
            assert each.plan == best(question, each.stay.dining.start, time_zone, each.party.zone_id)
            assert each.stay.dining.start == each.party.start
            assert each.party.start >= now or each.party.start == question.stay.dining.start


@MODES
def test_when_nothing_fits_every_least_choice_of_rules_that_makes_room_is_offered(
    mode: AdjacencyMode,
) -> None:
    offered = set()
    for number, (question, time_zone, now) in enumerate(days("relaxed", mode, 4 * len(FLOORS))):
        question = tight(question, Random(number))
        answer = [
            each for each in alternatives(question, time_zone, now, EVERYTHING) if each.kind in BROKEN_RULES
        ]
        choices = [frozenset(each.plan.relaxed) for each in answer]
        assert len(set(choices)) == len(choices)
        assert set(choices) == least(rules_broken_by_free_sets(question))
        for each in answer:
            assert broken_by(question, each.plan.tables) == set(each.plan.relaxed)
            larger = Reason.COMBINATION_TOO_LARGE in each.plan.relaxed
            assert (each.kind is AlternativeKind.LARGER_COMBINATION) == larger
            assert (each.party, each.stay) == (question.party, question.stay)
        offered |= set(choices)
    assert len(offered) > len(RELAXABLE)


def tight(question: Question, rng: Random) -> Question:
    """The same question where hardly anything is allowed."""
    combinations = replace(question.policy.combinations, tables_max=2)
    policy = replace(question.policy, slack_max=0, combinations=combinations)
    tables = [
        replace(table, min_party=rng.randint(1, table.capacity) if rng.random() < 0.7 else 1)
        for table in question.floor.tables
    ]
    place = Floor.of(question.floor.zones, tables, question.floor.adjacency)
    return replace(question, floor=place, policy=policy, sets=TableSets.of(place, combinations))


def rules_broken_by_free_sets(question: Question) -> set[frozenset[Reason]]:
    """For every set of up to five tables what keeps the party from it, unless it is more than soft rules."""
    larger = question.sets.with_largest_merges()
    assert larger is not None
    tables = question.floor.tables
    singles = [(table,) for table in tables]
    merges = larger.merges_for(question.party.party_size)
    merged = [tuple(tables[at] for at in merge.members) for merge in merges]
    broken = {frozenset(broken_by(question, chosen)) for chosen in (*singles, *merged)}
    return {reasons for reasons in broken if reasons <= set(RELAXABLE)}


def broken_by(question: Question, tables: tuple[Table, ...]) -> set[Reason]:
    chosen = Selection(question.floor, question.policy, question.party, question.stay.window, tables)
    mine = [each for each in question.claims if each.table_id in chosen.table_ids]
    reasons = {check.reason for check in failed(check_selection(chosen, mine, "UTC"))}
    return reasons | ({Reason.TABLE_AVOIDED} if question.avoid & set(chosen.table_ids) else set())


def least(choices: set[frozenset[Reason]]) -> set[frozenset[Reason]]:
    """None of them when something fits as it is."""
    return {each for each in choices if each and not any(other < each for other in choices)}


@MODES
def test_the_first_few_are_the_beginning_of_all_and_every_round_has_one_of_each_kind(
    mode: AdjacencyMode,
) -> None:
    for question, time_zone, now in days("rounds", mode):
        question = in_first_zone(question)
        every = alternatives(question, time_zone, now, EVERYTHING)
        assert alternatives(question, time_zone, now, 5) == every[:5]
        met: dict[AlternativeKind, int] = {}
        rounds = []
        for each in every:
            met[each.kind] = met.get(each.kind, 0) + 1
            rounds.append((met[each.kind], abs(each.party.start - question.stay.dining.start)))
        assert rounds == sorted(rounds)


@MODES
def test_alternatives_do_not_depend_on_order(mode: AdjacencyMode) -> None:
    for number, (question, time_zone, now) in enumerate(days("order", mode)):
        shuffled = reordered(question, Random(number))
        answer = alternatives(question, time_zone, now, 6)
        assert alternatives(shuffled, time_zone, now, 6) == answer


def days(seed: str, mode: AdjacencyMode, floors: int = len(FLOORS)) -> list[tuple[Question, str, datetime]]:
    """Questions on random floors in the nights in which the clocks change, with claims all over the night."""
    asked = []
    for number in range(floors):
        rng = Random(f"{seed}.{number}.{mode}")
        question = random_question(f"{seed}.{number}", mode)
        rules = question.policy
        policy = replace(
            night_policy(rng),
            combinations=rules.combinations,
            slack_max=rules.slack_max,
        )
        time_zone, night = rng.choice(TIME_ZONES), rng.choice(NIGHTS)
        for _ in range(STARTS_PER_FLOOR):
            start = night + timedelta(minutes=rng.randint(17 * 60, 26 * 60))
            if opening_at(policy, time_zone, start) is None:
                continue
            party = replace(question.party, start=start)
            try:
                stay = stay_for(policy, time_zone, party.party_size, start)
            except ServiceError:
                continue
            made = replace(
                question,
                policy=policy,
                party=party,
                stay=stay,
                claims=claims_of_the_night(rng, question, night),
                horizon=planning_horizon(policy, time_zone, stay),
                plans_max=1,
            )
            asked.append((made, time_zone, night + timedelta(hours=rng.choice((0, 0, 19)))))
    return asked


def night_policy(rng: Random) -> ServicePolicy:
    """An evening, and a late service across midnight whose parties may have to leave early."""
    turns = (TurnTime(4, rng.choice((45, 60, 93)) * 60), TurnTime(12, 7_200))
    late = ServicePeriod("late", 22 * 60, 4 * 60, turns, shortest_stay_s=rng.choice((None, 2_700)))
    evening = ServicePeriod("evening", 17 * 60 + 10, 21 * 60, turns, may_overrun=rng.random() < 0.5)
    return ServicePolicy((evening, late), buffer_before_s=rng.choice((0, 300)), buffer_after_s=600)


def claims_of_the_night(rng: Random, question: Question, night: datetime) -> list[Claim]:
    claims = []
    for number in range(1, len(question.floor.tables) + 1):
        for _ in range(rng.choice((0, 2, 4))):
            start = night + timedelta(minutes=rng.randint(16 * 60, 28 * 60), seconds=rng.choice((0, 1)))
            length = timedelta(minutes=rng.choice((30, 93, 240)))
            claims.append(claim(number, start, start + length, rng.choice(tuple(ClaimKind))))
    return claims


def in_first_zone(question: Question) -> Question:
    return replace(question, party=replace(question.party, zone_id=zone_id(1)))


def alternatives(question: Question, time_zone: str, now: datetime, limit: int) -> tuple[Alternative, ...]:
    policy = question.policy
    slots = other_starts(policy, time_zone, question.party, question.stay.dining.start, now)
    anew = booked_anew(policy, time_zone, question.party, now)
    span = span_of(filter(None, (*slots, anew)), policy, time_zone, question.horizon)
    claims = [each for each in question.claims if each.window.overlaps(span)]
    return find_alternatives(
        replace(question, claims=claims),
        slots,
        anew,
        time_zone,
        limit,
        fits=bool(plan_tables(question).plans),
    )


def feasible_starts(question: Question, time_zone: str, now: datetime) -> list[datetime]:
    """Looks at every quarter of an hour for two days around."""
    asked = question.stay.dining.start
    day = service_date(question.policy, time_zone, asked)
    first = datetime(asked.year, asked.month, asked.day, tzinfo=UTC) - timedelta(days=1)
    found = []
    for index in range(3 * 96):
        start = first + index * QUARTER
        inside = opening_at(question.policy, time_zone, start)
        same_day = inside and service_date(question.policy, time_zone, start) == day
        wanted = same_day and start != asked and start >= now
        if wanted and best(question, start, time_zone, question.party.zone_id):
            found.append(start)
    return found


def best(question: Question, start: datetime, time_zone: str, zone: object) -> Plan | None:
    party = replace(question.party, start=start, zone_id=zone)  # type: ignore[arg-type]
    try:
        stay = stay_for(question.policy, time_zone, party.party_size, start)
    except ServiceError:
        return None
    opening = opening_at(question.policy, time_zone, start)
    assert opening is not None
    horizon = Window(min(opening.span.start, stay.window.start), max(opening.span.end, stay.window.end))
    asked = replace(question, party=party, stay=stay, horizon=horizon)
    return next(iter(plan_tables(asked).plans), None)


def starts(answer: tuple[Alternative, ...], kind: AlternativeKind) -> list[datetime]:
    return [each.party.start for each in answer if each.kind is kind]
