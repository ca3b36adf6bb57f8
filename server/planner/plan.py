"""Which tables for a party: the one question that the planner answers."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import NamedTuple
from uuid import UUID

from server.domain.booking import Party
from server.domain.claims import Claim
from server.domain.context import version_of, written_wish
from server.domain.floor import Floor, Table
from server.domain.policy import PlanEngine, ServicePolicy
from server.domain.window import Stay, Window
from server.errors import Reason
from server.planner.catalog import TableSets
from server.planner.legacy import rank_legacy
from server.planner.lookahead import Waiting, look_ahead
from server.planner.occupancy import Occupancy
from server.planner.ranking import MICRO, Choice, Engine, Ranked, Ranking, ScoreTerm, Terms
from server.planner.rejections import Rejection, rejections
from server.planner.some_sets import SomeSets, filed, filed_by_claims
from server.planner.table_set import TableSet
from server.planner.timeline import Timeline
from server.planner.v2 import rank_v2

ENGINES: Mapping[PlanEngine, Engine] = {PlanEngine.V2: rank_v2, PlanEngine.LEGACY: rank_legacy}


class PlanOutcome(StrEnum):
    """Whether anything fits: now, now with rules relaxed, at another time, or never on this floor under this policy."""

    FEASIBLE = "feasible"
    RELAXED = "relaxed"
    FULLY_TAKEN = "fully_taken"
    NEEDS_STAFF = "needs_staff"


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that an answer depends on.

    `sets` are those of this floor and of the policy's combination rule. `claims` are the live claims of
    others, with none missing that touches the `horizon` or the window of a booking that is `waiting`; idle gaps end
    at the horizon. `avoid` are tables to leave out. The party itself is not among the waiting. `relaxed` are rules out
    of `RELAXABLE` that the plans may break; for COMBINATION_TOO_LARGE the sets and the policy have to allow the larger
    merges.
    """

    floor: Floor
    sets: TableSets
    policy: ServicePolicy
    party: Party
    stay: Stay
    claims: Sequence[Claim]
    horizon: Window
    avoid: frozenset[UUID]
    plans_max: int
    policy_version: int
    waiting: tuple[Waiting, ...] = ()
    relaxed: tuple[Reason, ...] = ()


class Plan(NamedTuple):
    """A table set that fits. `cost` ranks, lower is better, and is the sum of its `terms`; `score` is 0 to
    100. The policy's engine made all three. `relaxed` are the rules it breaks; as overrides they make it holdable.
    """

    set: TableSet
    slack: int
    cost: float
    score: float
    terms: Terms
    unmet_preferred_attributes: tuple[str, ...]
    zone_preference_unmet: bool
    context_version: str
    relaxed: tuple[Reason, ...] = ()

    @property
    def breakdown(self) -> tuple[ScoreTerm, ...]:
        return tuple(map(ScoreTerm, *self.terms))

    @property
    def tables(self) -> tuple[Table, ...]:
        return self.set.tables


@dataclass(frozen=True, slots=True)
class PlanResult:
    """The best plans first, and every other set counted once under the first reason that applies to it.

    `largest` is the most people that one set in service, in the zone and with the attributes asked for can seat.
    When the outcome is RELAXED, everything but the plans and their number describes the search by all rules.
    `relaxations_skipped` could not be tried because the floor has too many merges of that kind. `relaxed_taken_by`
    says what takes the sets that would do with rules relaxed, where there are no plans at all.
    """

    outcome: PlanOutcome
    plans: tuple[Plan, ...]
    plans_found: int
    rejections: tuple[Rejection, ...]
    tables_considered: int
    combinations_considered: int
    largest: int
    relaxations_skipped: tuple[Reason, ...] = ()
    relaxed_taken_by: tuple[Reason, ...] = ()


def plan_tables(question: Question) -> PlanResult:
    """The best table sets for a party, and why the others are none.

    The same question always has the same answer, in whatever order its claims, avoided tables or the floor's
    parts were given. Raises ValueError when `sets` belong to another floor or rule.
    """
    sets, policy = question.sets, question.policy
    if sets.combinations != policy.combinations or sets.floor != question.floor:
        raise ValueError("the table sets were made for another floor or combination rule")
    shortlist = sets.shortlist(question.party, policy.slack_max, question.relaxed)
    allowed, avoided = _allowed(question, shortlist.fitting)
    claims = Timeline.of(sets, question.claims)
    occupied = claims.occupancy(question.stay.window, question.horizon)
    free, busy = filed_by_claims(allowed, occupied.taken)
    return PlanResult(
        _outcome(free.size, allowed),
        _best(question, free, occupied, claims),
        free.size,
        (
            *shortlist.rejections,
            *rejections(sets.floor.tables, sets.described, avoided),
            *rejections(sets.floor.tables, sets.described, busy, partial(_free_from, occupied)),
        ),
        len(question.floor.tables),
        len(sets.merges_for(question.party.party_size)),
        shortlist.largest,
    )


def sets_that_would_do(question: Question) -> SomeSets:
    """The sets that seat the party whenever they are free, without the avoided ones."""
    shortlist = question.sets.shortlist(question.party, question.policy.slack_max)
    return _allowed(question, shortlist.fitting)[0]


def _allowed(question: Question, fitting: SomeSets) -> tuple[SomeSets, dict[Reason, SomeSets]]:
    return filed(fitting, [(Reason.TABLE_AVOIDED, question.sets.mask_of(question.avoid))])


def _outcome(found: int, allowed: SomeSets) -> PlanOutcome:
    if found:
        return PlanOutcome.FEASIBLE
    return PlanOutcome.FULLY_TAKEN if allowed.size else PlanOutcome.NEEDS_STAFF


def _free_from(occupied: Occupancy, taken: SomeSets) -> datetime:
    """The first instant by which all that is in the way of one of these sets has let go of it."""

    def some_set_is_free(release: tuple[datetime, int]) -> bool:
        still_taken = release[1]
        return bool(taken.singles & ~still_taken or taken.without(still_taken).merges)

    releases = occupied.releases()
    return releases[bisect_left(releases, True, key=some_set_is_free)][0]


def _best(question: Question, free: SomeSets, occupied: Occupancy, claims: Timeline) -> tuple[Plan, ...]:
    """The cheapest of the sets that are free, as plans."""
    outlook = look_ahead(question.policy, question.stay.window, claims, question.waiting)
    choice = Choice(
        question.sets,
        question.policy,
        question.party,
        question.stay.window,
        free.singles,
        tuple(free.picked()),
        occupied,
        outlook,
    )
    ranking = ENGINES[question.policy.engine](choice)
    wish = written_wish(question.party, question.stay.window, question.policy_version)
    return tuple([_plan(question, ranking, wish, each) for each in ranking.best(question.plans_max)])


def _plan(question: Question, ranking: Ranking, wish: str, ranked: Ranked) -> Plan:
    """`wish` is what a context version reads of the question."""
    chosen, party = question.sets.described(ranked.members), question.party
    names, zones = party.preferred_attributes, party.preferred_zone_ids
    lacking = [name for name in names if any(name not in table.attributes for table in chosen.tables)]
    return Plan(
        chosen,
        chosen.capacity - party.party_size,
        ranked.cost / MICRO,
        ranking.score(ranked.cost),
        ranking.terms(ranked),
        tuple(lacking),
        bool(zones) and chosen.zone_id not in zones,
        # A set that is free has no claim of others in its window, and other claims are no part of its
        # context.
        version_of(wish, chosen.written),
        question.relaxed,
    )
