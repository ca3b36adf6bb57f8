"""What the ledger keeps of a request, so that a repeat is known and a reuse is told apart."""

import pkgutil
from dataclasses import MISSING, fields
from importlib import import_module
from uuid import UUID

import pytest

from maitred_client import messages
from server import orchestrator
from server.domain.restaurant import Caller
from server.errors import Reason
from server.orchestrator.get_operation import ANSWERS
from server.orchestrator.hold_tables import HoldTablesCommand
from server.orchestrator.idempotency import REQUEST_FIELD, recorded_request

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
