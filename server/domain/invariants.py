"""What always holds in the stored data, and what a look at it found."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class InvariantViolation:
    """One contradiction; only the ids of what is involved are set. No restaurant means the database as a whole."""

    message: str
    restaurant_id: UUID | None = None
    booking_id: UUID | None = None
    hold_id: UUID | None = None
    assignment_id: UUID | None = None
    block_id: UUID | None = None
    table_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class InvariantCheck:
    """One sentence that always holds, how often it does not, and the first of those violations."""

    check_id: str
    description: str
    violations: int
    examples: tuple[InvariantViolation, ...]


@dataclass(frozen=True, slots=True)
class InvariantCounts:
    """How many rows were looked at."""

    restaurants: int
    bookings: int
    holds: int
    assignments: int
    blocks: int
    claims: int
    events: int
    audit_entries: int


@dataclass(frozen=True, slots=True)
class InvariantReport:
    """Every check as of one instant of the database's clock."""

    checks: tuple[InvariantCheck, ...]
    counts: InvariantCounts
    checked_at: datetime

    @property
    def violations(self) -> int:
        return sum(check.violations for check in self.checks)
