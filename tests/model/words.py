"""What the model knows: plain values, written after the contract and not after the server.

Instants are whole seconds since 1970, lengths are seconds, windows are half-open pairs of instants.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Window: TypeAlias = tuple[int, int]

WAITING = ("PENDING", "PENDING_ALLOCATION")


@dataclass(frozen=True)
class Table:
    zone: str
    name: str
    capacity: int
    min_party: int
    max_party: int
    movable: bool
    attributes: tuple[str, ...]
    in_service: bool


@dataclass(frozen=True)
class Floor:
    zones: frozenset[str] = frozenset()
    tables: Mapping[str, Table] = field(default_factory=dict)
    edges: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class Period:
    name: str
    opens_min: int
    closes_min: int
    may_overrun: bool
    shortest: int | None
    turns: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Policy:
    periods: tuple[Period, ...]
    buffer_before: int
    buffer_after: int
    slack_max: int
    merging: bool
    tables_max: int
    mode: str
    adjacent_from: int
    check_in_lead: int | None
    engine: str
    relaxations: tuple[str, ...]


@dataclass(frozen=True)
class Party:
    size: int
    start: int
    duration: int | None
    zone: str
    required: tuple[str, ...]
    preferred: tuple[str, ...]

    @property
    def need(self) -> tuple[Any, ...]:
        """What decides which tables are right: everything but the preferences."""
        return (self.size, self.start, self.duration, self.zone, self.required)


@dataclass(frozen=True)
class Stay:
    window: Window
    dining_end: int
    period: str


@dataclass
class Assignment:
    """`assignment_id` and `merge_group_id` are learned from the first answer that names them."""

    booking_id: str
    tables: tuple[str, ...]
    window: Window
    epoch: int
    party_size: int
    actor: str
    created_at: int
    hold_id: str = ""
    state: str = "ACTIVE"
    claims: bool = True
    assignment_id: str = ""
    merge_group_id: str = ""
    overrides: tuple[str, ...] = ()


@dataclass
class Booking:
    booking_id: str
    party: Party
    stay: Stay
    reference: str
    created_at: int
    updated_at: int
    status: str = "PENDING"
    revision: int = 1
    epoch: int = 1
    assignment: Assignment | None = None
    last_assignment: Assignment | None = None
    checked_in_at: int = 0
    checked_out_at: int = 0
    history: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def etag(self) -> str:
        return f"b{self.revision}"

    @property
    def has_current_tables(self) -> bool:
        return self.assignment is not None and self.assignment.epoch == self.epoch

    @property
    def assignable(self) -> bool:
        return self.status in (*WAITING, "CONFIRMED")

    @property
    def needs_tables(self) -> bool:
        return self.assignable and not self.has_current_tables


@dataclass
class Hold:
    hold_id: str
    booking_id: str
    tables: tuple[str, ...]
    window: Window
    expires_at: int
    created_at: int
    actor: str
    policy_version: int
    inventory_version: int
    epoch: int
    overrides: tuple[str, ...] = ()
    ended: str = ""

    def state(self, now: int) -> str:
        return self.ended or ("ACTIVE" if now < self.expires_at else "EXPIRED")

    def live(self, now: int) -> bool:
        return self.state(now) == "ACTIVE"


@dataclass
class Block:
    block_id: str
    tables: tuple[str, ...]
    window: Window
    note: str
    actor: str
    created_at: int
    released: bool = False


@dataclass(frozen=True)
class Claim:
    table: str
    window: Window
    kind: str
    owner: str
    booking_id: str = ""


@dataclass
class Place:
    """One restaurant and everything in it. Without a tenant it does not exist yet.

    `derived` are the answers to automatic assignments under ids that nobody chose.
    """

    restaurant_id: str
    tenant: int | None = None
    name: str = ""
    time_zone: str = ""
    revision: int = 0
    policy: Policy | None = None
    policy_version: int = 0
    floor: Floor = field(default_factory=Floor)
    inventory_version: int = 0
    floor_version: int = 0
    bookings: dict[str, Booking] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    blocks: dict[str, Block] = field(default_factory=dict)
    derived: dict[str, Any] = field(default_factory=dict)

    def holds_of(self, booking_id: str, now: int) -> list[Hold]:
        return [hold for hold in self.holds.values() if hold.booking_id == booking_id and hold.live(now)]

    def claims(self, now: int) -> Iterator[Claim]:
        """Which tables are taken when, by what: the union of holds, assignments and blocks."""
        for block in self.blocks.values():
            if not block.released:
                yield from (Claim(table, block.window, "BLOCK", block.block_id) for table in block.tables)
        for booking in self.bookings.values():
            given = booking.assignment
            if given and given.claims:
                owner = given.assignment_id
                for table in given.tables:
                    yield Claim(table, given.window, "ASSIGNMENT", owner, booking.booking_id)
        for hold in self.holds.values():
            if hold.live(now):
                for table in hold.tables:
                    for part in self._not_sat_on(hold, table):
                        yield Claim(table, part, "HOLD", hold.hold_id, hold.booking_id)

    def turns(self, now: int) -> Iterator[int]:
        """When time alone changes what can be done: holds end, and parties can be checked in."""
        yield from (hold.expires_at for hold in self.holds.values() if hold.live(now))
        if self.policy is not None and self.policy.check_in_lead is not None:
            lead = self.policy.check_in_lead
            yield from (
                each.party.start - lead for each in self.bookings.values() if each.status == "CONFIRMED"
            )

    def _not_sat_on(self, hold: Hold, table: str) -> list[Window]:
        """A hold takes what its booking does not have already."""
        given = self.bookings[hold.booking_id].assignment
        if given is None or table not in given.tables or not overlap(given.window, hold.window):
            return [hold.window]
        before, after = (hold.window[0], given.window[0]), (given.window[1], hold.window[1])
        return [part for part in (before, after) if part[0] < part[1]]


def overlap(a: Window, b: Window) -> bool:
    return a[0] < b[1] and b[0] < a[1]
