"""Answers from prepared claims, asked in any order and again, are those from the bare claims."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import reduce
from operator import or_
from random import Random
from uuid import UUID

import pytest

from server.domain.policy import AdjacencyMode, PlanEngine, Weights
from server.domain.window import Stay, Window
from server.planner.catalog import TableSets
from server.planner.plan import Question, plan_tables
from server.planner.timeline import KEPT_MAX, Timeline, keep
from server.planner.vacancies import Slot, find_vacancies
from tests.property.random_worlds import random_question, random_waiting

FLOORS = range(40)
MODES = pytest.mark.parametrize("mode", AdjacencyMode)


def asked(seed: str, mode: AdjacencyMode) -> Iterator[Question]:
    """Many parties on one floor with the same claims; some windows, horizons, companies and wishes come twice."""
    rng = Random(f"{mode}/{seed}")
    first = random_question(seed, mode)
    claims = [replace(claim, booking_id=UUID(int=rng.randint(1, 5))) for claim in first.claims]
    lists = [random_waiting(f"{seed}.{number}", first, number) for number in (0, 3, 5)]
    for _ in range(12):
        start = first.stay.window.start + timedelta(minutes=rng.choice((0, 0, 15, 45)))
        window = Window(start, start + timedelta(minutes=rng.choice((60, 93))))
        yield replace(
            first,
            claims=claims,
            party=replace(first.party, party_size=rng.randint(1, 9)),
            stay=Stay(window, window, "dinner"),
            policy=replace(
                first.policy,
                engine=rng.choice((PlanEngine.V2, PlanEngine.V2, PlanEngine.LEGACY)),
                weights=rng.choice((first.policy.weights, Weights(fragmentation=7, open_gap=3))),
                slack_max=rng.choice((first.policy.slack_max, 2)),
            ),
            waiting=rng.choice(lists),
            horizon=rng.choice((first.horizon, window)),
            plans_max=rng.choice((1, 50)),
        )


@MODES
def test_a_plan_does_not_depend_on_what_was_asked_before(mode: AdjacencyMode) -> None:
    for number in FLOORS:
        seed = f"kept.{number}"
        questions = list(asked(seed, mode))
        timeline = Timeline(questions[0].sets, questions[0].claims)
        for question in (*questions, *reversed(questions)):
            prepared = replace(question, claims=timeline)
            assert plan_tables(prepared) == plan_tables(question), f"seed {seed}, {mode}"


@MODES
def test_a_search_does_not_depend_on_what_was_asked_before(mode: AdjacencyMode) -> None:
    for number in FLOORS:
        seed = f"search.{number}"
        questions = list(asked(seed, mode))
        sets, slack_max = questions[0].sets, 4
        timeline = Timeline(sets, questions[0].claims)
        slots = [Slot(question.party, question.stay) for question in questions]
        plain = find_vacancies(sets, slack_max, slots, questions[0].claims)
        assert tuple(find_vacancies(sets, slack_max, [slot], timeline)[0] for slot in slots) == plain
        assert find_vacancies(sets, slack_max, slots, timeline) == plain, f"seed {seed}, {mode}"


def test_what_all_but_one_booking_take_is_what_is_taken_without_its_claims() -> None:
    shared = 0
    for number in FLOORS:
        for question in asked(f"owners.{number}", AdjacencyMode.CONNECTED):
            timeline, window = Timeline(question.sets, question.claims), question.stay.window
            owners = timeline.owners_within([window])[window]
            for booking in range(1, 7):
                others = timeline.without(UUID(int=booking))
                assert all(claim.booking_id != UUID(int=booking) for claim in others)
                busy = reduce(or_, others.taken_within([window])[window].values())
                assert owners.but(UUID(int=booking)) == busy, f"seed owners.{number}"
            shared += bool(owners.shared)
    assert shared > 20


def test_claims_prepared_for_other_sets_are_prepared_anew() -> None:
    question = random_question("other", AdjacencyMode.CONNECTED)
    timeline = Timeline(question.sets, question.claims)
    assert Timeline.of(question.sets, timeline) is timeline
    same = TableSets.of(question.floor, question.policy.combinations)
    assert Timeline.of(same, timeline).sets is same


def test_no_more_is_kept_than_there_is_room_for() -> None:
    kept: dict[int, str] = {}
    for number in range(KEPT_MAX):
        keep(kept, number, "answer")
    assert len(kept) == KEPT_MAX
    keep(kept, KEPT_MAX, "one too many")
    assert kept == {KEPT_MAX: "one too many"}
