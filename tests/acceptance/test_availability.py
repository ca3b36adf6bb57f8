"""P11: one call, many parties and starts, exactly one answer each, by the predicate that hold decides by."""

import itertools
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from google.protobuf.duration_pb2 import Duration

from maitred_client import (
    AsyncMaitredClient,
    InvalidArgumentFieldError,
    InvalidWindowError,
    MaitredError,
    RestaurantNotFoundError,
    instant,
)
from maitred_client.messages import (
    Availability,
    AvailabilityQuestion,
    ErrorReason,
    Floor,
    PartyRequest,
    PlanOutcome,
    PlanTablesRequest,
    PutBookingRequest,
    PutRestaurantRequest,
    Restaurant,
    SearchAvailabilityRequest,
    ServicePolicy,
)
from server.orchestrator import search_availability
from tests.builders.world import STAY, evening, stamp
from tests.builders.world_extras import (
    HOUSE_EDGES,
    HOUSE_TABLES,
    UNKNOWN_ID,
    House,
    always_open_policy,
    house,
    house_policy,
    refused,
)
from tests.conftest import Served
from tests.support.database import expire, nothing_written

pytestmark = pytest.mark.shared_server

QUESTIONS_MAX = 500
DAYS_MAX = 62
SEEDS = range(3)
QUESTIONS_PER_SEED = 40
STAY_REASONS = {"OUTSIDE_SERVICE_HOURS", "SERVICE_OVERRUN", "WINDOW_IN_PAST"}


def ask(
    party: int = 2, start: datetime | None = None, *, zone_id: str = "", required: Iterable[str] = ()
) -> AvailabilityQuestion:
    return AvailabilityQuestion(
        party_size=party,
        start=stamp(start or evening()),
        zone_id=zone_id,
        required_attributes=required,
    )


async def search(place: House, questions: Iterable[AvailabilityQuestion]) -> list[Availability]:
    request = SearchAvailabilityRequest(restaurant_id=place.restaurant_id, questions=questions)
    return list((await place.client.search_availability(request)).answers)


def reasons(answer: Availability) -> list[str]:
    return [ErrorReason.Name(reason).removeprefix("ERROR_REASON_") for reason in answer.reasons]


def dinner_policy() -> ServicePolicy:
    """Parties start from 17:00 and have to be gone by 22:00."""
    policy = house_policy()
    period = policy.periods[0]
    period.opens, period.closes, period.may_overrun = "17:00", "22:00", False
    return policy


def wanted(question: AvailabilityQuestion) -> PartyRequest:
    return PartyRequest(
        party_size=question.party_size,
        start=question.start,
        duration=question.duration if question.HasField("duration") else None,
        zone_id=question.zone_id,
        required_attributes=question.required_attributes,
    )


# One answer per question


async def test_every_question_gets_its_own_answer_in_its_place(place: House) -> None:
    await place.seated("W1", "W2", party=8)
    questions = [ask(size, evening(hour)) for size in (20, 2, 6) for hour in (21, 19, 3)]
    answers = await search(place, questions + questions[::-1])
    assert len(answers) == 2 * len(questions)
    assert answers[len(questions) :] == answers[: len(questions)][::-1]
    assert [await search(place, [question]) for question in questions] == [
        [answer] for answer in answers[: len(questions)]
    ]
    windows = [instant(answer.window_start) for answer in answers[:2]]
    assert windows == [evening(21), evening(19)]
    assert not answers[2].HasField("window_start")


async def test_each_day_that_is_asked_about_has_its_own_claims(place: House) -> None:
    days = [evening() + timedelta(days=day) for day in (1, 0, 2)]
    for start in days[1:]:
        await place.block("W1", start=start, end=start + STAY)
    answers = await search(place, [ask(2, start, required=["window"]) for start in days])
    assert [answer.available for answer in answers] == [True, False, False]


async def test_an_answer_names_the_tables_their_seats_and_the_window(place: House) -> None:
    (answer,) = await search(place, [ask(2, required=["window"])])
    assert answer.available
    assert list(answer.reasons) == []
    assert list(answer.table_ids) == place.ids(["W1"])
    assert (list(answer.table_names), answer.capacity) == (["W1"], 4)
    assert (answer.zone_id, answer.period) == (place.zones["Hall"], "day")
    assert (instant(answer.window_start), instant(answer.window_end)) == (evening(), evening() + STAY)


async def test_a_merge_is_offered_only_where_no_table_alone_fits(place: House) -> None:
    (single,) = await search(place, [ask(8)])
    assert list(single.table_names) == ["L8"]
    await place.block("L8")
    (merge,) = await search(place, [ask(8)])
    assert (len(merge.table_ids), merge.capacity) == (2, 8)
    assert list(merge.table_ids) == sorted(merge.table_ids)


async def test_other_calls_go_on_while_hundreds_of_questions_are_looked_at(
    place: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In other threads than the one that serves everybody: for hours and stays, and for tables."""
    threads = set()

    def noted(work: Callable[..., object]) -> Callable[..., object]:
        def call(*given: object) -> object:
            threads.add(threading.current_thread())
            return work(*given)

        return call

    for name in ("_slot_or_answer", "find_vacancies"):
        monkeypatch.setattr(search_availability, name, noted(getattr(search_availability, name)))
    answers = await search(place, [ask(2, evening(hour)) for hour in (3, 19)] * 100)
    assert [answer.available for answer in answers] == [False, True] * 100
    assert threads
    assert threading.main_thread() not in threads


# The same predicate as hold


@pytest.mark.parametrize("seed", SEEDS)
async def test_what_is_available_can_be_held_and_what_is_not_cannot(
    seed: int, client: AsyncMaitredClient
) -> None:
    rng = random.Random(seed)
    place = await house(client, policy=dinner_policy())
    await fill(place, rng)
    questions = [random_question(place, rng) for _ in range(QUESTIONS_PER_SEED)]
    answers = await search(place, questions)
    assert {answer.available for answer in answers} == {True, False}
    for question, answer in zip(questions, answers, strict=True):
        assert answer.available == (not answer.reasons) == bool(answer.table_ids)
        request = PutBookingRequest(
            restaurant_id=place.restaurant_id, booking_id=str(uuid4()), party=wanted(question)
        )
        if STAY_REASONS.intersection(reasons(answer)):
            error = await refused(client.put_booking(request), MaitredError)
            assert [error.reason] == reasons(answer)
            continue
        booking = (await client.put_booking(request)).booking
        assert (answer.window_start, answer.window_end) == (booking.window_start, booking.window_end)
        if answer.available:
            hold = await place.hold(booking, *answer.table_names)
            assert list(hold.table_ids) == list(answer.table_ids)
            await place.release(hold)
        else:
            for names in every_set():
                await refused(place.hold(booking, *names), MaitredError)


async def fill(place: House, rng: random.Random) -> None:
    """Claims of every kind all over the evening, as far as they fit, and a table out of service."""
    for _ in range(16):
        start = evening(17) + timedelta(minutes=15 * rng.randint(0, 12))
        name = rng.choice(HOUSE_TABLES).name
        if rng.random() < 0.3:
            claim = place.block(name, start=start, end=start + timedelta(minutes=rng.choice((15, 60, 180))))
            await ended(claim)
            continue
        booking = await place.party(rng.choice((2, 4, 5)), start=start)
        await ended(place.assign(booking, name) if rng.random() < 0.5 else place.hold(booking, name))
    await place.out_of_service(rng.choice(HOUSE_TABLES).name)


async def ended(claim: object) -> None:
    try:
        await claim  # type: ignore[misc]
    except MaitredError:
        return


def random_question(place: House, rng: random.Random) -> AvailabilityQuestion:
    question = ask(
        rng.choice((1, 2, 2, 4, 5, 6, 8, 9, 12, 13)),
        evening(16, 30) + timedelta(minutes=15 * rng.randint(0, 20), seconds=rng.choice((0, 0, 1))),
        zone_id=rng.choice(("", "", "", *place.zones.values())),
        required=["window"] if rng.random() < 0.15 else [],
    )
    if rng.random() < 0.3:
        question.duration.CopyFrom(Duration(seconds=rng.choice((1_800, 5_400, 14_400))))
    return question


def every_set() -> Iterator[tuple[str, ...]]:
    """Every single table of the house, and every set of tables that touch."""
    names = [seats.name for seats in HOUSE_TABLES]
    touching = {frozenset(edge) for edge in HOUSE_EDGES}
    for size in (1, 2, 3):
        for chosen in itertools.combinations(names, size):
            if all(frozenset(pair) in touching for pair in itertools.pairwise(chosen)):
                yield chosen


async def test_it_agrees_with_planning(place: House) -> None:
    rng = random.Random(11)
    await fill(place, rng)
    questions = [random_question(place, rng) for _ in range(30)]
    for question, answer in zip(questions, await search(place, questions), strict=True):
        request = PlanTablesRequest(restaurant_id=place.restaurant_id, party=wanted(question), plans_max=50)
        plan = await place.client.plan_tables(request)
        assert answer.available == (plan.outcome == PlanOutcome.PLAN_OUTCOME_FEASIBLE)
        assert not answer.available or list(answer.table_ids) in [list(each.table_ids) for each in plan.plans]


async def test_a_hold_that_expired_keeps_nobody_out(place: House, server: Served) -> None:
    hold = await place.hold(await place.party(8), "L8")
    for name in ("W2", "P1"):
        await place.block(name)
    (held,) = await search(place, [ask(8)])
    assert list(held.table_names) in (["W3", "W4"], ["W4", "W3"])
    await expire(server.database_url, hold.hold_id)
    (free,) = await search(place, [ask(8)])
    assert list(free.table_names) == ["L8"]


# Why not


async def test_closed_over_or_too_late_are_answers_of_their_questions(place: House) -> None:
    await place.put_policy(dinner_policy())
    answers = await search(place, [ask(2, evening(hour)) for hour in (12, 19, 21)])
    assert [reasons(answer) for answer in answers] == [["OUTSIDE_SERVICE_HOURS"], [], ["SERVICE_OVERRUN"]]
    assert [answer.HasField("window_end") for answer in answers] == [False, True, False]
    assert [answer.period for answer in answers] == ["", "day", ""]
    await place.put_policy(always_open_policy())
    yesterday = evening() - timedelta(days=31)
    (over,) = await search(place, [ask(2, yesterday)])
    assert (over.available, reasons(over)) == (False, ["WINDOW_IN_PAST"])
    assert instant(over.window_end) == yesterday + STAY


async def test_without_a_policy_every_time_is_outside_service_hours(client: AsyncMaitredClient) -> None:
    restaurant_id = str(uuid4())
    new = Restaurant(restaurant_id=restaurant_id, name="New", time_zone="UTC")
    await client.put_restaurant(PutRestaurantRequest(restaurant=new))
    answers = await search(House(client, restaurant_id, "", {}), [ask(), ask(4)])
    assert [reasons(answer) for answer in answers] == [["OUTSIDE_SERVICE_HOURS"]] * 2


async def test_what_takes_most_of_the_sets_that_would_fit_comes_first(place: House) -> None:
    await place.block("W1")
    for name in ("W2", "W3", "W4"):
        await place.seated(name)
    await place.hold(await place.party(), "F6")
    hall = place.zones["Hall"]
    (small, large) = await search(place, [ask(4, zone_id=hall), ask(3, zone_id=UNKNOWN_ID)])
    assert reasons(small) == ["TABLE_CONFLICT_ASSIGNED", "TABLE_BLOCKED", "TABLE_CONFLICT_HELD"]
    assert reasons(large) == ["ZONE_NOT_REQUESTED"]


async def test_what_no_set_of_the_floor_could_seat_says_which_rules_are_to_blame(place: House) -> None:
    (huge, unequipped) = await search(place, [ask(40), ask(4, required=["fireplace"])])
    assert reasons(huge) == ["CAPACITY_INSUFFICIENT"]
    assert reasons(unequipped) == ["REQUIRED_ATTRIBUTE_UNMET"]


async def test_a_floor_without_tables_has_no_reasons_either(place: House) -> None:
    def emptied(floor: Floor) -> None:
        floor.ClearField("tables")
        floor.ClearField("adjacency")

    await place.change_floor(emptied)
    (answer,) = await search(place, [ask()])
    assert (answer.available, reasons(answer)) == (False, [])


# Bounds


async def test_five_hundred_questions_over_two_months_are_answered_in_one_call(place: House) -> None:
    await place.seated("W1")
    step = timedelta(days=DAYS_MAX) / (QUESTIONS_MAX - 1)
    starts = [evening() + index * step for index in range(QUESTIONS_MAX)]
    answers = await search(place, [ask(2, start.replace(microsecond=0)) for start in starts])
    assert len(answers) == QUESTIONS_MAX
    assert answers[0].available
    assert {tuple(reasons(answer)) for answer in answers} == {(), ("OUTSIDE_SERVICE_HOURS",)}


async def test_more_or_no_questions_are_refused(place: House) -> None:
    for count in (0, QUESTIONS_MAX + 1):
        error = await refused(search(place, [ask()] * count), InvalidArgumentFieldError)
        assert error.metadata["field"] == "questions"


async def test_starts_that_lie_too_far_apart_are_refused(place: House) -> None:
    last = evening() + timedelta(days=DAYS_MAX)
    assert len(await search(place, [ask(2, last), ask(2)])) == 2
    far = [ask(2, last + timedelta(seconds=1)), ask(2)]
    error = await refused(search(place, far), InvalidWindowError)
    assert error.metadata == {"field": "questions", "limit": f"{DAYS_MAX * 86_400} s"}


async def test_a_bad_question_is_named_by_its_place(place: House) -> None:
    error = await refused(search(place, [ask(), ask(0)]), MaitredError)
    assert [violation.field for violation in error.violations] == ["questions[1].party_size"]


async def test_searching_changes_nothing_and_needs_the_restaurant(place: House, server: Served) -> None:
    async with nothing_written(server.database_url, place.restaurant_id, str(server.tenant_id)):
        await search(place, [ask(), ask(6)])
    nowhere = House(place.client, UNKNOWN_ID, "", {})
    await refused(search(nowhere, [ask()]), RestaurantNotFoundError)
