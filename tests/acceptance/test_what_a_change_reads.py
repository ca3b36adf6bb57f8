"""Changes that share a transaction read what they are about in one statement: the same that others read one by one."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from google.protobuf.duration_pb2 import Duration

from maitred_client import instant, new_request_id
from maitred_client.messages import Booking, BookingAction, Hold, PartyRequest
from server.domain.booking import ASSIGNABLE
from server.errors import Reason, ServiceError
from server.persistence.queries import load_queries
from server.persistence.reader import WINDOW_LONGEST
from tests.builders.world import evening, stamp
from tests.builders.world_extras import House
from tests.conftest import Served
from tests.races.crew import NOWHERE, crew_on, just_count
from tests.support.database import Connection, Row, connected, expire, rows

pytestmark = pytest.mark.shared_server

READ = {
    name: load_queries(file)[name]
    for file, name in (
        ("groups", "open_members"),
        ("restaurants", "standings"),
        ("ledger", "recall"),
        ("bookings", "booking"),
        ("holds", "hold"),
        ("holds", "open_holds_of"),
        ("claims", "claims"),
        ("claims", "diary"),
    )
}
CLAIM = ("table_id", "window_start", "window_end", "kind", "owner_id", "booking_id", "expires_at")
WISH = (
    *("booking_id", "window_start", "window_end", "party_size", "dining_start", "duration_s", "zone_id"),
    "required_attributes",
)
QUARTER = timedelta(minutes=15)
# No claim ends later.
FAR = datetime(2190, 1, 1, tzinfo=UTC)
# What is told of a member whose tenant has no such restaurant.
NOBODYS = {"position", "claimed", "restaurant_now"}


async def busy_evening(place: House, url: str) -> tuple[Booking, str, Hold, tuple[Hold, Hold]]:
    """A booking on its old tables that wants others, with whatever else can claim tables in its window and right beside
    it; the request that made the last change of it, one of its holds, and
    two that are over.
    """
    await place.change_policy(lambda policy: policy.forecast.add(party_size=2))
    await place.change_policy(lambda policy: policy.buffer_before.FromSeconds(300))
    await place.out_of_service("L8")
    booking = await place.party(2, reference="R-1", required=["window"], stay=4 * QUARTER)
    await place.auto_assign(booking)
    wanted = PartyRequest(
        party_size=4,
        start=stamp(evening() + QUARTER),
        duration=Duration(seconds=4_500),
        zone_id=place.zones["Hall"],
        preferred_attributes=["quiet"],
        preferred_zone_ids=[place.zones["Terrace"]],
    )
    request = place.booking_request(booking_id=booking.booking_id, request_id=new_request_id())
    request.reference = "R-2"
    request.party.CopyFrom(wanted)
    booking = (await place.client.put_booking(request)).booking
    await place.auto_assign(await place.party(start=evening() + timedelta(days=1)))
    same_id = place.hold_request(booking.booking_id, ["W1", "W2"])
    same_id.request_id = request.request_id
    await place.client.hold_tables(same_id)
    released = await place.release(await place.hold(booking, "F6"))
    hold = await place.hold(booking, "W3")
    over = await place.hold(booking, "F6")
    for each in (released, over, await place.hold(await place.party(), "W4")):
        await expire(url, each.hold_id)
    start, end = instant(booking.window_start), instant(booking.window_end)
    for since, until in ((start - QUARTER, start), (start, start + QUARTER), (end, end + QUARTER)):
        await place.block("P1", start=since, end=until)
    await place.hold(await place.party(start=start - 4 * QUARTER, stay=4 * QUARTER), "W2")
    await place.hold(await place.party(start=end + timedelta(minutes=5)), "P2")
    unenforced = await place.hold(await place.party(start=start, stay=4 * QUARTER), "P2")
    async with connected(url) as connection:
        await connection.execute(
            "UPDATE table_claims SET enforced = false WHERE hold_id = $1::text::uuid", unenforced.hold_id
        )
    return booking, request.request_id, hold, (over, released)


async def opened(connection: Connection, member: Sequence[object], tables: Sequence[UUID]) -> list[Row]:
    """What is read of one member: tenant, method, request, restaurant, booking and hold."""
    lists = [[each] for each in ("a name", *member, f"{{{','.join(map(str, tables))}}}")]
    return await alone(connection, "open_members", "5000", "5000", *lists)


async def alone(connection: Connection, name: str, *values: object) -> list[Row]:
    return [dict(row) for row in await connection.fetch(READ[name], *values)]


async def test_what_is_read_at_once_is_what_is_read_one_by_one(place: House, server: Served) -> None:
    booking, request_id, hold, over = await busy_evening(place, server.database_url)
    restaurant_id, booking_id = UUID(place.restaurant_id), UUID(booking.booking_id)
    held_id = UUID(hold.hold_id)
    tables = [UUID(table_id) for table_id in place.tables.values()]
    named = (server.tenant_id, "PutBooking", UUID(request_id))
    async with connected(server.server_url) as connection, connection.transaction():
        read = await opened(connection, (*named, restaurant_id, booking_id, None), tables)
        of_hold = await opened(connection, (*named, restaurant_id, booking_id, held_id), tables)
        (of_nobody,) = await opened(
            connection, (uuid4(), "PutBooking", uuid4(), restaurant_id, uuid4(), None), ()
        )
        (standing,) = await alone(connection, "standings", [server.tenant_id], [restaurant_id])
        (answer,) = await alone(connection, "recall", *named)
        (known,) = await alone(connection, "booking", restaurant_id, booking_id)
        (held,) = await alone(connection, "hold", restaurant_id, held_id)
        for each, state in zip(over, ("expired", "released"), strict=True):
            asked = restaurant_id, booking_id, UUID(each.hold_id)
            (of_over,) = await opened(connection, (*named, *asked), ())
            (ended,) = await alone(connection, "hold", restaurant_id, UUID(each.hold_id))
            assert {name: of_over[f"hold_{name}"] for name in ended} == ended == {**ended, "state": state}
        still_open = await alone(connection, "open_holds_of", restaurant_id, booking_id)
        window = known["window_start"], known["window_end"]
        claims = await alone(connection, "claims", restaurant_id, *window, tables, FAR)
        assert (
            await alone(connection, "claims", restaurant_id, *window, None, FAR) == claims == in_order(claims)
        )
    told, told_of_hold = read[0], of_hold[0]
    assert told["claimed"]
    answer.pop("created_at")
    standing.pop("now")
    assert {name: told[name] for name in answer} == answer
    assert {name: told[f"restaurant_{name}"] for name in standing} == standing
    assert told["seen_version"] == standing["floor_version"]
    assert {name: told[name] for name in known} == known
    assert {name: told_of_hold[f"hold_{name}"] for name in held} == held
    assert {name for name, value in of_nobody.items() if value not in (None, 0)} == NOBODYS
    assert (told["hold_hold_id"], told["open_holds"], len(claims)) == (None, len(still_open), 8)
    assert [each["state"] for each in still_open].count("expired") == 1
    assert claimed(read) == claims
    assert claimed(of_hold) == [row for row in claims if row["table_id"] in held["table_ids"]]


async def test_a_change_of_a_hold_reads_what_it_is_about_at_once(place: House, server: Served) -> None:
    """And nothing else, once the floor is known."""
    holds = [await place.hold(await place.party(), name) for name in ("W1", "W2", "W3")]
    hold, moved, known = ((each.hold_id, each.booking_id) for each in holds)
    async with crew_on(server.server_url, server.tenant_id) as crew:
        await crew.confirm(place, *known)
        for change in (
            crew.extend(place, hold[0]),
            crew.confirm(place, *moved),
            crew.release(place, hold[0]),
        ):
            crew.plan.arm_for(NOWHERE, just_count)
            await change
            asked = [name for name, text in READ.items() if text in crew.plan.statements]
            assert asked == ["open_members"]


async def test_a_replacement_is_refused_after_a_look_at_its_new_tables(place: House, server: Served) -> None:
    """Not after it has met them in the way when it was written."""
    hold, _ = [await place.hold(await place.party(), name) for name in ("W1", "W2")]
    async with crew_on(server.server_url, server.tenant_id) as crew:
        await crew.extend(place, hold.hold_id)
        crew.plan.arm_for(NOWHERE, just_count)
        with pytest.raises(ServiceError) as refused:
            await crew.replace(place, hold.hold_id, "W2")
        assert refused.value.reason is Reason.TABLE_CONFLICT_HELD
        assert crew.transactions == 1


async def test_a_diary_has_all_claims_and_whoever_waits_for_tables(place: House, server: Served) -> None:
    """Of spans that bookings reach beyond and others only touch, and of a day on which nobody waits."""
    booking, *_ = await busy_evening(place, server.database_url)
    await place.transition(await place.party(), BookingAction.BOOKING_ACTION_CANCEL)
    restaurant_id, day = UUID(place.restaurant_id), timedelta(days=1)
    start, end = instant(booking.window_start), instant(booking.window_end)
    async with connected(server.server_url) as connection:
        ids = [
            row["booking_id"] for row in await rows(server.database_url, "SELECT booking_id FROM bookings")
        ]
        known = [(await alone(connection, "booking", restaurant_id, each))[0] for each in ids]
        (standing,) = await alone(connection, "standings", [server.tenant_id], [restaurant_id])
        for since, until, many in (
            (start, end, 3),
            (start + QUARTER, end - QUARTER, 3),
            (start + day, end + day, 0),
        ):
            asked = restaurant_id, since, until, WINDOW_LONGEST, sorted(ASSIGNABLE)
            read = await alone(connection, "diary", *asked)
            waiting = [each for each in known if waits(each) and each["window_start"] < until]
            waiting = [each for each in waiting if each["window_end"] > since]
            span = (
                min([since, *(each["window_start"] for each in waiting)]),
                max([until, *(each["window_end"] for each in waiting)]),
            )
            claims = await alone(connection, "claims", restaurant_id, *span, None, FAR)
            assert len(waiting) == many
            assert {row["floor_version"] for row in read} == {standing["floor_version"]}
            assert [{name: row[name] for name in CLAIM} for row in read if row["kind"]] == claims != []
            told = [{name: row[name] for name in WISH} for row in read if not row["kind"]]
            wanted = [{name: each[name] for name in WISH} for each in waiting]
            assert sorted(told, key=str) == sorted(wanted, key=str)
        for away in (2 * day, -day / 4):
            (nothing,) = await alone(connection, "diary", restaurant_id, start + away, end + away, *asked[3:])
            assert {name for name, value in nothing.items() if value is not None} == {"floor_version"}


def waits(booking: Row) -> bool:
    has_tables = booking["assignment_id"] and booking["assigned_epoch"] == booking["assignment_epoch"]
    return booking["status"] in ASSIGNABLE and not has_tables


def claimed(read: Iterable[Row]) -> list[Row]:
    """The claims that a member was told of, a row for each; a table without any has a row, too."""
    return in_order({name: row[f"claim_{name}"] for name in CLAIM} for row in read if row["claim_kind"])


def in_order(claims: Iterable[Row]) -> list[Row]:
    return sorted(claims, key=lambda claim: (claim["table_id"], claim["window_start"]))
