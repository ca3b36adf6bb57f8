"""What a watch token says, and what is none."""

from base64 import urlsafe_b64encode
from uuid import uuid4

import pytest

from server.orchestrator.floor_log import FloorPlace
from server.rpc.watch_token import VERSION_MAX, read_watch_token, watch_token

RESTAURANT = uuid4()


@pytest.mark.parametrize("place", [FloorPlace(0), FloorPlace(7, uuid4()), FloorPlace(VERSION_MAX, uuid4())])
def test_a_token_names_its_place_to_its_restaurant_alone(place: FloorPlace) -> None:
    token = watch_token(RESTAURANT, place)
    assert read_watch_token(RESTAURANT, token) == place
    assert read_watch_token(uuid4(), token) is None


@pytest.mark.parametrize(
    "place",
    ["7", "-1,null", "true,null", '"7",null', "9223372036854775808,null", "7,2", '7,"no id"', "7,null,null"],
)
def test_what_says_no_place_is_no_token(place: str) -> None:
    token = urlsafe_b64encode(f'["watch","{RESTAURANT}",{place}]'.encode()).decode()
    assert read_watch_token(RESTAURANT, token) is None


@pytest.mark.parametrize("text", ["7", "null", '"watch"', '{"watch": 7}', "[]", "no json"])
def test_what_is_no_list_is_no_token(text: str) -> None:
    assert read_watch_token(RESTAURANT, urlsafe_b64encode(text.encode()).decode()) is None
