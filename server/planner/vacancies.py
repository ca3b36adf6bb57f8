"""Which of many parties would find a table. Shares the work that the questions have in common and ranks nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from uuid import UUID

from server.domain.booking import Party
from server.domain.claims import Claim
from server.domain.floor import Table
from server.domain.rules import CONFLICT_REASON
from server.domain.window import Stay
from server.errors import PRECEDENCE, ClaimKind, Reason
from server.planner.catalog import Shortlist, TableSets
from server.planner.merges import positions
from server.planner.occupancy import either
from server.planner.plan import Candidates
from server.planner.rejections import Refused
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


@dataclass(frozen=True, slots=True)
class Need:
    """The sets that seat a party whenever they are free: the list, and its masks with the snuggest set first."""

    shortlist: Shortlist
    snuggest: tuple[int, ...]


def find_vacancies(
    sets: TableSets, slack_max: int, slots: Sequence[Slot], claims: Iterable[Claim]
) -> tuple[Vacancy, ...]:
    """One answer per slot, in their order.

    `claims` are the live claims of others, with none missing that touches a slot's window. A slot has a vacancy
    exactly when `plan_tables` has a plan for it; the set is the one with the fewest tables, then the fewest seats.
    """
    taken = Timeline.of(sets, claims).taken_within(slot.stay.window for slot in slots)
    needs: dict[tuple[int, UUID | None, tuple[str, ...]], Need] = {}
    vacancies = []
    for slot in slots:
        party = slot.party
        key = (party.party_size, party.zone_id, party.required_attributes)
        if key not in needs:
            needs[key] = Need(sets.shortlist(party, slack_max), sets.snuggest(party, slack_max))
        vacancies.append(_vacancy(sets, needs[key], taken[slot.stay.window]))
    return tuple(vacancies)


def vacant_slots(
    sets: TableSets, slack_max: int, slots: Sequence[Slot], claims: Iterable[Claim], avoid: Iterable[UUID]
) -> tuple[Slot, ...]:
    """Those of the slots that have a vacancy without the tables to avoid, in their order."""
    taken = Timeline.of(sets, claims).taken_within(slot.stay.window for slot in slots)
    avoided = sets.mask_of(avoid)
    lists = ((slot, sets.shortlist(slot.party, slack_max)) for slot in slots)
    return tuple(
        slot
        for slot, shortlist in lists
        if _some_set_is_free(shortlist, reduce(or_, taken[slot.stay.window].values(), avoided))
    )


def _some_set_is_free(shortlist: Shortlist, busy: int) -> bool:
    return bool(shortlist.singles & ~busy) or any(not merge.mask & busy for merge in shortlist.merges)


def _vacancy(sets: TableSets, need: Need, taken: Mapping[ClaimKind, int]) -> Vacancy:
    busy = either(taken)
    chosen = next((mask for mask in need.snuggest if not mask & busy), 0)
    if chosen:
        return Vacancy(tuple(sets.floor.tables[at] for at in positions(chosen)))
    if not need.snuggest:
        return Vacancy((), _by_weight(need.shortlist.refused))
    grounds = [(reason, taken[kind]) for kind, reason in CONFLICT_REASON.items()]
    _, removed = Candidates(need.shortlist.singles, need.shortlist.merges).without(grounds)
    return Vacancy((), _by_weight(Refused.of(*each) for each in removed))


def _by_weight(refused: Iterable[Refused]) -> tuple[Reason, ...]:
    counts = {each.reason: each.singles.bit_count() + each.merges for each in refused}
    found = [reason for reason, count in counts.items() if count]
    return tuple(sorted(found, key=lambda reason: (-counts[reason], PRECEDENCE[reason])))
