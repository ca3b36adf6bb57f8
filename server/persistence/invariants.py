"""Looks at the stored data for what contradicts itself. Changes nothing."""

from typing import Any
from uuid import UUID

from server.domain.invariants import InvariantCheck, InvariantReport
from server.persistence import rows
from server.persistence.pool import AnyConnection
from server.persistence.queries import load_queries
from server.persistence.transactions import one_view

LOOKING = load_queries("invariants")
ANSWERS = load_queries("invariants_of_answers")
BOOKINGS = load_queries("invariants_of_bookings")
CLAIMS = load_queries("invariants_of_claims")
FLOORS = load_queries("invariants_of_floors")
RECORDS = load_queries("invariants_of_records")
# In the order in which they are looked at and told.
INVARIANTS = (
    LOOKING.query("overlap_refused"),
    LOOKING.query("rules_in_force"),
    CLAIMS.query("no_overlap"),
    BOOKINGS.query("status_matches_assignment"),
    BOOKINGS.query("assignments_match_bookings"),
    CLAIMS.query("assignments_match_claims"),
    CLAIMS.query("holds_match_claims"),
    BOOKINGS.query("confirmed_holds_assigned"),
    CLAIMS.query("blocks_match_claims"),
    FLOORS.query("floor_known"),
    FLOORS.query("merges_legal"),
    RECORDS.query("one_event_per_change"),
    RECORDS.query("no_event_lost"),
    RECORDS.query("changes_audited"),
    ANSWERS.query("ledger_matches_state"),
    BOOKINGS.query("queued_bookings_have_jobs"),
    BOOKINGS.query("history_complete"),
    BOOKINGS.query("history_audited"),
    BOOKINGS.query("epochs_in_order"),
)
EXAMPLES_MAX = 20
NO_LIMIT = 0
# The checks of which the glance says in which restaurants they have to look.
GLANCED = (
    "status_matches_assignment",
    "assignments_match_claims",
    "confirmed_holds_assigned",
    "no_event_lost",
    "history_complete",
    "history_audited",
    "epochs_in_order",
)


async def look_at_tenant(
    connection: AnyConnection, tenant_id: UUID, restaurant_id: UUID | None, limit_ms: int
) -> InvariantReport:
    """Checks the restaurants of a tenant, or one of them. `limit_ms` is for each statement."""
    async with one_view(connection):
        found = await connection.fetch(LOOKING["restaurants_of"], tenant_id, restaurant_id)
        return await _look(connection, [row["restaurant_id"] for row in found], limit_ms)


async def look_at_everything(connection: AnyConnection) -> InvariantReport:
    """Checks all tenants, and what belongs to none."""
    async with one_view(connection):
        return await _look(connection, None, NO_LIMIT)


async def _look(
    connection: AnyConnection, restaurant_ids: list[UUID] | None, limit_ms: int
) -> InvariantReport:
    began: Any = await connection.fetchrow(LOOKING["begin_looking"], str(limit_ms), restaurant_ids is None)
    # Asked for one row only, PostgreSQL would not split the adding up among workers.
    glanced: list[Any] = await connection.fetch(LOOKING["glance"], restaurant_ids)
    (glance,) = glanced
    checks = []
    for invariant in INVARIANTS:
        where: list[UUID] | None = glance[invariant.name] if invariant.name in GLANCED else restaurant_ids
        found: list[Any] = []
        if where is None or where:
            found = await connection.fetch(invariant.sql, where, EXAMPLES_MAX)
        violations = found[0]["violations"] if found else 0
        examples = tuple(rows.invariant_violation(row) for row in found)
        checks.append(InvariantCheck(invariant.name, invariant.description, violations, examples))
    return InvariantReport(tuple(checks), rows.invariant_counts(glance), began["now"])
