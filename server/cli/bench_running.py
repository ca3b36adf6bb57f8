"""`bench outbox` and `bench plans`: measurements of a running maitred, with a database and processes of their own."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

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


def size_option(
    name: str, least: int, help_text: str, variable: str = "", most: int | None = None
) -> typer.models.OptionInfo:
    """An option for how much of something is measured."""
    return option(name, SIZES, help_text, least, most, variable=variable)


Quick = Annotated[
    bool,
    typer.Option(
        "--quick",
        envvar="MAITRED_CLI_QUICK",
        help="Less of everything: under a minute on an idle machine, and wider spreads.",
    ),
]
Repeats = Annotated[int | None, size_option("--repeats", 1, "Repeats; the figures are their medians.")]


def outbox(
    quick: Quick = False,
    repeats: Repeats = None,
    events: Annotated[int | None, size_option("--events", 100, "Events per drain.", "DRAINED")] = None,
    wakes: Annotated[int | None, size_option("--wakes", 2, "Commits per repeat to be woken by.")] = None,
    confirms: Annotated[int | None, size_option("--confirms", 1, "Confirms per repeat.")] = None,
    kills: Annotated[int | None, size_option("--kills", 1, "Workers killed, in all.")] = None,
    rows: Annotated[int | None, size_option("--rows", 2_500, "Events under an old snapshot.")] = None,
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
        int | None, size_option("--restaurants", 2, "Restaurants to ask about in turn.")
    ] = None,
    tables: Annotated[
        int | None, size_option("--tables", 2, "Tables of each.", "FLOOR_TABLES", TABLES_MAX)
    ] = None,
    calls: Annotated[int | None, size_option("--calls", 2, "Plans per repeat with a full cache.")] = None,
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
