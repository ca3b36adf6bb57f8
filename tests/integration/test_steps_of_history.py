"""What `history_complete` and the glance take for a step of a booking's life is what the domain makes of one."""

from uuid import UUID, uuid4

from server.domain.booking import ASSIGNABLE, AWAITING_TABLES, SEATED_OR_CONFIRMED, TRANSITIONS, BookingStatus
from server.persistence.invariants import BOOKINGS, LOOKING
from tests.support.database import Connection, connected

Step = tuple[BookingStatus | None, BookingStatus]

# Beside what a caller can ask for: a booking is made, changed, moved, given tables and loses them.
STEPS: frozenset[Step] = frozenset(
    {(before, after) for before, steps in TRANSITIONS.items() for after in steps.values()}
    | {(None, status) for status in AWAITING_TABLES}
    | {(status, status) for status in ASSIGNABLE | SEATED_OR_CONFIRMED}
    | {(status, BookingStatus.CONFIRMED) for status in AWAITING_TABLES}
    | {(BookingStatus.CONFIRMED, BookingStatus.PENDING)}
)


async def test_every_step_that_no_booking_takes_is_found_and_no_other(database_url: str) -> None:
    async with connected(database_url) as connection:
        await connection.execute("SET session_replication_role = replica")
        last_steps = {
            await _write(connection, (*lived, status)): (lived[-1] if lived else None, status)
            for lived in _lives()
            for status in BookingStatus
        }
        (glance,) = await connection.fetch(LOOKING["glance"], None)
        found = await connection.fetch(BOOKINGS["history_complete"], None, 100)
    wrong = {
        restaurant_id: f"a step from {before or 'nothing'} to {after}, which no booking takes"
        for restaurant_id, (before, after) in last_steps.items()
        if (before, after) not in STEPS
    }
    assert {row["restaurant_id"]: row["message"].partition(" is ")[2] for row in found} == wrong
    assert set(glance["history_complete"]) == set(wrong)


def _lives() -> list[tuple[BookingStatus, ...]]:
    """A way to each status that a booking can come to, and the life that has not begun."""
    ways: dict[BookingStatus | None, tuple[BookingStatus, ...]] = {None: ()}
    for last in (None, *BookingStatus):
        for before, after in sorted(STEPS, key=str):
            if before == last and after not in ways:
                ways[after] = (*ways[last], after)
    return list(ways.values())


async def _write(connection: Connection, life: tuple[BookingStatus, ...]) -> UUID:
    """A booking that is where its history ends, alone in its restaurant."""
    restaurant_id, booking_id = uuid4(), uuid4()
    for revision, status in enumerate(life, 1):
        before = life[revision - 2] if revision > 1 else None
        await connection.execute(
            "INSERT INTO booking_history (restaurant_id, booking_id, revision, from_status, to_status, actor, reason,"
            " changed_at) VALUES ($1, $2, $3, $4, $5, 'x', '', now())",
            *(restaurant_id, booking_id, revision, before, status),
        )
    await connection.execute(
        "INSERT INTO bookings (restaurant_id, booking_id, status, party_size, dining_start, dining_end, window_start,"
        " window_end, period, revision, assignment_epoch, assignment_id, checked_in_at, checked_out_at, created_at,"
        " updated_at) SELECT $1, $2, $3::text, 2, now(), 'infinity', now(), 'infinity', '',"
        " $4, 1, $2, CASE WHEN $3 IN ('checked_in', 'completed') THEN now() END,"
        " CASE WHEN $3 = 'completed' THEN now() END, now(), now()",
        *(restaurant_id, booking_id, life[-1], len(life)),
    )
    return restaurant_id
