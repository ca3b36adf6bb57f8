"""The service policy: when parties can start, how long they stay, how tables may be merged."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from server.errors import FieldViolation, Reason

MINUTES_PER_DAY = 24 * 60
WEEK = 7

RELAXABLE = (Reason.CAPACITY_BELOW_MIN_PARTY, Reason.SLACK_BUDGET_EXCEEDED, Reason.COMBINATION_TOO_LARGE)
"""The rules that planning may relax when nothing regular is free."""


class AdjacencyMode(StrEnum):
    """What makes a set of tables one merge, read on the undirected adjacency within the set."""

    CONNECTED = "connected"
    PAIRWISE = "pairwise"
    HUB = "hub"


class PlanEngine(StrEnum):
    """What ranks the sets that fit a party."""

    V2 = "v2"
    LEGACY = "legacy"


@dataclass(frozen=True, slots=True)
class TurnTime:
    """How long a party of up to `party_size_max` stays."""

    party_size_max: int
    duration_s: int


@dataclass(frozen=True, slots=True)
class ServicePeriod:
    """A stretch of a local day in which parties can start.

    `days` are ISO weekdays (1 Monday to 7 Sunday); empty means every day. `opens_min` and `closes_min` count minutes
    from local midnight; a period that closes at or before it opens ends on the next day.
    """

    name: str
    opens_min: int
    closes_min: int
    turn_times: tuple[TurnTime, ...]
    days: tuple[int, ...] = ()
    may_overrun: bool = False
    shortest_stay_s: int | None = None

    @property
    def closes_after_min(self) -> int:
        """Minutes from the midnight before it opens to its end; above 1,440 when it ends on the next day."""
        return self.closes_min if self.closes_min > self.opens_min else self.closes_min + MINUTES_PER_DAY

    def opens_on(self, iso_weekday: int) -> bool:
        return not self.days or iso_weekday in self.days

    def turn_time(self, party_size: int) -> timedelta:
        """Length of stay; parties above the last entry stay as long as that one says."""
        for turn in self.turn_times:
            if party_size <= turn.party_size_max:
                return timedelta(seconds=turn.duration_s)
        return timedelta(seconds=self.turn_times[-1].duration_s)


@dataclass(frozen=True, slots=True)
class Combinations:
    """How tables may be merged; `tables_max` is 2 to 5.

    `adjacency_party_size_min` is the smallest party for which the tables of a merge have to be adjacent; smaller ones
    may have any movable tables of one zone. None means that adjacency is asked for every party.
    """

    enabled: bool = True
    tables_max: int = 3
    adjacency_mode: AdjacencyMode = AdjacencyMode.CONNECTED
    adjacency_party_size_min: int | None = None

    @property
    def some_merge_freely(self) -> bool:
        """Whether there are parties of whose merges no adjacency is asked."""
        return self.adjacency_party_size_min is not None and self.adjacency_party_size_min > 1

    def adjacency_needed(self, party_size: int) -> bool:
        """Whether the tables of a merge for such a party have to be adjacent."""
        return self.adjacency_party_size_min is None or party_size >= self.adjacency_party_size_min


@dataclass(frozen=True, slots=True)
class Weights:
    """What the v2 engine charges for. The units are in docs/planner.md."""

    spare_seat: float = 1.0
    merge: float = 1.5
    unusable_gap: float = 0.8
    open_gap: float = 0.03
    merge_partner: float = 2.0
    preferred_attribute: float = 20.0
    fragmentation: float = 0.8
    scarcity: float = 8.0
    lookahead: float = 30.0
    preferred_zone: float = 20.0


@dataclass(frozen=True, slots=True)
class ExpectedParties:
    """How many parties of a size usually ask for a table in one service period."""

    party_size: int
    parties: float


@dataclass(frozen=True, slots=True)
class ServicePolicy:
    """`relaxations` are rules out of `RELAXABLE` that planning may relax, in this order, when nothing regular is free,
    and that everybody may override. `check_in_lead_s` is how long before its start a party can be checked in; None
    means at any time. With `auto_assign_bookings` the worker looks for tables for every new need, until
    `auto_assign_cutoff_s` before the party sits down.
    """

    periods: tuple[ServicePeriod, ...]
    buffer_before_s: int = 0
    buffer_after_s: int = 0
    slack_max: int = 4
    combinations: Combinations = Combinations()
    weights: Weights = Weights()
    engine: PlanEngine = PlanEngine.V2
    relaxations: tuple[Reason, ...] = (Reason.CAPACITY_BELOW_MIN_PARTY,)
    forecast: tuple[ExpectedParties, ...] = ()
    check_in_lead_s: int | None = None
    auto_assign_bookings: bool = False
    auto_assign_cutoff_s: int = 10 * 60

    @property
    def buffer_before(self) -> timedelta:
        return timedelta(seconds=self.buffer_before_s)

    @property
    def buffer_after(self) -> timedelta:
        return timedelta(seconds=self.buffer_after_s)

    @property
    def check_in_lead(self) -> timedelta | None:
        return None if self.check_in_lead_s is None else timedelta(seconds=self.check_in_lead_s)


def policy_problems(policy: ServicePolicy) -> Iterator[FieldViolation]:
    """What makes a policy ambiguous as a whole: periods that overlap, turn times out of order, sizes forecast
    twice."""
    for index, period in enumerate(policy.periods):
        sizes = [turn.party_size_max for turn in period.turn_times]
        if sizes != sorted(set(sizes)):
            yield FieldViolation(
                f"policy.periods[{index}].turn_times", "party_size_max must rise from each entry to the next"
            )
    expected = [each.party_size for each in policy.forecast]
    if len(set(expected)) < len(expected):
        yield FieldViolation("policy.forecast", "each party_size may be named once")
    stretches = sorted(_weekly_stretches(policy))
    # The first stretch of the week is met again a week later, so that Sunday night is held against Monday.
    again = [
        (start + WEEK * MINUTES_PER_DAY, end + WEEK * MINUTES_PER_DAY, name)
        for start, end, name in stretches[:1]
    ]
    clashes = set()
    for (_, end, name), (start, _, other) in zip(stretches, stretches[1:] + again, strict=False):
        if start < end:
            clashes.add((min(name, other), max(name, other)))
    for name, other in sorted(clashes):
        yield FieldViolation("policy.periods", f"{name!r} and {other!r} overlap")


def _weekly_stretches(policy: ServicePolicy) -> Iterator[tuple[int, int, str]]:
    for period in policy.periods:
        for weekday in range(1, WEEK + 1):
            if period.opens_on(weekday):
                midnight = (weekday - 1) * MINUTES_PER_DAY
                yield midnight + period.opens_min, midnight + period.closes_after_min, period.name
