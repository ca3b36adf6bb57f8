"""The gRPC server: what it listens on, what it offers, how it stops."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import structlog
from grpc_channelz.v1 import channelz
from grpc_health.v1 import health
from opentelemetry.trace import TracerProvider

from maitred.v1 import (
    assignment_service_pb2_grpc,
    booking_service_pb2_grpc,
    inventory_service_pb2_grpc,
    ops_service_pb2_grpc,
    planner_service_pb2_grpc,
)
from server.lifecycle import ConfigurationProblem, Grace
from server.orchestrator.use_cases import UseCases
from server.rpc.accepting import paced_by
from server.rpc.admission import Admission, Needed
from server.rpc.finding import find_without_garbage
from server.rpc.health import FLUSH_S, Health
from server.rpc.identity import TrustedHeaders
from server.rpc.interceptors.access import AccessInterceptor
from server.rpc.interceptors.admission import AdmissionInterceptor
from server.rpc.interceptors.failures import FailureInterceptor
from server.rpc.interceptors.identity import DeadlineLimits, IdentityInterceptor
from server.rpc.interceptors.parsing import Parsing
from server.rpc.interceptors.unary import UnaryInterceptor
from server.rpc.listening import EXPOSED, address_of, begin, is_loopback, listen
from server.rpc.methods import Methods
from server.rpc.reflection import add_reflection
from server.rpc.scopes import SERVICES, STREAMS
from server.rpc.services.assignment import AssignmentService
from server.rpc.services.booking import BookingService
from server.rpc.services.inventory import InventoryService
from server.rpc.services.ops import OpsService
from server.rpc.services.planner import PlannerService
from server.telemetry.metrics import CallMetrics, LoadMetrics
from server.telemetry.traces import spans_are_kept

log = structlog.get_logger(__name__)

MEBIBYTE = 2**20
METADATA_BYTES_MAX = 16 * 1024
CHANNELZ_SERVICE = "grpc.channelz.v1.Channelz"


@dataclass(frozen=True, slots=True)
class RpcSettings:
    """Where the server listens and what it bears. Port 0 takes any free port.

    A message over `message_bytes_max` is refused with a typed error; one over `message_bytes_hard_max` is refused by
    gRPC itself before it is read. What a connection has over `connection_calls_max` calls and streams waits with the
    caller, which costs the server nothing. While `waiting_max` calls have arrived and were not looked at yet, gRPC ends
    others as CANCELLED, of all connections together. While `calls_max` are in work, others are looked at only when one
    of those has ended, or to be refused when none does. `reuse_port` lets several processes share a port, and would let
    a second server take a busy one unnoticed.
    """

    host: str = "127.0.0.1"
    port: int = 7420
    reuse_port: bool = False
    calls_max: int = 2_048
    waiting_max: int = 1_024
    connection_calls_max: int = 2_048
    streams_max: int = 5_000
    message_bytes_max: int = 4 * MEBIBYTE
    message_bytes_hard_max: int = 16 * MEBIBYTE
    deadlines: DeadlineLimits = field(default_factory=DeadlineLimits)
    connection_age_s_max: int = 300
    keepalive_s: int = 30
    keepalive_timeout_s: int = 10


class GrpcServer:
    """The server from start to stop. Stopping twice is harmless."""

    def __init__(
        self, settings: RpcSettings, use_cases: UseCases, tracer_provider: TracerProvider | None = None
    ) -> None:
        """Raises ConfigurationProblem when the settings are not safe."""
        if not is_loopback(settings.host):
            # Trusted headers prove nothing, so nobody outside of this machine may send them.
            raise ConfigurationProblem("host", f"{EXPOSED}, not {settings.host!r}")
        self._settings = settings
        self._use_cases = use_cases
        self._tracer_provider = tracer_provider
        self._admission = Admission(settings.calls_max, needed=Needed())
        self._streams = Admission(settings.streams_max, "streams")
        LoadMetrics({"call": lambda: self._admission.in_work, "stream": lambda: self._streams.in_work})
        self._health = Health([service.full_name for service in SERVICES])
        self._server: grpc.aio.Server | None = None
        self._port = 0

    @property
    def address(self) -> str:
        """Host and port to connect to; known once the server has started."""
        return address_of(self._settings.host, self._port)

    @property
    def in_work(self) -> int:
        """How many calls of the contract are in work."""
        return self._admission.in_work

    async def start(self) -> None:
        """Listens, and says that it serves. Raises ConfigurationProblem when the address is not to be had."""
        server = grpc.aio.server(
            interceptors=tuple(self._tracing()), options=_options(self._settings), compression=None
        )
        methods = Methods(tuple(self._interceptors()), Parsing(self._settings.message_bytes_max))
        self._offer(methods)
        server.add_generic_rpc_handlers((methods,))
        self._port = listen(server, self._settings.host, self._settings.port, "port")
        find_without_garbage()
        with paced_by(self._admission):
            await begin(server)
        self._server = server
        await self._health.set_serving(True)
        log.info("listening", address=self.address)

    async def set_serving(self, serving: bool) -> None:
        """What health says, for everything at once: not serving while the database is away. Draining is final."""
        await self._health.set_serving(serving)

    async def drain(self) -> None:
        """From now on health says NOT_SERVING and new calls are refused as DRAINING. What is in work goes on."""
        self._admission.drain()
        self._streams.drain()
        await self._health.drain()

    async def stop(self, grace: Grace) -> None:
        """Drains, lets what is in work finish within the grace, then ends it.

        When this returns no handler is running any more, not even one whose caller has given up, so what handlers use
        can be closed.
        """
        server, self._server = self._server, None
        if server is None:
            return
        await self.drain()
        if not await grace.wait_for(self._admission.idle()):
            log.warning("calls_cut_short", calls=self._admission.in_work)
        await server.stop(min(FLUSH_S, grace.remaining_s()))
        await self._admission.idle()
        await self._streams.idle()

    def _offer(self, server: Any) -> None:
        use = self._use_cases
        planner_service_pb2_grpc.add_PlannerServiceServicer_to_server(PlannerService(use), server)
        assignment_service_pb2_grpc.add_AssignmentServiceServicer_to_server(AssignmentService(use), server)
        inventory_service_pb2_grpc.add_InventoryServiceServicer_to_server(InventoryService(use), server)
        booking_service_pb2_grpc.add_BookingServiceServicer_to_server(BookingService(use), server)
        ops_service_pb2_grpc.add_OpsServiceServicer_to_server(OpsService(use), server)
        self._health.add_to(server)
        channelz.add_channelz_servicer(server)
        add_reflection(
            server, (*(service.full_name for service in SERVICES), health.SERVICE_NAME, CHANNELZ_SERVICE)
        )

    def _interceptors(self) -> Iterator[UnaryInterceptor]:
        """From the outside in."""
        yield AccessInterceptor(CallMetrics())
        yield FailureInterceptor()
        yield AdmissionInterceptor(self._admission, self._streams)
        yield IdentityInterceptor(TrustedHeaders(), self._settings.deadlines)

    def _tracing(self) -> Iterator[grpc.aio.ServerInterceptor]:
        """Outside of everything. A span that nobody keeps would cost nearly as much as one that is kept."""
        if self._tracer_provider is not None or spans_are_kept():
            # Takes a good while to import, for nothing where no spans are kept.
            from opentelemetry.instrumentation.grpc import aio_server_interceptor, filters

            yield aio_server_interceptor(  # type: ignore[no-untyped-call]
                tracer_provider=self._tracer_provider, filter_=filters.negate(_untraced)
            )


def _untraced(details: grpc.HandlerCallDetails) -> bool:
    """Health, reflection and channelz, which are not worth a span, and streams: those that write into the context don't
    survive the instrumentation, and a span as long as a watch says nothing."""
    return str(details.method).startswith("/grpc.") or str(details.method) in STREAMS


def _options(settings: RpcSettings) -> list[tuple[str, Any]]:
    return [
        ("grpc.so_reuseport", int(settings.reuse_port)),
        ("grpc.max_concurrent_streams", settings.connection_calls_max),
        # It counts calls that are over and not yet cleared away as well, and resets new ones of a client that keeps to
        # the limit.
        ("grpc.http.overload_protection", 0),
        # Between the two gRPC would draw lots.
        ("grpc.server.max_pending_requests", settings.waiting_max),
        ("grpc.server.max_pending_requests_hard_limit", settings.waiting_max + 1),
        ("grpc.max_receive_message_length", settings.message_bytes_hard_max),
        ("grpc.max_metadata_size", METADATA_BYTES_MAX),
        ("grpc.absolute_max_metadata_size", 2 * METADATA_BYTES_MAX),
        ("grpc.max_connection_age_ms", settings.connection_age_s_max * 1_000),
        # Whatever has a deadline ends by that, and not with its connection.
        ("grpc.max_connection_age_grace_ms", round(settings.deadlines.max_s * 1_000)),
        ("grpc.keepalive_time_ms", settings.keepalive_s * 1_000),
        ("grpc.keepalive_timeout_ms", settings.keepalive_timeout_s * 1_000),
        # gRPC waits a minute for the answer to a ping, whatever the time-out of keepalive, unless it is told so.
        ("grpc.http2.ping_timeout_ms", settings.keepalive_timeout_s * 1_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", settings.keepalive_s * 1_000 // 2),
        ("grpc.enable_channelz", 1),
    ]
