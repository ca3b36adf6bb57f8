"""How decided changes become rows: those of one transaction together, all rows of a kind in one statement."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from uuid import UUID

from server.domain.events import Event, EventType
from server.errors import Refusal
from server.orchestrator.changes import Changes
from server.orchestrator.ports import RecordedRequest
from server.outbox.encoding import message_name
from server.outbox.sinks.telemetry import LEFT_OUT
from server.persistence import rows
from server.persistence.documents import encode
from server.persistence.pool import Connection
from server.persistence.queries import load_queries

CHANGES = load_queries("changes")
LEDGER = load_queries("ledger")
TELEMETRY = load_queries("telemetry")
TELEMETRY_SCHEMAS = {each.value: message_name(each) for each in EventType}


@dataclass(frozen=True, slots=True)
class Written:
    """Changes of one restaurant that become one floor version, and the request that they came with, if any."""

    restaurant_id: UUID
    changes: Changes
    request: RecordedRequest | None


@dataclass(frozen=True, slots=True)
class Answers:
    """Rows for the ledger: requests with their answers, or each with a `Refusal`, and how long they are kept."""

    answered: Sequence[tuple[RecordedRequest, object]] = ()
    ttl_s: float = 0.0

    def values(self) -> tuple[str, float]:
        """As values of a statement."""
        return encode([_answer_document(request, answer) for request, answer in self.answered]), self.ttl_s


NO_ANSWERS = Answers()


async def write_all(
    connection: Connection, written: Sequence[Written], answers: Answers = NO_ANSWERS
) -> Mapping[UUID, int]:
    """Writes the changes of a transaction, with the answers to their requests, and gives each restaurant's new floor
    version.

    Changes of the same restaurant get versions of their own, in the order given. What `Changes` has about inventory,
    blocks and claims that are cut is not written here.
    """
    await _free(connection, written)
    raised = await connection.fetch(CHANGES["write_changes"], *_values(written), *answers.values())
    versions = {row["restaurant_id"]: row["floor_version"] for row in raised}
    if raised and raised[0]["direct_telemetry"]:
        for restaurant_id, steps in Counter(one.restaurant_id for one in written).items():
            newest = versions[restaurant_id]
            for version in range(newest - steps + 1, newest + 1):
                await _write_telemetry(connection, restaurant_id, version)
    return versions


async def record_all(connection: Connection, answers: Answers) -> None:
    """Writes answers that changed nothing, or whose changes are written."""
    await connection.execute(LEDGER["record"], *answers.values())


def _answer_document(request: RecordedRequest, answer: object) -> dict[str, object]:
    return {
        "tenant_id": request.tenant_id,
        "method": request.method,
        "request_id": request.request_id,
        "request_hash": f"\\x{hash_of(request.field_digests).hex()}",
        "field_digests": dict(request.field_digests),
        "refused": isinstance(answer, Refusal),
        "answer": answer,
    }


def hash_of(digests: tuple[tuple[str, str], ...]) -> bytes:
    """What tells two payloads apart."""
    return blake2b(repr(digests).encode(), digest_size=16).digest()


async def _free(connection: Connection, written: Sequence[Written]) -> None:
    """Ends what others of the same transaction may take over. Most changes take nothing from anybody."""
    dropped = [(one.restaurant_id, owner_id) for one in written for owner_id in one.changes.claims_dropped_of]
    ended = [
        (one.restaurant_id, assignment_id, state.value)
        for one in written
        for assignment_id, state in one.changes.assignment_states.items()
    ]
    longer = [
        (one.restaurant_id, hold_id, expires_at)
        for one in written
        for hold_id, expires_at in one.changes.hold_expiries.items()
    ]
    if dropped or ended or longer:
        values = (*_columns(dropped, 2), *_columns(ended, 3), *_columns(longer, 3))
        await connection.execute(CHANGES["free_changes"], *values)


def _values(written: Sequence[Written]) -> Iterator[object]:
    """The values of `write_changes`."""
    steps = Counter(one.restaurant_id for one in written)
    yield list(steps)
    yield list(steps.values())
    yield from _columns(
        [
            (one.restaurant_id, hold_id, state.value)
            for one in written
            for hold_id, state in one.changes.hold_states.items()
        ],
        3,
    )
    yield encode([rows.hold_document(hold) for one in written for hold in one.changes.holds_added])
    yield encode(
        [rows.assignment_document(added) for one in written for added in one.changes.assignments_added]
    )
    yield from _columns(
        [(one.restaurant_id, *moved) for one in written for moved in one.changes.claims_moved], 3
    )
    yield encode(_claim_documents(written))
    bookings = [(one.changes.booking, one.changes.booking_change) for one in written]
    yield encode([rows.booking_document(booking) for booking, _ in bookings if booking])
    yield encode(
        [rows.booking_change_document(booking, change) for booking, change in bookings if booking and change]
    )
    numbered = list(_numbered(written))
    yield encode(
        [
            _event_document(one, step, position, event)
            for step, one in numbered
            for position, event in enumerate(one.changes.events, start=1)
        ]
    )
    yield encode([document for step, one in numbered for document in _audit_documents(one, step)])


def _numbered(written: Sequence[Written]) -> Iterator[tuple[int, Written]]:
    """Each with its step, which counts the changes of its restaurant."""
    steps: Counter[UUID] = Counter()
    for one in written:
        steps[one.restaurant_id] += 1
        yield steps[one.restaurant_id], one


def _claim_documents(written: Sequence[Written]) -> list[dict[str, object]]:
    """Ordered by table and time, so that concurrent inserts meet in one order."""
    claims = [(one.restaurant_id, claim) for one in written for claim in one.changes.claims_added]
    claims.sort(key=lambda each: (each[0], each[1].table_id, each[1].window.start))
    return [rows.claim_document(restaurant_id, claim) for restaurant_id, claim in claims]


def _event_document(one: Written, step: int, position: int, event: Event) -> dict[str, object]:
    return {
        "restaurant_id": one.restaurant_id,
        "step": step,
        "position": position,
        "event_type": event.event_type.value,
        "dedupe_key": event.dedupe_key,
        "booking_id": event.booking_id,
        "idempotency_key": one.request.request_id if one.request else "",
        "payload": event.payload,
    }


def _audit_documents(one: Written, step: int) -> Iterator[dict[str, object]]:
    """The first entry of a change notes how many events tell of it, so that a lost one can be missed."""
    noted: Mapping[str, object] = {"events": len(one.changes.events)}
    for entry in one.changes.audit:
        yield {
            "restaurant_id": one.restaurant_id,
            "step": step,
            "actor": entry.actor,
            "action": entry.action,
            "resource": entry.resource,
            "resource_id": entry.resource_id,
            "reason": entry.reason,
            "details": {**entry.details, **noted},
        }
        noted = {}


def _columns(table: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Rows as columns, which is how arrays go into a statement."""
    return [[row[column] for row in table] for column in range(width)]


async def _write_telemetry(connection: Connection, restaurant_id: UUID, version: int) -> None:
    """What the telemetry sink would write later, and then finds already written."""
    await connection.execute(
        TELEMETRY["record_change"],
        restaurant_id,
        version,
        list(TELEMETRY_SCHEMAS),
        list(TELEMETRY_SCHEMAS.values()),
        list(LEFT_OUT),
    )
