"""`bench outbox` and `bench plans`: measurements of a running maitred, with a database and processes of their own."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, TypeVar

from server.bench.sizes import FULL, PLANS_FULL, PLANS_QUICK, QUICK, OutboxSizes, PlanSizes
from server.cli.looking_up import drive
from server.cli.options import Output, option
from server.cli.output import Format, note, show, write_json
from server.domain.limits import TABLES_MAX

if TYPE_CHECKING:
    from server.bench.figures import Findings, Target
    from server.bench.ground import Ground

SIZES = "Sizes"
SizesT = TypeVar("SizesT", OutboxSizes, PlanSizes)


Quick = Annotated[
    bool, option("--quick", None, "Less of everything: under a minute on an idle machine, and wider spreads.")
]
Repeats = Annotated[int | None, option("--repeats", SIZES, "Repeats; the figures are their medians.", 1)]


def outbox(
    quick: Quick = False,
    repeats: Repeats = None,
    events: Annotated[
        int | None, option("--events", SIZES, "Events per drain.", 100, variable="DRAINED")
    ] = None,
    wakes: Annotated[int | None, option("--wakes", SIZES, "Commits per repeat to be woken by.", 2)] = None,
    confirms: Annotated[int | None, option("--confirms", SIZES, "Confirms per repeat.", 1)] = None,
    kills: Annotated[int | None, option("--kills", SIZES, "Workers killed, in all.", 1)] = None,
    rows: Annotated[int | None, option("--rows", SIZES, "Events under an old snapshot.", 2_500)] = None,
    output: Output = Format.TABLE,
) -> None:
    """How fast committed events leave, how soon, and what that costs those who commit.

    Everything is measured in one run against what stands beside it: the relay against plain SQL and pgqueuer over the
    same rows, confirms with outbox and wake-ups against confirms without. Servers, workers and a durable PostgreSQL are
    started from nothing and gone afterwards. Only ratios of one run compare; the machine should have nothing else to
    do. pgqueuer is measured where it is installed: pip install pgqueuer.

    Example: [bold]maitred bench outbox --quick[/]
    """
    from server.bench.outbox import TARGETS, measure_outbox

    given = {"repeats": repeats, "events": events, "wakes": wakes, "confirms": confirms}
    given |= {"kills": kills, "rows": rows}
    sizes = _sized(QUICK if quick else FULL, given)
    _measure(measure_outbox, sizes, TARGETS, output)


def plans(
    quick: Quick = False,
    repeats: Repeats = None,
    restaurants: Annotated[
        int | None, option("--restaurants", SIZES, "Restaurants to ask about in turn.", 2)
    ] = None,
    tables: Annotated[
        int | None, option("--tables", SIZES, "Tables of each.", 2, TABLES_MAX, variable="FLOOR_TABLES")
    ] = None,
    calls: Annotated[int | None, option("--calls", SIZES, "Plans per repeat with a full cache.", 2)] = None,
    output: Output = Format.TABLE,
) -> None:
    """How long a plan takes when the floor is prepared, when it is not yet, and when no floor is kept.

    One caller asks a real server on a durable PostgreSQL of its own.

    Example: [bold]maitred bench plans --quick[/]
    """
    from server.bench.plans import TARGETS, measure_plans

    given = {"repeats": repeats, "restaurants": restaurants, "tables": tables, "calls": calls}
    _measure(measure_plans, _sized(PLANS_QUICK if quick else PLANS_FULL, given), TARGETS, output)


def _sized(sizes: SizesT, given: Mapping[str, int | None]) -> SizesT:
    return replace(sizes, **{name: value for name, value in given.items() if value is not None})


def _measure(
    measure: "Callable[[Ground, SizesT], Awaitable[Findings]]",
    sizes: SizesT,
    targets: "Mapping[str, Target]",
    output: Format,
) -> None:
    from server.bench.ground import conditions, own_ground
    from server.cli.bench_view import findings_json, findings_table

    async def work() -> "tuple[Findings, dict[str, object]]":
        async with own_ground(note) as ground:
            return await measure(ground, sizes), conditions(ground)

    findings, made_with = drive(work())
    if output is Format.TABLE:
        show(findings_table(findings, targets))
    else:
        write_json(findings_json(findings, targets, asdict(sizes), made_with), output)
