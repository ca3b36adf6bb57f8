"""Watching a floor: a snapshot, then every change once and in order, from wherever the watcher left off."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import grpc
import grpc.aio
import pytest

from maitred_client import (
    AsyncMaitredClient,
    FloorGapError,
    FloorState,
    InvalidArgumentFieldError,
    MaitredClient,
    RestaurantNotFoundError,
    RetryPolicy,
    ServerOverloadedError,
    TableConflictAssignedError,
)
from maitred_client.messages import (
    BookingAction,
    ResumeCause,
    UnblockTablesRequest,
    WatchFloorResponse,
)
from server.bootstrap import serving
from server.config import Settings
from server.orchestrator import paging
from server.persistence import floor_log
from server.persistence.listener import APPLICATION_NAME
from tests.builders.world_extras import UNKNOWN_ID, House, house, refused
from tests.conftest import Served
from tests.support.database import rows
from tests.support.watching import (
    event_types,
    floor_version,
    one_watch,
    opened,
    require_equal_to_the_database,
    watch_request,
    watching,
)

pytestmark = pytest.mark.shared_server


async def _everything(place: House) -> None:
    """One of each kind of change."""
    hold = await place.hold(await place.party(2), "W1")
    await place.extend(hold, ttl_s=900)
    hold = (await place.replace(hold, "W2")).hold
    await place.confirm(hold)
    await place.release(await place.hold(await place.party(2), "W3"))
    block = await place.block("W4")
    request = UnblockTablesRequest(restaurant_id=place.restaurant_id, block_id=block.block_id)
    await place.client.unblock_tables(request)
    seated = await place.seated("F6", party=4)
    await place.reassign(seated, "W4")
    await place.unassign(seated)
    other = await place.seated("P1")
    await place.transition(other, BookingAction.BOOKING_ACTION_CANCEL)
    await place.out_of_service("P2")
    await place.change_policy(lambda policy: policy.buffer_after.FromSeconds(60))


async def test_a_snapshot_has_the_floor_and_all_that_is_claimed_on_it(place: House, server: Served) -> None:
    hold = await place.hold(await place.party(2), "W1")
    seated = await place.seated("F6", party=4)
    block = await place.block("W4")
    await place.release(await place.hold(await place.party(2), "W3"))
    async with watching(place.client, place.restaurant_id) as sights:
        state = sights.state
        assert state.restaurant.name == "House"
        assert state.floor == await place.floor()
        assert state.floor_is_current
        owners = {claim.owner_id: claim.booking_id for claim in state.claims.values()}
        assert owners[hold.hold_id] == hold.booking_id
        assert owners[block.block_id] == ""
        assert sorted(owners.values()) == sorted(["", hold.booking_id, seated.booking_id])
        assert state.floor_version == await floor_version(place.client, place.restaurant_id)
        await require_equal_to_the_database(state, server.database_url, place.restaurant_id)


async def test_a_snapshot_that_takes_several_readings_has_everything_once(
    place: House, server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "PAGE_SIZE_MAX", 1)
    for name in ("W1", "W2"):
        await place.hold(await place.party(2), name)
    for name in ("F6", "P1"):
        await place.seated(name, party=4)
    for name in ("W3", "W4"):
        await place.block(name)
    async with watching(place.client, place.restaurant_id) as sights:
        assert len(sights.state.claims) == 6
        await require_equal_to_the_database(sights.state, server.database_url, place.restaurant_id)


async def test_a_window_with_more_than_a_snapshot_may_have_is_refused(
    place: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floor_log, "SNAPSHOT_ROWS_MAX", 1)
    await place.block("W1")
    async with watching(place.client, place.restaurant_id) as sights:
        assert len(sights.state.claims) == 1
    await place.block("W2")
    watch = place.client.watch_floor(watch_request(place.restaurant_id))
    error = await refused(anext(watch), InvalidArgumentFieldError)
    assert error.violations[0].field == "window_end"


async def test_a_refused_hold_is_no_change_of_the_floor_and_leaves_no_gap(place: House) -> None:
    await place.seated("W1")
    async with watching(place.client, place.restaurant_id) as sights:
        token, before = sights.token, dict(sights.state.claims)
        loser = await place.party(2)
        await refused(place.hold(loser, "W1"), TableConflictAssignedError)
        await place.hold(loser, "W2")
        newest = await floor_version(place.client, place.restaurant_id)
        told = await sights.until(newest)
        assert event_types(told) == [["booking.changed"], [], ["hold.created"]]
        assert before.items() <= sights.state.claims.items()
        assert len(sights.state.claims) == len(before) + 1
    async with watching(place.client, place.restaurant_id, token) as again:
        again.state = FloorState(floor_version=newest - 3, complete=True)
        assert event_types(await again.until(newest)) == event_types(told)


async def test_a_snapshot_only_has_what_overlaps_its_window(place: House) -> None:
    await place.seated("W1")
    request = watch_request(place.restaurant_id)
    request.window_end.FromDatetime((await place.booking()).window_start.ToDatetime())
    async for response in place.client.watch_floor(request):
        assert response.snapshot.last
        assert not response.snapshot.assignments
        break


async def test_a_snapshot_of_a_time_that_is_over_wants_its_beginning(place: House) -> None:
    request = watch_request(place.restaurant_id)
    request.window_end.FromDatetime(datetime.now(UTC) - timedelta(days=1))
    error = await refused(anext(place.client.watch_floor(request)), InvalidArgumentFieldError)
    assert error.metadata["field"] == "window_end"
    request.window_start.FromDatetime(datetime.now(UTC) - timedelta(days=2))
    response = await anext(place.client.watch_floor(request))
    assert response.snapshot.last


async def test_a_snapshot_without_an_end_is_of_366_days(place: House) -> None:
    request = watch_request(place.restaurant_id)
    request.ClearField("window_end")
    request.window_start.FromDatetime(datetime.now(UTC))
    snapshot = (await anext(place.client.watch_floor(request))).snapshot
    assert snapshot.window_start == request.window_start
    assert snapshot.window_end.ToDatetime() - snapshot.window_start.ToDatetime() == timedelta(days=366)


async def test_every_kind_of_change_is_told_once_and_in_order(place: House, server: Served) -> None:
    async with watching(place.client, place.restaurant_id) as sights:
        first = sights.state.floor_version
        await _everything(place)
        last = await floor_version(place.client, place.restaurant_id)
        told = await sights.until(last)
        assert [each.delta.floor_version for each in told] == list(range(first + 1, last + 1))
        kinds = {kind for change in event_types(told) for kind in change}
        assert kinds == set(
            """hold.created hold.extended hold.released hold.confirmed assignment.sync assignment.released
            booking.changed booking.transitioned block.created block.released inventory.changed""".split()
        )
        assert all(
            [event.position for event in each.delta.events] == list(range(1, len(each.delta.events) + 1))
            for each in told
        )
        assert not sights.state.floor_is_current
        await require_equal_to_the_database(sights.state, server.database_url, place.restaurant_id)


async def test_a_change_that_does_not_follow_is_no_change(place: House) -> None:
    async with watching(place.client, place.restaurant_id) as sights:
        await place.block("W1")
        response = await sights.next()
        with pytest.raises(FloorGapError):
            sights.state.apply(response)


async def test_a_watch_without_changes_shows_that_it_lives(place: House) -> None:
    async with watching(place.client, place.restaurant_id, heartbeat_s=1) as sights:
        response = await sights.next()
        assert response.heartbeat.floor_version == sights.state.floor_version
        assert response.resume_token == sights.token


@pytest.mark.parametrize("seconds", [0, -1, 61, 2**62])
async def test_a_heartbeat_that_is_not_to_be_had_is_refused(place: House, seconds: int) -> None:
    """And not taken for a stream that fell silent, which would be opened again for ever."""
    request = watch_request(place.restaurant_id)
    request.heartbeat.seconds = seconds
    error = await refused(anext(place.client.watch_floor(request)), InvalidArgumentFieldError)
    assert [bad.field for bad in error.violations] == ["heartbeat"]


async def test_a_watcher_goes_on_with_another_server_when_its_own_shuts_down(
    place: House, server: Served, settings: Settings
) -> None:
    async with serving(settings, server.database_url) as short_lived:
        free_port = int(short_lived.address.rpartition(":")[2])
    async with serving(settings, server.database_url) as first:
        address = f"ipv4:{first.address},127.0.0.1:{free_port}"
        async with (
            AsyncMaitredClient(address, tenant_id=server.tenant_id) as client,
            watching(client, place.restaurant_id) as sights,
            serving(settings.model_copy(update={"port": free_port}), server.database_url),
        ):
            await place.block("W1")
            await first.drain()
            await place.block("W2")
            await sights.until(sights.state.floor_version + 2)
            await require_equal_to_the_database(sights.state, server.database_url, place.restaurant_id)


async def test_a_server_that_shuts_down_tells_its_watchers_to_go_on_elsewhere(
    place: House, server: Served, settings: Settings
) -> None:
    async with (
        serving(settings, server.database_url) as other,
        AsyncMaitredClient(other.address, tenant_id=server.tenant_id) as client,
        one_watch(client, place.restaurant_id) as call,
    ):
        snapshot = await call.read()
        assert isinstance(snapshot, WatchFloorResponse)
        await other.drain()
        last = await call.read()
        assert isinstance(last, WatchFloorResponse)
        assert last.resume_required.cause == ResumeCause.RESUME_CAUSE_DRAINING
        assert last.resume_token == snapshot.resume_token
        assert await call.read() is grpc.aio.EOF


async def test_another_tenants_floor_looks_like_none(place: House, server: Served) -> None:
    async with watching(place.client, place.restaurant_id) as sights:
        token = sights.token
    async with server.client(tenant_id=uuid4()) as stranger:
        for known in ("", token):
            await refused(opened(stranger, place.restaurant_id, known), RestaurantNotFoundError)
    await refused(opened(place.client, UNKNOWN_ID), RestaurantNotFoundError)


async def test_watchers_are_bounded_and_leave_room_for_calls(server: Served, settings: Settings) -> None:
    limited = settings.model_copy(update={"streams_max": 1, "calls_in_flight_max": 1})
    async with serving(limited, server.database_url) as running:
        once = RetryPolicy(attempts_max=1)
        async with AsyncMaitredClient(running.address, tenant_id=server.tenant_id, retry=once) as client:
            place = await house(client)
            async with watching(client, place.restaurant_id) as sights:
                error = await refused(opened(client, place.restaurant_id), ServerOverloadedError)
                assert error.metadata == {"limit": "1"}
                await place.block("W1")
                await sights.next()


@pytest.mark.own_server
async def test_many_watchers_of_a_floor_see_the_same(place: House, server: Served) -> None:
    async with asyncio.TaskGroup() as group:
        ready = asyncio.Barrier(21)

        async def watch() -> FloorState:
            async with watching(place.client, place.restaurant_id) as sights:
                await ready.wait()
                await sights.until(sights.state.floor_version + 2)
                return sights.state

        watchers = [group.create_task(watch()) for _ in range(20)]
        await ready.wait()
        listeners = (
            "SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()"
        )
        assert len(await rows(server.database_url, listeners, APPLICATION_NAME)) == 1
        await place.seated("W1")
    for watcher in watchers:
        await require_equal_to_the_database(watcher.result(), server.database_url, place.restaurant_id)


async def test_the_client_for_threads_watches_as_well(place: House, server: Served) -> None:
    def watch() -> FloorState:
        state = FloorState()
        with MaitredClient(server.address, tenant_id=server.tenant_id) as client:
            for response in client.watch_floor(watch_request(place.restaurant_id)):
                if state.apply(response) and response.HasField("delta"):
                    return state
                loop.call_soon_threadsafe(begun.set)
        raise AssertionError("a watch does not end by itself")

    loop, begun = asyncio.get_running_loop(), asyncio.Event()
    watcher = asyncio.create_task(asyncio.to_thread(watch))
    await begun.wait()
    await place.block("W1")
    await require_equal_to_the_database(await watcher, server.database_url, place.restaurant_id)
