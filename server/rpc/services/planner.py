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
        answer = await self._use.plan_tables(call.caller, planner.read_plan_tables(request))
        return planner.plan_tables_response(answer)

    async def ExplainTable(
        self, request: pb.ExplainTableRequest, context: Context
    ) -> pb.ExplainTableResponse:
        call = current_call.get()
        answer = await self._use.explain_table(call.caller, planner.read_explain_table(request))
        return planner.explain_table_response(answer)

    async def SearchAvailability(
        self, request: pb.SearchAvailabilityRequest, context: Context
    ) -> pb.SearchAvailabilityResponse:
        call = current_call.get()
        answers = await self._use.search_availability(call.caller, planner.read_search_availability(request))
        return planner.search_availability_response(answers)
