"""One way in which stored data can be wrong, and how it is brought about past the service."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Damage:
    """Statements past the service, the checks that have to notice, and ids of the first one's first example."""

    sql: tuple[str, ...]
    checks: Mapping[str, int]
    ids: Mapping[str, str] = field(default_factory=dict)

    @property
    def of_schema(self) -> bool:
        """Whether the database is damaged for everybody, and not only what one restaurant has there."""
        return any("ALTER TABLE" in statement for statement in self.sql)


def said(status: str) -> str:
    """The last change of the seated booking says that it came to this status."""
    return (
        f"UPDATE booking_history SET to_status = '{status}' WHERE booking_id = '{{seated}}' AND revision = 2"
    )


def completed(booking: str) -> tuple[str, ...]:
    """The party has come and left, and its assignment still claims all of its tables."""
    return (
        (
            "UPDATE bookings SET status = 'completed', checked_in_at = now(), checked_out_at = now(), revision = 4"
            f" WHERE booking_id = '{{{booking}}}'"
        ),
        (
            "INSERT INTO booking_history SELECT restaurant_id, booking_id, v.*, 'x', '', now() FROM bookings,"
            " (VALUES (3, 'confirmed', 'checked_in'), (4, 'checked_in', 'completed')) AS v"
            f" WHERE booking_id = '{{{booking}}}'"
        ),
        f"UPDATE assignments SET state = 'completed' WHERE booking_id = '{{{booking}}}'",
        audited(booking, 2),
    )


def come(booking: str) -> tuple[str, ...]:
    """The party has come, and sits at its tables."""
    return (
        (
            "INSERT INTO booking_history SELECT restaurant_id, booking_id, revision + 1, status, 'checked_in', 'x', '',"
            f" now() FROM bookings WHERE booking_id = '{{{booking}}}'"
        ),
        (
            "UPDATE bookings SET status = 'checked_in', checked_in_at = now(), revision = revision + 1"
            f" WHERE booking_id = '{{{booking}}}'"
        ),
        audited(booking),
    )


def audited(booking: str, times: int = 1) -> str:
    """The audit log says that somebody has changed the booking so often."""
    return (
        "INSERT INTO audit_log (restaurant_id, tenant_id, floor_version, occurred_at, actor, action, resource,"
        " resource_id, reason, details)"
        " SELECT restaurant_id, tenant_id, floor_version, now(), 'x', 'change', 'booking',"
        f" '{{{booking}}}', '', '{{{{\"request_id\": 1}}}}' FROM restaurants, generate_series(1, {times})"
        " WHERE restaurant_id = '{restaurant}'"
    )


def one_more(table: str, owner: str) -> str:
    """What claims something claims this table for the same time."""
    return (
        "INSERT INTO table_claims"
        " (restaurant_id, table_id, during, kind, hold_id, assignment_id, booking_id, expires_at)"
        f" SELECT restaurant_id, '{{{table}}}', during, kind, hold_id, assignment_id, booking_id, expires_at"
        f" FROM table_claims WHERE {owner}"
    )
