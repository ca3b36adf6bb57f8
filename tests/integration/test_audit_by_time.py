"""Pages of the audit log are read from an index that is in their order, wherever in time they are."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from server.domain.limits import INSTANT_MAX, INSTANT_MIN
from server.domain.window import Window
from server.orchestrator.paging import sort_key
from server.orchestrator.ports import AuditRecord, Page
from server.persistence.reader import SqlCatalogue
from tests.support.database import Connection, connected
from tests.support.postgres import TestServer

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
# An hour into the day the clock is set back by half an hour. Every tenth entry is about the restaurant itself.
MANY_ENTRIES = f"""
    SET session_replication_role = replica;
    INSERT INTO audit_log (
        restaurant_id, tenant_id, floor_version, occurred_at, actor, action, resource, resource_id, reason, details
    )
    SELECT
        md5('r' || v % 2)::uuid, md5('t')::uuid, v,
        '{BEGAN}'::timestamptz + v * interval '1 minute' - CASE WHEN v > 60 THEN interval '30 minutes' ELSE '0' END,
        'Ada', 'change', '', md5(CASE WHEN v % 10 = 0 THEN 'r0' ELSE 'b' || v / 10 END)::uuid, '', '{{}}'
    FROM generate_series(1, 20000) AS v ORDER BY v;
    SET session_replication_role = DEFAULT;
    ANALYZE audit_log;
"""
HERE = (
    "SELECT * FROM audit_log WHERE restaurant_id = md5('r0')::uuid ORDER BY occurred_at DESC, audit_id DESC"
)
SPANS = (
    None,
    Window(BEGAN, BEGAN + timedelta(hours=2)),
    Window(INSTANT_MIN, BEGAN + timedelta(hours=2)),
    Window(BEGAN + timedelta(days=13), INSTANT_MAX),
    Window(BEGAN - timedelta(days=2), BEGAN),
)
# A page of twenty entries: their blocks, and the way down the index to them.
BLOCKS_MAX = 30


@dataclass
class Measuring:
    """Runs statements and keeps how many blocks each of them looked at."""

    connection: Connection
    blocks: list[int] = field(default_factory=list)

    async def fetch(self, query: str, *values: object) -> list[Any]:
        plan: Mapping[str, Any] = json.loads(
            await self.connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) {query}", *values)
        )[0]["Plan"]
        self.blocks.append(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
        return await self.connection.fetch(query, *values)

    async def fetchrow(self, query: str, *values: object) -> Any:
        raise NotImplementedError


def after(entry: AuditRecord) -> tuple[str, ...]:
    return sort_key(entry.occurred_at, entry.audit_id)


async def test_a_page_reads_hardly_more_than_its_entries_whatever_is_asked(each_postgres: TestServer) -> None:
    async with each_postgres.fresh_database() as url, connected(url) as connection:
        await connection.execute(MANY_ENTRIES)
        kept = await connection.fetch(HERE)
        restaurant_id: UUID = kept[0]["restaurant_id"]
        asking = Measuring(connection)
        catalogue = SqlCatalogue(asking)
        for resource_id in (None, restaurant_id, kept[-3]["resource_id"]):
            for span in SPANS:
                wanted = [
                    row["audit_id"]
                    for row in kept
                    if resource_id in (None, row["resource_id"])
                    and (span is None or span.start <= row["occurred_at"] < span.end)
                ]
                page = await catalogue.audit_entries(restaurant_id, resource_id, span, Page(20))
                assert [entry.audit_id for entry in page] == wanted[:20]
                if page:
                    next_page = Page(20, after(page[-1]))
                    page = await catalogue.audit_entries(restaurant_id, resource_id, span, next_page)
                    assert [entry.audit_id for entry in page] == wanted[20:40]
        assert max(asking.blocks) < BLOCKS_MAX, asking.blocks


async def test_a_page_of_a_longer_list_is_continued_within_the_span_that_is_asked_for(
    each_postgres: TestServer,
) -> None:
    async with each_postgres.fresh_database() as url, connected(url) as connection:
        await connection.execute(MANY_ENTRIES)
        restaurant_id: UUID = (await connection.fetch(HERE))[0]["restaurant_id"]
        catalogue = SqlCatalogue(Measuring(connection))
        (newest,) = await catalogue.audit_entries(restaurant_id, None, None, Page(1))
        span = SPANS[1]
        first = await catalogue.audit_entries(restaurant_id, None, span, Page(1))
        assert await catalogue.audit_entries(restaurant_id, None, span, Page(1, after(newest))) == first
