"""An event on its way out, and what became of an attempt to deliver it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from server.domain.events import CommittedEvent


@dataclass(frozen=True, slots=True)
class OutboxEvent(CommittedEvent):
    """A committed event with the attempts to deliver it so far."""

    attempt_count: int

    @property
    def place(self) -> "Place":
        return Place(self.floor_version, self.position)


class Place(NamedTuple):
    """A point in the order of a restaurant's events."""

    floor_version: int
    position: int


LAST_POSITION = 2**31 - 1


class Lease(NamedTuple):
    """A worker's right to deliver a restaurant's events. Who leases it next gets a higher number."""

    restaurant_id: UUID
    number: int


@dataclass(frozen=True, slots=True)
class Run:
    """Events of one restaurant under one lease, in their order.

    `settled` is how far the restaurant's events were delivered before, `end` how far they are when all of the run is.
    `orphanings` counts the leases in a row that ended without an answer about the first event.
    """

    restaurant_id: UUID
    lease_number: int
    settled: Place
    end: Place
    orphanings: int
    events: tuple[OutboxEvent, ...]

    @property
    def lease(self) -> Lease:
        return Lease(self.restaurant_id, self.lease_number)


class Outcome(StrEnum):
    """What an attempt left an event as."""

    DONE = "done"
    PENDING = "pending"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one event. `attempts` are to be counted; `delay_s` is the wait before the next one."""

    event_id: UUID
    outcome: Outcome
    attempts: int = 1
    error: str | None = None
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a run. `blocked_by` is the dead event that the restaurant's later ones wait behind."""

    run: Run
    settled: Place
    answers: tuple[Answer, ...]
    delay_s: float = 0.0
    blocked_by: UUID | None = None
