"""What can be wrong with what the world and callers were told, and with what is written about who did it."""

from collections.abc import Mapping

from tests.acceptance.damage import Damage


def answered(method: str, change: str, booking: str = "") -> str:
    """Another answer is recorded for a call of this method, or for the one that was about this booking."""
    about = f" AND answer::text LIKE '%{{{booking}}}%'" if booking else ""
    return (
        f"UPDATE idempotency_ledger SET {change} WHERE ctid = (SELECT ctid FROM idempotency_ledger WHERE"
        f" method = '{method}' AND answer::text LIKE '%{{restaurant}}%'{about} LIMIT 1)"
    )


OF_TOLD: Mapping[str, Damage] = {
    "a change has lost its last event": Damage(
        (
            (
                "DELETE FROM capacity_outbox"
                " WHERE booking_id = '{party}' AND event_type = 'capacity.booking.transitioned'"
            ),
        ),
        {"no_event_lost": 1},
    ),
    "two changes have an event more, and one less": Damage(
        (
            (
                "INSERT INTO capacity_outbox (restaurant_id, tenant_id, floor_version, position, created_at,"
                " updated_at, event_type, dedupe_key, next_attempt_at, idempotency_key, payload)"
                " SELECT restaurant_id, tenant_id, floor_version, 2, now(), now(), event_type, dedupe_key || 'x',"
                " now(), idempotency_key, payload FROM capacity_outbox"
                " WHERE restaurant_id = '{restaurant}' AND floor_version <= 2"
            ),
            (
                "DELETE FROM capacity_outbox"
                " WHERE booking_id = '{party}' AND event_type = 'capacity.booking.transitioned'"
            ),
        ),
        {"no_event_lost": 3},
    ),
    "an event is of another tenant": Damage(
        (
            "UPDATE capacity_outbox SET tenant_id = '{new}' WHERE restaurant_id = '{restaurant}' AND floor_version = 2",
        ),
        {"one_event_per_change": 1},
    ),
    "events count as delivered that nobody has delivered, and one is in work for ever": Damage(
        (
            (
                "INSERT INTO outbox_streams (restaurant_id, settled_version, settled_position)"
                " VALUES ('{restaurant}', 4, 9)"
            ),
            (
                "UPDATE capacity_outbox SET status = 'done',"
                " attempt_count = CASE WHEN floor_version IN (2, 5) THEN 0 ELSE 1 END"
                " WHERE restaurant_id = '{restaurant}' AND floor_version <= 6 AND position = 1"
            ),
            (
                "UPDATE capacity_outbox SET status = 'processing'"
                " WHERE restaurant_id = '{restaurant}' AND floor_version = 7"
            ),
        ),
        {"one_event_per_change": 4},
    ),
    "the events of a change are numbered from 0": Damage(
        (
            (
                "UPDATE capacity_outbox SET position = 0"
                " WHERE booking_id = '{party}' AND event_type = 'capacity.hold.confirmed'"
            ),
        ),
        {"one_event_per_change": 1},
    ),
    "events wait behind one that is not there": Damage(
        ("INSERT INTO outbox_streams (restaurant_id, blocked_by) VALUES ('{restaurant}', '{new}')",),
        {"one_event_per_change": 1},
    ),
    "an entry of the audit log is another tenant's": Damage(
        (
            "UPDATE audit_log SET tenant_id = '{new}' WHERE restaurant_id = '{restaurant}' AND floor_version = 2",
        ),
        {"changes_audited": 1},
    ),
    "a hold was made for a booking that is not there": Damage(
        ("UPDATE audit_log SET resource_id = '{new}' WHERE resource_id = '{waiting}' AND action = 'hold'",),
        {"changes_audited": 1},
        {"booking_id": "new"},
    ),
    "somebody else is said to have seated a party": Damage(
        ("UPDATE audit_log SET actor = 'nobody' WHERE resource_id = '{seated}' AND action = 'assign'",),
        {"history_audited": 1},
        {"booking_id": "seated"},
    ),
    "a party was seated for another reason": Damage(
        ("UPDATE booking_history SET reason = 'none' WHERE booking_id = '{party}' AND revision = 2",),
        {"history_audited": 1},
        {"booking_id": "party"},
    ),
    "an entry of the audit log is about another party": Damage(
        (
            (
                "UPDATE audit_log SET resource_id = '{waiting}'"
                " WHERE resource_id = '{seated}' AND action = 'assign'"
            ),
        ),
        {"history_audited": 2},
    ),
    "a merge group is of an assignment that is not there": Damage(
        (
            (
                "INSERT INTO merge_groups (restaurant_id, merge_group_id, assignment_id)"
                " VALUES ('{restaurant}', '{new}', '{new}')"
            ),
        ),
        {"merges_legal": 1},
        {"assignment_id": "new"},
    ),
    "the hold that became an assignment is gone": Damage(
        ("DELETE FROM holds WHERE booking_id = '{party}'",),
        {"confirmed_holds_assigned": 1, "ledger_matches_state": 1},
        {"booking_id": "party", "assignment_id": "merged"},
    ),
    "an answer has something else for an id": Damage(
        (answered("HoldTables", "answer = jsonb_set(answer, '{{hold,hold_id}}', '\"none\"')", "waiting"),),
        {"ledger_matches_state": 1},
        {"booking_id": "waiting"},
    ),
    "answers are for another time, party and need": Damage(
        (
            answered("ConfirmHold", "answer = jsonb_set(answer, '{{assignment,party_size}}', '7')", "party"),
            answered(
                "AssignTables",
                "answer = jsonb_set(answer, '{{assignment,window,start}}', '\"2001-01-01T19:00:00Z\"')",
                "seated",
            ),
            answered("HoldTables", "answer = jsonb_set(answer, '{{hold,assignment_epoch}}', '9')", "waiting"),
        ),
        {"ledger_matches_state": 3},
    ),
    "a booking, a hold that was released and a block are behind what was answered": Damage(
        (
            "UPDATE idempotency_ledger SET answer = answer || '{{\"revision\": 9}}' WHERE method = 'TransitionBooking'",
            answered("ReleaseHold", 'answer = answer || \'{{"hold_id": "{hold}"}}\''),
            answered("BlockTables", "method = 'UnblockTables'"),
        ),
        {"ledger_matches_state": 4},
    ),
    "a refusal counts as an answer, and an answer as a refusal": Damage(
        (
            answered("PutBooking", 'answer = answer || \'{{"reason": "X", "message": "x"}}\'', "waiting"),
            answered("AssignTables", "refused = true", "seated"),
        ),
        {"ledger_matches_state": 2},
    ),
}
