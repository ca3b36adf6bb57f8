"""What the command line says where the server knows a time zone that this machine does not know yet."""

import pytest

from maitred.v1.inventory_service_pb2 import GetRestaurantResponse
from maitred_client.messages import Restaurant
from server.cli.failures import ExitCode
from tests.support.programs import run
from tests.support.scripted_server import scripted_server

PLACE = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


@pytest.mark.parametrize(
    "command",
    [
        "floor --date 2030-01-12",
        "floor",
        "floor --date 2030-01-12 --watch",
        "availability --party 2 --date 2030-01-12",
        "plan --party 2 --start 19:30",
    ],
)
async def test_an_unknown_time_zone_is_named_with_what_to_bring_up_to_date(command: str) -> None:
    async with scripted_server() as server:
        found = Restaurant(restaurant_id=PLACE, name="Olympus", time_zone="Mars/Olympus_Mons")
        server.will("GetRestaurant", GetRestaurantResponse(restaurant=found))
        ended = await run(*command.split(), "--restaurant", PLACE, "--address", server.address)
    assert ended.code == ExitCode.BAD_SETTINGS, ended.err
    assert "does not know the restaurant's time zone, Mars/Olympus_Mons" in ended.err
    assert "tzdata" in ended.err
    assert "Traceback" not in ended.err
