"""The legacy engine against its formula, spelled out a second time, over every set that fits: 1,200 random floors."""

from dataclasses import replace
from random import Random
from uuid import UUID

import pytest

from server.domain.floor import Floor, Table
from server.domain.policy import AdjacencyMode, PlanEngine
from server.planner.catalog import TableSets
from server.planner.plan import Question, plan_tables
from tests.property.oracle import Ids, Oracle
from tests.property.random_worlds import random_question

FLOORS = range(400)
MODES = pytest.mark.parametrize("mode", AdjacencyMode)


def asked(seed: str, mode: AdjacencyMode) -> Question:
    question = random_question(f"legacy.{seed}", mode)
    return replace(question, policy=replace(question.policy, engine=PlanEngine.LEGACY))


@MODES
def test_the_ranking_is_the_formulas_over_all_sets_that_fit(mode: AdjacencyMode) -> None:
    for number in FLOORS:
        question = asked(f"rank.{number}", mode)
        oracle = Oracle(question)
        expected = sorted((legacy_rank(oracle, ids), ids) for ids in oracle.truth().costs)
        plans = plan_tables(question).plans
        assert [frozenset(table.table_id for table in plan.tables) for plan in plans] == [
            ids for _, ids in expected
        ], f"seed rank.{number}, {mode}"
        for plan, (rank, _) in zip(plans, expected, strict=True):
            assert plan.cost == pytest.approx(rank[0], abs=1e-5), f"seed rank.{number}, {mode}"
            assert sum(term.cost for term in plan.breakdown) == pytest.approx(plan.cost)


@MODES
def test_the_ranking_does_not_depend_on_the_order_of_floor_and_claims(mode: AdjacencyMode) -> None:
    for number in FLOORS:
        question = asked(f"order.{number}", mode)
        assert plan_tables(reordered(question, number)) == plan_tables(question), f"seed order.{number}"


def legacy_rank(oracle: Oracle, ids: Ids) -> tuple[float | int | str, ...]:
    """Score and tie-breaks of a set, by the formula."""
    chosen = sorted(oracle.chosen(ids), key=lambda table: table.name)
    seats = sum(table.capacity for table in chosen)
    overage, count = seats - oracle.question.party.party_size, len(chosen)
    fragmentation = seats - max(table.capacity for table in chosen)
    scarcity = [1 / alike(oracle, table) for table in chosen]
    adjacency = depth(oracle, chosen)
    combination = 0.0
    if count > 1:
        combination = ((count - 1) * 3 + adjacency) * min(3, 1 + sum(scarcity) / count)
    score = overage * 5 + combination + fragmentation * 2 + sum(scarcity) * 22
    return round(score, 6), overage, count, seats, fragmentation, adjacency, "+".join(t.name for t in chosen)


def alike(oracle: Oracle, table: Table) -> int:
    tables = oracle.question.floor.tables
    return sum(1 for other in tables if other.in_service and other.capacity == table.capacity)


def depth(oracle: Oracle, chosen: list[Table]) -> int:
    """The distance of the farthest table of the set from the first by name, and the size of a set that is apart."""
    distances: dict[UUID, int] = {chosen[0].table_id: 0}
    queue = [chosen[0].table_id]
    within = {table.table_id for table in chosen}
    for table_id in queue:
        for other in oracle.touching[table_id] & within:
            if other not in distances:
                distances[other] = distances[table_id] + 1
                queue.append(other)
    return max(distances.values()) if distances.keys() == within else len(chosen)


def reordered(question: Question, number: int) -> Question:
    place, rng = question.floor, Random(number)
    tables, edges, claims = list(place.tables), list(place.adjacency), list(question.claims)
    rng.shuffle(tables)
    rng.shuffle(edges)
    rng.shuffle(claims)
    floor = Floor.of(place.zones, tables, [(b, a) for a, b in edges])
    return replace(
        question, floor=floor, sets=TableSets.of(floor, question.policy.combinations), claims=claims
    )
