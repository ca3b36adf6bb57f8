"""What one slot of a search costs beside one plan: `python -m tests.bench.availability_speed`."""

from statistics import median
from time import perf_counter

from server.planner.plan import Question, plan_tables
from server.planner.vacancies import Slot, find_vacancies
from tests.bench.rooms import questions, room

TABLES = (12, 40, 120, 400)
LOADS = (0.0, 0.5, 0.9)
SLOTS = 200
REPEATS = 7


def plan_milliseconds(asked: list[Question]) -> float:
    """One plan, on average over the questions."""
    started = perf_counter()
    for question in asked:
        plan_tables(question)
    return (perf_counter() - started) * 1000 / len(asked)


def slot_milliseconds(asked: list[Question]) -> float:
    """One slot of a single search for all of the questions."""
    first = asked[0]
    slots = [Slot(question.party, question.stay) for question in asked]
    started = perf_counter()
    find_vacancies(first.sets, first.policy.slack_max, slots, first.claims)
    return (perf_counter() - started) * 1000 / len(asked)


def main() -> None:
    print(f"tables  load | ms per slot of {SLOTS}  ms per plan  plans cost")
    for tables in TABLES:
        place = room(tables)
        for load in LOADS:
            asked = questions(place, load, SLOTS)
            plan_milliseconds(asked)
            slot = median(slot_milliseconds(asked) for _ in range(REPEATS))
            plan = median(plan_milliseconds(asked) for _ in range(REPEATS))
            print(f"{tables:6} {load:5.1f} | {slot:18.4f} {plan:12.3f} {plan / slot:8.0f} ×")


if __name__ == "__main__":
    main()
