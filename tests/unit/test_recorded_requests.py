"""What the ledger keeps of a request, so that a repeat is known and a reuse is told apart."""

from uuid import UUID

from server.domain.restaurant import Caller
from server.errors import Reason
from server.orchestrator.hold_tables import HoldTablesCommand
from server.orchestrator.idempotency import recorded_request

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
