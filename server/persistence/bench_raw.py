"""Holds and confirms as a plain client writes them: the same rows, a transaction each, statement by statement."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg

from server.domain.window import Window
from server.persistence.pool import DriverConnection
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


class RawWriters:
    """Connections that take turns. Each statement is prepared once per connection, as asyncpg does by itself."""

    def __init__(self, connections: list[DriverConnection]) -> None:
        self._free = connections

    async def write(self, hold: RawHold) -> None:
        """The hold, and its confirm if it has one, a transaction each. At most one at a time per connection.

        Raises what PostgreSQL refuses.
        """
        connection = self._free.pop()
        await _write_hold(connection, hold)
        if hold.confirmed is not None:
            await _write_confirm(connection, hold, hold.confirmed)
        self._free.append(connection)


async def open_raw_writers(url: str, connections: int) -> RawWriters:
    """Connections as asyncpg opens them, without settings of ours; open as long as the process lives."""
    return RawWriters([await asyncpg.connect(url) for _ in range(connections)])


async def _write_hold(connection: DriverConnection, hold: RawHold) -> None:
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


async def _write_confirm(connection: DriverConnection, hold: RawHold, confirmed: Told) -> None:
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


async def _tell(connection: DriverConnection, hold: RawHold, told: Told, version: int) -> None:
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
        *(
            hold.restaurant_id,
            hold.tenant_id,
            version,
            hold.actor,
            told.action,
            hold.booking_id,
            told.details,
        ),
    )
