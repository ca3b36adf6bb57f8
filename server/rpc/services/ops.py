# ruff: noqa: N802  # the contract gives the methods their names
"""The service for those who run it."""

from maitred.v1 import ops_service_pb2 as pb
from maitred.v1 import ops_service_pb2_grpc
from server.orchestrator.use_cases import UseCases
from server.rpc.call import current_call
from server.rpc.interceptors.unary import Context
from server.rpc.messages import ops, outbox


class OpsService(ops_service_pb2_grpc.OpsServiceServicer):
    def __init__(self, use_cases: UseCases) -> None:
        self._use = use_cases

    async def CheckInvariants(
        self, request: pb.CheckInvariantsRequest, context: Context
    ) -> pb.CheckInvariantsResponse:
        call = current_call.get()
        answer = await self._use.check_invariants(
            call.caller, ops.read_check_invariants(request), call.deadline
        )
        return ops.check_invariants_response(answer)

    async def ListAuditEntries(
        self, request: pb.ListAuditEntriesRequest, context: Context
    ) -> pb.ListAuditEntriesResponse:
        call = current_call.get()
        answer = await self._use.list_audit_entries(call.caller, ops.read_list_audit_entries(request))
        return ops.list_audit_entries_response(answer)

    async def GetOutboxStats(
        self, request: pb.GetOutboxStatsRequest, context: Context
    ) -> pb.GetOutboxStatsResponse:
        call = current_call.get()
        answer = await self._use.get_outbox_stats(call.caller, outbox.read_get_outbox_stats(request))
        return outbox.outbox_stats_response(answer)

    async def ListOutboxEvents(
        self, request: pb.ListOutboxEventsRequest, context: Context
    ) -> pb.ListOutboxEventsResponse:
        call = current_call.get()
        answer = await self._use.list_outbox_events(call.caller, outbox.read_list_outbox_events(request))
        return outbox.list_outbox_events_response(answer)

    async def RedriveOutboxEvents(
        self, request: pb.RedriveOutboxEventsRequest, context: Context
    ) -> pb.RedriveOutboxEventsResponse:
        call = current_call.get()
        answer = await self._use.redrive_outbox_events(
            call.caller, outbox.read_redrive_outbox_events(request), call.deadline
        )
        return outbox.redrive_outbox_events_response(answer)
