"""Rooms of any size with an evening's bookings in them, for measurements of the planner alone: always the same ones."""

from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

from server.domain.booking import Party
from server.domain.claims import Claim
from server.domain.floor import Edge, Floor, Table, Zone
from server.domain.policy import Combinations, ServicePeriod, ServicePolicy, TurnTime
from server.domain.window import Stay, Window
from server.errors import ClaimKind
from server.planner.catalog import TableSets
from server.planner.plan import Question

EVENING = datetime(2026, 5, 15, 17, tzinfo=UTC)
CLOSE = EVENING + timedelta(hours=6)
PERIOD = "dinner"
TURN_MIN = (60, 75, 85, 90)
BUFFER_AFTER_S = 5 * 60
# What a stay and its buffer come to.
STAYS_MIN = (65, 80, 90, 95)
PARTY_SIZES = (2, 2, 2, 2, 2, 3, 4, 4, 4, 5, 6, 7, 8, 10)
CAPACITIES = (2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 8)
MOVABLE_SHARE = 0.95
QUARTER = timedelta(minutes=15)
PLANS_MAX = 5
MERGED_MAX = 3


def room(tables: int) -> Floor:
    """Zones of 8 to 20 tables that stand in a grid and touch their neighbours in it, or in a single row."""
    rng = Random(1)
    placed: list[Table] = []
    edges: list[Edge] = []
    zones: list[Zone] = []
    while len(placed) < tables:
        zones.append(Zone(UUID(int=(len(zones) + 1) << 64), f"Zone {len(zones) + 1}"))
        first, size = len(placed), min(rng.randint(8, 20), tables - len(placed))
        columns = rng.choice((4, 4, 5, size))
        for offset in range(size):
            placed.append(_table(first + offset, rng, zones[-1].zone_id))
            if offset % columns:
                edges.append((_table_id(first + offset - 1), _table_id(first + offset)))
            if offset >= columns:
                edges.append((_table_id(first + offset - columns), _table_id(first + offset)))
    return Floor.of(zones, placed, edges)


def _table(index: int, rng: Random, zone_id: UUID) -> Table:
    capacity = rng.choice(CAPACITIES)
    movable = rng.random() < MOVABLE_SHARE
    return Table(_table_id(index), zone_id, f"T{index + 1}", capacity, 1, capacity, movable)


def _table_id(index: int) -> UUID:
    return UUID(int=index + 1)


def room_policy() -> ServicePolicy:
    """Dinner from 17 to 23 o'clock; up to `MERGED_MAX` tables may be pushed together."""
    turns = tuple(TurnTime(2 * (step + 1), minutes * 60) for step, minutes in enumerate(TURN_MIN))
    return ServicePolicy(
        (ServicePeriod(PERIOD, 17 * 60, 23 * 60, turns),),
        buffer_after_s=BUFFER_AFTER_S,
        slack_max=4,
        combinations=Combinations(tables_max=MERGED_MAX),
    )


def booked(place: Floor, load: float) -> list[Claim]:
    """Claims that keep each table busy for about `load` of the evening."""
    rng = Random(2)
    claims: list[Claim] = []
    for index in range(len(place.tables)):
        start = EVENING + rng.randint(0, 6) * QUARTER
        while start < CLOSE:
            length = timedelta(minutes=rng.choice(STAYS_MIN))
            if rng.random() < load:
                owner = UUID(int=len(claims) + 1)
                claims.append(
                    Claim(_table_id(index), Window(start, start + length), ClaimKind.ASSIGNMENT, owner)
                )
            start += length + rng.randint(0, 2) * QUARTER
    rng.shuffle(claims)
    return claims


def questions(place: Floor, load: float, count: int) -> tuple[Question, ...]:
    """Parties of the usual sizes at any quarter of the evening, all about the same room, policy and bookings."""
    rng = Random(3)
    policy, claims = room_policy(), booked(place, load)
    sets = TableSets.of(place, policy.combinations)
    asked = []
    for _ in range(count):
        start = EVENING + rng.randint(0, 16) * QUARTER
        window = Window(start, start + timedelta(minutes=rng.choice(STAYS_MIN)))
        asked.append(
            Question(
                place,
                sets,
                policy,
                Party(rng.choice(PARTY_SIZES), start),
                Stay(window, window, PERIOD),
                claims,
                Window(EVENING, CLOSE),
                frozenset(),
                PLANS_MAX,
                policy_version=1,
            )
        )
    return tuple(asked)
