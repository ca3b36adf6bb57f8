"""The rows that a history of calls is compared with, as plain values."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from server.persistence.inspection import errand_at
from server.persistence.queries import load_queries
from server.persistence.transactions import one_view

EVIDENCE = load_queries("evidence")


async def database_evidence(url: str, restaurant_ids: Iterable[UUID] | None = None) -> dict[str, Any]:
    """One snapshot of claims, holds, assignments, bookings, ledger and events, with the database's clock.

    Ids are text, instants ISO 8601 in UTC, so that `json.dumps` takes it. Of the restaurants that are named, or of all.
    Raises `UnreachableError`.
    """
    chosen = None if restaurant_ids is None else list(restaurant_ids)
    async with errand_at(url) as connection, one_view(connection):
        found: dict[str, Any] = {}
        for kind in ("claims", "holds", "assignments", "bookings", "ledger", "events"):
            found[kind] = [_plain(dict(row)) for row in await connection.fetch(EVIDENCE[kind], chosen)]
        return {"taken_at": _plain(await connection.fetchval(EVIDENCE["taken_at"])), **found}


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value
