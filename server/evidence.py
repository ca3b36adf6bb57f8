"""Reads what a history of calls is compared with, from the database that a command looks at."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from server.bootstrap import StartError, seen_database
from server.config import Settings
from server.persistence.evidence import database_evidence
from server.persistence.failures import UnreachableError
from server.persistence.inspection import database_facts


async def evidence(settings: Settings, restaurant_ids: Iterable[UUID]) -> dict[str, Any]:
    """The rows of these restaurants, see `database_evidence`. Raises `StartError`."""
    async with seen_database(settings) as found:
        try:
            if not (await database_facts(found.url)).schema_present:
                raise StartError("the database has no maitred schema; run: maitred migrate up")
            return await database_evidence(found.url, restaurant_ids)
        except UnreachableError as problem:
            raise StartError(str(problem)) from None
