"""One way to be refused for each reason that a caller of a healthy server can bring about."""

import asyncio
from datetime import timedelta
from uuid import UUID

from maitred_client import AsyncMaitredClient
from maitred_client.messages import (
    BookingAction,
    GetRestaurantRequest,
    ListBookingsRequest,
    ReleaseHoldRequest,
    UnblockTablesRequest,
)
from server.orchestrator.floor_log import FloorPlace
from server.rpc.watch_token import watch_token
from tests.acceptance.staging import Stage, provokes
from tests.builders.world import evening, stamp
from tests.builders.world_extras import UNKNOWN_ID
from tests.support.database import age, expire, restaurant_locked, somebody_waits
from tests.support.watching import one_watch

# Form


@provokes("INVALID_ARGUMENT_FIELD")
async def _no_uuid(stage: Stage) -> object:
    return await stage.client.get_restaurant(GetRestaurantRequest(restaurant_id="table seven"))


@provokes("INVALID_WINDOW")
async def _end_before_start(stage: Stage) -> object:
    request = ListBookingsRequest(
        restaurant_id=stage.place.restaurant_id,
        window_start=stamp(evening(20)),
        window_end=stamp(evening(19)),
    )
    return await stage.client.list_bookings(request)


@provokes("INVALID_PARTY_SIZE")
async def _nobody_comes(stage: Stage) -> object:
    return await stage.place.party(0)


@provokes("REQUEST_ID_REUSED")
async def _same_id_for_another_party(stage: Stage) -> object:
    request = stage.place.booking_request(party=2)
    await stage.client.put_booking(request)
    request.party.party_size = 3
    return await stage.client.put_booking(request)


@provokes("REQUEST_IN_PROGRESS")
async def _repeated_too_early(stage: Stage) -> object:
    request = stage.place.booking_request()
    url = stage.server.database_url
    async with restaurant_locked(url, stage.place.restaurant_id) as connection:
        first = asyncio.create_task(stage.client.put_booking(request))
        try:
            await somebody_waits(connection)
            async with stage.without_retries() as client:
                return await client.put_booking(request)
        finally:
            first.cancel()


@provokes("PERMISSION_MISSING")
async def _may_only_read(stage: Stage) -> object:
    async with AsyncMaitredClient(
        stage.server.address, tenant_id=stage.server.tenant_id, scopes=["read"]
    ) as reader:
        return await reader.put_booking(stage.place.booking_request())


# What does not exist


@provokes("RESTAURANT_NOT_FOUND")
async def _unknown_restaurant(stage: Stage) -> object:
    return await stage.client.get_restaurant(GetRestaurantRequest(restaurant_id=UNKNOWN_ID))


@provokes("BOOKING_NOT_FOUND")
async def _unknown_booking(stage: Stage) -> object:
    return await stage.place.read(UNKNOWN_ID)


@provokes("TABLE_NOT_FOUND")
async def _unknown_table(stage: Stage) -> object:
    request = stage.place.hold_request((await stage.place.party()).booking_id, ["W1"])
    request.table_ids.append(UNKNOWN_ID)
    return await stage.client.hold_tables(request)


@provokes("HOLD_NOT_FOUND")
async def _unknown_hold(stage: Stage) -> object:
    request = ReleaseHoldRequest(restaurant_id=stage.place.restaurant_id, hold_id=UNKNOWN_ID)
    return await stage.client.release_hold(request)


@provokes("ASSIGNMENT_NOT_FOUND")
async def _not_assigned(stage: Stage) -> object:
    booking = await stage.place.party()
    return await stage.place.assignment(booking.booking_id)


@provokes("BLOCK_NOT_FOUND")
async def _unknown_block(stage: Stage) -> object:
    request = UnblockTablesRequest(restaurant_id=stage.place.restaurant_id, block_id=UNKNOWN_ID)
    return await stage.client.unblock_tables(request)


# What has moved on


@provokes("VERSION_MISMATCH")
async def _old_etag(stage: Stage) -> object:
    booking = await stage.place.party(2)
    await stage.place.party(3, booking_id=booking.booking_id)
    return await stage.place.party(4, booking_id=booking.booking_id, etag=booking.etag)


@provokes("WATCH_TOKEN_INVALID")
async def _a_token_of_nobody(stage: Stage) -> object:
    return await _watched(stage, "garbage")


@provokes("WATCH_TOKEN_COMPACTED")
async def _a_token_of_a_lost_future(stage: Stage) -> object:
    return await _watched(stage, watch_token(UUID(stage.place.restaurant_id), FloorPlace(1_000)))


async def _watched(stage: Stage, token: str) -> object:
    async with one_watch(stage.client, stage.place.restaurant_id, token) as call:
        return await call.read()


@provokes("INVALID_STATE_TRANSITION")
async def _complete_before_check_in(stage: Stage) -> object:
    booking = await stage.place.party()
    return await stage.place.transition(booking, BookingAction.BOOKING_ACTION_COMPLETE)


@provokes("BOOKING_ALREADY_ASSIGNED")
async def _assigned_twice(stage: Stage) -> object:
    booking = await stage.place.seated("W1")
    return await stage.place.assign(booking, "W2")


@provokes("HOLD_ALREADY_CONFIRMED")
async def _released_after_confirm(stage: Stage) -> object:
    hold = await stage.place.hold(await stage.place.party(), "W1")
    await stage.place.confirm(hold)
    return await stage.place.release(hold)


@provokes("HOLD_EXPIRED")
async def _confirmed_too_late(stage: Stage) -> object:
    hold = await stage.place.hold(await stage.place.party(), "W1")
    await expire(stage.server.database_url, hold.hold_id)
    return await stage.place.confirm(hold)


@provokes("HOLD_ALREADY_RELEASED")
async def _confirmed_after_release(stage: Stage) -> object:
    hold = await stage.place.hold(await stage.place.party(), "W1")
    await stage.place.release(hold)
    return await stage.place.confirm(hold)


@provokes("HOLD_MISMATCH")
async def _confirmed_for_somebody_else(stage: Stage) -> object:
    hold = await stage.place.hold(await stage.place.party(), "W1")
    request = stage.place.confirm_request(hold)
    request.booking_id = (await stage.place.party()).booking_id
    return await stage.client.confirm_hold(request)


@provokes("HOLD_TTL_OUT_OF_RANGE")
async def _held_for_an_hour(stage: Stage) -> object:
    return await stage.place.hold(await stage.place.party(), "W1", ttl_s=3600)


@provokes("HOLD_EXTENSION_LIMIT")
async def _held_all_afternoon(stage: Stage) -> object:
    hold = await stage.place.hold(await stage.place.party(), "W1")
    await age(stage.server.database_url, hold.hold_id, 1_700)
    return await stage.place.extend(hold)


@provokes("POLICY_DRIFT")
async def _table_shrinks_under_a_hold(stage: Stage) -> object:
    hold = await stage.place.hold(await stage.place.party(4), "W1")
    await stage.place.update("W1", capacity=2)
    return await stage.place.confirm(hold)


@provokes("STALE_CONTEXT")
async def _held_since_it_was_planned(stage: Stage) -> object:
    booking = await stage.place.party()
    context = (await stage.place.validate(booking, "W1")).context_version
    await stage.place.hold(await stage.place.party(), "W1")
    request = stage.place.hold_request(booking.booking_id, ["W1"])
    request.context_version = context
    return await stage.client.hold_tables(request)


# When


@provokes("OUTSIDE_SERVICE_HOURS")
async def _before_it_opens(stage: Stage) -> object:
    return await stage.place.party(start=evening(9))


@provokes("SERVICE_OVERRUN")
async def _too_late_to_eat(stage: Stage) -> object:
    await stage.place.change_policy(lambda policy: policy.periods[0].ClearField("may_overrun"))
    return await stage.place.party(start=evening(22))


@provokes("WINDOW_IN_PAST")
async def _last_month(stage: Stage) -> object:
    return await stage.place.party(start=evening() - timedelta(days=60))


@provokes("CUTOFF_PASSED")
async def _left_to_staff_by_now(stage: Stage) -> object:
    booking = await stage.place.party()
    request = stage.place.auto_assign_request(booking.booking_id)
    request.cutoff.FromTimedelta(timedelta(days=31))
    return await stage.client.auto_assign(request)
