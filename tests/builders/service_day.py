"""A recorded service day as the planner sees it, and what becomes of its requests one by one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from server.domain.booking import Party
from server.domain.claims import Claim
from server.domain.floor import Floor, Table, Zone
from server.domain.hours import opening_at, stay_for
from server.domain.policy import Combinations, ServicePeriod, ServicePolicy, TurnTime
from server.domain.window import Stay, Window
from server.errors import ClaimKind, ServiceError
from server.planner.catalog import TableSets
from server.planner.lookahead import Waiting
from server.planner.plan import Question, plan_tables

SHORTEST_STAY_S = 15 * 60


@dataclass(frozen=True, slots=True)
class ServiceDay:
    name: str
    time_zone: str
    floor: Floor
    policy: ServicePolicy
    requests: tuple[tuple[datetime, int], ...]


def read_day(trace: Mapping[str, Any], number_of: Callable[[int], int] = lambda index: index) -> ServiceDay:
    """A day of the file. `number_of` chooses the tables' ids, which only break ties."""
    names = sorted({table["zone"] for table in trace["tables"]})
    zones = {name: UUID(int=1 << 64 | index) for index, name in enumerate(names)}
    ids = {table["number"]: UUID(int=1 << 80 | number_of(i)) for i, table in enumerate(trace["tables"])}
    tables = (
        Table(
            ids[table["number"]],
            zones[table["zone"]],
            table["number"],
            table["capacity"],
            table["min_party"],
            table["max_party"],
            table["mobility"] == "movable",
        )
        for table in trace["tables"]
    )
    day, zone = date.fromisoformat(trace["date"]), ZoneInfo(trace["timezone"])
    requests = (
        (datetime.combine(day, time.fromisoformat(booking["time"]), zone), booking["party"])
        for booking in trace["bookings"]
    )
    return ServiceDay(
        trace["id"],
        trace["timezone"],
        Floor.of(
            (Zone(zone_id, name) for name, zone_id in zones.items()),
            tables,
            ((ids[a], ids[b]) for a, b in trace["edges"]),
        ),
        _policy(trace["policy"]),
        tuple(requests),
    )


def seat_one_by_one(day: ServiceDay, *, all_known: bool = False) -> list[int | None]:
    """For each request in order how many tables its best plan takes, or None when nothing fits.

    With `all_known` the requests that come later are bookings that wait for tables.
    """
    sets = TableSets.of(day.floor, day.policy.combinations)
    claims: list[Claim] = []
    seated: list[int | None] = []
    for start, size in day.requests:
        try:
            stay = stay_for(day.policy, day.time_zone, size, start)
        except ServiceError:
            seated.append(None)
            continue
        asked = _question(day, sets, Party(size, start), stay, claims)
        if all_known:
            asked = replace(asked, waiting=_waiting(day, len(seated) + 1))
        plans = plan_tables(asked).plans
        seated.append(len(plans[0].tables) if plans else None)
        owner = UUID(int=len(seated))
        claims += (
            Claim(table.table_id, stay.window, ClaimKind.ASSIGNMENT, owner)
            for plan in plans
            for table in plan.tables
        )
    return seated


def _waiting(day: ServiceDay, first: int) -> tuple[Waiting, ...]:
    waiting = []
    for number, (start, size) in enumerate(day.requests[first:], first):
        try:
            stay = stay_for(day.policy, day.time_zone, size, start)
        except ServiceError:
            continue
        waiting.append(Waiting(UUID(int=1 << 96 | number), Party(size, start), stay.window))
    return tuple(waiting)


def _question(
    day: ServiceDay, sets: TableSets, party: Party, stay: Stay, claims: Sequence[Claim]
) -> Question:
    opening = opening_at(day.policy, day.time_zone, party.start)
    assert opening is not None
    horizon = Window(min(opening.span.start, stay.window.start), max(opening.span.end, stay.window.end))
    return Question(
        day.floor, sets, day.policy, party, stay, claims, horizon, frozenset(), plans_max=1, policy_version=1
    )


def _policy(given: Mapping[str, Any]) -> ServicePolicy:
    return ServicePolicy(
        tuple(
            ServicePeriod(
                service["name"],
                _minutes(service["start"]),
                _minutes(service["end"]),
                tuple(TurnTime(size, minutes * 60) for size, minutes in service["turn_minutes"]),
                may_overrun=service["may_overrun"],
                shortest_stay_s=SHORTEST_STAY_S,
            )
            for service in given["services"]
        ),
        buffer_before_s=given["buffer_minutes"]["before"] * 60,
        buffer_after_s=given["buffer_minutes"]["after"] * 60,
        slack_max=given["max_slack"],
        combinations=Combinations(tables_max=given["max_tables"]),
    )


def _minutes(wall: str) -> int:
    at = time.fromisoformat(wall)
    return at.hour * 60 + at.minute
