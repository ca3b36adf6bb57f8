"""The switches of a deployment, turned and read beside all servers and workers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import asyncpg

from server.persistence.inspection import errand_at
from server.persistence.pool import DriverConnection
from server.persistence.queries import load_queries
from server.persistence.store import NotMigratedError

SWITCHES = load_queries("switches")


class SwitchName(StrEnum):
    """`RELAY` is running or paused, `DIRECT_TELEMETRY` off or on."""

    RELAY = "relay"
    DIRECT_TELEMETRY = "direct_telemetry"


class Position(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    OFF = "off"
    ON = "on"


@dataclass(frozen=True, slots=True)
class Switch:
    """How one switch stands, and who turned it when and why; by nobody as long as it stands as it was made."""

    name: SwitchName
    value: Position
    actor: str
    reason: str
    changed_at: datetime


async def read_switches(url: str) -> tuple[Switch, ...]:
    """Every switch, by name. Raises `UnreachableError`, and `NotMigratedError` where there are none."""
    async with _switchboard(url) as connection:
        found = await connection.fetch(SWITCHES["switches"])
    return tuple(
        Switch(
            SwitchName(row["name"]), Position(row["value"]), row["actor"], row["reason"], row["changed_at"]
        )
        for row in found
    )


async def turn_switch(url: str, name: SwitchName, value: Position, actor: str, reason: str) -> None:
    """Turning a switch to where it stands changes nothing. Raises as `read_switches` does."""
    async with _switchboard(url) as connection:
        await connection.execute(SWITCHES["turn"], name.value, value.value, actor, reason)


@asynccontextmanager
async def _switchboard(url: str) -> AsyncIterator[DriverConnection]:
    async with errand_at(url) as connection:
        try:
            yield connection
        except asyncpg.UndefinedTableError:
            raise NotMigratedError("the database has no switches yet; run: maitred migrate up") from None
