"""What an answer knows is told, what a request says is read, and each field is what it is called."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import count
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from maitred.v1 import inventory_pb2
from maitred.v1.assignment_service_pb2 import NEXT_STEP_RETRY_SAME_REQUEST
from maitred.v1.inventory_service_pb2 import PutServicePolicyRequest
from maitred.v1.ops_service_pb2 import InvariantViolation as InvariantExample
from maitred.v1.reasons_pb2 import ERROR_REASON_SLACK_BUDGET_EXCEEDED
from server.domain.booking import BookingStatus
from server.domain.floor import Floor, Table, Zone
from server.domain.invariants import InvariantCheck, InvariantReport, InvariantViolation
from server.domain.policy import ServicePolicy
from server.errors import Reason, Refusal
from server.orchestrator.auto_assign_batch import Decided, Ended
from server.orchestrator.auto_assigned import AutoAssigned, AutoAssignOutcome
from server.orchestrator.get_operation import ANSWERS
from server.orchestrator.paging import Listed
from server.orchestrator.plan_tables import Planned
from server.orchestrator.ports import OutboxRecord
from server.orchestrator.put_service_policy import PolicyPut
from server.orchestrator.search_availability import Availability
from server.planner.table_set import TableSet
from server.rpc.messages import (
    assignment,
    auto_assign,
    auto_assign_batch,
    booking,
    checks,
    claims,
    floor,
    inventory,
    ops,
    outbox,
    planner,
    policy,
)
from server.rpc.messages.operation import RESPONSES
from tests.support.requests import World, good_requests
from tests.support.requests import policy as policy_of_everything

NUMBERS = count(1)
ZONE_ID, *TABLE_IDS = map(UUID, map("{:032x}".format, range(1, 14)))
FLOOR = Floor.of(
    [Zone(ZONE_ID, "Main", 1)],
    [Table(table_id, ZONE_ID, "T", 4, 1, 4, True, ("window",)) for table_id in TABLE_IDS],
    [(TABLE_IDS[0], TABLE_IDS[1])],
)
VALUES: Mapping[object, Callable[[], object]] = {
    int: lambda: next(NUMBERS),
    float: lambda: next(NUMBERS) + 0.5,
    str: lambda: f"text {next(NUMBERS)}",
    bool: lambda: True,
    UUID: lambda: UUID(int=next(NUMBERS)),
    datetime: lambda: datetime(2026, 6, 1, tzinfo=UTC) + timedelta(minutes=next(NUMBERS)),
    object: lambda: f"text {next(NUMBERS)}",
    Any: lambda: f"text {next(NUMBERS)}",
    # Two tables side by side.
    Floor: lambda: FLOOR,
    TableSet: lambda: TableSet.of(FLOOR, (0, 1)),
    # It can be cured, by moving a party or by time.
    Reason: lambda: Reason.TABLE_CONFLICT_ASSIGNED,
    # A booking with a job that goes on.
    BookingStatus: lambda: BookingStatus.PENDING_ALLOCATION,
}

TRANSLATIONS = (
    assignment.assign_tables_response,
    assignment.confirm_hold_response,
    assignment.hold_tables_response,
    assignment.list_assignments_response,
    assignment.list_holds_response,
    assignment.reassign_tables_response,
    assignment.replace_hold_response,
    assignment.unassign_tables_response,
    assignment.validate_selection_response,
    auto_assign.attempt_message,
    auto_assign.auto_assign_response,
    auto_assign.dispatch_auto_assign_response,
    booking.get_booking_response,
    booking.list_bookings_response,
    checks.conflict_message,
    claims.assignment_message,
    claims.block_message,
    claims.hold_message,
    floor.floor_message,
    floor.update_table_response,
    inventory.list_blocks_response,
    inventory.list_restaurants_response,
    inventory.restaurant_message,
    ops.check_invariants_response,
    ops.list_audit_entries_response,
    outbox.list_outbox_events_response,
    outbox.outbox_stats_response,
    outbox.redrive_outbox_events_response,
    planner.explain_table_response,
    policy.policy_message,
)
# What goes not together with the rest: cures of a check that holds, and steps that follow a success.
UNTOLD = {"Check.cures", "AutoAssignResponse.next_steps"}
# Fields that are made of others: versions, tokens, local times, pairs of tables, and what bookings and sets conclude.
MADE = {"etag", "next_page_token", "opens", "closes", "table_a", "table_b", "needs_tables"}
MADE |= {"valid", "possible", "table_count", "table_names", "slack"}
MADE_OF_PLANS = {
    "table_names",
    "capacity",
    "merged",
    "table_a",
    "table_b",
    "name",
    "cost",
    "needs_permission",
}
MADE_OF_PLANS |= {"changes", "moving_may_help", "moving_one_booking_would_help", "largest_capacity"}
# Attributes that are called differently in a message.
CALLED = {"superseded": "superseded_hold_ids", "avoid": "avoid_table_ids"}
# Parts of requests that have an etag, and texts that good requests leave out, since some of them would have to be true.
WITH_ETAG = ("restaurant", "policy", "floor")
LEFT_OUT = ("actor", "reason", "note", "reference", "context_version", "etag")
READERS: Mapping[type[Message], Callable[[Any], Any]] = {
    kind: reader
    for module in (
        assignment,
        auto_assign,
        auto_assign_batch,
        booking,
        floor,
        inventory,
        ops,
        outbox,
        planner,
        policy,
    )
    for name, reader in vars(module).items()
    if name.startswith("read_") and (known := get_type_hints(reader).get("request"))
    for kind in get_args(known) or (known,)
}
RESTAURANT_ID, *OTHER_IDS = (str(UUID(int=number)) for number in range(90, 95))
WORLD = World(RESTAURANT_ID, str(ZONE_ID), tuple(map(str, TABLE_IDS)), *OTHER_IDS)
# Which fields of a table are changed is not said by an attribute, and a question about one restaurant has none.
REQUESTS = {
    path: request
    for path, request in good_requests(WORLD).items()
    if type(request) in READERS and not path.endswith(("UpdateTable", "GetOutboxStats"))
}


def sample(kind: Any, known: Mapping[object, Any]) -> Any:
    """A value of a type, with nothing in it that is empty. `known` are the types that variables stand for."""
    kind = known.get(kind, kind)
    origin, inner = get_origin(kind), get_args(kind)
    if kind in VALUES:
        return VALUES[kind]()
    if origin is tuple:
        return tuple(sample(each, known) for each in inner if each is not ...)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"key": sample(inner[1], known)}
    if inner and not is_dataclass(origin):
        return sample(next(each for each in inner if each is not NoneType), known)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    made = origin or kind
    known = dict(zip(getattr(made, "__parameters__", ()), inner, strict=True))
    hints = get_type_hints(made)
    names = getattr(made, "_fields", None) or [field.name for field in fields(made) if field.init]
    return made(**{name: sample(hints[name], known) for name in names})


def unset(message: Message) -> Iterator[str]:
    """The fields that the message, or a message in it, does not say."""
    told = {field.name: value for field, value in message.ListFields()}
    for field in message.DESCRIPTOR.fields:
        kind = field.message_type
        if field.name not in told:
            yield f"{message.DESCRIPTOR.name}.{field.name}"
        elif kind and kind.file.package == "maitred.v1" and not kind.GetOptions().map_entry:
            for each in told[field.name] if field.is_repeated else (told[field.name],):
                yield from unset(each)


@pytest.mark.parametrize("translate", TRANSLATIONS, ids=lambda translate: translate.__name__)
def test_no_field_is_left_unset(translate: Callable[[Any], Message]) -> None:
    (known, _) = get_type_hints(translate).values()
    assert set(unset(translate(sample(known, {})))) <= UNTOLD


@pytest.mark.parametrize("method", ANSWERS)
def test_a_recorded_answer_is_told_whole_as_the_response_of_its_method(method: str) -> None:
    response = RESPONSES[method](sample(ANSWERS[method], {}))
    assert response.DESCRIPTOR.name == f"{method}Response"
    assert set(unset(response)) <= UNTOLD


def word(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def attributes(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, set[str]]]:
    """What a value consists of, as text, each with what a field that says it may be called."""
    parts: Any = ()
    if is_dataclass(value) or hasattr(value, "_fields"):
        names = getattr(value, "_fields", None) or [each.name for each in fields(value)]
        parts = ((getattr(value, name), (*path, name)) for name in names)
    elif isinstance(value, (tuple, Mapping)):
        parts = ((each, path) for each in (value.values() if isinstance(value, Mapping) else value))
    elif path:
        name = CALLED.get(path[-1], path[-1])
        yield word(value), {name, f"{name}s", name.removesuffix("_s"), "_".join(path[-2:])}
    for part, way in parts:
        yield from attributes(part, way)


def told(message: Message) -> Iterator[tuple[str, str]]:
    """The fields of the message and of those in it, each with its value as text; words of an enum are left out."""
    for field, value in message.ListFields():
        kind = field.message_type
        is_map = kind and kind.GetOptions().map_entry
        for each in value if field.is_repeated and not is_map else (value,):
            if is_map or isinstance(each, Struct):
                yield from ((field.name, str(entry)) for entry in dict(each).values())
            elif isinstance(each, Timestamp):
                yield field.name, str(each.ToDatetime(UTC))
            elif isinstance(each, Duration):
                yield field.name, str(each.seconds)
            elif isinstance(each, Message):
                yield from told(each)
            elif not field.enum_type:
                yield field.name, word(each)


def out_of_place(message: Message, value: Any) -> Iterator[tuple[str, str]]:
    """The fields of the message whose value is not that of an attribute they are named after."""
    names: dict[str, set[str]] = {}
    for text, called in attributes(value):
        names.setdefault(text, set()).update(called)
    for field, text in told(message):
        if field not in names.get(text, ()):
            yield field, text


@pytest.mark.parametrize("translate", TRANSLATIONS, ids=lambda translate: translate.__name__)
def test_each_field_says_what_it_is_called(translate: Callable[[Any], Message]) -> None:
    (known, _) = get_type_hints(translate).values()
    value = sample(known, {})
    assert [each for each in out_of_place(translate(value), value) if each[0] not in MADE] == []


@pytest.mark.parametrize("path", REQUESTS)
def test_each_field_is_read_as_what_it_is_called(path: str) -> None:
    request = REQUESTS[path]
    for part in (request, *(part for field, part in request.ListFields() if field.name in WITH_ETAG)):
        for name in LEFT_OUT:
            if name in part.DESCRIPTOR.fields_by_name:
                setattr(part, name, f"text{next(NUMBERS)}")
    command = READERS[type(request)](request)
    assert [each for each in out_of_place(request, command) if each[0] not in MADE - {"etag"}] == []


def test_plans_and_rejections_and_alternatives_are_told_whole() -> None:
    planned = replace(sample(Planned, {}), policy=ServicePolicy(()))
    response = planner.plan_tables_response(planned)
    assert list(unset(response)) == []
    assert {field for field, _ in out_of_place(response, planned)} <= MADE_OF_PLANS


def test_what_is_available_is_told_whole() -> None:
    answers = (sample(Availability, {}),)
    response = planner.search_availability_response(answers)
    assert list(unset(response)) == []
    assert {field for field, _ in out_of_place(response, answers)} == {"available", "table_names"}


@pytest.mark.parametrize(
    ("result", "others"),
    [
        (AutoAssigned, {"reason", "message", "checks", "next_steps"}),
        (Refusal, {"outcome", "table_ids", "attempts", "cost", "score", "request_id", "next_steps", "cures"}),
    ],
)
def test_a_decision_of_a_batch_tells_the_answer_or_the_refusal(result: type, others: set[str]) -> None:
    decided = replace(sample(Decided, {}), result=sample(result, {}))
    response = auto_assign_batch.auto_assign_batch_response(decided)
    assert {field.partition(".")[2] for field in unset(response)} == {"summary", *others}


def test_a_decision_that_came_too_late_says_what_to_do_next() -> None:
    late = AutoAssigned(AutoAssignOutcome.TIMEOUT_BEFORE_CONFIRM, None)
    response = auto_assign_batch.auto_assign_batch_response(replace(sample(Decided, {}), result=late))
    assert list(response.decision.next_steps) == [NEXT_STEP_RETRY_SAME_REQUEST]


def test_the_summary_of_a_batch_tells_all_counts() -> None:
    ended = sample(Ended, {})
    response = auto_assign_batch.auto_assign_batch_response(ended)
    assert list(unset(response.summary)) == []
    assert (response.done, response.total) == (ended.done, ended.total)


def test_what_has_to_do_with_no_booking_names_none() -> None:
    check = replace(sample(InvariantCheck, {}), examples=(InvariantViolation("broken"),))
    report = ops.check_invariants_response(replace(sample(InvariantReport, {}), checks=(check,)))
    assert list(report.checks[0].examples) == [InvariantExample(message="broken")]
    event = replace(sample(OutboxRecord, {}), booking_id=None, redriven_at=None)
    (told,) = outbox.list_outbox_events_response(Listed((event,))).events
    assert (told.booking_id, told.HasField("redriven_at")) == ("", False)


def test_a_policy_with_everything_in_it_survives_the_way_there_and_back() -> None:
    sent = policy_of_everything()
    sent.MergeFrom(
        inventory_pb2.ServicePolicy(
            auto_assign_bookings=True,
            auto_assign_cutoff=Duration(seconds=0),
            combinations=inventory_pb2.CombinationPolicy(
                adjacency_mode=inventory_pb2.ADJACENCY_MODE_HUB, adjacency_party_size_min=9
            ),
            engine=inventory_pb2.PLAN_ENGINE_LEGACY,
            relaxations=inventory_pb2.RelaxationPolicy(reasons=[ERROR_REASON_SLACK_BUDGET_EXCEEDED]),
            policy_version=7,
            etag="p7",
        )
    )
    assert list(unset(sent)) == []
    request = PutServicePolicyRequest(
        request_id=str(UUID(int=1)), restaurant_id=str(UUID(int=2)), policy=sent
    )
    assert policy.policy_message(PolicyPut(policy.read_put_service_policy(request).policy, 7)) == sent
