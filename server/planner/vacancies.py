"""Which of many parties would find a table. Shares the work that the questions have in common and ranks nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from server.domain.booking import Party
from server.domain.claims import Claim
from server.domain.floor import Table
from server.domain.window import Stay
from server.errors import PRECEDENCE, ClaimKind, Reason
from server.planner.catalog import TableSets
from server.planner.merges import positions
from server.planner.occupancy import either
from server.planner.some_sets import filed_by_claims
from server.planner.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Slot:
    """A party and the stay it would have."""

    party: Party
    stay: Stay


@dataclass(frozen=True, slots=True)
class Vacancy:
    """A set that fits and is free, ordered by id; or no tables and the reasons, the one most sets fall under first."""

    tables: tuple[Table, ...]
    reasons: tuple[Reason, ...] = ()


def find_vacancies(
    sets: TableSets, slack_max: int, slots: Sequence[Slot], claims: Iterable[Claim]
) -> tuple[Vacancy, ...]:
    """One answer per slot, in their order.

    `claims` are the live claims of others, with none missing that touches a slot's window. A slot has a vacancy
    exactly when `plan_tables` has a plan for it; the set is the one with the fewest tables, then the fewest seats.
    """
    taken = Timeline.of(sets, claims).taken_within(slot.stay.window for slot in slots)
    return tuple(_vacancy(sets, slack_max, slot.party, taken[slot.stay.window]) for slot in slots)


def vacant_slots(
    sets: TableSets, slack_max: int, slots: Sequence[Slot], claims: Iterable[Claim], avoid: Iterable[UUID]
) -> tuple[Slot, ...]:
    """Those of the slots that have a vacancy without the tables to avoid, in their order."""
    taken = Timeline.of(sets, claims).taken_within(slot.stay.window for slot in slots)
    avoided = sets.mask_of(avoid)
    return tuple(
        slot
        for slot in slots
        if sets.shortlist(slot.party, slack_max).fitting.snuggest(avoided | either(taken[slot.stay.window]))
    )


def _vacancy(sets: TableSets, slack_max: int, party: Party, taken: Mapping[ClaimKind, int]) -> Vacancy:
    shortlist = sets.shortlist(party, slack_max)
    chosen = shortlist.fitting.snuggest(either(taken))
    if chosen:
        return Vacancy(tuple(sets.floor.tables[at] for at in positions(chosen)))
    if not shortlist.fitting.size:
        rejected = shortlist.rejections
        return Vacancy((), _by_weight({each.reason: each.tables + each.combinations for each in rejected}))
    _, fallen = filed_by_claims(shortlist.fitting, taken)
    return Vacancy((), _by_weight({reason: some.size for reason, some in fallen.items()}))


def _by_weight(counts: Mapping[Reason, int]) -> tuple[Reason, ...]:
    found = [reason for reason, count in counts.items() if count]
    return tuple(sorted(found, key=lambda reason: (-counts[reason], PRECEDENCE[reason])))
