"""Questions to the planner about one evening that opens at 17:00 UTC and closes at 23:00."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from server.domain.booking import Party
from server.domain.claims import Claim
from server.domain.floor import Floor
from server.domain.policy import Combinations, ServicePeriod, ServicePolicy, TurnTime, Weights
from server.domain.window import Stay, Window
from server.errors import ClaimKind
from server.planner.catalog import TableSets
from server.planner.plan import Plan, PlanResult, Question, plan_tables
from tests.builders.floors import table_id

EVENING = datetime(2026, 5, 15, 17, tzinfo=UTC)
CLOSE = EVENING + timedelta(hours=6)


def at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    """An instant of the evening."""
    return EVENING.replace(hour=hour, minute=minute, second=second)


def evening_policy(
    *,
    turn_min: Iterable[int] = (60, 90),
    buffer_after_min: int = 0,
    slack_max: int = 4,
    combinations: Combinations | None = None,
    weights: Weights | None = None,
) -> ServicePolicy:
    """Parties of up to 2, 4, 6 … stay for the given turn times."""
    turns = tuple(TurnTime(2 * (i + 1), minutes * 60) for i, minutes in enumerate(turn_min))
    return ServicePolicy(
        (ServicePeriod("dinner", 17 * 60, 23 * 60, turns),),
        buffer_after_s=buffer_after_min * 60,
        slack_max=slack_max,
        combinations=combinations or Combinations(),
        weights=weights or Weights(),
    )


def claim(
    number: int,
    start: datetime,
    end: datetime,
    kind: ClaimKind = ClaimKind.ASSIGNMENT,
    owner: int = 1,
) -> Claim:
    """A claim of another party on a table."""
    return Claim(table_id(number), Window(start, end), kind, UUID(int=owner))


def question(
    place: Floor,
    party: Party | int,
    window: Window | None = None,
    *,
    policy: ServicePolicy | None = None,
    claims: Sequence[Claim] = (),
    avoid: Iterable[int] = (),
    plans_max: int = 50,
    horizon: Window | None = None,
) -> Question:
    """Asks for tables at 19:00 for 90 minutes, unless told otherwise."""
    policy = policy or evening_policy()
    window = window or Window(at(19), at(20, 30))
    if isinstance(party, int):
        party = Party(party, window.start)
    return Question(
        place,
        TableSets.of(place, policy.combinations),
        policy,
        party,
        Stay(window, window, "dinner"),
        claims,
        horizon or Window(EVENING, CLOSE),
        frozenset(table_id(number) for number in avoid),
        plans_max,
        policy_version=1,
    )


def ask(place: Floor, party: Party | int, window: Window | None = None, **rest: object) -> PlanResult:
    return plan_tables(question(place, party, window, **rest))  # type: ignore[arg-type]


def numbers(plan: Plan) -> tuple[int, ...]:
    """The tables of a plan by their numbers in the test."""
    return tuple(table.table_id.int & 0xFFFF for table in plan.tables)
