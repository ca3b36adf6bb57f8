# ruff: noqa: N802  # the contract gives the methods their names
"""The assignment service."""

from contextlib import aclosing

from maitred.v1 import assignment_service_pb2 as pb
from maitred.v1 import assignment_service_pb2_grpc
from server.clock import Deadline
from server.orchestrator.use_cases import UseCases
from server.rpc.call import current_call
from server.rpc.interceptors.unary import Context
from server.rpc.messages import assignment, auto_assign, auto_assign_batch, operation, watching
from server.rpc.messages.claims import assignment_message, hold_message


class AssignmentService(assignment_service_pb2_grpc.AssignmentServiceServicer):
    def __init__(self, use_cases: UseCases) -> None:
        self._use = use_cases

    async def ValidateSelection(
        self, request: pb.ValidateSelectionRequest, context: Context
    ) -> pb.ValidateSelectionResponse:
        call = current_call.get()
        answer = await self._use.validate_selection(call.caller, assignment.read_validate_selection(request))
        return assignment.validate_selection_response(answer)

    async def HoldTables(self, request: pb.HoldTablesRequest, context: Context) -> pb.HoldTablesResponse:
        call = current_call.get()
        answer = await self._use.hold_tables(call.caller, assignment.read_hold_tables(request), call.deadline)
        return assignment.hold_tables_response(answer)

    async def ExtendHold(self, request: pb.ExtendHoldRequest, context: Context) -> pb.ExtendHoldResponse:
        call = current_call.get()
        answer = await self._use.extend_hold(call.caller, assignment.read_extend_hold(request), call.deadline)
        return pb.ExtendHoldResponse(hold=hold_message(answer))

    async def ReplaceHold(self, request: pb.ReplaceHoldRequest, context: Context) -> pb.ReplaceHoldResponse:
        call = current_call.get()
        answer = await self._use.replace_hold(
            call.caller, assignment.read_replace_hold(request), call.deadline
        )
        return assignment.replace_hold_response(answer)

    async def ReleaseHold(self, request: pb.ReleaseHoldRequest, context: Context) -> pb.ReleaseHoldResponse:
        call = current_call.get()
        answer = await self._use.release_hold(
            call.caller, assignment.read_release_hold(request), call.deadline
        )
        return pb.ReleaseHoldResponse(hold=hold_message(answer))

    async def GetHold(self, request: pb.GetHoldRequest, context: Context) -> pb.GetHoldResponse:
        call = current_call.get()
        answer = await self._use.get_hold(call.caller, assignment.read_get_hold(request))
        return pb.GetHoldResponse(hold=hold_message(answer))

    async def ListHolds(self, request: pb.ListHoldsRequest, context: Context) -> pb.ListHoldsResponse:
        call = current_call.get()
        answer = await self._use.list_holds(call.caller, assignment.read_list_holds(request))
        return assignment.list_holds_response(answer)

    async def ConfirmHold(self, request: pb.ConfirmHoldRequest, context: Context) -> pb.ConfirmHoldResponse:
        call = current_call.get()
        answer = await self._use.confirm_hold(
            call.caller, assignment.read_confirm_hold(request), call.deadline
        )
        return assignment.confirm_hold_response(answer)

    async def AssignTables(
        self, request: pb.AssignTablesRequest, context: Context
    ) -> pb.AssignTablesResponse:
        call = current_call.get()
        answer = await self._use.assign_tables(
            call.caller, assignment.read_assign_tables(request), call.deadline
        )
        return assignment.assign_tables_response(answer)

    async def AutoAssign(self, request: pb.AutoAssignRequest, context: Context) -> pb.AutoAssignResponse:
        call = current_call.get()
        answer = await self._use.auto_assign(
            call.caller, auto_assign.read_auto_assign(request), call.deadline
        )
        return auto_assign.auto_assign_response(answer)

    async def AutoAssignBatch(  # type: ignore[override]  # the stubs only know generators
        self, request: pb.AutoAssignBatchRequest, context: Context
    ) -> None:
        caller, command = current_call.get().caller, auto_assign_batch.read_auto_assign_batch(request)
        deadline = _until(context.time_remaining())
        async with aclosing(self._use.auto_assign_batch(caller, command, deadline)) as steps:
            async for step in steps:
                await context.write(auto_assign_batch.auto_assign_batch_response(step))

    async def DispatchAutoAssign(
        self, request: pb.DispatchAutoAssignRequest, context: Context
    ) -> pb.DispatchAutoAssignResponse:
        call = current_call.get()
        answer = await self._use.dispatch_auto_assign(
            call.caller, auto_assign.read_dispatch_auto_assign(request), call.deadline
        )
        return auto_assign.dispatch_auto_assign_response(answer)

    async def ReassignTables(
        self, request: pb.ReassignTablesRequest, context: Context
    ) -> pb.ReassignTablesResponse:
        call = current_call.get()
        answer = await self._use.reassign_tables(
            call.caller, assignment.read_reassign_tables(request), call.deadline
        )
        return assignment.reassign_tables_response(answer)

    async def UnassignTables(
        self, request: pb.UnassignTablesRequest, context: Context
    ) -> pb.UnassignTablesResponse:
        call = current_call.get()
        answer = await self._use.unassign_tables(
            call.caller, assignment.read_unassign_tables(request), call.deadline
        )
        return assignment.unassign_tables_response(answer)

    async def GetAssignment(
        self, request: pb.GetAssignmentRequest, context: Context
    ) -> pb.GetAssignmentResponse:
        call = current_call.get()
        answer = await self._use.get_assignment(call.caller, assignment.read_get_assignment(request))
        return pb.GetAssignmentResponse(assignment=assignment_message(answer))

    async def ListAssignments(
        self, request: pb.ListAssignmentsRequest, context: Context
    ) -> pb.ListAssignmentsResponse:
        call = current_call.get()
        answer = await self._use.list_assignments(call.caller, assignment.read_list_assignments(request))
        return assignment.list_assignments_response(answer)

    async def GetOperation(
        self, request: pb.GetOperationRequest, context: Context
    ) -> pb.GetOperationResponse:
        call = current_call.get()
        answer = await self._use.get_operation(call.caller, operation.read_get_operation(request))
        return operation.get_operation_response(answer)

    async def WatchFloor(  # type: ignore[override]  # the stubs only know generators
        self, request: pb.WatchFloorRequest, context: Context
    ) -> None:
        caller, question = current_call.get().caller, watching.read_watch_floor(request)
        async with aclosing(self._use.watch_floor(caller, question)) as sights:
            async for sight in sights:
                for message in watching.watch_floor_responses(question.restaurant_id, sight):
                    await context.write(message)


def _until(remaining_s: float | None) -> Deadline | None:
    """When the caller wants a stream to be over, if ever."""
    return None if remaining_s is None else Deadline.after(remaining_s)
