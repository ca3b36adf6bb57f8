# ruff: noqa: N802  # the contract gives the methods their names
"""The service for those who run it."""

from maitred.v1 import ops_service_pb2 as pb
from maitred.v1 import ops_service_pb2_grpc
from server.orchestrator.use_cases import UseCases
from server.rpc.call import current_call
from server.rpc.interceptors.unary import Context
from server.rpc.messages import ops


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
        answer = await self._use.list_audit_entries(
            call.caller, ops.read_list_audit_entries(request), call.deadline
        )
        return ops.list_audit_entries_response(answer)
