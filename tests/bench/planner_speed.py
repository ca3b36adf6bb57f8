"""How long one plan takes: `python -m tests.bench.planner_speed`."""

from dataclasses import replace
from statistics import median, quantiles
from time import perf_counter
from uuid import UUID

from server.planner.catalog import TableSets
from server.planner.lookahead import Waiting
from server.planner.plan import Question, plan_tables
from tests.bench.rooms import questions, room

TABLES = (12, 40, 120, 400)
LOADS = (0.0, 0.5, 0.9)
REPEATS = 7
WAITING = 50


def milliseconds(question: Question) -> float:
    started = perf_counter()
    plan_tables(question)
    return (perf_counter() - started) * 1000


def cold_milliseconds(question: Question) -> tuple[float, float]:
    """Listing the sets of the floor, and the first question of a kind after that."""
    started = perf_counter()
    sets = TableSets.of(question.floor, question.policy.combinations)
    listed = perf_counter()
    sets.shortlist(question.party, question.policy.slack_max)
    return (listed - started) * 1000, (perf_counter() - listed) * 1000


def waiting(asked: list[Question]) -> tuple[Waiting, ...]:
    """The parties of the first questions as bookings that wait for tables."""
    return tuple(
        Waiting(UUID(int=n), question.party, question.stay.window)
        for n, question in enumerate(asked[:WAITING], 1)
    )


def main() -> None:
    print(
        "tables  merges  load | warm ms: median    p95    max | 50 waiting: median    p95 | list the sets"
        "  first of a kind"
    )
    for tables in TABLES:
        place = room(tables)
        for load in LOADS:
            asked = questions(place, load)
            cold = [cold_milliseconds(question) for question in asked[:REPEATS]]
            for question in asked:
                plan_tables(question)
            warm = [median(milliseconds(question) for _ in range(REPEATS)) for question in asked]
            waited = [replace(question, waiting=waiting(asked)) for question in asked]
            ahead = [median(milliseconds(question) for _ in range(REPEATS)) for question in waited]
            merges = len(asked[0].sets.merges)
            print(
                f"{tables:6} {merges:7} {load:5.1f} | {median(warm):16.3f} {quantiles(warm, n=20)[-1]:6.3f}"
                f" {max(warm):6.3f} | {median(ahead):18.3f} {quantiles(ahead, n=20)[-1]:6.3f}"
                f" | {median(c[0] for c in cold):13.2f} {median(c[1] for c in cold):15.2f}"
            )


if __name__ == "__main__":
    main()
