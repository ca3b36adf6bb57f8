"""Request and responses of AutoAssignBatch."""

from collections.abc import Mapping

from maitred.v1 import assignment_service_pb2 as pb
from server.domain.limits import BATCH_BOOKINGS_MAX, CUTOFF_MAX_S, TEXT_LENGTH_MAX
from server.errors import Refusal
from server.orchestrator.auto_assign_batch import AutoAssignBatchCommand, BatchStep, Begun, Decided, Ended
from server.orchestrator.auto_assigned import AutoAssigned, NextStep
from server.planner.batch_order import BatchOrder
from server.rpc.fields import reading
from server.rpc.messages.auto_assign import NEXT_STEPS, OUTCOMES, attempt_message
from server.rpc.messages.checks import put_check, reason_message
from server.rpc.messages.claims import texts
from server.rpc.messages.enums import numbers, words_of
from server.rpc.messages.time import instant_message

ORDERS_READ: Mapping[int, BatchOrder] = {
    pb.AUTO_ASSIGN_ORDER_UNSPECIFIED: BatchOrder.TIME,
    **words_of(numbers(BatchOrder, pb.AutoAssignOrder)),
}


def read_auto_assign_batch(request: pb.AutoAssignBatchRequest) -> AutoAssignBatchCommand:
    with reading(request) as fields:
        return AutoAssignBatchCommand(
            actor=fields.actor(),
            restaurant_id=fields.uuid("restaurant_id"),
            service_date=fields.date("service_date"),
            order=fields.choice("order", ORDERS_READ),
            bookings_max=fields.integer("bookings_max", 1, BATCH_BOOKINGS_MAX, zero_means=BATCH_BOOKINGS_MAX),
            cutoff_s=fields.optional_seconds("cutoff", 0, CUTOFF_MAX_S),
            reason=fields.text("reason", TEXT_LENGTH_MAX),
        )


def auto_assign_batch_response(step: BatchStep) -> pb.AutoAssignBatchResponse:
    match step:
        case Begun(total):
            return pb.AutoAssignBatchResponse(total=total)
        case Decided():
            return pb.AutoAssignBatchResponse(done=step.done, total=step.total, decision=_decision(step))
        case Ended():
            return pb.AutoAssignBatchResponse(done=step.done, total=step.total, summary=_summary(step))


def _decision(step: Decided) -> pb.AutoAssignDecision:
    queued = step.queued
    message = pb.AutoAssignDecision(
        booking_id=str(queued.booking.booking_id),
        party_size=queued.party_size,
        start=instant_message(queued.start),
        free_sets=queued.free_sets,
    )
    if isinstance(step.result, Refusal):
        _put_refusal(message, step.result)
    else:
        _put_answer(message, step.result)
    return message


def _put_answer(message: pb.AutoAssignDecision, answer: AutoAssigned) -> None:
    message.outcome = OUTCOMES[answer.outcome]
    if answer.assignment:
        message.table_ids.extend(texts(answer.assignment.table_ids))
    message.attempts.extend(map(attempt_message, answer.attempts))
    message.cost, message.score = answer.cost, answer.score
    message.request_id = str(answer.request_id) if answer.request_id else ""
    message.next_steps.extend(NEXT_STEPS[step] for step in answer.next_steps)


def _put_refusal(message: pb.AutoAssignDecision, refusal: Refusal) -> None:
    message.reason, message.message = reason_message(refusal.reason), refusal.message
    for check in refusal.checks:
        put_check(message.checks.add(), check)
    if "next_steps" in refusal.metadata:
        message.next_steps.append(NEXT_STEPS[NextStep(refusal.metadata["next_steps"])])


def _summary(ended: Ended) -> pb.AutoAssignBatchSummary:
    return pb.AutoAssignBatchSummary(
        assigned=ended.assigned,
        already_assigned=ended.already_assigned,
        out_of_time=ended.out_of_time,
        refusals=(
            pb.AutoAssignRefusals(reason=reason_message(reason), bookings=bookings)
            for reason, bookings in ended.refused
        ),
        not_reached=ended.not_reached,
        left_out=ended.left_out,
    )
