"""Rules against perfect foresight on the same evenings, over many seeds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from server.planner.catalog import TableSets
from server.simulation.evenings import Evening, EveningMix, make_evening
from server.simulation.optimum import Optimum, best_covers
from server.simulation.reseating import covers_reseated
from server.simulation.seating import RULES, Seating, Seconds, seat

# How long each step towards the optimum of an evening may take.
SOLVER_SECONDS_MAX = 120.0

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
    """One evening, seated by every rule. The covers of a rule over `optimum.bound` are its ratio.

    `reseated` are the covers if everybody could be moved whenever somebody asks.
    """

    seed: int
    optimum: Optimum
    reseated: int
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
    def proven(self) -> int:
        """On how many of the evenings the bound is known to be the optimum."""
        return sum(run.optimum.exact for run in self.runs)

    def ratios(self, rule: str) -> list[float]:
        return sorted(run.ratio(rule) for run in self.runs)

    def ratios_reseated(self) -> list[float]:
        return sorted(run.reseated / run.optimum.bound for run in self.runs)

    def plan_ms(self, rule: str) -> float:
        """The median over all questions of the case, in milliseconds."""
        return 1000 * median(each for run in self.runs for each in run.seatings[rule].seconds)


def compare(
    case: Case,
    seeds: Sequence[int],
    clock: Seconds,
    done: Callable[[], None],
    solver_seconds_max: float = SOLVER_SECONDS_MAX,
) -> Outcome:
    """Seats the evening of every seed by every rule; `done` is called after each evening.

    An optimum of which a step takes the solver longer than `solver_seconds_max` stays an upper bound.
    """
    runs = []
    for seed in seeds:
        evening = make_evening(EveningMix(), case.tables, case.load_percent / 100, seed)
        runs.append(_run(evening, seed, clock, solver_seconds_max))
        done()
    return Outcome(case, tuple(runs))


def _run(evening: Evening, seed: int, clock: Seconds, solver_seconds_max: float) -> Run:
    sets = TableSets.of(evening.floor, evening.policy.combinations)
    return Run(
        seed,
        best_covers(evening, sets, seconds_max=solver_seconds_max),
        covers_reseated(evening, sets),
        sum(request.party.party_size for request in evening.requests),
        {name: seat(evening, sets, rule, clock) for name, rule in RULES.items()},
    )
