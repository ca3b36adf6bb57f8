"""What an engine is: it ranks the sets that fit a party. Which sets fit was decided before."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

from server.domain.booking import Party
from server.domain.policy import ServicePolicy
from server.domain.window import Window
from server.planner.catalog import TableSets
from server.planner.lookahead import Outlook
from server.planner.occupancy import Occupancy
from server.planner.some_sets import Merge

# Costs are counted in millionths, as whole numbers: sums are exact, so equal sets tie whatever order they are
# added in.
MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Choice:
    """The sets that fit and are free, single tables as a mask and merges, with everything an engine may weigh."""

    sets: TableSets
    policy: ServicePolicy
    party: Party
    window: Window
    singles: int
    merges: Sequence[Merge]
    occupied: Occupancy
    outlook: Outlook


class ScoreTerm(NamedTuple):
    """One term of a cost."""

    name: str
    cost: float


class Terms(NamedTuple):
    """A cost by terms: always the same names in the same order for one engine, and what each comes to."""

    names: tuple[str, ...]
    costs: tuple[float, ...]


class Ranked(NamedTuple):
    """A free set with its cost in millionths, in the order of preference.

    Of equal sets the one with the smaller `ties` comes first. What is still equal stands in the order of the tables'
    ids.
    """

    cost: int
    ties: tuple[int | str, ...]
    members: tuple[int, ...]


class Ranking(Protocol):
    """What an engine says of the sets of one choice. The same choice always has the same ranking."""

    def best(self, count: int) -> list[Ranked]:
        """So many of the sets that come first, in order; all of them when they are fewer."""
        ...

    def terms(self, choice: Ranked) -> Terms:
        """What the cost of a ranked set is the sum of."""
        ...

    def score(self, cost: int) -> float:
        """Above 0, up to 100, for people; the lower the cost, the higher."""
        ...


Engine: TypeAlias = Callable[[Choice], Ranking]
