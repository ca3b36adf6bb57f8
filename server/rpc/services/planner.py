# ruff: noqa: N802  # the contract gives the methods their names
"""The planner service."""

from maitred.v1 import planner_service_pb2 as pb
from maitred.v1 import planner_service_pb2_grpc
from server.orchestrator.use_cases import UseCases
from server.rpc.call import current_call
from server.rpc.interceptors.unary import Context
from server.rpc.messages import planner


class PlannerService(planner_service_pb2_grpc.PlannerServiceServicer):
    def __init__(self, use_cases: UseCases) -> None:
        self._use = use_cases

    async def PlanTables(self, request: pb.PlanTablesRequest, context: Context) -> pb.PlanTablesResponse:
        call = current_call.get()
        answer = await self._use.plan_tables(call.caller, planner.read_plan_tables(request), call.deadline)
        return planner.plan_tables_response(answer)
