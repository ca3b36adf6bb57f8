"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OutboxSizes:
    """Counts: `repeats` of whatever is repeated, `events` per drain, `wakes` and `confirms` per repeat, `kills` in all,
    `rows` that are claimed while an old snapshot is open.
    """

    repeats: int
    events: int
    wakes: int
    confirms: int
    kills: int
    rows: int


FULL = OutboxSizes(repeats=5, events=20_000, wakes=200, confirms=600, kills=12, rows=100_000)
QUICK = OutboxSizes(repeats=2, events=4_000, wakes=60, confirms=120, kills=3, rows=10_000)


@dataclass(frozen=True, slots=True)
class PlanSizes:
    """Counts: `restaurants` of `tables` tables each, `calls` per repeat with a full cache and as many without one."""

    repeats: int
    restaurants: int
    tables: int
    calls: int


PLANS_FULL = PlanSizes(repeats=5, restaurants=20, tables=120, calls=200)
PLANS_QUICK = PlanSizes(repeats=2, restaurants=8, tables=120, calls=48)
