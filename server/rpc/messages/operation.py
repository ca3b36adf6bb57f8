"""The fate of a call: its recorded answer as the message that it was answered with."""

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from maitred.v1 import assignment_service_pb2 as pb
from maitred.v1 import booking_service_pb2, inventory_service_pb2
from server.errors import Refusal
from server.orchestrator.get_operation import ANSWERS, Operation, OperationQuestion, OperationState
from server.rpc.fields import reading
from server.rpc.messages import assignment, auto_assign, booking, floor, inventory, outbox, policy
from server.rpc.messages.checks import reason_message
from server.rpc.messages.claims import block_message, hold_message
from server.rpc.messages.enums import numbers
from server.rpc.messages.time import instant_message

RESPONSES: Mapping[str, Callable[[Any], Message]] = {
    "HoldTables": assignment.hold_tables_response,
    "ExtendHold": lambda hold: pb.ExtendHoldResponse(hold=hold_message(hold)),
    "ReplaceHold": assignment.replace_hold_response,
    "ReleaseHold": lambda hold: pb.ReleaseHoldResponse(hold=hold_message(hold)),
    "ConfirmHold": assignment.confirm_hold_response,
    "AssignTables": assignment.assign_tables_response,
    "AutoAssign": auto_assign.auto_assign_response,
    "DispatchAutoAssign": auto_assign.dispatch_auto_assign_response,
    "ReassignTables": assignment.reassign_tables_response,
    "UnassignTables": assignment.unassign_tables_response,
    "PutRestaurant": lambda put: inventory_service_pb2.PutRestaurantResponse(
        restaurant=inventory.restaurant_message(put)
    ),
    "PutServicePolicy": lambda put: inventory_service_pb2.PutServicePolicyResponse(
        policy=policy.policy_message(put)
    ),
    "PutFloor": lambda put: inventory_service_pb2.PutFloorResponse(floor=floor.floor_message(put)),
    "UpdateTable": floor.update_table_response,
    "BlockTables": lambda block: inventory_service_pb2.BlockTablesResponse(block=block_message(block)),
    "UnblockTables": lambda block: inventory_service_pb2.UnblockTablesResponse(block=block_message(block)),
    "PutBooking": lambda put: booking_service_pb2.PutBookingResponse(booking=booking.booking_message(put)),
    "TransitionBooking": lambda after: booking_service_pb2.TransitionBookingResponse(
        booking=booking.booking_message(after)
    ),
    "RedriveOutboxEvents": outbox.redrive_outbox_events_response,
}

STATES = numbers(OperationState, pb.OperationState)


def read_get_operation(request: pb.GetOperationRequest) -> OperationQuestion:
    with reading(request) as fields:
        if request.method not in ANSWERS:
            accepted = sorted(ANSWERS)
            fields.bad("method", f"must be a mutating RPC: {', '.join(accepted)}", ",".join(accepted))
        return OperationQuestion(request.method, fields.uuid("operation_request_id"))


def get_operation_response(operation: Operation) -> pb.GetOperationResponse:
    response = pb.GetOperationResponse(state=STATES[operation.state])
    if operation.recorded_at is not None:
        response.recorded_at.CopyFrom(instant_message(operation.recorded_at))
    if isinstance(operation.answer, Refusal):
        response.reason = reason_message(operation.answer.reason)
        response.message = operation.answer.message
        response.metadata.update(operation.answer.metadata)
    elif operation.answer is not None:
        response.response.Pack(RESPONSES[operation.method](operation.answer), deterministic=True)
    return response
