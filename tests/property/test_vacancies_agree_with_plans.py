"""A search for availability gives, for many questions at once, what a plan for each of them would."""

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from server.domain.policy import AdjacencyMode
from server.domain.window import Stay, Window
from server.errors import PRECEDENCE, Reason
from server.planner.plan import PlanOutcome, PlanResult, Question, plan_tables
from server.planner.vacancies import Slot, Vacancy, find_vacancies
from tests.builders.questions import EVENING
from tests.property.random_worlds import ATTRIBUTES, random_question

FLOORS = range(150)
SLOTS_PER_FLOOR = 12
MODES = pytest.mark.parametrize("mode", AdjacencyMode)
TAKEN = {Reason.TABLE_BLOCKED, Reason.TABLE_CONFLICT_ASSIGNED, Reason.TABLE_CONFLICT_HELD}


@MODES
def test_there_is_a_vacancy_exactly_when_there_is_a_plan(mode: AdjacencyMode) -> None:
    seen = set()
    for number in FLOORS:
        asked = questions(f"vacancies.{number}", mode)
        for question, vacancy in zip(asked, search(asked), strict=True):
            planned = plan_tables(question)
            seen.add(planned.outcome)
            expected = snuggest(planned), dominating(planned)
            assert (vacancy.tables, vacancy.reasons) == expected, f"seed vacancies.{number}, {mode}"
    assert seen == set(PlanOutcome) - {PlanOutcome.RELAXED}


@MODES
def test_neither_order_nor_company_changes_an_answer(mode: AdjacencyMode) -> None:
    for number in FLOORS:
        asked = questions(f"company.{number}", mode)
        together = search(asked)
        turned = [replace(question, claims=question.claims[::-1]) for question in reversed(asked)]
        assert search(turned) == together[::-1], f"seed company.{number}, {mode}"
        assert tuple(search([question])[0] for question in asked) == together


def questions(seed: str, mode: AdjacencyMode) -> list[Question]:
    """Many parties and windows on one random floor, some of them equal; no table is avoided."""
    first = replace(random_question(seed, mode), avoid=frozenset())
    rng = Random(seed)
    asked = [first]
    for _ in range(SLOTS_PER_FLOOR - 1):
        start = EVENING + timedelta(minutes=15 * rng.randint(-2, 24), seconds=rng.choice((0, 0, 1)))
        window = Window(start, start + timedelta(minutes=rng.choice((15, 60, 93, 120))))
        required = (rng.choice(ATTRIBUTES),) if rng.random() < 0.2 else ()
        party = replace(first.party, party_size=rng.randint(1, 12), required_attributes=required)
        asked.append(replace(first, party=party, stay=Stay(window, window, "dinner")))
    return asked


def search(asked: list[Question]) -> tuple[Vacancy, ...]:
    first = asked[0]
    slots = [Slot(question.party, question.stay) for question in asked]
    return find_vacancies(first.sets, first.policy.slack_max, slots, first.claims)


def snuggest(planned: PlanResult) -> object:
    plans = [plan.tables for plan in planned.plans]
    return min(
        plans,
        key=lambda tables: (
            len(tables),
            sum(table.capacity for table in tables),
            [table.table_id for table in tables],
        ),
        default=(),
    )


def dominating(planned: PlanResult) -> tuple[Reason, ...]:
    """What most sets were left out for; when all that fits is taken, only what takes it."""
    if planned.plans:
        return ()
    counts = {left_out.reason: left_out.tables + left_out.combinations for left_out in planned.rejections}
    if planned.outcome is PlanOutcome.FULLY_TAKEN:
        counts = {reason: count for reason, count in counts.items() if reason in TAKEN}
    return tuple(sorted(counts, key=lambda reason: (-counts[reason], PRECEDENCE[reason])))
