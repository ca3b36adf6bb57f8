"""What is typed behind a command is what the server is asked."""

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.message import Message

from maitred_client import duration, messages, timestamp
from maitred_client.messages import AutoAssignOrder, ErrorReason
from server.cli.failures import ExitCode
from tests.support.programs import run
from tests.support.scripted_server import scripted_server

ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
PLACE = messages.Restaurant(restaurant_id=ID, name="Olympus", time_zone="UTC")
HALF_PAST_SEVEN = timestamp(datetime(2030, 1, 12, 19, 30, tzinfo=UTC))
HALF_AN_HOUR = duration(timedelta(minutes=30))
TIGHT = (ErrorReason.ERROR_REASON_CAPACITY_INSUFFICIENT,)
# Each command, and what it asks for in the end.
ASKING: dict[str, Message] = {
    f"hold --booking {ID} --tables , --ttl 1800 --reason rain": messages.HoldTablesRequest(
        booking_id=ID, ttl=HALF_AN_HOUR, reason="rain"
    ),
    f"confirm {ID} --reason rain": messages.ConfirmHoldRequest(reason="rain"),
    f"extend {ID} --ttl 1800": messages.ExtendHoldRequest(hold_id=ID, ttl=HALF_AN_HOUR),
    f"reassign {ID} --tables , --reason rain --override capacity-insufficient": (
        messages.ReassignTablesRequest(booking_id=ID, reason="rain", overrides=TIGHT)
    ),
    f"auto-assign {ID} --cutoff 30 --reason rain": messages.AutoAssignRequest(
        booking_id=ID, cutoff=HALF_AN_HOUR, reason="rain"
    ),
    "auto-assign --date 2030-01-12 --cutoff 30 --order size-desc --reason rain": (
        messages.AutoAssignBatchRequest(
            service_date="2030-01-12",
            cutoff=HALF_AN_HOUR,
            order=AutoAssignOrder.AUTO_ASSIGN_ORDER_SIZE_DESC,
            reason="rain",
        )
    ),
    "plan --party 2 --start 2030-01-12T19:30 --stay 30 --require a,b --prefer c"
    " --limit 3 --alternatives 4 --overflow": messages.PlanTablesRequest(
        plans_max=3,
        alternatives_max=4,
        overflow=True,
        party=messages.PartyRequest(
            party_size=2,
            start=HALF_PAST_SEVEN,
            duration=HALF_AN_HOUR,
            required_attributes=("a", "b"),
            preferred_attributes=("c",),
        ),
    ),
    "availability --party 2 --date 2030-01-12 --from 19:30 --to 19:30 --require a": (
        messages.SearchAvailabilityRequest(
            questions=[
                messages.AvailabilityQuestion(party_size=2, start=HALF_PAST_SEVEN, required_attributes=("a",))
            ]
        )
    ),
}


@pytest.mark.parametrize("command", ASKING)
async def test_every_option_reaches_the_server(command: str) -> None:
    wanted = ASKING[command]
    method = type(wanted).__name__.removesuffix("Request")
    async with scripted_server() as server:
        server.will("GetRestaurant", messages.GetRestaurantResponse(restaurant=PLACE))
        if method == "SearchAvailability":
            server.will(method, messages.SearchAvailabilityResponse(answers=[messages.Availability()]))
        ended = await run(*command.split(), "--restaurant", ID, "--address", server.address)
        (asked,) = (each for each in server.asked if each.method.endswith(f"/{method}"))
    assert ended.code == ExitCode.OK, ended.err
    request = type(wanted).FromString(asked.request)
    assert {field.name: getattr(request, field.name) for field, _ in wanted.ListFields()} == {
        field.name: value for field, value in wanted.ListFields()
    }
