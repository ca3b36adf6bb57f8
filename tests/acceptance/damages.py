"""What can be wrong with stored data, done past the service, and what notices it."""

from collections.abc import Mapping

from tests.acceptance.damage import Damage, audited, completed, one_more, said
from tests.acceptance.damages_of_records import OF_RECORDS

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
    "the indexes are gone that let a booking have one assignment, and a request one answer": Damage(
        (
            "DROP INDEX assignments_one_active",
            "ALTER TABLE idempotency_ledger DROP CONSTRAINT idempotency_ledger_pkey",
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
    "a booking with tables is gone": Damage(
        ("DELETE FROM bookings WHERE booking_id = '{seated}'",),
        {"status_matches_assignment": 1, "changes_audited": 1, "history_complete": 1},
        {"booking_id": "seated", "assignment_id": "assignment"},
    ),
    "a booking names the assignment of another": Damage(
        ("UPDATE bookings SET assignment_id = '{merged}' WHERE booking_id = '{seated}'",),
        {"status_matches_assignment": 2},
        {"booking_id": "seated"},
    ),
    "a completed booking had no tables": Damage(
        (*completed("seated"), "UPDATE bookings SET assignment_id = NULL WHERE booking_id = '{seated}'"),
        {"status_matches_assignment": 2},
        {"booking_id": "seated"},
    ),
    "what two parties gave up counts as completed": Damage(
        (
            "UPDATE assignments SET state = 'completed' WHERE restaurant_id = '{restaurant}' AND state = 'released'",
        ),
        {"status_matches_assignment": 2},
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
    "a claim is on another table than its assignment": Damage(
        ("UPDATE table_claims SET table_id = '{T2}' WHERE booking_id = '{changed}' AND kind = 'assignment'",),
        {"assignments_match_claims": 1, "holds_match_claims": 1},
        {"booking_id": "changed", "table_ids": "T1"},
    ),
    "an assignment claims one table more, and another for a booking that is not its own": Damage(
        (
            one_more("T2", "booking_id = '{changed}' AND kind = 'assignment'"),
            "UPDATE table_claims SET booking_id = '{waiting}' WHERE assignment_id = '{assignment}'",
        ),
        {"assignments_match_claims": 2},
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
    "a booking begins later than its tables are taken": Damage(
        (
            (
                "UPDATE bookings SET window_start = window_start + interval '1 hour',"
                " dining_start = dining_start + interval '1 hour' WHERE booking_id = '{seated}'"
            ),
        ),
        {"assignments_match_bookings": 1},
        {"booking_id": "seated", "assignment_id": "assignment"},
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
    "a live hold claims one of its two tables": Damage(
        ("UPDATE holds SET table_ids = ARRAY['{T2}'::uuid, '{T4}'] WHERE hold_id = '{hold}'",),
        {"holds_match_claims": 1, "ledger_matches_state": 1},
        {"hold_id": "hold", "table_ids": "T2"},
    ),
    "holds claim for too long, for another booking and a table more": Damage(
        (
            (
                "UPDATE table_claims SET during = tstzrange(lower(during), upper(during) + interval '1 min')"
                " WHERE hold_id = '{hold}'"
            ),
            one_more("T2", "booking_id = '{changed}' AND kind = 'hold'"),
            (
                "UPDATE table_claims SET booking_id = '{seated}'"
                " WHERE booking_id = '{changed}' AND kind = 'hold' AND table_id = '{T1}'"
            ),
        ),
        {"holds_match_claims": 3},
    ),
    "tables are claimed by a hold that is gone": Damage(
        ("DELETE FROM holds WHERE hold_id = '{hold}'",),
        {"holds_match_claims": 1, "ledger_matches_state": 1},
        {"hold_id": "hold", "booking_id": "waiting", "table_ids": "T4"},
    ),
    "a released hold still claims": Damage(
        ("UPDATE holds SET state = 'released' WHERE hold_id = '{hold}'",),
        {"holds_match_claims": 1},
        {"hold_id": "hold", "booking_id": "waiting", "table_ids": "T4"},
    ),
    "a live hold is of a party that was called off": Damage(
        (
            "UPDATE bookings SET status = 'cancelled', revision = 2 WHERE booking_id = '{waiting}'",
            (
                "INSERT INTO booking_history SELECT restaurant_id, booking_id, 2, 'pending', status, 'x', '', now()"
                " FROM bookings WHERE booking_id = '{waiting}'"
            ),
            audited("waiting"),
        ),
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
    "a hold was confirmed, and its booking has tables that are not of it": Damage(
        (
            "DELETE FROM table_claims WHERE booking_id = '{changed}' AND kind = 'hold'",
            "UPDATE holds SET state = 'confirmed' WHERE booking_id = '{changed}'",
        ),
        {"confirmed_holds_assigned": 1},
        {"booking_id": "changed"},
    ),
    "a hold became an assignment and is live": Damage(
        ("UPDATE holds SET state = 'active' WHERE booking_id = '{party}'",),
        {"confirmed_holds_assigned": 1},
        {"booking_id": "party", "assignment_id": "merged", "table_ids": "T2 T3"},
    ),
    "a block claims nothing": Damage(
        ("DELETE FROM table_claims WHERE block_id = '{block}'",),
        {"blocks_match_claims": 1},
        {"block_id": "block", "table_ids": "T5"},
    ),
    "tables are claimed by a block that is gone": Damage(
        ("UPDATE table_claims SET block_id = '{new}' WHERE block_id = '{block}'",),
        {"blocks_match_claims": 2},
        {"table_ids": "T5"},
    ),
    "a block is for one table more": Damage(
        ("UPDATE blocks SET table_ids = ARRAY['{T4}'::uuid, '{T5}'] WHERE block_id = '{block}'",),
        {"blocks_match_claims": 1, "ledger_matches_state": 1},
        {"block_id": "block", "table_ids": "T4 T5"},
    ),
    "a block that is over claims another time": Damage(
        (
            (
                "UPDATE blocks SET window_start = window_start - interval '9 days',"
                " window_end = window_end - interval '9 days' WHERE block_id = '{block}'"
            ),
        ),
        {"blocks_match_claims": 1},
        {"block_id": "block", "table_ids": "T5"},
    ),
    "a released block still claims": Damage(
        ("UPDATE blocks SET released = true WHERE block_id = '{block}'",),
        {"blocks_match_claims": 1},
        {"block_id": "block", "table_ids": "T5"},
    ),
    **OF_RECORDS,
}
