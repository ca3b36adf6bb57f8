"""Rules set aside from the command line."""

import pytest

from maitred_client.messages import ListHoldsRequest
from server.cli.failures import ExitCode
from tests.builders.world_extras import House
from tests.conftest import Served
from tests.support.programs import Ended, run

pytestmark = pytest.mark.shared_server


async def maitred(server: Served, place: House, *arguments: str) -> Ended:
    where = (*server.where, "--restaurant", place.restaurant_id)
    return await run(*arguments, *where)


async def test_a_hold_and_a_move_set_rules_aside_and_show_it(place: House, server: Served) -> None:
    booking = (await place.party(5)).booking_id
    tight = ("hold", "--booking", booking, "--tables", "W1")
    assert (await maitred(server, place, *tight)).code == ExitCode.REFUSED
    held = await maitred(server, place, *tight, "--override", "capacity-insufficient")
    assert "overrides" in held.out
    assert "CAPACITY_INSUFFICIENT" in held.out
    (hold,) = (await place.client.list_holds(ListHoldsRequest(restaurant_id=place.restaurant_id))).holds
    await place.confirm(hold)
    apart = ("reassign", booking, "--tables", "W2,W4", "-o", "json")
    assert (await maitred(server, place, *apart)).code == ExitCode.REFUSED
    moved = await maitred(
        server, place, *apart, "--override", "COMBINATION_NOT_ADJACENT", "--override", "ZONE_NOT_REQUESTED"
    )
    assert moved.json()["assignment"]["overrides"] == [
        "ERROR_REASON_ZONE_NOT_REQUESTED",
        "ERROR_REASON_COMBINATION_NOT_ADJACENT",
    ]


async def test_a_refusal_names_every_rule_that_the_set_breaks(place: House, server: Served) -> None:
    await place.hold(await place.party(2), "W1")
    booking = (await place.party(9)).booking_id
    refused = await maitred(server, place, "hold", "--booking", booking, "--tables", "W1,W4")
    told = [line.strip().split(": ")[:-1] for line in refused.err.splitlines()[:3]]
    assert told == [
        ["maitred", "COMBINATION_NOT_ADJACENT"],
        ["CAPACITY_INSUFFICIENT"],
        ["TABLE_CONFLICT_HELD"],
    ]
    assert "W1 is held for another booking" in refused.err


async def test_an_explanation_says_what_would_happen(place: House, server: Served) -> None:
    booking = (await place.party(5)).booking_id
    asked = ("explain", "--booking", booking, "--tables", "W1", "-o", "json")
    assert not (await maitred(server, place, *asked)).json().get("possible")
    assert (await maitred(server, place, *asked, "--override", "CAPACITY_INSUFFICIENT")).json()["possible"]


async def test_a_word_that_is_no_reason_is_a_mistake_of_the_command(place: House, server: Served) -> None:
    ended = await maitred(
        server, place, "hold", "--booking", place.restaurant_id, "--tables", "W1", "--override", "taste"
    )
    assert ended.code == ExitCode.USAGE
    assert "'taste' is no reason" in ended.err


async def test_a_plan_shows_what_it_relaxes_and_the_best_is_held_with_it(
    place: House, server: Served
) -> None:
    booking = (await place.party(1)).booking_id
    await place.block("W1", "W2", "W3", "W4", "P1", "P2")
    asked = ("plan", "--booking", booking)
    assert "relaxed" not in (await maitred(server, place, *asked)).out
    shown = (await maitred(server, place, *asked, "--overflow")).out
    assert "something fits when rules are relaxed" in shown
    assert "SLACK_BUDGET_EXCEEDED (takes the scope override)" in shown
    await place.block("F6")
    larger = (await place.party(4)).booking_id
    held = await maitred(server, place, "hold", "--booking", larger, "--best", "-o", "json")
    assert held.json()["hold"]["overrides"] == ["ERROR_REASON_CAPACITY_BELOW_MIN_PARTY"]
