"""What the command line says when a server is there, and its call gets no answer of maitred's."""

import grpc
import pytest

from maitred_client.messages import GetRestaurantResponse, Restaurant
from server.cli.failures import ExitCode
from tests.support.programs import run
from tests.support.scripted_server import Refusal, scripted_server

HOLD = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
PLACE = Restaurant(restaurant_id=HOLD, name="Olympus", time_zone="UTC")


@pytest.mark.parametrize(
    ("code", "problem", "advice"),
    [
        (grpc.StatusCode.UNIMPLEMENTED, "the server does not know this call", "older than this command"),
        (grpc.StatusCode.UNKNOWN, "no maitred server answered: ", "maitred dev"),
    ],
)
async def test_a_server_that_is_another_or_too_old_is_told_from_one_that_is_not_there(
    code: grpc.StatusCode, problem: str, advice: str
) -> None:
    async with scripted_server() as server:
        server.will("ListRestaurants", Refusal(code, "Method not found!"))
        ended = await run("release", HOLD, "--address", server.address)
    assert ended.code == ExitCode.UNREACHABLE
    assert problem in ended.err
    assert f"{server.address}: Method not found!" in ended.err
    assert advice in ended.err


async def test_whoever_waited_in_vain_hears_of_the_timeout_and_that_a_change_can_have_been_made() -> None:
    async with scripted_server() as server:
        server.stall = True
        ended = await run("release", HOLD, "--address", server.address, "--timeout", "0.3")
    assert ended.code == ExitCode.UNREACHABLE
    assert "no maitred server answered in time" in ended.err
    assert "--timeout" in ended.err
    assert "maitred health" in ended.err
    assert "A change can have been made" in ended.err


@pytest.mark.parametrize("command", ["confirm", "release", "extend"])
async def test_nothing_is_asked_any_more_after_the_change_that_shall_be_shown(command: str) -> None:
    async with scripted_server() as server:
        server.will("GetRestaurant", GetRestaurantResponse(restaurant=PLACE))
        ended = await run(command, HOLD, "--restaurant", PLACE.restaurant_id, "--address", server.address)
        asked = [each.method.rpartition("/")[2].lower() for each in server.asked]
    assert ended.code == ExitCode.OK, ended.err
    assert asked[-1] == f"{command}hold"
