"""One open transaction: the orchestrator's `Unit` on a PostgreSQL connection."""

from typing import Any, TypeVar
from uuid import UUID

from server.domain.announcement import Announcement
from server.domain.auto_assign_job import AutoAssignJob
from server.domain.floor import Floor
from server.domain.restaurant import Restaurant
from server.errors import Reason, Refusal, ServiceError, refuse
from server.orchestrator.changes import AuditEntry, Changes
from server.orchestrator.ports import RecordedRequest, Standing
from server.persistence import rows
from server.persistence.documents import decode, encode
from server.persistence.failures import RETRY_AFTER_S, translating
from server.persistence.pool import Connection
from server.persistence.queries import load_queries
from server.persistence.reader import (
    ASSIGNMENTS,
    BLOCKS,
    CLAIMS,
    INVENTORY,
    JOURNAL,
    LEDGER,
    OUTBOX,
    RESTAURANTS,
    SqlReader,
    answer_of,
    request_lock,
)
from server.persistence.transactions import limits_ms
from server.persistence.writing import Answers, Written, hash_of, record_all, write_all

AnswerT = TypeVar("AnswerT")

AUTO_ASSIGN = load_queries("auto_assign")


class SqlUnit(SqlReader):
    """`statement_s` and `lock_s` bound every statement after `recall`. Answers are kept for `ledger_ttl_s`."""

    def __init__(
        self, connection: Connection, statement_s: float, lock_s: float, ledger_ttl_s: float
    ) -> None:
        super().__init__(connection)
        self._connection = connection
        self._limits_ms = limits_ms(statement_s, lock_s)
        self._ledger_ttl_s = ledger_ttl_s
        self._request: RecordedRequest | None = None
        self._locked: Restaurant | None = None
        self.written: tuple[Announcement, ...] = ()

    @property
    def shared(self) -> bool:
        return False

    async def recall(self, request: RecordedRequest, answer_type: type[AnswerT]) -> AnswerT | Refusal | None:
        self._request = request
        name = request_lock(request.tenant_id, request.method, request.request_id)
        opened = await self._connection.fetchrow(LEDGER["open_request"], *self._limits_ms, name)
        assert opened is not None, "a select without FROM has one row"
        if not opened["claimed"]:
            raise in_progress(request)
        row = await self._connection.fetchrow(
            LEDGER["recall"], request.tenant_id, request.method, request.request_id
        )
        return None if row is None else recorded(row, request, answer_type)

    async def lock_restaurant(self, tenant_id: UUID, restaurant_id: UUID) -> Standing | None:
        query = RESTAURANTS["lock_restaurant"]
        row: Any = await self._connection.fetchrow(query, tenant_id, restaurant_id)
        standing = None if row is None else rows.standing(row)
        self._locked = standing.restaurant if standing else None
        return standing

    async def add_restaurant(self, restaurant: Restaurant) -> bool:
        await self._connection.execute(RESTAURANTS["add_tenant"], restaurant.tenant_id)
        row = await self._connection.fetchrow(
            RESTAURANTS["add_restaurant"],
            restaurant.restaurant_id,
            restaurant.tenant_id,
            restaurant.name,
            restaurant.time_zone,
        )
        return row is not None

    async def write(self, restaurant_id: UUID, changes: Changes) -> int:
        await self._write_inventory(restaurant_id, changes)
        await self._write_ends(restaurant_id, changes)
        await self._write_blocks(restaurant_id, changes)
        written = Written(restaurant_id, changes, self._request)
        version = (await write_all(self._connection, (written,)))[restaurant_id]
        self._note_written(restaurant_id, version, changes.restaurant or self._locked)
        return version

    def _note_written(self, restaurant_id: UUID, version: int, restaurant: Restaurant | None) -> None:
        """What is to be announced once all of it is committed."""
        assert restaurant is not None, "what is written is locked"
        versions = (restaurant.inventory_version, restaurant.policy_version)
        self.written = (*self.written, Announcement(restaurant_id, version, *versions))

    async def redrive_events(
        self, tenant_id: UUID, restaurant_id: UUID, event_ids: tuple[UUID, ...], event_type: str, limit: int
    ) -> tuple[UUID, ...]:
        found = await self._connection.fetch(
            OUTBOX["redrive_events"],
            tenant_id,
            list(event_ids) or None,
            restaurant_id,
            event_type or None,
            limit,
        )
        return tuple(sorted(row["id"] for row in found))

    async def put_auto_assign_job(self, restaurant_id: UUID, booking_id: UUID, job: AutoAssignJob) -> None:
        await self._connection.execute(AUTO_ASSIGN["put_job"], restaurant_id, booking_id, encode(job))

    async def auto_assign_run(self, restaurant_id: UUID, booking_id: UUID) -> int | None:
        row = await self._connection.fetchrow(AUTO_ASSIGN["job_run"], restaurant_id, booking_id)
        return None if row is None else row["run_number"]

    async def note(self, restaurant: Restaurant, entry: AuditEntry) -> None:
        await self._connection.execute(
            JOURNAL["note"],
            restaurant.restaurant_id,
            restaurant.tenant_id,
            restaurant.floor_version,
            entry.actor,
            entry.action,
            entry.resource,
            entry.resource_id,
            entry.reason,
            encode(entry.details),
        )

    async def record(self, request: RecordedRequest, answer: object) -> None:
        await record_all(self._connection, Answers(((request, answer),), self._ledger_ttl_s))

    async def _write_inventory(self, restaurant_id: UUID, changes: Changes) -> None:
        restaurant = changes.restaurant
        if restaurant is None:
            return
        await self._connection.execute(
            RESTAURANTS["update_restaurant"],
            restaurant_id,
            restaurant.name,
            restaurant.time_zone,
            restaurant.revision,
            restaurant.policy_version,
            restaurant.inventory_version,
        )
        if changes.policy is not None:
            actor = changes.audit[0].actor
            await self._connection.execute(
                INVENTORY["add_policy"],
                restaurant_id,
                restaurant.policy_version,
                encode(changes.policy),
                actor,
            )
        if changes.floor is not None:
            # So that whoever writes a floor hears at once of a name that the database refuses.
            async with translating():
                await self._replace_floor(restaurant_id, changes.floor)

    async def _replace_floor(self, restaurant_id: UUID, floor: Floor) -> None:
        for step in ("clear_adjacency", "remove_tables", "remove_zones"):
            await self._connection.execute(INVENTORY[step], restaurant_id)
        await self._connection.execute(
            INVENTORY["put_zones"],
            restaurant_id,
            [zone.zone_id for zone in floor.zones],
            [zone.name for zone in floor.zones],
            [zone.sort_order for zone in floor.zones],
        )
        await self._connection.execute(INVENTORY["put_tables"], restaurant_id, encode(floor.tables))
        await self._connection.execute(
            INVENTORY["put_adjacency"],
            restaurant_id,
            [edge[0] for edge in floor.adjacency],
            [edge[1] for edge in floor.adjacency],
        )

    async def _write_ends(self, restaurant_id: UUID, changes: Changes) -> None:
        """Of assignments that are left early."""
        for assignment_id, window in changes.claims_cut:
            await self._connection.execute(CLAIMS["cut_claims"], restaurant_id, assignment_id, window.end)
            await self._connection.execute(
                ASSIGNMENTS["cut_assignment"], restaurant_id, assignment_id, window.end
            )

    async def _write_blocks(self, restaurant_id: UUID, changes: Changes) -> None:
        for block in changes.blocks_added:
            await self._connection.execute(
                BLOCKS["add_block"],
                restaurant_id,
                block.block_id,
                list(block.table_ids),
                block.window.start,
                block.window.end,
                block.cause.value,
                block.note,
                block.released,
                block.actor,
                block.created_at,
            )
        if changes.blocks_released:
            await self._connection.execute(
                BLOCKS["release_blocks"], restaurant_id, list(changes.blocks_released)
            )


def recorded(row: Any, request: RecordedRequest, answer_type: type[AnswerT]) -> AnswerT | Refusal:
    """What a row of the ledger has for a request; raises REQUEST_ID_REUSED when it belongs to another payload."""
    if row["request_hash"] not in _hashes(request):
        raise _reused(request, decode(row["field_digests"], dict[str, str]))
    return answer_of(row, answer_type)


def _hashes(request: RecordedRequest) -> set[bytes]:
    """Of everything that the request may have been recorded with."""
    return {
        hash_of(digests) for digests in (request.field_digests, request.other_digests) if digests is not None
    }


def in_progress(request: RecordedRequest) -> ServiceError:
    return ServiceError(
        Refusal(
            Reason.REQUEST_IN_PROGRESS,
            "The first call with this request_id is still running; repeat the identical call.",
            {"request_id": str(request.request_id), "method": request.method},
            retry_after_s=RETRY_AFTER_S,
        )
    )


def _reused(request: RecordedRequest, recorded: dict[str, str]) -> ServiceError:
    forms = (request.field_digests, request.other_digests or request.field_digests)
    # What the caller has sent, in the form in which the first request was recorded.
    sent = min(map(dict, forms), key=lambda form: len(form.keys() ^ recorded.keys()))
    differing = sorted(name for name in sent | recorded if recorded.get(name) != sent.get(name))
    return refuse(
        Reason.REQUEST_ID_REUSED,
        f"The request_id was used before with another {' and '.join(differing) or 'payload'}.",
        request_id=request.request_id,
        method=request.method,
        # Some fields of a request are kept, and differ, together.
        differing_fields=",".join(differing).replace(" ", ""),
    )
