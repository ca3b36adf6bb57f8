"""A15: A batch goes on without what it cannot write down, and ends when the database is away."""

import pytest

from maitred_client import StoreUnavailableError
from maitred_client.messages import AutoAssignBatchRequest, AutoAssignBatchSummary
from tests.builders.world import evening
from tests.builders.world_extras import House
from tests.races.behind_faults import LOCK, Interrupted
from tests.races.faults import refused_with

AWAY = "57P01"
# Nobody is seated by it, so that nothing but the decision is written there.
CROWD = 100


async def batch(place: House) -> AutoAssignBatchSummary:
    request = AutoAssignBatchRequest(
        restaurant_id=place.restaurant_id, service_date=evening().date().isoformat()
    )
    return [each async for each in place.client.auto_assign_batch(request)][-1].summary


async def test_a_decision_that_cannot_be_written_does_not_end_a_batch(scene: Interrupted) -> None:
    await scene.place.booking(party=CROWD)
    scene.plan.arm_for("INSERT INTO audit_log", refused_with(AWAY))
    summary = await batch(scene.place)
    assert scene.plan.struck
    assert [each.bookings for each in summary.refusals] == [1]


async def test_a_batch_ends_when_the_database_is_away(scene: Interrupted) -> None:
    await scene.place.booking()
    scene.plan.arm_for(LOCK, refused_with(AWAY))
    with pytest.raises(StoreUnavailableError):
        await batch(scene.place)
    assert scene.plan.struck
    scene.plan.disarm()
    assert (await batch(scene.place)).assigned == 1
