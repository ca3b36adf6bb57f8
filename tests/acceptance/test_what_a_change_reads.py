"""Changes that share a transaction read what they are about in one statement: the same that others read one by one."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from google.protobuf.duration_pb2 import Duration

from maitred_client import instant, new_request_id
from maitred_client.messages import Booking, Hold, PartyRequest
from server.persistence.queries import load_queries
from tests.builders.world import evening, stamp
from tests.builders.world_extras import House
from tests.conftest import Served
from tests.support.database import Connection, Row, connected, expire

pytestmark = pytest.mark.shared_server

READ = {
    name: load_queries(file)[name]
    for file, name in (
        ("groups", "open_members"),
        ("restaurants", "standings"),
        ("ledger", "recall"),
        ("bookings", "booking"),
        ("holds", "hold"),
        ("holds", "live_holds_of"),
        ("claims", "claims"),
    )
}
QUARTER = timedelta(minutes=15)
# No claim ends later.
FAR = datetime(2190, 1, 1, tzinfo=UTC)
# What is told of a member whose tenant has no such restaurant.
NOBODYS = {"position", "claimed", "restaurant_now"}


async def busy_evening(place: House, url: str) -> tuple[Booking, str, Hold, Hold]:
    """A booking on its old tables that wants others, with whatever else can claim tables in its window and right beside
    it; the request that made the last change of it, one of its holds, and
    one that is over.
    """
    await place.change_policy(lambda policy: policy.forecast.add(party_size=2))
    await place.change_policy(lambda policy: policy.forecast.add(party_size=4))
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
    await place.release(await place.hold(booking, "F6"))
    hold = await place.hold(booking, "W3")
    over = await place.hold(booking, "F6")
    for each in (over, await place.hold(await place.party(), "W4")):
        await expire(url, each.hold_id)
    start, end = instant(booking.window_start), instant(booking.window_end)
    for since, until in ((start - QUARTER, start), (start, start + QUARTER), (end, end + QUARTER)):
        await place.block("P1", start=since, end=until)
    await place.hold(await place.party(start=start - 4 * QUARTER, stay=4 * QUARTER), "W2")
    await place.hold(await place.party(start=end), "P2")
    unenforced = await place.hold(await place.party(start=start, stay=4 * QUARTER), "P2")
    async with connected(url) as connection:
        await connection.execute(
            "UPDATE table_claims SET enforced = false WHERE hold_id = $1::text::uuid", unenforced.hold_id
        )
    return booking, request.request_id, hold, over


async def opened(connection: Connection, member: Sequence[object], tables: Sequence[UUID]) -> list[Row]:
    """What is read of one member: tenant, method, request, restaurant, booking and hold."""
    lists = [[each] for each in ("a name", *member, f"{{{','.join(map(str, tables))}}}")]
    return await alone(connection, "open_members", "5000", "5000", *lists)


async def alone(connection: Connection, name: str, *values: object) -> list[Row]:
    return [dict(row) for row in await connection.fetch(READ[name], *values)]


async def test_what_is_read_at_once_is_what_is_read_one_by_one(place: House, server: Served) -> None:
    booking, request_id, hold, over = await busy_evening(place, server.database_url)
    restaurant_id, booking_id = UUID(place.restaurant_id), UUID(booking.booking_id)
    held_id, over_id = UUID(hold.hold_id), UUID(over.hold_id)
    tables = [UUID(table_id) for table_id in place.tables.values()]
    named = (server.tenant_id, "PutBooking", UUID(request_id))
    async with connected(server.server_url) as connection, connection.transaction():
        read = await opened(connection, (*named, restaurant_id, booking_id, None), tables)
        of_hold = await opened(connection, (*named, restaurant_id, booking_id, held_id), tables)
        (of_over,) = await opened(connection, (*named, restaurant_id, booking_id, over_id), ())
        (of_nobody,) = await opened(
            connection, (uuid4(), "PutBooking", uuid4(), restaurant_id, uuid4(), None), ()
        )
        (standing,) = await alone(connection, "standings", [server.tenant_id], [restaurant_id])
        (answer,) = await alone(connection, "recall", *named)
        (known,) = await alone(connection, "booking", restaurant_id, booking_id)
        (held,) = await alone(connection, "hold", restaurant_id, held_id)
        (expired,) = await alone(connection, "hold", restaurant_id, over_id)
        live = await alone(connection, "live_holds_of", restaurant_id, booking_id)
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
    assert {name: of_over[f"hold_{name}"] for name in expired} == expired != {**expired, "state": "active"}
    assert {name for name, value in of_nobody.items() if value not in (None, 0)} == NOBODYS
    assert (told["hold_hold_id"], told["live_holds"], len(live), len(claims)) == (None, 2, 2, 8)
    assert claimed(read) == claims
    assert claimed(of_hold) == [row for row in claims if row["table_id"] in held["table_ids"]]


def claimed(read: Iterable[Row]) -> list[Row]:
    """The claims that a member was told of, a row for each; a table without any has a row, too."""
    columns = ("table_id", "window_start", "window_end", "kind", "owner_id", "booking_id", "expires_at")
    return in_order({name: row[f"claim_{name}"] for name in columns} for row in read if row["claim_kind"])


def in_order(claims: Iterable[Row]) -> list[Row]:
    return sorted(claims, key=lambda claim: (claim["table_id"], claim["window_start"]))
