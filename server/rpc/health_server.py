"""A server that offers nothing but health: of a process that nobody calls, yet whose services have to run."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import grpc.aio
import structlog
from grpc_health.v1 import health

from server.periodic import Periodic, Rhythm
from server.rpc.health import FLUSH_S, OVERALL, Health
from server.rpc.listening import address_of, begin, listen
from server.rpc.reflection import add_reflection
from server.telemetry.pulse import Pulse

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """Where to listen, and how often to look. Port 0 takes any free port.

    Callers are told names of services and whether they do their work, so any machine may ask.
    """

    host: str
    port: int
    failures_max: int
    look_s: float


class HealthServer:
    """Says of each service whether its pulse beats, and overall whether all do. Stopping twice is harmless."""

    def __init__(self, settings: HealthSettings, pulses: Sequence[Pulse]) -> None:
        self._settings = settings
        self._pulses = pulses
        self._health = Health([pulse.service for pulse in pulses])
        self._looking = Periodic(
            "health", self._look, Rhythm(settings.look_s, settings.look_s, random.random)
        )
        self._serving: dict[str, bool] = {}
        self._server: grpc.aio.Server | None = None
        self._port = 0

    @property
    def address(self) -> str:
        """Host and port to ask at; known once the server has started."""
        return address_of(self._settings.host, self._port)

    async def start(self) -> None:
        """Listens and looks. Raises ConfigurationProblem when the address is not to be had."""
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._health.add_to(server)
        add_reflection(server, (health.SERVICE_NAME,))
        self._port = listen(server, self._settings.host, self._settings.port, "worker_port")
        await self._look()
        await begin(server)
        self._server = server
        await self._looking.start()
        log.info("health_offered", address=self.address)

    async def stop(self) -> None:
        """Says NOT_SERVING to whoever watches, then ends."""
        server, self._server = self._server, None
        if server is not None:
            await self._looking.stop()
            await self._health.drain()
            await server.stop(FLUSH_S)

    async def _look(self) -> int:
        found = {pulse.service: pulse.beats(self._settings.failures_max) for pulse in self._pulses}
        changed = {name: beats for name, beats in found.items() if beats is not self._serving.get(name)}
        for name, beats in changed.items() if self._serving else ():
            log.warning("service_is_back" if beats else "service_not_serving", service=name)
        self._serving = found
        if changed:
            await self._health.tell({**changed, OVERALL: all(found.values())})
        return 0
