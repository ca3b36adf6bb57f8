"""Which stays and table sets are legal: the contract's rules, each said once and as plainly as possible."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import combinations
from typing import Any
from zoneinfo import ZoneInfo

from tests.model.words import Claim, Party, Period, Place, Policy, Stay, Window, overlap

TAKEN_BY = {"BLOCK": "TABLE_BLOCKED", "ASSIGNMENT": "TABLE_CONFLICT_ASSIGNED", "HOLD": "TABLE_CONFLICT_HELD"}

# Rules about a table set, in the contract's precedence.
SET_RULES = (
    "TABLE_OUT_OF_SERVICE",
    "ZONE_NOT_REQUESTED",
    "REQUIRED_ATTRIBUTE_UNMET",
    "COMBINATION_DISABLED",
    "COMBINATION_TOO_LARGE",
    "COMBINATION_CROSSES_ZONES",
    "COMBINATION_TABLE_NOT_MOVABLE",
    "COMBINATION_NOT_ADJACENT",
    "CAPACITY_INSUFFICIENT",
    "CAPACITY_BELOW_MIN_PARTY",
    "SLACK_BUDGET_EXCEEDED",
)
TABLE_RULES = (*SET_RULES, *TAKEN_BY.values())

# Those that a caller may set aside, in the same order.
OVERRIDABLE = (
    "ZONE_NOT_REQUESTED",
    "REQUIRED_ATTRIBUTE_UNMET",
    "COMBINATION_DISABLED",
    "COMBINATION_TOO_LARGE",
    "COMBINATION_NOT_ADJACENT",
    "CAPACITY_INSUFFICIENT",
    "CAPACITY_BELOW_MIN_PARTY",
    "SLACK_BUDGET_EXCEEDED",
)
MERGE_TABLES_MAX = 5


def stay_of(policy: Policy | None, time_zone: str, party: Party) -> Stay | str:
    """The party's stay, or the reason why it cannot come then."""
    found = _period_at(policy, time_zone, party.start) if policy else None
    if policy is None or found is None:
        return "OUTSIDE_SERVICE_HOURS"
    period, closes = found
    length = party.duration or _turn(period, party.size)
    end, latest_end = party.start + length, closes - policy.buffer_after
    if not period.may_overrun and end > latest_end:
        if latest_end - party.start < min(period.shortest or length, length):
            return "SERVICE_OVERRUN"
        end = latest_end
    return Stay((party.start - policy.buffer_before, end + policy.buffer_after), end, period.name)


def _period_at(policy: Policy, time_zone: str, start: int) -> tuple[Period, int] | None:
    """The period open at an instant, and when it closes."""
    today = datetime.fromtimestamp(start, ZoneInfo(time_zone)).date()
    for day in (today, today - timedelta(days=1)):
        for period in policy.periods:
            past_midnight = 24 * 60 if period.closes_min <= period.opens_min else 0
            opens = _on_the_wall(day, period.opens_min, time_zone)
            closes = _on_the_wall(day, period.closes_min + past_midnight, time_zone)
            if opens <= start < closes:
                return period, closes
    return None


def _on_the_wall(day: date, minutes: int, time_zone: str) -> int:
    days, minute = divmod(minutes, 24 * 60)
    wall = datetime.combine(day + timedelta(days=days), time(*divmod(minute, 60)), ZoneInfo(time_zone))
    return int(wall.timestamp())


def _turn(period: Period, size: int) -> int:
    fitting = [length for largest, length in period.turns if size <= largest]
    return fitting[0] if fitting else period.turns[-1][1]


def unknown_tables(place: Place, tables: Iterable[str]) -> set[str]:
    return set(tables) - set(place.floor.tables)


def table_problems(
    place: Place,
    party: Party,
    tables: Sequence[str],
    window: Window,
    foreign: Iterable[Claim],
    aside: Collection[str] = (),
) -> set[str]:
    """Every reason why the party cannot have these tables for this window, when some rules are set aside."""
    if unknown_tables(place, tables):
        return {"TABLE_NOT_FOUND"}
    return (set_problems(place, party, tables) - set(aside)) | taken(foreign, tables, window)


def taken(claims: Iterable[Claim], tables: Iterable[str], window: Window) -> set[str]:
    return {TAKEN_BY[claim.kind] for claim in in_the_way(claims, tables, window)}


def in_the_way(claims: Iterable[Claim], tables: Iterable[str], window: Window) -> list[Claim]:
    return [claim for claim in claims if claim.table in tables and overlap(claim.window, window)]


def foreign_to(place: Place, booking_id: str, now: int) -> list[Claim]:
    """What keeps a booking out: everybody else's claims."""
    return [claim for claim in place.claims(now) if claim.booking_id != booking_id]


def set_problems(place: Place, party: Party, table_ids: Sequence[str]) -> set[str]:
    """The rules that have nothing to do with who sits where."""
    policy, tables = place.policy, [place.floor.tables[table_id] for table_id in table_ids]
    assert policy is not None, "a booking has a window, so there was a policy"
    seats, merged, alone = sum(table.capacity for table in tables), len(tables) > 1, tables[0]
    takes = seats if merged else min(alone.capacity, alone.max_party)
    broken = {
        "TABLE_OUT_OF_SERVICE": not all(table.in_service for table in tables),
        "ZONE_NOT_REQUESTED": party.zone != "" and any(table.zone != party.zone for table in tables),
        "REQUIRED_ATTRIBUTE_UNMET": any(set(party.required) - set(table.attributes) for table in tables),
        "COMBINATION_DISABLED": merged and not policy.merging,
        "COMBINATION_TOO_LARGE": merged and len(tables) > policy.tables_max,
        "COMBINATION_CROSSES_ZONES": len({table.zone for table in tables}) > 1,
        "COMBINATION_TABLE_NOT_MOVABLE": merged and not all(table.movable for table in tables),
        "COMBINATION_NOT_ADJACENT": merged
        and party.size >= policy.adjacent_from
        and not _pushed_together(policy.mode, place, table_ids),
        "CAPACITY_INSUFFICIENT": takes < party.size,
        "CAPACITY_BELOW_MIN_PARTY": any(party.size < table.min_party for table in tables),
        "SLACK_BUDGET_EXCEEDED": seats - party.size > policy.slack_max,
    }
    return {reason for reason, is_broken in broken.items() if is_broken}


def sets_for(place: Place, party: Party, aside: Collection[str] = ()) -> list[tuple[str, ...]]:
    """The table sets that the rules allow, but for those of which a part is allowed already."""
    found: list[tuple[str, ...]] = []
    for number in range(1, MERGE_TABLES_MAX + 1):
        for tables in combinations(sorted(place.floor.tables), number):
            has_more_than_enough = any(set(less) < set(tables) for less in found)
            if not has_more_than_enough and not set_problems(place, party, tables) - set(aside):
                found.append(tables)
    return found


def relaxation_steps(relaxations: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Which rules give way together: none, each alone, each two, and so on, in the policy's order."""
    for number in range(len(relaxations) + 1):
        yield from combinations(relaxations, number)


def _pushed_together(mode: str, place: Place, tables: Sequence[str]) -> bool:
    def touch(a: str, b: str) -> bool:
        return (min(a, b), max(a, b)) in place.floor.edges

    if mode == "PAIRWISE":
        return all(touch(a, b) for a, b in combinations(tables, 2))
    if mode == "HUB":
        return any(all(touch(hub, other) for other in tables if other != hub) for hub in tables)
    together, apart = {tables[0]}, set(tables[1:])
    while near := {table for table in apart if any(touch(table, other) for other in together)}:
        together, apart = together | near, apart - near
    return not apart


def context_of(
    place: Place, party: Party, window: Window, tables: Sequence[str], now: int, booking: str
) -> Any:
    """Everything that a selection depends on: two contexts are the same exactly when all of this is."""
    facts = [place.floor.tables[table] for table in tables]
    return (
        place.policy_version,
        party.need,
        window,
        [(table.zone, table.capacity, table.min_party, table.max_party) for table in facts],
        [(table.movable, table.attributes, table.in_service) for table in facts],
        {edge for edge in place.floor.edges if set(edge) <= set(tables)},
        {
            (claim.table, claim.window, claim.kind, claim.owner)
            for claim in in_the_way(foreign_to(place, booking, now), tables, window)
        },
    )
