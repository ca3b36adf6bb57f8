"""V7: Rules set aside for one table set: which, by whom, and what never gives way."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from maitred_client import (
    CapacityBelowMinPartyError,
    CapacityInsufficientError,
    CombinationCrossesZonesError,
    CombinationNotAdjacentError,
    CombinationTableNotMovableError,
    InvalidArgumentFieldError,
    MaitredError,
    OverrideNotPermittedError,
    RequestIdReusedError,
    TableBlockedError,
    TableConflictAssignedError,
    TableConflictHeldError,
    TableOutOfServiceError,
    to_dict,
)
from maitred_client.messages import (
    AuditEntry,
    Booking,
    BookingAction,
    CheckStatus,
    ErrorReason,
    ExplainTableRequest,
    Hold,
    ListAuditEntriesRequest,
    ListHoldsRequest,
    RelaxationPolicy,
    ServicePolicy,
    ValidateSelectionRequest,
)
from tests.builders.overrides import OVERRIDABLE, host, overriding, reasons, words
from tests.builders.world_extras import House, always_open_policy, house, refused
from tests.conftest import Served
from tests.support.database import connected

pytestmark = pytest.mark.shared_server

NEVER = (
    "COMBINATION_CROSSES_ZONES",
    "COMBINATION_TABLE_NOT_MOVABLE",
    "TABLE_OUT_OF_SERVICE",
    "TABLE_BLOCKED",
    "TABLE_CONFLICT_ASSIGNED",
    "TABLE_CONFLICT_HELD",
    "COMBINATION_REDUNDANT",
    "TABLE_AVOIDED",
    "STALE_CONTEXT",
    "VERSION_MISMATCH",
)


async def hold(place: House, booking: Booking, *names: str, rules: tuple[str, ...]) -> Hold:
    request = overriding(place.hold_request(booking.booking_id, names), *rules)
    return (await place.client.hold_tables(request)).hold


async def break_everything(place: House) -> Booking:
    """A party for which W1, W3, W4 and W2 apart, one kept for larger parties, break six rules at once."""

    def strict(policy: ServicePolicy) -> None:
        policy.slack_max = 0
        policy.combinations.enabled = False

    await place.change_policy(strict)
    await place.change_floor(lambda floor: place.without_edge(floor, "W1", "W2"))
    await place.update("W1", min_party=4)
    return await place.party(2, zone="Terrace", required=["window"])


async def test_every_rule_that_can_be_overridden_gives_way_at_once(place: House) -> None:
    booking = await break_everything(place)
    held = await hold(place, booking, "W1", "W2", "W3", "W4", rules=OVERRIDABLE)
    assert words(held.overrides) == list(OVERRIDABLE)
    assert words((await place.confirm(held)).overrides) == list(OVERRIDABLE)


@pytest.mark.parametrize("missing", [rule for rule in OVERRIDABLE if rule != "CAPACITY_INSUFFICIENT"])
async def test_each_rule_holds_unless_it_is_named(place: House, missing: str) -> None:
    booking = await break_everything(place)
    rules = tuple(rule for rule in OVERRIDABLE if rule != missing)
    error = await refused(hold(place, booking, "W1", "W2", "W3", "W4", rules=rules), MaitredError)
    assert (error.reason, [check.reason for check in error.failed_checks]) == (missing, [missing])


async def test_a_party_may_squeeze_in_when_somebody_with_the_permission_says_so(place: House) -> None:
    booking = await place.party(5)
    await refused(place.hold(booking, "W1"), CapacityInsufficientError)
    request = overriding(place.assign_request(booking.booking_id, ["W1"]), "CAPACITY_INSUFFICIENT")
    request.reason, request.actor = "regulars", "Ada"
    given = (await place.client.assign_tables(request)).assignment
    assert words(given.overrides) == ["CAPACITY_INSUFFICIENT"]
    assert await place.assignment(booking.booking_id) == given


@pytest.mark.parametrize("rule", NEVER)
async def test_other_rules_cannot_be_overridden_and_the_answer_says_which_can(
    place: House, rule: str
) -> None:
    booking = await place.party()
    error = await refused(hold(place, booking, "W1", rules=(rule,)), InvalidArgumentFieldError)
    assert error.metadata["field"] == "overrides[0]"
    (violation,) = error.violations
    assert f"ERROR_REASON_{rule}" in violation.description
    assert all(f"ERROR_REASON_{accepted}" in violation.description for accepted in OVERRIDABLE)


async def test_what_keeps_tables_apart_holds_whatever_is_overridden(place: House) -> None:
    booking = await place.party(6)
    await place.seated("W1")
    await place.hold(await place.party(), "W2")
    await place.block("W3")
    await place.out_of_service("W4")
    for names, kind in (
        (("W1",), TableConflictAssignedError),
        (("W2",), TableConflictHeldError),
        (("W3",), TableBlockedError),
        (("W4",), TableOutOfServiceError),
        (("F6", "L8"), CombinationTableNotMovableError),
        (("P1", "F6"), CombinationCrossesZonesError),
    ):
        await refused(hold(place, booking, *names, rules=OVERRIDABLE), kind)


async def test_of_many_who_override_everything_at_once_one_gets_the_tables(place: House) -> None:
    bookings = [await place.party(9) for _ in range(8)]
    calls = [
        hold(place, booking, *names, rules=OVERRIDABLE)
        for booking, names in zip(bookings, [("W1", "W3"), ("W3", "W4")] * 4, strict=True)
    ]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each) for each in answers if isinstance(each, BaseException)] == [TableConflictHeldError] * 7
    assert sum(isinstance(each, Hold) for each in answers) == 1
    assert await place.violations() == 0


async def audited(place: House, booking: Booking) -> list[AuditEntry]:
    """What was done to the booking, the last first."""
    request = ListAuditEntriesRequest(restaurant_id=place.restaurant_id, resource_id=booking.booking_id)
    return list((await place.client.list_audit_entries(request)).entries)


async def test_what_was_overridden_is_no_broken_invariant(place: House) -> None:
    """Merges of tables apart and of more than the policy allows are legal when somebody decided so."""
    booking = await break_everything(place)
    await place.confirm(await hold(place, booking, "W1", "W2", "W3", "W4", rules=OVERRIDABLE))
    assert await place.violations() == 0


async def test_no_override_excuses_a_merge_of_fixed_tables(place: House, server: Served) -> None:
    """Past the service, which accepts no such override."""
    booking = await break_everything(place)
    await place.confirm(await hold(place, booking, "W1", "W2", "W3", "W4", rules=OVERRIDABLE))
    async with connected(server.database_url) as database:
        await database.execute("UPDATE tables SET movable = false WHERE table_id = $1", place.tables["W2"])
    assert await place.violations() == 1


# Permission


Ask = Callable[[House, Booking, Hold], tuple[str, object]]


def _hold(place: House, booking: Booking, _held: Hold) -> tuple[str, object]:
    return "hold_tables", place.hold_request(booking.booking_id, ["W1"])


def _replace(place: House, _booking: Booking, held: Hold) -> tuple[str, object]:
    return "replace_hold", place.replace_request(held.hold_id, ["W1"])


def _assign(place: House, booking: Booking, _held: Hold) -> tuple[str, object]:
    return "assign_tables", place.assign_request(booking.booking_id, ["W1"])


def _reassign(place: House, booking: Booking, _held: Hold) -> tuple[str, object]:
    return "reassign_tables", place.reassign_request(booking.booking_id, ["W1"])


def _validate(place: House, booking: Booking, _held: Hold) -> tuple[str, object]:
    return "validate_selection", ValidateSelectionRequest(
        restaurant_id=place.restaurant_id, booking_id=booking.booking_id, table_ids=place.ids(["W1"])
    )


def _explain(place: House, booking: Booking, _held: Hold) -> tuple[str, object]:
    return "explain_table", ExplainTableRequest(
        restaurant_id=place.restaurant_id, booking_id=booking.booking_id, table_ids=place.ids(["W1"])
    )


CALLS: dict[str, Ask] = {
    "hold": _hold,
    "replace": _replace,
    "assign": _assign,
    "reassign": _reassign,
    "validate": _validate,
    "explain": _explain,
}


@pytest.mark.parametrize("name", CALLS)
async def test_overriding_takes_a_scope_wherever_it_is_asked_for(
    place: House, server: Served, name: str
) -> None:
    booking = await place.seated("F6", party=5) if name == "reassign" else await place.party(5)
    held = Hold() if name == "reassign" else await place.hold(booking, "F6")
    method, request = CALLS[name](place, booking, held)
    overriding(request, "ZONE_NOT_REQUESTED", "CAPACITY_INSUFFICIENT")
    async with host(server) as client:
        call: Callable[[object], Awaitable[object]] = getattr(client, method)
        error = await refused(call(request), OverrideNotPermittedError)
    assert error.metadata == {"reasons": "ZONE_NOT_REQUESTED,CAPACITY_INSUFFICIENT", "scope": "override"}
    assert str(error.code).endswith("PERMISSION_DENIED")
    if hasattr(request, "request_id"):
        # The refusal is the recorded answer of that request; a new one goes through.
        request.request_id = ""
    await getattr(place.client, method)(request)


async def test_what_the_policy_relaxes_needs_no_scope(place: House, server: Served) -> None:
    booking = await place.party(4)
    rule = "CAPACITY_BELOW_MIN_PARTY"
    async with host(server) as client:
        request = place.hold_request(booking.booking_id, ["L8"])
        await refused(client.hold_tables(request), CapacityBelowMinPartyError)
        held = (
            await client.hold_tables(overriding(place.hold_request(booking.booking_id, ["L8"]), rule))
        ).hold
        assert words(held.overrides) == [rule]
        await place.change_policy(lambda policy: policy.relaxations.CopyFrom(RelaxationPolicy()))
        again = overriding(place.hold_request(booking.booking_id, ["L8"]), rule)
        assert (await refused(client.hold_tables(again), OverrideNotPermittedError)).metadata[
            "reasons"
        ] == rule


async def test_a_permission_is_asked_for_even_if_the_rule_is_not_broken(place: House, server: Served) -> None:
    booking = await place.party(4)
    request = overriding(place.hold_request(booking.booking_id, ["W1"]), "CAPACITY_INSUFFICIENT")
    async with host(server) as client:
        await refused(client.hold_tables(request), OverrideNotPermittedError)


# What would happen


async def test_an_overridden_rule_is_a_warning_that_still_says_what_is_broken(place: House) -> None:
    booking = await place.party(5)
    where, who = place.restaurant_id, booking.booking_id
    ids, override = place.ids(["W1"]), reasons("CAPACITY_INSUFFICIENT", "ZONE_NOT_REQUESTED")
    plain = await place.validate(booking, "W1")
    asked = ValidateSelectionRequest(restaurant_id=where, booking_id=who, table_ids=ids, overrides=override)
    checked = await place.client.validate_selection(asked)
    explained = await place.client.explain_table(
        ExplainTableRequest(restaurant_id=where, booking_id=who, table_ids=ids, overrides=override)
    )
    assert (plain.valid, checked.valid, explained.possible) == (False, True, True)
    assert checked.checks == explained.checks
    assert checked.context_version == plain.context_version
    (warning,) = [check for check in checked.checks if check.status != CheckStatus.CHECK_STATUS_OK]
    (error,) = [check for check in plain.checks if check.status != CheckStatus.CHECK_STATUS_OK]
    assert (warning.status, words([warning.reason])) == (
        CheckStatus.CHECK_STATUS_WARNING,
        ["CAPACITY_INSUFFICIENT"],
    )
    assert warning.message == f"Overridden: {error.message}"
    assert warning.metadata == error.metadata


# What becomes of it


async def test_a_hold_keeps_its_overrides_for_whoever_confirms(place: House, server: Served) -> None:
    booking = await place.party(6)
    held = await hold(place, booking, "W1", "W3", rules=("COMBINATION_NOT_ADJACENT",))
    assert (await place.hold_now(held)).overrides == held.overrides
    (listed,) = (await place.client.list_holds(ListHoldsRequest(restaurant_id=place.restaurant_id))).holds
    assert listed.overrides == held.overrides
    async with host(server) as client:
        confirmed = (await client.confirm_hold(place.confirm_request(held))).assignment
    assert words(confirmed.overrides) == ["COMBINATION_NOT_ADJACENT"]


async def test_a_policy_that_changes_what_was_overridden_is_no_drift(place: House) -> None:
    booking = await place.party(6)
    held = await hold(place, booking, "W1", "W2", rules=("COMBINATION_DISABLED", "SLACK_BUDGET_EXCEEDED"))

    def stricter(policy: ServicePolicy) -> None:
        policy.combinations.enabled = False
        policy.slack_max = 0

    await place.change_policy(stricter)
    assert (await place.confirm(held)).table_ids == sorted(place.ids(["W1", "W2"]))


async def test_a_replaced_hold_leaves_its_overrides_behind(place: House) -> None:
    booking = await place.party(6)
    held = await hold(place, booking, "W1", "W3", rules=("COMBINATION_NOT_ADJACENT",))
    await refused(place.replace(held, "W2", "W4"), CombinationNotAdjacentError)
    request = overriding(place.replace_request(held.hold_id, ["W2", "W4"]), "COMBINATION_NOT_ADJACENT")
    replaced = await place.client.replace_hold(request)
    assert words(replaced.hold.overrides) == ["COMBINATION_NOT_ADJACENT"]
    assert not (await place.replace(replaced.hold, "W2", "W3")).hold.overrides


async def test_an_undone_no_show_keeps_the_overrides_of_its_tables(client: object) -> None:
    place = await house(client, policy=always_open_policy())  # type: ignore[arg-type]
    booking = await place.party(6)
    await place.confirm(await hold(place, booking, "W1", "W3", rules=("COMBINATION_NOT_ADJACENT",)))
    await place.transition(booking, BookingAction.BOOKING_ACTION_NO_SHOW)
    await place.transition(booking, BookingAction.BOOKING_ACTION_UNDO_NO_SHOW)
    assigned = await place.assignment(booking.booking_id)
    assert words(assigned.overrides) == ["COMBINATION_NOT_ADJACENT"]
    assert set(assigned.table_ids) == set(place.ids(["W1", "W3"]))
    (undone, *_) = await audited(place, booking)
    assert undone.action == "undo_no_show"
    assert to_dict(undone)["details"]["overrides"] == ["COMBINATION_NOT_ADJACENT"]


async def test_a_move_has_only_the_overrides_it_asks_for(place: House) -> None:
    booking = await place.party(6)
    await place.confirm(await hold(place, booking, "W1", "W3", rules=("COMBINATION_NOT_ADJACENT",)))
    await refused(place.reassign(booking, "W2", "W4"), CombinationNotAdjacentError)
    request = overriding(place.reassign_request(booking.booking_id, ["W2", "W4"]), "COMBINATION_NOT_ADJACENT")
    moved = (await place.client.reassign_tables(request)).assignment
    assert words(moved.overrides) == ["COMBINATION_NOT_ADJACENT"]
    assert not (await place.reassign(booking, "W3", "W4")).assignment.overrides


async def test_the_rest_of_a_set_keeps_its_overrides_but_has_to_seat_the_party(place: House) -> None:
    booking = await place.party(9)
    rules = ("COMBINATION_NOT_ADJACENT", "COMBINATION_TOO_LARGE", "CAPACITY_INSUFFICIENT")
    apart = await hold(place, booking, "W1", "W2", "W4", rules=rules)
    await place.confirm(apart)
    await refused(place.unassign(booking, "W2"), CapacityInsufficientError)
    await place.party(8, booking_id=booking.booking_id)
    left = (await place.unassign(booking, "W2")).assignment
    assert words(left.overrides) == ["COMBINATION_TOO_LARGE", "COMBINATION_NOT_ADJACENT"]
    assert set(left.table_ids) == set(place.ids(["W1", "W4"]))


async def test_the_audit_log_says_who_overrode_what_why_and_what_was_really_broken(place: House) -> None:
    booking = await place.party(5)
    request = overriding(
        place.assign_request(booking.booking_id, ["W1"]), "CAPACITY_INSUFFICIENT", "COMBINATION_DISABLED"
    )
    request.actor, request.reason = "Ada", "regulars"
    await place.client.assign_tables(request)
    entry = (await audited(place, booking))[0]
    assert (entry.action, entry.actor, entry.reason) == ("assign", "Ada", "regulars")
    details = to_dict(entry)["details"]
    assert details["overrides"] == ["COMBINATION_DISABLED", "CAPACITY_INSUFFICIENT"]
    assert details["overridden"] == ["CAPACITY_INSUFFICIENT"]


# One request, one answer


async def test_overrides_are_part_of_what_was_asked(place: House) -> None:
    booking = await place.party(5)
    request = overriding(
        place.hold_request(booking.booking_id, ["W1"]), "CAPACITY_INSUFFICIENT", "ZONE_NOT_REQUESTED"
    )
    first = await place.client.hold_tables(request)
    request.overrides.reverse()
    assert await place.client.hold_tables(request) == first
    del request.overrides[:]
    error = await refused(place.client.hold_tables(request), RequestIdReusedError)
    assert error.metadata["differing_fields"] == "overrides"
    request.overrides.append(ErrorReason.ERROR_REASON_CAPACITY_INSUFFICIENT)
    error = await refused(place.client.hold_tables(request), RequestIdReusedError)
    assert error.metadata["differing_fields"] == "overrides"
