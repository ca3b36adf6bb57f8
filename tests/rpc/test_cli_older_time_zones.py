"""What the command line says where the server knows a time zone that this machine does not know yet."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.message import Message

from maitred_client import messages, timestamp
from server.cli.failures import ExitCode
from tests.support.programs import run
from tests.support.scripted_server import ScriptedServer, scripted_server

PLACE = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
ID = "1b4e28ba-2fa1-4d52-883f-0016d3cca427"
OLYMPUS = messages.GetRestaurantResponse(
    restaurant=messages.Restaurant(restaurant_id=PLACE, name="Olympus", time_zone="Mars/Olympus_Mons")
)
LOOKING_UP = {"GetRestaurant", "GetFloor", "GetServicePolicy"}

SPAN: dict[str, Any] = {
    "window_start": timestamp(datetime(2030, 1, 12, 19, 30, tzinfo=UTC)),
    "window_end": timestamp(datetime(2030, 1, 12, 21, 30, tzinfo=UTC)),
}
HOLD = messages.Hold(hold_id=ID, booking_id=ID, **SPAN)
ASSIGNMENT = messages.Assignment(assignment_id=ID, booking_id=ID, **SPAN)
BOOKING = messages.Booking(booking_id=ID, **SPAN)
DECISION = messages.AutoAssignDecision(booking_id=ID, start=SPAN["window_start"])
SUMMARY = messages.SelectionSummary(**SPAN)
# Each command, and what it is answered.
SHOWING: dict[str, Message] = {
    f"hold --booking {ID} --tables ,": messages.HoldTablesResponse(hold=HOLD),
    f"confirm {ID}": messages.ConfirmHoldResponse(assignment=ASSIGNMENT),
    f"release {ID}": messages.ReleaseHoldResponse(hold=HOLD),
    f"extend {ID}": messages.ExtendHoldResponse(hold=HOLD),
    f"reassign {ID} --tables ,": messages.ReassignTablesResponse(assignment=ASSIGNMENT),
    f"auto-assign {ID}": messages.AutoAssignResponse(assignment=ASSIGNMENT),
    "auto-assign --date 2030-01-12": messages.AutoAssignBatchResponse(decision=DECISION),
    f"dispatch {ID}": messages.DispatchAutoAssignResponse(booking=BOOKING),
    f"dispatch {ID} --at 2030-01-12T16:00+01:00": messages.DispatchAutoAssignResponse(booking=BOOKING),
    f"booking {ID}": messages.GetBookingResponse(booking=BOOKING),
    f"plan --booking {ID}": messages.PlanTablesResponse(**SPAN),
    "plan --party 2 --start 2030-01-12T19:30Z": messages.PlanTablesResponse(**SPAN),
    f"explain --booking {ID} --tables ,": messages.ExplainTableResponse(summary=SUMMARY),
}


def asked(server: ScriptedServer) -> set[str]:
    return {each.method.rpartition("/")[2] for each in server.asked}


@pytest.mark.parametrize("command", SHOWING)
async def test_what_was_done_or_found_is_shown_in_utc_with_what_to_bring_up_to_date(command: str) -> None:
    answer = SHOWING[command]
    async with scripted_server() as server:
        server.will("GetRestaurant", OLYMPUS)
        server.will(type(answer).__name__.removesuffix("Response"), answer)
        ended = await run(*command.split(), "--restaurant", PLACE, "--address", server.address)
    assert ended.code == ExitCode.OK, ended.err
    assert "19:30" in ended.out
    assert "UTC" in ended.out
    (hint,) = (line for line in ended.err.splitlines() if "Olympus" in line)
    assert "times are in UTC" in hint
    assert "tzdata" in hint


@pytest.mark.parametrize(
    "command",
    [
        "floor --date 2030-01-12",
        "floor",
        "floor --date 2030-01-12 --watch",
        "availability --party 2 --date 2030-01-12",
        "plan --party 2 --start 19:30",
        "explain --party 2 --start 2030-01-12T19:30 --tables ,",
        f"dispatch {ID} --at 16:00",
    ],
)
async def test_a_local_time_is_refused_with_what_to_bring_up_to_date_and_nothing_is_done(
    command: str,
) -> None:
    async with scripted_server() as server:
        server.will("GetRestaurant", OLYMPUS)
        ended = await run(*command.split(), "--restaurant", PLACE, "--address", server.address)
        assert asked(server) <= LOOKING_UP
    assert ended.code == ExitCode.BAD_SETTINGS, ended.err
    assert "does not know the restaurant's time zone, Mars/Olympus_Mons" in ended.err
    assert "tzdata" in ended.err
    assert "Traceback" not in ended.err
