"""Whether moving one booking would help, against trying every booking on every set."""

from dataclasses import replace
from datetime import timedelta
from random import Random
from uuid import UUID

import pytest

from server.domain.booking import Booking, BookingStatus, Party
from server.domain.claims import Claim
from server.domain.floor import Table
from server.domain.policy import AdjacencyMode
from server.domain.rules import Selection, check_selection, failed
from server.domain.window import Stay, Window
from server.errors import ClaimKind
from server.planner.moving import movable, moving_one_would_help
from server.planner.plan import PlanOutcome, Question, plan_tables
from tests.builders.bookings import ASSIGNMENT, booking
from tests.property.random_worlds import random_question

FLOORS = range(600)
# Some of the others have begun by the time the question is asked, some begin just then, and some have not.
AHEAD = timedelta(minutes=60)
MINE = UUID(int=77)
MODES = pytest.mark.parametrize("mode", AdjacencyMode)


@MODES
def test_it_helps_exactly_when_some_booking_can_make_room(mode: AdjacencyMode) -> None:
    answers = []
    for number in FLOORS:
        question, bookings, live = evening_of_others(f"moving.{number}", mode)
        if plan_tables(question).outcome is not PlanOutcome.FULLY_TAKEN:
            continue
        now = question.stay.window.start - AHEAD
        answer = moving_one_would_help(question, movable(bookings, now), live)
        assert answer == some_move_helps(question, bookings, live), f"seed moving.{number}, {mode}"
        turned = moving_one_would_help(question, movable(bookings[::-1], now), live[::-1])
        assert turned == answer
        answers.append(answer)
    assert answers.count(True) > 10
    assert answers.count(False) > 10


def evening_of_others(seed: str, mode: AdjacencyMode) -> tuple[Question, list[Booking], list[Claim]]:
    """A question on a floor on which others sit; `live` has claims of the party itself as well."""
    rng = Random(f"{seed}.{mode}")
    question = random_question(seed, mode)
    bookings: list[Booking] = []
    live: list[Claim] = []
    sets = every_set(question)
    for _ in range(4 * len(question.floor.tables)):
        start = question.stay.window.start + timedelta(minutes=30 * rng.randint(-5, 5))
        window = Window(start, start + timedelta(minutes=rng.choice((60, 93, 120))))
        chosen = rng.choice(sets)
        ids = {table.table_id for table in chosen}
        if any(each.table_id in ids and each.window.overlaps(window) for each in live):
            continue
        size = rng.randint(1, sum(table.capacity for table in chosen))
        who = guest(len(bookings), Party(size, window.start), window, rng)
        kind = rng.choice((*[ClaimKind.ASSIGNMENT] * 4, ClaimKind.HOLD, ClaimKind.BLOCK))
        owner = {ClaimKind.BLOCK: None, ClaimKind.HOLD: MINE}.get(kind, who.booking_id)
        live += [Claim(table_id, window, kind, who.booking_id, owner) for table_id in ids]
        bookings += [who] if kind is ClaimKind.ASSIGNMENT else []
    rng.shuffle(live)
    foreign = [each for each in live if each.booking_id != MINE]
    return replace(question, claims=foreign), bookings, live


def guest(number: int, party: Party, window: Window, rng: Random) -> Booking:
    status = rng.choice((*[BookingStatus.CONFIRMED] * 5, BookingStatus.CHECKED_IN))
    return replace(
        booking(status, assigned_epoch=rng.choice((1, 1, 1, 1, 0))),
        booking_id=UUID(int=1_000 + number),
        party=party,
        stay=Stay(window, window, "dinner"),
        assignment_id=ASSIGNMENT,
    )


def some_move_helps(question: Question, bookings: list[Booking], live: list[Claim]) -> bool:
    return any(
        helps(question, who, live)
        for who in bookings
        if who.status is BookingStatus.CONFIRMED
        and who.has_current_tables
        and who.window.start > question.stay.window.start - AHEAD
    )


def helps(question: Question, who: Booking, live: list[Claim]) -> bool:
    """Tries the booking on every other set, and then the party on every set, by the rules of the house."""
    without = [each for each in live if each.booking_id != who.booking_id]
    for tables in every_set(question):
        selection = Selection(question.floor, question.policy, who.party, who.window, tables)
        if failed(check_selection(selection, on(selection, without), "UTC")):
            continue
        moved = [
            Claim(table_id, who.window, ClaimKind.ASSIGNMENT, ASSIGNMENT, who.booking_id)
            for table_id in selection.table_ids
        ]
        after = [each for each in (*without, *moved) if each.booking_id != MINE]
        if plan_tables(replace(question, claims=after)).plans:
            return True
    return False


def every_set(question: Question) -> list[tuple[Table, ...]]:
    """Whatever any party might have."""
    tables, merges = question.floor.tables, question.sets.free_merges
    return [*((table,) for table in tables), *(tuple(tables[at] for at in each.members) for each in merges)]


def on(selection: Selection, claims: list[Claim]) -> list[Claim]:
    return [each for each in claims if each.table_id in selection.table_ids]
