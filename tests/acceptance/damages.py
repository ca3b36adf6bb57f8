"""What can be wrong with stored data, done past the service, and what notices it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

DROP_CONSTRAINT = "ALTER TABLE table_claims DROP CONSTRAINT table_claims_no_overlap"
WEAKER_CONSTRAINT = """
    ALTER TABLE table_claims ADD CONSTRAINT table_claims_no_overlap
    EXCLUDE USING gist (during WITH &&, during WITH &&, during WITH &&) WHERE (enforced AND kind = 'block')
"""
# A block on the seated party's table, half an hour after it sat down.
BLOCK_OVER_CLAIM = """
    WITH taken AS (SELECT * FROM table_claims WHERE assignment_id = '{assignment}'),
    block AS (
        INSERT INTO blocks (restaurant_id, block_id, table_ids, window_start, window_end, cause, note, actor,
            created_at)
        SELECT restaurant_id, '{new}', ARRAY[table_id], lower(during) + interval '30 min', upper(during), 'other', '',
            'x', now()
        FROM taken
    )
    INSERT INTO table_claims (restaurant_id, table_id, during, kind, block_id)
    SELECT restaurant_id, table_id, tstzrange(lower(during) + interval '30 min', upper(during)), 'block', '{new}'
    FROM taken
"""


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
    )


DAMAGES: Mapping[str, Damage] = {
    "the constraint is gone": Damage((DROP_CONSTRAINT,), {"overlap_refused": 1}),
    "the constraint leaves out most claims": Damage(
        (DROP_CONSTRAINT, WEAKER_CONSTRAINT), {"overlap_refused": 1}
    ),
    "the rule that an assignment claims its tables is turned off": Damage(
        ("ALTER TABLE assignments DISABLE TRIGGER assignments_claims_whole",), {"rules_in_force": 1}
    ),
    "the rule that a confirmed booking has tables is gone, and that a claimed table is there": Damage(
        (
            "ALTER TABLE bookings DROP CONSTRAINT bookings_assignment_active",
            "ALTER TABLE table_claims DROP CONSTRAINT table_claims_restaurant_id_table_id_fkey",
        ),
        {"rules_in_force": 2},
    ),
    "a table is claimed twice": Damage(
        (DROP_CONSTRAINT, BLOCK_OVER_CLAIM),
        {"no_overlap": 1, "overlap_refused": 1},
        {"assignment_id": "assignment", "booking_id": "seated", "table_ids": "T1"},
    ),
    "a pending booking has tables": Damage(
        ("UPDATE bookings SET status = 'pending' WHERE booking_id = '{seated}'", said("pending")),
        {"status_matches_assignment": 1},
        {"booking_id": "seated", "assignment_id": "assignment"},
    ),
    "a confirmed booking's assignment was released": Damage(
        (
            "UPDATE assignments SET state = 'released' WHERE assignment_id = '{assignment}'",
            "DELETE FROM table_claims WHERE assignment_id = '{assignment}'",
        ),
        {"status_matches_assignment": 1},
        {"booking_id": "seated", "assignment_id": "assignment"},
    ),
    "a booking does not know its assignment": Damage(
        (
            "UPDATE bookings SET status = 'pending', assignment_id = NULL WHERE booking_id = '{seated}'",
            said("pending"),
        ),
        {"status_matches_assignment": 1},
        {"booking_id": "seated", "assignment_id": "assignment"},
    ),
    "a completed booking had no tables": Damage(
        (*completed("seated"), "UPDATE bookings SET assignment_id = NULL WHERE booking_id = '{seated}'"),
        {"status_matches_assignment": 1},
        {"booking_id": "seated"},
    ),
    "a completed assignment has given one of its tables back": Damage(
        (
            *completed("party"),
            "DELETE FROM table_claims WHERE assignment_id = '{merged}' AND table_id = '{T2}'",
        ),
        {"assignments_match_claims": 1},
        {"assignment_id": "merged", "booking_id": "party", "table_ids": "T2 T3"},
    ),
    "an assignment has lost a claim": Damage(
        ("DELETE FROM table_claims WHERE assignment_id = '{merged}' AND table_id = '{T2}'",),
        {"assignments_match_claims": 1},
        {"assignment_id": "merged", "booking_id": "party", "table_ids": "T2 T3"},
    ),
    "a claim is shorter than its assignment": Damage(
        (
            (
                "UPDATE table_claims SET during = tstzrange(lower(during), upper(during) - interval '1 min')"
                " WHERE assignment_id = '{assignment}'"
            ),
        ),
        {"assignments_match_claims": 1},
        {"assignment_id": "assignment"},
    ),
    "tables are claimed by an assignment that is gone": Damage(
        (
            "DELETE FROM assignments WHERE assignment_id = '{assignment}'",
            "UPDATE bookings SET status = 'pending', assignment_id = NULL WHERE booking_id = '{seated}'",
            said("pending"),
        ),
        {"assignments_match_claims": 1, "ledger_matches_state": 1},
        {"assignment_id": "assignment", "booking_id": "seated", "table_ids": "T1"},
    ),
    "a booking was moved past its tables": Damage(
        (
            (
                "UPDATE bookings SET window_end = window_end + interval '1 day',"
                " dining_end = dining_end + interval '1 day' WHERE booking_id = '{seated}'"
            ),
        ),
        {"assignments_match_bookings": 1},
        {"booking_id": "seated", "assignment_id": "assignment", "table_ids": "T1"},
    ),
    "more guests come than there are tables for": Damage(
        ("UPDATE bookings SET party_size = party_size + 1 WHERE booking_id = '{party}'",),
        {"assignments_match_bookings": 1},
        {"booking_id": "party", "assignment_id": "merged", "table_ids": "T2 T3"},
    ),
    "a released assignment still claims": Damage(
        ("UPDATE assignments SET state = 'released' WHERE assignment_id = '{assignment}'",),
        {"assignments_match_claims": 1, "status_matches_assignment": 1},
        {"assignment_id": "assignment"},
    ),
    "a live hold claims nothing": Damage(
        ("DELETE FROM table_claims WHERE hold_id = '{hold}'",),
        {"holds_match_claims": 1},
        {"hold_id": "hold", "booking_id": "waiting", "table_ids": "T4"},
    ),
    "a live hold claims part of its window": Damage(
        (
            (
                "UPDATE table_claims SET during = tstzrange(lower(during) + interval '1 min', upper(during))"
                " WHERE hold_id = '{hold}'"
            ),
        ),
        {"holds_match_claims": 1},
        {"hold_id": "hold", "table_ids": "T4"},
    ),
    "a released hold still claims": Damage(
        ("UPDATE holds SET state = 'released' WHERE hold_id = '{hold}'",),
        {"holds_match_claims": 1},
        {"hold_id": "hold", "booking_id": "waiting", "table_ids": "T4"},
    ),
    "a claim outlives its hold": Damage(
        ("UPDATE table_claims SET expires_at = expires_at + interval '1 min' WHERE hold_id = '{hold}'",),
        {"holds_match_claims": 1},
        {"hold_id": "hold", "table_ids": "T4"},
    ),
    "a hold was confirmed, and only another booking has tables of it": Damage(
        (
            "UPDATE holds SET state = 'confirmed' WHERE hold_id = '{released}'",
            "UPDATE assignments SET hold_id = '{released}' WHERE assignment_id = '{assignment}'",
        ),
        {"confirmed_holds_assigned": 1},
        {"hold_id": "released"},
    ),
    "a block claims nothing": Damage(
        ("DELETE FROM table_claims WHERE block_id = '{block}'",),
        {"blocks_match_claims": 1},
        {"block_id": "block", "table_ids": "T5"},
    ),
    "tables are claimed by a block that is gone": Damage(
        ("DELETE FROM blocks WHERE block_id = '{block}'",),
        {"blocks_match_claims": 1},
        {"block_id": "block", "table_ids": "T5"},
    ),
    "a released block still claims": Damage(
        ("UPDATE blocks SET released = true WHERE block_id = '{block}'",),
        {"blocks_match_claims": 1},
        {"block_id": "block", "table_ids": "T5"},
    ),
    "a table that is held is gone": Damage(
        (
            "DELETE FROM tables WHERE table_id = '{T4}'",
            "DELETE FROM table_adjacency WHERE '{T4}' IN (table_a, table_b)",
        ),
        {"floor_known": 2},
        {"hold_id": "hold", "booking_id": "waiting", "table_ids": "T4"},
    ),
    "what is merged, blocked, beside another table or asked for is gone": Damage(
        (
            "DELETE FROM tables WHERE table_id IN ('{T3}', '{T5}')",
            "DELETE FROM table_adjacency WHERE restaurant_id = '{restaurant}' AND NOT '{T5}' IN (table_a, table_b)",
            "UPDATE bookings SET zone_id = '{new}' WHERE booking_id = '{waiting}'",
        ),
        {"floor_known": 5},
    ),
    "two tables are no merge group": Damage(
        ("DELETE FROM merge_groups WHERE assignment_id = '{merged}'",),
        {"merges_legal": 1},
        {"assignment_id": "merged", "booking_id": "party", "table_ids": "T2 T3"},
    ),
    "a merged table is fixed": Damage(
        ("UPDATE tables SET movable = false WHERE table_id = '{T2}'",),
        {"merges_legal": 1},
        {"assignment_id": "merged"},
    ),
    "merged tables stand apart": Damage(
        ("UPDATE tables SET zone_id = '{new}' WHERE table_id = '{T2}'",),
        {"merges_legal": 1, "floor_known": 1},
        {"assignment_id": "merged"},
    ),
    "a change has no event": Damage(
        ("DELETE FROM capacity_outbox WHERE floor_version = 2 AND restaurant_id = '{restaurant}'",),
        {"one_event_per_change": 1},
    ),
    "an event belongs to no change": Damage(
        (
            (
                "UPDATE capacity_outbox SET floor_version = 1000 WHERE floor_version = 2"
                " AND restaurant_id = '{restaurant}'"
            ),
        ),
        {"one_event_per_change": 2},
    ),
    "two requests share a floor version": Damage(
        (
            (
                "UPDATE capacity_outbox SET idempotency_key = 'other'"
                " WHERE restaurant_id = '{restaurant}' AND event_type = 'capacity.hold.confirmed'"
            ),
        ),
        {"one_event_per_change": 1},
    ),
    "an event counts as delivered and waits": Damage(
        (
            "INSERT INTO outbox_streams (restaurant_id, settled_version) VALUES ('{restaurant}', 5)",
            "UPDATE capacity_outbox SET status = 'done' WHERE restaurant_id = '{restaurant}' AND floor_version < 5",
            "UPDATE outbox_streams SET settled_position = 1 WHERE restaurant_id = '{restaurant}'",
        ),
        {"one_event_per_change": 1},
    ),
    "more counts as delivered than there is": Damage(
        ("INSERT INTO outbox_streams (restaurant_id, compacted_version) VALUES ('{restaurant}', 1000)",),
        {"one_event_per_change": 1},
    ),
    "a change is not in the audit log": Damage(
        ("DELETE FROM audit_log WHERE floor_version = 2 AND restaurant_id = '{restaurant}'",),
        {"changes_audited": 1},
    ),
    "one change is in the audit log twice and another is not": Damage(
        (
            "UPDATE audit_log SET floor_version = 1 WHERE floor_version = 2 AND restaurant_id = '{restaurant}'",
        ),
        {"changes_audited": 1},
    ),
    "a recorded hold is gone": Damage(
        ("DELETE FROM holds WHERE hold_id = '{released}'",),
        {"ledger_matches_state": 1},
        {"hold_id": "released"},
    ),
    "a recorded assignment is of another booking": Damage(
        (
            (
                "UPDATE idempotency_ledger SET answer = jsonb_set(answer, '{{assignment,booking_id}}', '\"{waiting}\"')"
                " WHERE answer #>> '{{assignment,assignment_id}}' = '{assignment}'"
            ),
        ),
        {"ledger_matches_state": 1},
        {"assignment_id": "assignment", "booking_id": "waiting"},
    ),
    "history has a gap": Damage(
        ("DELETE FROM booking_history WHERE booking_id = '{seated}' AND revision = 1",),
        {"history_complete": 1},
        {"booking_id": "seated"},
    ),
    "a status came from nowhere": Damage(
        (said("pending"),), {"history_complete": 1}, {"booking_id": "seated"}
    ),
    "a step in the middle of history is another": Damage(
        (
            "UPDATE booking_history SET to_status = 'cancelled' WHERE booking_id = '{changed}' AND revision = 2",
        ),
        {"history_complete": 1},
        {"booking_id": "changed"},
    ),
    "a booking took steps that none takes": Damage(
        (
            "UPDATE booking_history SET to_status = 'cancelled' WHERE booking_id = '{changed}' AND revision = 2",
            "UPDATE booking_history SET from_status = 'cancelled' WHERE booking_id = '{changed}' AND revision = 3",
        ),
        {"history_complete": 1},
        {"booking_id": "changed"},
    ),
    "an assignment is from the future": Damage(
        ("UPDATE assignments SET assignment_epoch = 99 WHERE assignment_id = '{assignment}'",),
        {"epochs_in_order": 1},
        {"booking_id": "seated", "assignment_id": "assignment"},
    ),
    "a hold is from the future": Damage(
        ("UPDATE holds SET assignment_epoch = 99 WHERE hold_id = '{hold}'",),
        {"epochs_in_order": 1},
        {"booking_id": "waiting", "hold_id": "hold"},
    ),
}
