"""What the use cases need from the rest of the house."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, TypeVar
from uuid import UUID

from server.clock import Deadline
from server.domain.auto_assign_job import AutoAssignJob
from server.domain.booking import Booking, BookingChange, BookingStatus
from server.domain.claims import Assignment, Block, Claim, Hold, HoldState
from server.domain.floor import Floor
from server.domain.invariants import InvariantReport
from server.domain.policy import ServicePolicy
from server.domain.restaurant import Restaurant
from server.domain.window import Window
from server.errors import Refusal
from server.orchestrator.changes import AuditEntry, Changes
from server.orchestrator.diary import Diary
from server.planner.catalog import TableSets
from server.planner.set_checks import SetChecks

AnswerT = TypeVar("AnswerT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Inventory:
    """Floor and policy of a restaurant as one consistent reading. No policy means that none was ever put."""

    inventory_version: int
    policy_version: int
    floor: Floor
    policy: ServicePolicy | None


@dataclass(frozen=True, slots=True)
class PreparedInventory:
    """An inventory with its table sets enumerated: computed once per version, shared between requests."""

    inventory: Inventory
    sets: TableSets
    checks: SetChecks = field(default_factory=SetChecks, compare=False)


@dataclass(frozen=True, slots=True)
class Standing:
    """A restaurant and the database's clock, read in one statement."""

    restaurant: Restaurant
    now: datetime


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One mutating call for the ledger. `field_digests` tells two payloads apart, field by field.

    It is recorded with these, and known again by these or by `other_digests`, when it may have been recorded with them.
    """

    tenant_id: UUID
    method: str
    request_id: UUID
    field_digests: tuple[tuple[str, str], ...]
    other_digests: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """An answer in the ledger, or a `Refusal`, and when it was written by the database's clock."""

    answer: object
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An entry of a restaurant's audit log as it was kept; newer ones have greater numbers."""

    audit_id: int
    floor_version: int
    occurred_at: datetime
    actor: str
    action: str
    resource: str
    resource_id: UUID
    reason: str
    details: Mapping[str, Any]


class OutboxStatus(StrEnum):
    PENDING = "pending"
    DONE = "done"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class OutboxStats:
    """How far events have got on their way out."""

    pending: int
    dead: int
    restaurants_in_work: int
    restaurants_blocked: int
    oldest_pending_at: datetime | None
    checked_at: datetime


@dataclass(frozen=True, slots=True)
class OutboxRecord:
    """An event and what became of it."""

    event_id: UUID
    restaurant_id: UUID
    event_type: str
    status: OutboxStatus
    floor_version: int
    position: int
    attempt_count: int
    last_error: str
    created_at: datetime
    updated_at: datetime
    booking_id: UUID | None
    idempotency_key: str
    payload: Mapping[str, Any]
    redriven_at: datetime | None


@dataclass(frozen=True, slots=True)
class WantedEvents:
    """Which events of a tenant; what is None or empty restricts nothing. Of all its restaurants only the dead ones."""

    restaurant_id: UUID | None = None
    status: OutboxStatus | None = None
    event_type: str = ""
    event_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list: how many rows, and the sort key of the row before the first, as its column values."""

    size: int
    after: tuple[str, ...] = ()


class Reader(Protocol):
    """Questions that a snapshot answers; inside a `Unit` they see the transaction's own state."""

    @property
    def has_connection(self) -> bool:
        """Whether its questions are asked on a connection that it has already; else each waits for one."""
        ...

    async def standing(self, tenant_id: UUID, restaurant_id: UUID) -> Standing | None: ...

    async def inventory(self, restaurant_id: UUID) -> Inventory: ...

    async def booking(self, restaurant_id: UUID, booking_id: UUID) -> Booking | None: ...

    async def hold(self, restaurant_id: UUID, hold_id: UUID) -> Hold | None: ...

    async def open_holds_of(self, restaurant_id: UUID, booking_id: UUID) -> tuple[Hold, ...]:
        """Holds of a booking that nothing has ended, oldest first: active ones, and expired ones that are not cleared
        away yet.
        """
        ...

    async def expired_holds(self, restaurant_id: UUID, limit: int) -> tuple[Hold, ...]:
        """Holds whose time is over and that nobody has cleared away yet, the longest expired first."""
        ...

    async def assignment(self, restaurant_id: UUID, assignment_id: UUID) -> Assignment | None: ...

    async def last_assignment_of(self, restaurant_id: UUID, booking_id: UUID) -> Assignment | None:
        """The newest assignment of a booking, whatever its state."""
        ...

    async def block(self, restaurant_id: UUID, block_id: UUID) -> Block | None: ...

    async def claims(
        self, restaurant_id: UUID, window: Window, table_ids: tuple[UUID, ...] | None = None
    ) -> tuple[Claim, ...]:
        """Claims that overlap the window, expired holds included; of all tables unless some are named."""
        ...

    async def diary(self, restaurant_id: UUID, span: Window) -> Diary:
        """Everything that is known of the span now. The restaurant must exist."""
        ...


class Catalogue(Reader, Protocol):
    """A `Reader` outside any transaction, with the lists that callers page through."""

    async def restaurants(self, tenant_id: UUID, page: Page) -> tuple[Restaurant, ...]: ...

    async def history(
        self, restaurant_id: UUID, booking_id: UUID, limit: int
    ) -> tuple[BookingChange, ...]: ...

    async def bookings(
        self, restaurant_id: UUID, window: Window, statuses: tuple[BookingStatus, ...], page: Page
    ) -> tuple[Booking, ...]: ...

    async def holds(
        self,
        restaurant_id: UUID,
        window: Window | None,
        booking_id: UUID | None,
        states: tuple[HoldState, ...],
        page: Page,
    ) -> tuple[Hold, ...]: ...

    async def assignments(
        self, restaurant_id: UUID, window: Window, page: Page
    ) -> tuple[Assignment, ...]: ...

    async def blocks(self, restaurant_id: UUID, window: Window, page: Page) -> tuple[Block, ...]: ...

    async def recorded(
        self, tenant_id: UUID, method: str, request_id: UUID, answer_type: type
    ) -> Recorded | None:
        """What the ledger says of a request."""
        ...

    async def in_progress(self, tenant_id: UUID, method: str, request_id: UUID) -> bool:
        """Whether a transaction works on the request right now."""
        ...

    async def audit_entries(
        self, restaurant_id: UUID, resource_id: UUID | None, window: Window | None, page: Page
    ) -> tuple[AuditRecord, ...]:
        """Newest first."""
        ...

    async def outbox_stats(self, tenant_id: UUID, restaurant_id: UUID | None) -> OutboxStats: ...

    async def outbox_events(
        self, tenant_id: UUID, wanted: WantedEvents, page: Page
    ) -> tuple[OutboxRecord, ...]:
        """Of a restaurant in the order in which they were committed, of all by time."""
        ...


class Unit(Reader, Protocol):
    """A transaction that may have other members. Nothing of it is visible to others before it commits.

    An exception undoes everything that was written through this unit.
    """

    @property
    def shared(self) -> bool:
        """Whether a refusal is recorded through the same unit: by itself, it would wait for the others to end."""
        ...

    async def recall(self, request: RecordedRequest, answer_type: type[AnswerT]) -> AnswerT | Refusal | None:
        """The recorded answer of this request, if there is one. Comes first.

        Raises REQUEST_IN_PROGRESS while another transaction works on the same request, and REQUEST_ID_REUSED when
        the request_id belongs to another payload.
        """
        ...

    async def lock_restaurant(self, tenant_id: UUID, restaurant_id: UUID) -> Standing | None:
        """Locks the restaurant against other writers until the transaction ends. Every write starts here."""
        ...

    async def write(self, restaurant_id: UUID, changes: Changes) -> int | None:
        """Writes everything as one change. Returns the restaurant's new floor version if it is known already."""
        ...

    async def record(self, request: RecordedRequest, answer: object) -> None:
        """Writes the ledger row: an answer, or a `Refusal`. Comes last."""
        ...


class OwnUnit(Unit, Protocol):
    """A transaction of one's own."""

    async def add_restaurant(self, restaurant: Restaurant) -> bool:
        """Creates the restaurant, and its tenant when it is the first; false when the id is taken."""
        ...

    async def write(self, restaurant_id: UUID, changes: Changes) -> int:
        """Writes everything and returns the restaurant's new floor version."""
        ...

    async def redrive_events(
        self, tenant_id: UUID, restaurant_id: UUID, event_ids: tuple[UUID, ...], event_type: str, limit: int
    ) -> tuple[UUID, ...]:
        """Makes dead events pending again, and says which: those named or all, oldest first, up to the limit."""
        ...

    async def put_auto_assign_job(self, restaurant_id: UUID, booking_id: UUID, job: AutoAssignJob) -> None:
        """Writes what was ordered or decided for a booking; a worker that has taken the job before loses it."""
        ...

    async def auto_assign_run(self, restaurant_id: UUID, booking_id: UUID) -> int | None:
        """The number of a booking's job, which no worker can take until the transaction ends."""
        ...

    async def note(self, restaurant: Restaurant, entry: AuditEntry) -> None:
        """Writes an audit entry about something that changed nothing on the floor."""
        ...


class Named(NamedTuple):
    """A restaurant as a tenant names it, be it the tenant's or not. Whoever names another's waits for none of its
    changes, and keeps none of them waiting.
    """

    tenant_id: UUID | None
    restaurant_id: UUID


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a change is about: a booking, a hold, tables. With a hold, it is about the hold's tables.

    With the request's id, repeats of one moment are answered one after the other, too. `Once` knows it, and the tenant.
    """

    restaurant_id: UUID
    booking_id: UUID | None = None
    hold_id: UUID | None = None
    table_ids: tuple[UUID, ...] = ()
    request_id: UUID | None = None
    tenant_id: UUID | None = None
    named: Named = field(init=False, repr=False, compare=False)
    touches: frozenset[UUID] = field(init=False, repr=False, compare=False)
    """Changes that touch something in common are decided one after the other. Whoever waits is asked for it again and
    again."""

    def __post_init__(self) -> None:
        named = (self.booking_id, self.hold_id, self.request_id)
        touches = frozenset((*(each for each in named if each is not None), *self.table_ids))
        object.__setattr__(self, "touches", touches)
        object.__setattr__(self, "named", Named(self.tenant_id, self.restaurant_id))


class Store(Protocol):
    """The database."""

    @property
    def catalogue(self) -> Catalogue: ...

    async def run(
        self, work: Callable[[OwnUnit], Awaitable[ResultT]], deadline: Deadline, named: Named | None
    ) -> ResultT:
        """Runs `work` in a transaction and commits it. `named` is the restaurant whose lock it will want, if any.

        Serialization failures, deadlocks, lock timeouts and claims that lost a race are tried again with a new
        snapshot, a bounded number of times and within the deadline; so `work` may run more than once. Raises
        STORE_CONTENTION, STORE_UNAVAILABLE or DEADLINE_EXCEEDED.
        """
        ...

    async def run_together(
        self, work: Callable[[Unit], Awaitable[ResultT]], deadline: Deadline, footprint: Footprint
    ) -> ResultT:
        """The same for work that others can join: whoever waits at the same moment is committed together.

        Nobody is refused or undone because of another. Raises SERVER_OVERLOADED, too, when too many wait.
        """
        ...

    async def check_invariants(
        self, tenant_id: UUID, restaurant_id: UUID | None, deadline: Deadline
    ) -> InvariantReport:
        """Looks at all restaurants of the tenant, or at one, as of one instant; waits for nobody's lock.

        Raises STORE_CONTENTION, STORE_UNAVAILABLE or DEADLINE_EXCEEDED.
        """
        ...


class Upkeep(Protocol):
    """What nobody asks for and somebody has to do, over all tenants."""

    async def restaurants_with_expired_holds(self, limit: int) -> tuple[tuple[UUID, UUID], ...]:
        """Tenant and restaurant of each, the longest expired first."""
        ...


class InventorySource(Protocol):
    """Prepared inventories by version, from a cache where possible."""

    async def prepared(self, restaurant: Restaurant, reader: Reader) -> PreparedInventory:
        """The inventory at the restaurant's versions or newer; `reader` is asked only when it is not known yet."""
        ...
