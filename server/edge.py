"""What the settings say about the edge of a server."""

from server.config import Settings
from server.rpc.interceptors.identity import DeadlineLimits
from server.rpc.server import RpcSettings


def rpc_settings(settings: Settings) -> RpcSettings:
    return RpcSettings(
        host=settings.host,
        port=settings.port,
        calls_max=settings.calls_in_flight_max,
        connection_calls_max=settings.connection_calls_max,
        streams_max=settings.streams_max,
        deadlines=DeadlineLimits(settings.deadline_s_default, settings.deadline_s_max),
    )
