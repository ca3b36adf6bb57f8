"""Holds and confirms as a plain client would write them: the same rows, one transaction each, statement by statement."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID

import asyncpg

from server.domain.window import Window
from server.persistence.pool import Connection, Pool
from server.persistence.queries import load_queries

RAW = load_queries("bench_raw")
HOLD_LIFE = timedelta(minutes=15)
LEDGER_LIFE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Told:
    """What ledger, outbox and audit log get of one change. Documents are JSON, `events` type, key and payload."""

    method: str
    request_id: UUID
    request_hash: bytes
    field_digests: str
    answer: str
    events: tuple[tuple[str, str, str], ...]
    action: str
    details: str


@dataclass(frozen=True, slots=True)
class RawHold:
    """The values of a hold of one table, and of its confirm if it is to be confirmed."""

    tenant_id: UUID
    restaurant_id: UUID
    booking_id: UUID
    table_id: UUID
    window: Window
    hold_id: UUID
    actor: str
    held: Told
    assignment_id: UUID | None = None
    confirmed: Told | None = None


Stamps: TypeAlias = tuple[int, int]
"""Start and end of one piece of work, in nanoseconds of the monotonic clock."""


async def open_raw_pool(url: str, connections: int) -> Pool:
    """Connections as asyncpg opens them by itself; each statement is prepared once per connection."""
    return await asyncpg.create_pool(url, min_size=connections, max_size=connections)


async def write_all(pool: Pool, holds: Sequence[RawHold]) -> list[Stamps]:
    """Each connection takes one hold after the other. Fails with what PostgreSQL refuses."""


    waiting = list(reversed(holds))
    stamps: list[Stamps] = []

    async def caller() -> None:
        async with pool.acquire() as connection:
            while waiting:
                hold = waiting.pop()
                started = time.monotonic_ns()
                await write_hold(connection, hold)
                if hold.confirmed is not None:
                    await write_confirm(connection, hold, hold.confirmed)
                stamps.append((started, time.monotonic_ns()))

    async with asyncio.TaskGroup() as group:
        for _ in range(pool.get_size()):
            group.create_task(caller())
    return stamps


async def write_hold(connection: Connection, hold: RawHold) -> None:
    """One transaction: floor version, hold, claim, ledger, outbox, audit log."""
    start, end = hold.window.start, hold.window.end
    place = (hold.restaurant_id, hold.hold_id, hold.booking_id)
    async with connection.transaction():
        version = await connection.fetchval(RAW["raise_floor_version"], hold.restaurant_id)
        await connection.execute(RAW["add_hold"], *place, [hold.table_id], start, end, HOLD_LIFE, hold.actor)
        await connection.execute(
            RAW["add_claim"],
            *(hold.restaurant_id, hold.table_id, start, end, hold.hold_id, hold.booking_id, HOLD_LIFE),
        )
        await _tell(connection, hold, hold.held, version)


async def write_confirm(connection: Connection, hold: RawHold, confirmed: Told) -> None:
    """One transaction: floor version, hold, assignment, claim, booking and its history, ledger, outbox, audit log."""
    place = (hold.restaurant_id, hold.booking_id)
    async with connection.transaction():
        version = await connection.fetchval(RAW["raise_floor_version"], hold.restaurant_id)
        await connection.execute(RAW["confirm_hold"], hold.restaurant_id, hold.hold_id)
        await connection.execute(
            RAW["add_assignment"],
            *(hold.restaurant_id, hold.assignment_id, hold.booking_id, [hold.table_id]),
            *(hold.window.start, hold.window.end, hold.hold_id, hold.actor),
        )
        await connection.execute(RAW["move_claims"], hold.restaurant_id, hold.hold_id, hold.assignment_id)
        await connection.execute(RAW["confirm_booking"], *place, hold.assignment_id)
        await connection.execute(RAW["add_booking_change"], *place, hold.actor)
        await _tell(connection, hold, confirmed, version)


async def _tell(connection: Connection, hold: RawHold, told: Told, version: int) -> None:
    kinds, keys, payloads = (list(column) for column in zip(*told.events, strict=True))
    await connection.execute(
        RAW["record"],
        *(hold.tenant_id, told.method, told.request_id, told.request_hash, told.field_digests, told.answer),
        LEDGER_LIFE,
    )
    await connection.execute(
        RAW["add_events"],
        *(hold.restaurant_id, hold.tenant_id, version, hold.booking_id, str(told.request_id)),
        *(kinds, keys, payloads),
    )
    await connection.execute(
        RAW["add_audit"],
        *(hold.restaurant_id, hold.tenant_id, version, hold.actor, told.action, hold.booking_id, told.details),
    )
