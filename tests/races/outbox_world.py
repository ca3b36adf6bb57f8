"""Everything that an event passes on its way, each in a process of its own that can be killed.

PostgreSQL, a server, two workers, and behind them a NATS JetStream and a receiver of webhooks.
"""

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from server.bootstrap import migrate_up
from server.config import load_settings
from server.persistence.embedded import EmbeddedPostgres
from server.torture.programs import PROGRAM, Program
from tests.conformance.receivers import SECRET, OwnStream, own_stream
from tests.support.nats_server import running_nats
from tests.support.postgres import postgres_forms, scratch_directory
from tests.support.webhook_receiver import WebhookReceiver, receiving_webhooks

WORKERS = 2
# Short waits, so that many things go wrong in little time; what they are for is the same as with long ones.
QUICK = {
    "MAITRED_LEASE_S": "5",
    "MAITRED_EVENT_TIMEOUT_S": "4",
    "MAITRED_WEBHOOK_TIMEOUT_S": "2",
    "MAITRED_WEBHOOK_CONNECT_TIMEOUT_S": "1",
    "MAITRED_NATS_TIMEOUT_S": "0.9",
    "MAITRED_EVENT_RETRY_S": "0.05",
    "MAITRED_EVENT_RETRY_S_MAX": "1",
    "MAITRED_RELAY_POLL_S": "0.2",
    "MAITRED_RESCUE_S": "0.1",
    "MAITRED_SWEEP_S": "1",
    "MAITRED_HEALTH_INTERVAL_S": "0.1",
    "MAITRED_POOL_SIZE_MIN": "1",
    "MAITRED_POOL_SIZE_MAX": "8",
    "MAITRED_LOG_LEVEL": "warning",
}


@dataclass(frozen=True, slots=True)
class OutboxWorld:
    """All of it, running but for the programs, which whoever uses it starts."""

    url: str
    address: str
    postgres: EmbeddedPostgres
    server: Program
    workers: tuple[Program, ...]
    webhooks: WebhookReceiver
    stream: OwnStream
    scratch: Path


@asynccontextmanager
async def outbox_world(*, on_disk: bool = False) -> AsyncIterator[OutboxWorld]:
    with scratch_directory(on_disk=on_disk) as data_root, scratch_directory() as nats_root:
        # Durable, as in earnest.
        postgres = EmbeddedPostgres(data_root, postgres_forms()[0].installation)
        try:
            url = await postgres.start()
            await migrate_up(load_settings(), url)
            with running_nats(nats_root) as nats:
                async with receiving_webhooks() as webhooks, own_stream(nats) as stream:
                    settings = QUICK | delivery_settings(webhooks.port) | nats_settings(nats.url, stream.name)
                    async with _programs(url, settings, nats_root) as (address, server, workers):
                        yield OutboxWorld(
                            url, address, postgres, server, workers, webhooks, stream, nats_root
                        )
        finally:
            postgres.kill()


def delivery_settings(port: int) -> dict[str, str]:
    """Sends events to a receiver of webhooks on this machine."""
    return {
        "MAITRED_SINKS": "webhook",
        "MAITRED_WEBHOOK_URL": f"http://127.0.0.1:{port}/events",
        "MAITRED_WEBHOOK_SECRET": SECRET,
    }


def nats_settings(url: str, stream: str) -> dict[str, str]:
    """The same to a stream as well."""
    return {"MAITRED_SINKS": "nats,webhook", "MAITRED_NATS_URL": url, "MAITRED_NATS_STREAM": stream}


@asynccontextmanager
async def _programs(
    url: str, settings: Mapping[str, str], logs: Path
) -> AsyncIterator[tuple[str, Program, tuple[Program, ...]]]:
    port = _free_port()
    serving = (*PROGRAM, "serve", "--host", "127.0.0.1", "--port", str(port), "--database-url", url)
    server = Program(serving, settings, logs / "server.log")
    working = (*PROGRAM, "worker", "--database-url", url)
    workers = tuple(Program(working, settings, logs / f"worker-{n}.log") for n in range(WORKERS))
    try:
        yield f"127.0.0.1:{port}", server, workers
    finally:
        for program in (server, *workers):
            await program.kill_all()


def _free_port() -> int:
    """The server has to come back at the address that its clients know."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
