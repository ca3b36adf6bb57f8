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


FULL = OutboxSizes(repeats=5, events=20_000, wakes=200, confirms=1_000, kills=12, rows=100_000)
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


@dataclass(frozen=True, slots=True)
class MainSizes:
    """Counts. `callers` are in flight while a server's rate is measured, `connections` write raw SQL; `clients` are
    the processes that both come from, `processes` those of the server.

    Per repeat: `holds` by each side, which are spread over `restaurants` of `tables` tables, `pairs`, `plans`, `calls`
    that do nothing, `lone` calls of each kind by one caller, `crowd_holds` with `crowd` callers, `searches` of `slots`
    slots, `overload_s` seconds of more than can be served. Curves are drawn over the sizes that are listed, with
    `curve_repeats`.
    """

    repeats: int
    holds: int
    pairs: int
    plans: int
    calls: int
    lone: int
    crowd: int
    crowd_holds: int
    searches: int
    callers: int = 128
    connections: int = 32
    clients: int = 2
    processes: int = 1
    restaurants: int = 50
    tables: int = 40
    planned_tables: int = 120
    slots: int = 200
    overload_s: float = 12.0
    table_sizes: tuple[int, ...] = (12, 40, 120, 400)
    restaurant_sizes: tuple[int, ...] = (1, 10, 100, 1_000)
    claim_sizes: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    caller_sizes: tuple[int, ...] = (1, 8, 32, 128, 1_000)
    process_sizes: tuple[int, ...] = (1, 2)
    planner_sizes: tuple[int, ...] = (12, 40, 100, 120, 400)
    curve_repeats: int = 3
    questions: int = 50


MAIN_FULL = MainSizes(
    repeats=5,
    holds=2_000,
    pairs=1_000,
    plans=1_000,
    calls=6_000,
    lone=200,
    crowd=1_000,
    crowd_holds=3_000,
    searches=20,
)
MAIN_QUICK = MainSizes(
    repeats=3,
    holds=300,
    pairs=150,
    plans=120,
    calls=1_000,
    lone=60,
    crowd=1_000,
    crowd_holds=1_000,
    searches=5,
    overload_s=0.0,
    process_sizes=(),
    table_sizes=(),
    restaurant_sizes=(),
    claim_sizes=(1_000, 20_000),
    caller_sizes=(),
    questions=20,
)
