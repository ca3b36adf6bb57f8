"""Figures with the targets that they are measured against."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure is and where it should be: from `bound` up where more is better, else down."""

    what: str
    bound: float
    more_is_better: bool

    def reached_by(self, value: float) -> bool:
        return value >= self.bound if self.more_is_better else value <= self.bound


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its spread. `value` is None when it could not be measured; `note` says why, or what it is."""

    key: str
    value: float | None
    least: float = 0.0
    most: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """How something grows: medians by series over the same sizes. `title` is a sentence, `x` and `y` name units."""

    key: str
    title: str
    x: str
    y: str
    sizes: tuple[int, ...]
    series: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Findings:
    """What a measurement found: figures, and the rates and times behind them, which only compare within one run.

    `latencies` are counts of calls by what was called: pairs of an upper bound in milliseconds and a number.
    """

    figures: tuple[Figure, ...]
    behind: Mapping[str, float]
    curves: tuple[Curve, ...] = ()
    latencies: Mapping[str, tuple[tuple[float, int], ...]] = field(default_factory=dict)

    def __add__(self, other: "Findings") -> "Findings":
        return Findings(
            self.figures + other.figures,
            {**self.behind, **other.behind},
            self.curves + other.curves,
            {**self.latencies, **other.latencies},
        )


def middle(key: str, values: Sequence[float], note: str = "") -> Figure:
    """The median of the repeats."""
    return Figure(key, median(values), min(values), max(values), note)


def ratio(key: str, over: Sequence[float], under: Sequence[float], note: str = "") -> Figure:
    """The median of what each repeat's two measurements are to each other."""
    return middle(key, [a / b for a, b in zip(over, under, strict=True)], note)


def percentile(key: str, repeats: Sequence[Sequence[float]], percent: int) -> Figure:
    """A percentile of everything measured, with the least and the most of the same percentile per repeat."""
    each = [percentile_of(values, percent) for values in repeats]
    together = [value for values in repeats for value in values]
    return Figure(key, percentile_of(together, percent), min(each), max(each))


def percentile_of(values: Sequence[float], percent: int) -> float:
    """Of few values the greatest stands for the high percentiles: nothing is made up beyond what was seen."""
    if len(values) == 1:
        return values[0]
    return quantiles(values, n=100, method="inclusive")[percent - 1]
