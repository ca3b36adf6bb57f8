"""Rules against perfect foresight on the same evenings, over many seeds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from server.planner.catalog import TableSets
from server.simulation.evenings import Evening, EveningMix, make_evening
from server.simulation.optimum import Optimum, best_covers
from server.simulation.seating import RULES, Seating, Seconds, seat

# Up to this size of room the optimum is found table by table; above, tables of the same seats are counted together.
EXACT_TABLES_MAX = 40
SOLVER_SECONDS_MAX = 20.0

# Accepted covers over the optimum that the default rule is meant to reach, by tables and load in percent.
TARGETS: Mapping[tuple[int, int], float] = {
    (40, 100): 0.915,
    (40, 120): 0.91,
    (120, 80): 0.988,
    (120, 100): 0.95,
    (120, 120): 0.94,
    (120, 150): 0.895,
    (400, 100): 0.975,
}


@dataclass(frozen=True, slots=True)
class Case:
    """A size of room and a load in percent."""

    tables: int
    load_percent: int


@dataclass(frozen=True, slots=True)
class Run:
    """One evening, seated by every rule. The covers of a rule over `optimum.bound` are its ratio."""

    seed: int
    optimum: Optimum
    asked: int
    seatings: Mapping[str, Seating]

    def ratio(self, rule: str) -> float:
        return self.seatings[rule].covers / self.optimum.bound


@dataclass(frozen=True, slots=True)
class Outcome:
    """All runs of a case; medians are over its seeds."""

    case: Case
    runs: tuple[Run, ...]

    @property
    def target(self) -> float | None:
        return TARGETS.get((self.case.tables, self.case.load_percent))

    @property
    def exact(self) -> bool:
        return all(run.optimum.exact for run in self.runs)

    def ratios(self, rule: str) -> list[float]:
        return sorted(run.ratio(rule) for run in self.runs)

    def plan_ms(self, rule: str) -> float:
        """The median over all questions of the case, in milliseconds."""
        return 1000 * median(each for run in self.runs for each in run.seatings[rule].seconds)


def compare(
    case: Case, seeds: Sequence[int], clock: Seconds, done: Callable[[], None], mix: EveningMix | None = None
) -> Outcome:
    """Seats the evening of every seed by every rule; `done` is called after each evening."""
    return Outcome(case, tuple(_runs(case, seeds, clock, done, mix or EveningMix())))


def _runs(
    case: Case, seeds: Sequence[int], clock: Seconds, done: Callable[[], None], mix: EveningMix
) -> Iterator[Run]:
    for seed in seeds:
        evening = make_evening(mix, case.tables, case.load_percent / 100, seed)
        yield _run(evening, seed, clock, exact=case.tables <= EXACT_TABLES_MAX)
        done()


def _run(evening: Evening, seed: int, clock: Seconds, *, exact: bool) -> Run:
    sets = TableSets.of(evening.floor, evening.policy.combinations)
    return Run(
        seed,
        best_covers(evening, sets, exact=exact, seconds_max=SOLVER_SECONDS_MAX),
        sum(request.party.party_size for request in evening.requests),
        {name: seat(evening, sets, rule, clock) for name, rule in RULES.items()},
    )
