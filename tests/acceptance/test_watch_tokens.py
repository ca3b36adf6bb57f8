"""What a watch token resumes, and when a watcher has to start over with a snapshot."""

from uuid import UUID

import pytest

from maitred_client import (
    WatchTokenCompactedError,
    WatchTokenInvalidError,
)
from server.orchestrator.floor_log import FloorPlace
from server.persistence.outbox import SqlEventQueue
from server.persistence.pool import PoolSettings, open_pool
from server.persistence.session import WorkerSession
from server.rpc.watch_token import watch_token
from tests.builders.world_extras import House, house, refused
from tests.conftest import Served
from tests.races.evidence import broken_invariants
from tests.support.database import connected
from tests.support.watching import (
    event_types,
    floor_version,
    opened,
    watching,
)

pytestmark = pytest.mark.shared_server


async def test_resuming_tells_exactly_what_was_missed_and_then_goes_on(place: House) -> None:
    async with watching(place.client, place.restaurant_id) as sights:
        token, known = sights.token, sights.state.floor_version
    await place.seated("W1")
    await place.block("W4")
    async with watching(place.client, place.restaurant_id, token) as sights:
        sights.state.complete, sights.state.floor_version = True, known
        missed = await sights.until(known + 3)
        await place.block("W3")
        later = await sights.until(known + 4)
    assert event_types([*missed, *later]) == [
        ["booking.changed"],
        ["assignment.sync", "booking.transitioned"],
        ["block.created"],
        ["block.created"],
    ]


async def test_each_message_of_a_watch_can_be_resumed_from(place: House) -> None:
    async with watching(place.client, place.restaurant_id) as sights:
        tokens = [(sights.token, sights.state.floor_version)]
        for table in ("W1", "W2", "W3"):
            await place.block(table)
            await sights.next()
            tokens.append((sights.token, sights.state.floor_version))
    for token, known in tokens[:-1]:
        async with watching(place.client, place.restaurant_id, token) as sights:
            assert (await anext(sights.responses)).delta.floor_version == known + 1


@pytest.mark.parametrize("token", ["garbage", "WyJ3YXRjaCJd", "é", "AAAA", "x" * 500])
async def test_a_token_that_was_never_given_out_is_refused(place: House, token: str) -> None:
    error = await refused(opened(place.client, place.restaurant_id, token), WatchTokenInvalidError)
    assert error.metadata == {"field": "resume_token", "limit": ""}


async def test_a_token_of_another_restaurant_is_refused(place: House) -> None:
    other = await house(place.client)
    async with watching(place.client, place.restaurant_id) as sights:
        token = sights.token
    await refused(opened(place.client, other.restaurant_id, token), WatchTokenInvalidError)


@pytest.mark.own_server
async def test_what_was_deleted_cannot_be_resumed_and_comes_as_a_snapshot(
    place: House, server: Served
) -> None:
    async with watching(place.client, place.restaurant_id) as sights:
        token, known = sights.token, sights.state.floor_version
    await place.block("W1")
    await place.block("W2")
    newest = known + 2
    await forget_events(server, place.restaurant_id, known + 1)
    error = await refused(opened(place.client, place.restaurant_id, token), WatchTokenCompactedError)
    assert error.metadata == {
        "restaurant_id": place.restaurant_id,
        "floor_version": str(known),
        "compacted_floor_version": str(known + 1),
        "newest_floor_version": str(newest),
    }
    async with watching(place.client, place.restaurant_id, token) as sights:
        assert (await sights.next()).snapshot.floor_version == newest


@pytest.mark.own_server
async def test_events_that_were_deleted_in_time_are_no_violation(place: House, server: Served) -> None:
    await place.block("W1")
    known = await floor_version(place.client, place.restaurant_id)
    await place.block("W2")
    await forget_events(server, place.restaurant_id, known)
    async with connected(server.database_url) as connection:
        assert await broken_invariants(connection, place.restaurant_id) == {}


@pytest.mark.own_server
async def test_a_token_after_the_last_deleted_change_can_still_be_resumed(
    place: House, server: Served
) -> None:
    async with watching(place.client, place.restaurant_id) as sights:
        await place.block("W1")
        await sights.next()
        token, known = sights.token, sights.state.floor_version
    await place.block("W2")
    await forget_events(server, place.restaurant_id, known)
    async with watching(place.client, place.restaurant_id, token) as sights:
        assert (await anext(sights.responses)).delta.floor_version == known + 1


async def forget_events(server: Served, restaurant_id: str, up_to: int) -> None:
    """Has events up to a floor version delivered and, as the retention would, deleted."""
    async with connected(server.database_url) as connection:
        await connection.execute(
            "UPDATE capacity_outbox SET status = 'done', created_at = created_at - interval '1 year'"
            " WHERE restaurant_id = $1::text::uuid AND floor_version <= $2",
            restaurant_id,
            up_to,
        )
    wanted = PoolSettings(server.database_url, size_min=1, size_max=1)
    async with await open_pool(wanted) as pool:
        queue = SqlEventQueue(pool, WorkerSession(wanted, 30.0), 60.0, 30.0)
        await queue.adopt()
        deleted = await queue.delete_delivered(3_600, 10_000)
    assert deleted >= up_to


async def test_a_token_of_a_lost_future_starts_over(place: House) -> None:
    """After a restore the database is behind what watchers have seen."""
    token = watch_token(UUID(place.restaurant_id), FloorPlace(1_000))
    await refused(opened(place.client, place.restaurant_id, token), WatchTokenCompactedError)


async def test_a_token_of_a_lost_future_starts_over_even_when_its_version_is_reached_again(
    place: House, server: Served
) -> None:
    await place.block("W1")
    async with watching(place.client, place.restaurant_id, heartbeat_s=1) as sights:
        tokens = {sights.token, (await sights.next()).resume_token}
        assert len(tokens) == 1
        await place.block("W2")
        tokens.add((await sights.next()).resume_token)
        known = sights.state.floor_version
    for token in (*tokens, watch_token(UUID(place.restaurant_id), FloorPlace(known))):
        assert await opened(place.client, place.restaurant_id, token)
    await other_history(server, place.restaurant_id)
    for token in tokens:
        await refused(opened(place.client, place.restaurant_id, token), WatchTokenCompactedError)


@pytest.mark.parametrize("told", [0, 1])
async def test_a_watcher_who_knows_a_lost_future_is_told_to_start_over(
    place: House, server: Served, told: int
) -> None:
    """A standby that took over has come as far again before anybody looks. The client starts over by itself."""
    await place.block("W1")
    async with watching(place.client, place.restaurant_id) as sights:
        for table in ("W2", "W3")[:told]:
            await place.block(table)
            await sights.next()
        await other_history(server, place.restaurant_id)
        await place.block("W4")
        assert (await sights.next()).snapshot.floor_version == sights.state.floor_version


async def other_history(server: Served, restaurant_id: str) -> None:
    """As if the database had been restored, and come as far again by changes with events of their own."""
    renew = "UPDATE capacity_outbox SET id = gen_random_uuid() WHERE restaurant_id = $1::text::uuid"
    async with connected(server.database_url) as connection:
        await connection.execute(renew, restaurant_id)
