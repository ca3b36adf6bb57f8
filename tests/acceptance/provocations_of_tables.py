"""One way to be refused for each reason that speaks against tables, and for those of a server in need."""

from collections.abc import Mapping

from maitred_client import AsyncMaitredClient, new_request_id
from maitred_client.messages import (
    ErrorReason,
    ServicePolicy,
)
from server.bootstrap import serving
from server.config import load_settings
from tests.acceptance.staging import NO_RETRIES, Stage, assign, provokes
from tests.support.database import restaurant_locked

# Which tables


@provokes("TABLE_OUT_OF_SERVICE")
async def _broken_table(stage: Stage) -> object:
    await stage.place.out_of_service("W1")
    return await assign(stage, 2, "W1")


@provokes("ZONE_NOT_REQUESTED")
async def _inside_instead_of_outside(stage: Stage) -> object:
    return await assign(stage, 2, "W1", zone="Terrace")


@provokes("REQUIRED_ATTRIBUTE_UNMET")
async def _no_window(stage: Stage) -> object:
    return await assign(stage, 2, "W2", required=["window"])


@provokes("COMBINATION_DISABLED")
async def _merging_is_off(stage: Stage) -> object:
    def off(policy: ServicePolicy) -> None:
        policy.combinations.enabled = False

    await stage.place.change_policy(off)
    return await assign(stage, 6, "W1", "W2")


@provokes("COMBINATION_TOO_LARGE")
async def _four_tables_in_a_row(stage: Stage) -> object:
    return await assign(stage, 14, "W1", "W2", "W3", "W4")


@provokes("COMBINATION_CROSSES_ZONES")
async def _through_the_door(stage: Stage) -> object:
    return await assign(stage, 6, "W1", "P1")


@provokes("COMBINATION_TABLE_NOT_MOVABLE")
async def _a_fixed_table(stage: Stage) -> object:
    return await assign(stage, 8, "W1", "F6")


@provokes("COMBINATION_NOT_ADJACENT")
async def _apart(stage: Stage) -> object:
    return await assign(stage, 6, "W1", "W3")


@provokes("CAPACITY_INSUFFICIENT")
async def _too_many_people(stage: Stage) -> object:
    return await assign(stage, 5, "W1")


@provokes("CAPACITY_BELOW_MIN_PARTY")
async def _kept_for_large_parties(stage: Stage) -> object:
    return await assign(stage, 4, "L8")


@provokes("SLACK_BUDGET_EXCEEDED")
async def _too_many_chairs(stage: Stage) -> object:
    return await assign(stage, 1, "F6")


@provokes("OVERRIDE_NOT_PERMITTED")
async def _may_write_but_not_override(stage: Stage) -> object:
    booking = await stage.place.party(5)
    request = stage.place.hold_request(booking.booking_id, ["W1"])
    request.overrides.append(ErrorReason.ERROR_REASON_CAPACITY_INSUFFICIENT)
    async with AsyncMaitredClient(
        stage.server.address, tenant_id=stage.server.tenant_id, scopes=["read", "write"]
    ) as writer:
        return await writer.hold_tables(request)


@provokes("TABLE_BLOCKED")
async def _under_repair(stage: Stage) -> object:
    await stage.place.block("W1")
    return await assign(stage, 2, "W1")


@provokes("TABLE_CONFLICT_ASSIGNED")
async def _somebody_sits_there(stage: Stage) -> object:
    await stage.place.seated("W1")
    return await assign(stage, 2, "W1")


@provokes("TABLE_CONFLICT_HELD")
async def _somebody_holds_it(stage: Stage) -> object:
    await stage.place.hold(await stage.place.party(), "W1")
    return await assign(stage, 2, "W1")


@provokes("NO_FEASIBLE_PLAN")
async def _a_coach_party(stage: Stage) -> object:
    return await stage.place.auto_assign(await stage.place.party(60))


# A server in need


@provokes("STORE_CONTENTION")
async def _nobody_lets_go(stage: Stage) -> object:
    return await _put_while_locked(stage, {"attempts_max": 2, "lock_timeout_s": 0.05})


@provokes("DEADLINE_EXCEEDED")
async def _the_server_gives_up_first(stage: Stage) -> object:
    return await _put_while_locked(stage, {"deadline_s_default": 0.2, "deadline_s_max": 0.2})


async def _put_while_locked(stage: Stage, impatience: Mapping[str, object]) -> object:
    settings = load_settings(port=0, log_level="error", **impatience)
    url, tenant_id = stage.server.database_url, stage.server.tenant_id
    async with (
        serving(settings, stage.server.server_url) as impatient,
        AsyncMaitredClient(impatient.address, tenant_id=tenant_id, retry=NO_RETRIES) as client,
        restaurant_locked(url, stage.place.restaurant_id),
    ):
        return await client.put_booking(stage.place.booking_request(request_id=new_request_id()))
