"""One run beside another: which figures became better, which worse, and which only differ by noise."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

# What decides whether two runs measured the same.
SAME_CONDITIONS = ("machine", "system", "cores", "memory_gib", "python", "postgres")


class Verdict(StrEnum):
    """Runs of few repeats differ anyway: only spreads that have nothing in common say something."""

    BETTER = "better"
    WORSE = "worse"
    NOISE = "within the noise"
    HIGHER = "higher"
    LOWER = "lower"
    ONE_SIDED = "in one run only"


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure in two runs; None where one of them does not have it. `ratio` is new ÷ old."""

    key: str
    old: float | None
    new: float | None
    ratio: float | None
    verdict: Verdict


def compared(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Compared, ...]:
    """Every figure that either run has, in the order of the new one. Runs are as `bench -o json` writes them."""
    keys = [*new["ratios"], *(key for key in old["ratios"] if key not in new["ratios"])]
    return tuple(_compared(key, old, new) for key in keys)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """What was not the same for both runs, a sentence each: figures need not be of the same thing then."""
    for name in SAME_CONDITIONS:
        was, is_now = (run.get("conditions", {}).get(name) for run in (old, new))
        if was != is_now:
            yield f"{name}: {was} → {is_now}"
    before, after = old.get("sizes", {}), new.get("sizes", {})
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield f"{name}: {before.get(name)} → {after.get(name)}"


def _compared(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Compared:
    was, is_now = old["ratios"].get(key), new["ratios"].get(key)
    if was is None or is_now is None:
        return Compared(key, was, is_now, None, Verdict.ONE_SIDED)
    ratio = is_now / was if was else None
    (was_least, was_most), (least, most) = old["spreads"][key], new["spreads"][key]
    if least <= was_most and was_least <= most:
        return Compared(key, was, is_now, ratio, Verdict.NOISE)
    return Compared(key, was, is_now, ratio, _direction(key, new, rose=is_now > was))


def _direction(key: str, run: Mapping[str, Any], *, rose: bool) -> Verdict:
    """A figure without a target of its own has the direction of the one that it is there to judge."""
    targets = run["targets"]
    told = targets.get(key) or next((targets[name] for name in targets if key.startswith(f"{name}_")), None)
    if told is None:
        return Verdict.HIGHER if rose else Verdict.LOWER
    return Verdict.BETTER if rose == told["at_least"] else Verdict.WORSE
