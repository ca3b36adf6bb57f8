"""What the ledger keeps of a request, so that a repeat is known and a reuse is told apart."""

import pkgutil
from dataclasses import MISSING, fields
from importlib import import_module
from uuid import UUID

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from maitred_client import messages
from maitred_client.messages import (
    CombinationPolicy,
    ExpectedParties,
    Floor,
    PlanWeights,
    PutFloorRequest,
    PutServicePolicyRequest,
    ServicePeriod,
    ServicePolicy,
    Table,
    TableState,
    TurnTime,
    UpdateTableRequest,
    Zone,
)
from server import orchestrator
from server.domain.restaurant import Caller
from server.errors import Reason
from server.orchestrator.get_operation import ANSWERS
from server.orchestrator.hold_tables import HoldTablesCommand
from server.orchestrator.idempotency import REQUEST_FIELD, recorded_request
from server.rpc.messages.floor import read_put_floor, read_update_table
from server.rpc.messages.policy import read_put_service_policy

CALLER = Caller(UUID(int=1), "tests", frozenset())
# The fields of a hold when the ledger's oldest rows were written.
FROM_THE_START = {"actor", "restaurant_id", "booking_id", "table_ids", "ttl", "context_version", "etag"}


def names(*overrides: Reason) -> set[str]:
    command = HoldTablesCommand(
        UUID(int=2), "", UUID(int=3), UUID(int=4), (UUID(int=5),), overrides=overrides
    )
    return {name for name, _ in recorded_request(CALLER, command).field_digests}


def test_a_call_without_a_later_field_is_the_call_that_was_recorded_before_there_was_one() -> None:
    assert names() == FROM_THE_START


def test_a_later_field_that_is_used_is_part_of_the_payload() -> None:
    assert names(Reason.CAPACITY_INSUFFICIENT) == FROM_THE_START | {"overrides"}


COMMANDS = {
    name: kind
    for module in pkgutil.iter_modules(orchestrator.__path__, "server.orchestrator.")
    for name, kind in vars(import_module(module.name)).items()
    if name.endswith("Command")
}


LATER = {
    "HoldTables": {"overrides", "reason"},
    "ReplaceHold": {"overrides", "reason"},
    "AssignTables": {"overrides"},
    "ReassignTables": {"overrides"},
}


@pytest.mark.parametrize("method", LATER)
def test_what_the_oldest_rows_of_the_ledger_lack_is_left_out_with_its_default(method: str) -> None:
    command_type = COMMANDS[f"{method}Command"]
    required = {field.name: UUID(int=2) for field in fields(command_type) if field.default is MISSING}
    kept = {name for name, _ in recorded_request(CALLER, command_type(**required)).field_digests}
    assert kept == {field.metadata.get(REQUEST_FIELD, field.name) for field in fields(command_type)} - LATER[
        method
    ] - {"request_id"}


@pytest.mark.parametrize("method", ANSWERS)
def test_what_differs_is_named_as_the_contract_names_it(method: str) -> None:
    request = getattr(messages, f"{method}Request").DESCRIPTOR
    # Restaurants, policies and floors are messages of their own, whose fields are named alone.
    inner = (field.message_type.fields for field in request.fields if field.message_type)
    known = {field.name for each in (request.fields, *inner) for field in each}
    for field in fields(COMMANDS[f"{method}Command"]):
        names = field.metadata.get(REQUEST_FIELD, field.name).split(", ")
        assert known.issuperset(names), field.name


A, B, C = (f"00000000-0000-4000-8000-00000000000{digit}" for digit in "abc")
HOURS = [ServicePeriod(name="day", opens="10:00", closes="22:00", turn_times=[TurnTime(party_size_max=4)])]
HOURS[0].turn_times[0].duration.FromSeconds(5_400)
FEW, MANY = ExpectedParties(party_size=2, parties=3), ExpectedParties(party_size=4)


def test_what_makes_no_difference_to_a_floor_is_the_same_payload() -> None:
    zone, one = Zone(zone_id=A, name="Z"), Table(table_id=B, zone_id=A, name="T1", capacity=4)
    two = Table(table_id=C.upper(), zone_id=A, name="T2", capacity=4)
    spelt = Table(
        table_id=C,
        zone_id=A,
        name="T2",
        capacity=4,
        min_party=1,
        max_party=4,
        state=TableState.TABLE_STATE_IN_SERVICE,
    )
    floors = (
        Floor(zones=[zone], tables=[one, two]),
        Floor(zones=[zone], tables=[spelt, one], inventory_version=9),
    )
    first, other = (
        read_put_floor(PutFloorRequest(request_id=A, restaurant_id=B, floor=each)) for each in floors
    )
    assert recorded_request(CALLER, first) == recorded_request(CALLER, other)


def test_what_makes_no_difference_to_a_policy_is_the_same_payload() -> None:
    short = ServicePolicy(periods=HOURS, forecast=[FEW, MANY])
    spelt = ServicePolicy(
        periods=HOURS,
        forecast=[MANY, FEW],
        slack_max=4,
        combinations=CombinationPolicy(tables_max=3),
        weights=PlanWeights(merge=1.5),
        policy_version=9,
    )
    first, other = (
        read_put_service_policy(PutServicePolicyRequest(request_id=A, restaurant_id=B, policy=each))
        for each in (short, spelt)
    )
    assert recorded_request(CALLER, first) == recorded_request(CALLER, other)


def test_what_an_update_mask_does_not_name_is_no_part_of_the_payload() -> None:
    first, other = (
        read_update_table(
            UpdateTableRequest(
                request_id=A,
                restaurant_id=B,
                table=Table(table_id=C, name="T1", movable=True, capacity=capacity),
                update_mask=FieldMask(paths=paths),
            )
        )
        for capacity, paths in ((4, ["name", "movable"]), (6, ["movable", "name"]))
    )
    assert recorded_request(CALLER, first) == recorded_request(CALLER, other)
