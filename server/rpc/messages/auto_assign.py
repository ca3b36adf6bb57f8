"""Requests and responses of AutoAssign and DispatchAutoAssign."""

from maitred.v1 import assignment_service_pb2 as pb
from server.domain.booking import Booking
from server.domain.limits import AVOID_TABLES_MAX, CUTOFF_MAX_S, TEXT_LENGTH_MAX
from server.orchestrator.auto_assign import AutoAssignCommand
from server.orchestrator.auto_assigned import Attempt, AutoAssigned, AutoAssignOutcome, NextStep
from server.orchestrator.dispatch_auto_assign import DispatchAutoAssignCommand
from server.rpc.fields import reading
from server.rpc.messages.booking import booking_message
from server.rpc.messages.checks import reason_message
from server.rpc.messages.claims import assignment_message, texts
from server.rpc.messages.enums import numbers

OUTCOMES = numbers(AutoAssignOutcome, pb.AutoAssignOutcome)
NEXT_STEPS = numbers(NextStep, pb.NextStep)


def read_auto_assign(request: pb.AutoAssignRequest) -> AutoAssignCommand:
    with reading(request) as fields:
        return AutoAssignCommand(
            request_id=fields.optional_uuid("request_id"),
            actor=fields.actor(),
            restaurant_id=fields.uuid("restaurant_id"),
            booking_id=fields.uuid("booking_id"),
            avoid=fields.uuids("avoid_table_ids", AVOID_TABLES_MAX),
            cutoff_s=fields.optional_seconds("cutoff", 0, CUTOFF_MAX_S),
            etag=fields.token("etag"),
            reason=fields.text("reason", TEXT_LENGTH_MAX),
        )


def read_dispatch_auto_assign(request: pb.DispatchAutoAssignRequest) -> DispatchAutoAssignCommand:
    with reading(request) as fields:
        return DispatchAutoAssignCommand(
            request_id=fields.request_id(),
            actor=fields.actor(),
            restaurant_id=fields.uuid("restaurant_id"),
            booking_id=fields.uuid("booking_id"),
            not_before=fields.optional_instant("not_before"),
            cutoff_s=fields.optional_seconds("cutoff", 0, CUTOFF_MAX_S),
            etag=fields.token("etag"),
            reason=fields.text("reason", TEXT_LENGTH_MAX),
        )


def dispatch_auto_assign_response(booking: Booking) -> pb.DispatchAutoAssignResponse:
    return pb.DispatchAutoAssignResponse(booking=booking_message(booking))


def auto_assign_response(answer: AutoAssigned) -> pb.AutoAssignResponse:
    return pb.AutoAssignResponse(
        outcome=OUTCOMES[answer.outcome],
        assignment=assignment_message(answer.assignment) if answer.assignment else None,
        booking=booking_message(answer.booking) if answer.booking else None,
        request_id=str(answer.request_id) if answer.request_id else "",
        attempts=map(attempt_message, answer.attempts),
        cost=answer.cost,
        score=answer.score,
        next_steps=[NEXT_STEPS[step] for step in answer.next_steps],
    )


def attempt_message(attempt: Attempt) -> pb.AutoAssignAttempt:
    message = pb.AutoAssignAttempt(table_ids=texts(attempt.table_ids))
    if attempt.reason is not None:
        message.reason = reason_message(attempt.reason)
    return message
