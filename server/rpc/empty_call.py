"""A call of the contract that does nothing, for measurements: what every call costs before anything is done for it."""

from maitred.v1 import ops_service_pb2 as pb
from server.rpc.interceptors.unary import Context
from server.rpc.services.ops import OpsService

EMPTY_CALL = "/maitred.v1.OpsService/GetOutboxStats"


async def _answer_nothing(
    _service: OpsService, _request: pb.GetOutboxStatsRequest, _context: Context
) -> pb.GetOutboxStatsResponse:
    return pb.GetOutboxStatsResponse()


def answer_empty_calls() -> None:
    """From now on servers of this process answer `EMPTY_CALL` with an empty message, and ask nobody.

    Everything around the handler stays as it is: identity, scopes, deadline, admission, parsing, log, metrics, traces.
    Only for a process that exists to be measured.
    """
    OpsService.GetOutboxStats = _answer_nothing  # type: ignore[assignment, method-assign]
