"""Two recorded service days, seated one request after the other by the best plan.

The days are not part of the project: they are looked for in `../shared/data` beside it, or where SHARED_DIR says.
"""

import json
import os
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.builders.service_day import read_day, seat_one_by_one

BESIDE = Path(__file__).parents[3] / "shared"
DAYS = Path(os.environ.get("SHARED_DIR", BESIDE)) / "data" / "service_days.json"
# What a plain exact greedy seats, of 117 requests on 16 tables and of 76 on 40.
LEAST_SEATED = {"demo-2025-11-06": 69, "pub-2025-11-15": 73}


def traces() -> dict[str, Any]:
    if not DAYS.exists():
        pytest.skip(f"{DAYS.name} is absent; put it into shared/data beside the project or set SHARED_DIR")
    return {trace["id"]: trace for trace in json.loads(DAYS.read_text())["traces"]}


def seated(trace: dict[str, Any], shuffle_seed: int | None = None) -> int:
    numbers = list(range(len(trace["tables"])))
    if shuffle_seed is not None:
        Random(shuffle_seed).shuffle(numbers)
    return sum(1 for tables in seat_one_by_one(read_day(trace, numbers.__getitem__)) if tables)


@pytest.mark.parametrize("day", LEAST_SEATED)
def test_a_recorded_day_is_seated_at_least_as_well_as_by_a_plain_greedy(day: str) -> None:
    assert seated(traces()[day]) >= LEAST_SEATED[day]


@pytest.mark.parametrize("day", LEAST_SEATED)
def test_knowing_who_is_to_come_seats_no_fewer(day: str) -> None:
    known = read_day(traces()[day])
    foreseen = sum(1 for tables in seat_one_by_one(known, all_known=True) if tables)
    assert foreseen >= sum(1 for tables in seat_one_by_one(known) if tables)


@pytest.mark.parametrize("day", LEAST_SEATED)
def test_how_many_are_seated_is_no_luck_of_the_ids(day: str) -> None:
    trace = traces()[day]
    assert min(seated(trace, shuffle_seed) for shuffle_seed in range(8)) >= LEAST_SEATED[day]


@pytest.mark.parametrize("day", LEAST_SEATED)
def test_a_day_is_seated_the_same_way_every_time(day: str) -> None:
    trace = traces()[day]
    assert seat_one_by_one(read_day(trace)) == seat_one_by_one(read_day(trace))
