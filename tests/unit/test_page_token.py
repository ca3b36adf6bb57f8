"""What a page token says, and what is none."""

import json
from base64 import urlsafe_b64encode
from uuid import UUID

import pytest

from maitred.v1 import inventory_service_pb2
from server.errors import ServiceError
from server.rpc.messages.inventory import read_list_restaurants
from server.rpc.page_token import KeyPart, ListKey, page_token, read_page_token

A = str(UUID(int=1))
NOON = "2026-06-01T12:00:00.000001+00:00"


@pytest.mark.parametrize("key", list(ListKey))
def test_a_page_token_leads_back_to_where_it_came_from_and_nowhere_else(key: ListKey) -> None:
    samples = {
        KeyPart.TEXT: "名" * 200,
        KeyPart.INSTANT: NOON,
        KeyPart.UUID: A,
        KeyPart.NUMBER: "9" * 18,
    }
    after = tuple(samples[part] for part in key.parts)
    token = page_token(key, after)
    assert read_page_token(key, token) == after
    assert [other for other in ListKey if read_page_token(other, token)] == [key]


@pytest.mark.parametrize(
    "token",
    ["x", "é", "a" * 5_000, "W10", "bnVsbA", "WyJyZXN0YXVyYW50cyIsMSwyXQ", "W1tbW1tbW1tb" * 100, "=", "%00"],
)
def test_what_is_no_page_token_is_refused(token: str) -> None:
    with pytest.raises(ServiceError) as refused:
        read_list_restaurants(inventory_service_pb2.ListRestaurantsRequest(page_token=token))
    assert [violation.field for violation in refused.value.refusal.violations] == ["page_token"]


@pytest.mark.parametrize("added", ["!", "!!!!", "    ", "\n\n\n\n", ".-.-"])
def test_a_page_token_with_anything_added_is_none(added: str) -> None:
    token = page_token(ListKey.HOLDS, (NOON, A))
    assert read_page_token(ListKey.HOLDS, token) == (NOON, A)
    for place in (0, len(token) // 2, len(token)):
        assert read_page_token(ListKey.HOLDS, token[:place] + added + token[place:]) is None


@pytest.mark.parametrize(
    "instant", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-06-01", "now"]
)
def test_a_page_token_never_carries_an_instant_that_a_query_could_stumble_over(instant: str) -> None:
    assert read_page_token(ListKey.HOLDS, page_token(ListKey.HOLDS, (instant, A))) is None


@pytest.mark.parametrize("number", ["9" * 19, "-1", "", "1.5", "٣", "x"])
def test_a_page_token_never_carries_a_number_that_a_query_could_stumble_over(number: str) -> None:
    assert read_page_token(ListKey.AUDIT, page_token(ListKey.AUDIT, (NOON, number))) is None


@pytest.mark.parametrize("name", ["nul\x00", "é\x00", "half \ud83c", "n" * 201])
def test_a_page_token_never_carries_a_name_that_a_query_could_stumble_over(name: str) -> None:
    token = urlsafe_b64encode(json.dumps([ListKey.RESTAURANTS.label, name, A]).encode()).decode()
    assert read_page_token(ListKey.RESTAURANTS, token) is None
