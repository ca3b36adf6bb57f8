"""Requests and responses of the assignment service."""

from maitred.v1 import assignment_service_pb2 as pb
from server.domain.claims import Assignment, Hold
from server.domain.limits import LIST_WINDOW_MAX_S, SELECTION_TABLES_MAX, TEXT_LENGTH_MAX
from server.domain.rules import Selection
from server.orchestrator.assign_tables import AssignTablesCommand
from server.orchestrator.assigning import Assigned
from server.orchestrator.confirm_hold import ConfirmHoldCommand
from server.orchestrator.extend_hold import ExtendHoldCommand
from server.orchestrator.hold_tables import Held, HoldTablesCommand
from server.orchestrator.paging import Listed
from server.orchestrator.read_assignments import AssignmentQuestion, AssignmentsQuestion
from server.orchestrator.read_holds import HoldQuestion, HoldsQuestion
from server.orchestrator.reassign_tables import ReassignTablesCommand
from server.orchestrator.release_hold import ReleaseHoldCommand
from server.orchestrator.replace_hold import Replaced, ReplaceHoldCommand
from server.orchestrator.unassign_tables import Unassigned, UnassignTablesCommand
from server.orchestrator.validate_selection import SelectionQuestion, Validated
from server.rpc.fields import reading
from server.rpc.messages.booking import booking_message
from server.rpc.messages.checks import put_check, read_overrides
from server.rpc.messages.claims import HOLD_STATES_READ, assignment_message, hold_message, texts
from server.rpc.messages.time import instant_message
from server.rpc.page_token import ListKey, page_token


def read_validate_selection(request: pb.ValidateSelectionRequest) -> SelectionQuestion:
    with reading(request) as fields:
        return SelectionQuestion(
            fields.uuid("restaurant_id"),
            fields.uuid("booking_id"),
            fields.uuids("table_ids", SELECTION_TABLES_MAX, 1),
            read_overrides(fields),
        )


def read_hold_tables(request: pb.HoldTablesRequest) -> HoldTablesCommand:
    with reading(request) as fields:
        return HoldTablesCommand(
            request_id=fields.request_id(),
            actor=fields.actor(),
            restaurant_id=fields.uuid("restaurant_id"),
            booking_id=fields.uuid("booking_id"),
            table_ids=fields.uuids("table_ids", SELECTION_TABLES_MAX, 1),
            ttl_s=fields.optional_span("ttl"),
            context_version=fields.token("context_version"),
            etag=fields.token("etag"),
            overrides=read_overrides(fields),
            reason=fields.text("reason", TEXT_LENGTH_MAX),
        )


def read_extend_hold(request: pb.ExtendHoldRequest) -> ExtendHoldCommand:
    with reading(request) as fields:
        return ExtendHoldCommand(
            request_id=fields.request_id(),
            actor=fields.actor(),
            restaurant_id=fields.uuid("restaurant_id"),
            hold_id=fields.uuid("hold_id"),
            ttl_s=fields.optional_span("ttl"),
        )


def read_replace_hold(request: pb.ReplaceHoldRequest) -> ReplaceHoldCommand:
    with reading(request) as fields:
        return ReplaceHoldCommand(
            request_id=fields.request_id(),
            actor=fields.actor(),
            restaurant_id=fields.uuid("restaurant_id"),
            hold_id=fields.uuid("hold_id"),
            table_ids=fields.uuids("table_ids", SELECTION_TABLES_MAX, 1),
            ttl_s=fields.optional_span("ttl"),
            context_version=fields.token("context_version"),
            etag=fields.token("etag"),
            overrides=read_overrides(fields),
            reason=fields.text("reason", TEXT_LENGTH_MAX),
        )


def read_release_hold(request: pb.ReleaseHoldRequest) -> ReleaseHoldCommand:
    with reading(request) as fields:
        return ReleaseHoldCommand(
            request_id=fields.request_id(),
            actor=fields.actor(),
            restaurant_id=fields.uuid("restaurant_id"),
            hold_id=fields.uuid("hold_id"),
        )


def read_get_hold(request: pb.GetHoldRequest) -> HoldQuestion:
    with reading(request) as fields:
        return HoldQuestion(fields.uuid("restaurant_id"), fields.uuid("hold_id"))


def read_list_holds(request: pb.ListHoldsRequest) -> HoldsQuestion:
    with reading(request) as fields:
        return HoldsQuestion(
            restaurant_id=fields.uuid("restaurant_id"),
            page=fields.page(ListKey.HOLDS),
            window=fields.optional_window("window_start", "window_end"),
            booking_id=fields.optional_uuid("booking_id"),
            states=fields.choices("states", HOLD_STATES_READ),
        )


def read_confirm_hold(request: pb.ConfirmHoldRequest) -> ConfirmHoldCommand:
    with reading(request) as fields:
        return ConfirmHoldCommand(
            request_id=fields.request_id(),
            actor=fields.actor(),
            restaurant_id=fields.uuid("restaurant_id"),
            hold_id=fields.uuid("hold_id"),
            booking_id=fields.uuid("booking_id"),
            table_ids=fields.uuids("table_ids", SELECTION_TABLES_MAX),
            etag=fields.token("etag"),
            reason=fields.text("reason", TEXT_LENGTH_MAX),
        )


def read_assign_tables(request: pb.AssignTablesRequest) -> AssignTablesCommand:
    with reading(request) as fields:
        return AssignTablesCommand(
            request_id=fields.request_id(),
            actor=fields.actor(),
            restaurant_id=fields.uuid("restaurant_id"),
            booking_id=fields.uuid("booking_id"),
            table_ids=fields.uuids("table_ids", SELECTION_TABLES_MAX, 1),
            context_version=fields.token("context_version"),
            etag=fields.token("etag"),
            reason=fields.text("reason", TEXT_LENGTH_MAX),
            overrides=read_overrides(fields),
        )


def read_reassign_tables(request: pb.ReassignTablesRequest) -> ReassignTablesCommand:
    with reading(request) as fields:
        return ReassignTablesCommand(
            request_id=fields.request_id(),
            actor=fields.actor(),
            restaurant_id=fields.uuid("restaurant_id"),
            booking_id=fields.uuid("booking_id"),
            table_ids=fields.uuids("table_ids", SELECTION_TABLES_MAX, 1),
            context_version=fields.token("context_version"),
            etag=fields.token("etag"),
            reason=fields.text("reason", TEXT_LENGTH_MAX),
            overrides=read_overrides(fields),
        )


def read_unassign_tables(request: pb.UnassignTablesRequest) -> UnassignTablesCommand:
    with reading(request) as fields:
        return UnassignTablesCommand(
            request_id=fields.request_id(),
            actor=fields.actor(),
            restaurant_id=fields.uuid("restaurant_id"),
            booking_id=fields.uuid("booking_id"),
            table_ids=fields.uuids("table_ids", SELECTION_TABLES_MAX),
            etag=fields.token("etag"),
            reason=fields.text("reason", TEXT_LENGTH_MAX),
        )


def read_get_assignment(request: pb.GetAssignmentRequest) -> AssignmentQuestion:
    with reading(request) as fields:
        return AssignmentQuestion(fields.uuid("restaurant_id"), fields.uuid("booking_id"))


def read_list_assignments(request: pb.ListAssignmentsRequest) -> AssignmentsQuestion:
    with reading(request) as fields:
        return AssignmentsQuestion(
            fields.uuid("restaurant_id"),
            fields.window("window_start", "window_end", LIST_WINDOW_MAX_S),
            fields.page(ListKey.ASSIGNMENTS),
        )


def validate_selection_response(validated: Validated) -> pb.ValidateSelectionResponse:
    response = pb.ValidateSelectionResponse(
        valid=validated.valid,
        summary=selection_summary(validated.selection),
        context_version=validated.context_version,
    )
    for check in validated.checks:
        put_check(response.checks.add(), check)
    return response


def selection_summary(selection: Selection) -> pb.SelectionSummary:
    return pb.SelectionSummary(
        table_count=len(selection.tables),
        table_names=[table.name for table in selection.tables],
        capacity=selection.capacity,
        party_size=selection.party.party_size,
        slack=selection.slack,
        zone_id=str(selection.zone_id) if selection.zone_id else "",
        window_start=instant_message(selection.window.start),
        window_end=instant_message(selection.window.end),
    )


def hold_tables_response(held: Held) -> pb.HoldTablesResponse:
    return pb.HoldTablesResponse(hold=hold_message(held.hold), superseded_hold_ids=texts(held.superseded))


def replace_hold_response(replaced: Replaced) -> pb.ReplaceHoldResponse:
    return pb.ReplaceHoldResponse(
        hold=hold_message(replaced.hold),
        released_hold_id=str(replaced.released_hold_id),
        superseded_hold_ids=texts(replaced.superseded),
    )


def confirm_hold_response(assigned: Assigned) -> pb.ConfirmHoldResponse:
    return pb.ConfirmHoldResponse(
        assignment=assignment_message(assigned.assignment), booking=booking_message(assigned.booking)
    )


def assign_tables_response(assigned: Assigned) -> pb.AssignTablesResponse:
    return pb.AssignTablesResponse(
        assignment=assignment_message(assigned.assignment), booking=booking_message(assigned.booking)
    )


def reassign_tables_response(assigned: Assigned) -> pb.ReassignTablesResponse:
    return pb.ReassignTablesResponse(
        assignment=assignment_message(assigned.assignment), booking=booking_message(assigned.booking)
    )


def unassign_tables_response(unassigned: Unassigned) -> pb.UnassignTablesResponse:
    left = unassigned.assignment
    return pb.UnassignTablesResponse(
        booking=booking_message(unassigned.booking), assignment=assignment_message(left) if left else None
    )


def list_holds_response(listed: Listed[Hold]) -> pb.ListHoldsResponse:
    return pb.ListHoldsResponse(
        holds=map(hold_message, listed.rows), next_page_token=page_token(ListKey.HOLDS, listed.next_after)
    )


def list_assignments_response(listed: Listed[Assignment]) -> pb.ListAssignmentsResponse:
    return pb.ListAssignmentsResponse(
        assignments=map(assignment_message, listed.rows),
        next_page_token=page_token(ListKey.ASSIGNMENTS, listed.next_after),
    )
