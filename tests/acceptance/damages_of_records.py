"""What can be wrong with floors, merge groups, events, audit log, recorded answers and histories."""

from collections.abc import Mapping

from tests.acceptance.damage import Damage, said
from tests.acceptance.damages_of_told import OF_TOLD

OF_RECORDS: Mapping[str, Damage] = {
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
            "UPDATE assignments SET table_ids = ARRAY['{T5}'::uuid] WHERE state = 'released' AND table_ids[1] = '{T2}'",
            "UPDATE bookings SET zone_id = '{new}' WHERE booking_id = '{waiting}'",
        ),
        {"floor_known": 9, "ledger_matches_state": 2},
    ),
    "the restaurant's policy is gone": Damage(
        ("DELETE FROM service_policies WHERE restaurant_id = '{restaurant}'",), {"floor_known": 1}
    ),
    "the restaurant goes by no policy, although it has one": Damage(
        ("UPDATE restaurants SET policy_version = 0 WHERE restaurant_id = '{restaurant}'",),
        {"floor_known": 1},
    ),
    "two tables are no merge group": Damage(
        ("DELETE FROM merge_groups WHERE assignment_id = '{merged}'",),
        {"merges_legal": 1},
        {"assignment_id": "merged", "booking_id": "party", "table_ids": "T2 T3"},
    ),
    "the merge group is of another assignment": Damage(
        ("UPDATE merge_groups SET assignment_id = '{assignment}' WHERE assignment_id = '{merged}'",),
        {"merges_legal": 2},
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
    "two changes have no event": Damage(
        ("DELETE FROM capacity_outbox WHERE floor_version <= 2 AND restaurant_id = '{restaurant}'",),
        {"one_event_per_change": 2},
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
    "a change has lost its first event": Damage(
        (
            (
                "DELETE FROM capacity_outbox WHERE restaurant_id = '{restaurant}'"
                " AND event_type = 'capacity.hold.confirmed'"
            ),
        ),
        {"one_event_per_change": 1},
    ),
    "two changes have lost an event in the middle": Damage(
        (
            (
                "UPDATE capacity_outbox SET position = position + 1 WHERE restaurant_id = '{restaurant}'"
                " AND event_type = 'capacity.assignment.released' AND position > 1"
            ),
        ),
        {"one_event_per_change": 2},
    ),
    "an event counts as delivered and waits": Damage(
        (
            "INSERT INTO outbox_streams (restaurant_id, settled_version) VALUES ('{restaurant}', 5)",
            (
                "UPDATE capacity_outbox SET status = 'done', attempt_count = 1"
                " WHERE restaurant_id = '{restaurant}' AND floor_version < 5"
            ),
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
    "more of the audit log counts as cleared away than there is": Damage(
        ("INSERT INTO history_cleared (restaurant_id, audit_version) VALUES ('{restaurant}', 1000)",),
        {"changes_audited": 1},
    ),
    "one change is in the audit log twice and another is not": Damage(
        (
            "UPDATE audit_log SET floor_version = 1 WHERE floor_version = 2 AND restaurant_id = '{restaurant}'",
        ),
        {"changes_audited": 1, "no_event_lost": 1},
    ),
    "a party that was never seated is gone with all that was its": Damage(
        (
            "DELETE FROM table_claims WHERE booking_id = '{waiting}'",
            "DELETE FROM holds WHERE booking_id = '{waiting}'",
            "DELETE FROM booking_history WHERE booking_id = '{waiting}'",
            "DELETE FROM bookings WHERE booking_id = '{waiting}'",
        ),
        {"changes_audited": 1, "ledger_matches_state": 1, "history_audited": 1},
        {"booking_id": "waiting"},
    ),
    "a block is gone with its claims": Damage(
        (
            "DELETE FROM table_claims WHERE block_id = '{block}'",
            "DELETE FROM blocks WHERE block_id = '{block}'",
        ),
        {"changes_audited": 1},
        {"block_id": "block"},
    ),
    "a party and a hold are at another table than they were told": Damage(
        (
            "UPDATE assignments SET table_ids = ARRAY['{T5}'::uuid] WHERE booking_id = '{changed}'",
            (
                "UPDATE table_claims SET table_id = '{T5}' WHERE assignment_id IS NOT NULL"
                " AND booking_id = '{changed}'"
            ),
            "UPDATE holds SET table_ids = ARRAY['{T3}'::uuid] WHERE hold_id = '{released}'",
        ),
        {"ledger_matches_state": 2, "holds_match_claims": 1},
    ),
    "what is recorded is gone, and there is another of each booking": Damage(
        (
            "UPDATE holds SET hold_id = '{new}' WHERE hold_id = '{released}'",
            (
                "UPDATE assignments SET assignment_id = gen_random_uuid()"
                " WHERE restaurant_id = '{restaurant}' AND state = 'released'"
            ),
        ),
        {"ledger_matches_state": 3},
    ),
    "what is recorded is of another booking": Damage(
        (
            "UPDATE holds SET booking_id = '{waiting}' WHERE hold_id = '{released}'",
            (
                "UPDATE idempotency_ledger SET answer = jsonb_set(answer, '{{assignment,booking_id}}', '\"{waiting}\"')"
                " WHERE answer #>> '{{assignment,assignment_id}}' IN ('{assignment}', '{merged}')"
            ),
            (
                "INSERT INTO idempotency_ledger (tenant_id, method, request_id, request_hash, field_digests, refused,"
                " answer, expires_at) SELECT tenant_id, 'AutoAssign', request_id, request_hash, field_digests, refused,"
                " answer, expires_at FROM idempotency_ledger"
                " WHERE answer #>> '{{assignment,assignment_id}}' = '{assignment}'"
            ),
        ),
        {"ledger_matches_state": 4},
    ),
    "a booking is left to the worker, which does not know of it": Damage(
        (
            "UPDATE bookings SET status = 'pending_allocation' WHERE booking_id = '{waiting}'",
            "UPDATE booking_history SET to_status = 'pending_allocation' WHERE booking_id = '{waiting}'",
        ),
        {"queued_bookings_have_jobs": 1},
        {"booking_id": "waiting"},
    ),
    "a booking is left to the worker, which is done with it and has decided nothing": Damage(
        (
            "UPDATE bookings SET status = 'pending_allocation' WHERE booking_id = '{waiting}'",
            "UPDATE booking_history SET to_status = 'pending_allocation' WHERE booking_id = '{waiting}'",
            (
                "INSERT INTO auto_assign_jobs (restaurant_id, booking_id, state, actor, queued_at)"
                " VALUES ('{restaurant}', '{waiting}', 'ended', 'x', now())"
            ),
        ),
        {"queued_bookings_have_jobs": 1},
        {"booking_id": "waiting"},
    ),
    "history has a gap": Damage(
        ("DELETE FROM booking_history WHERE booking_id = '{seated}' AND revision = 1",),
        {"history_complete": 1, "history_audited": 1},
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
        {"epochs_in_order": 1, "ledger_matches_state": 1},
        {"booking_id": "seated", "assignment_id": "assignment"},
    ),
    "a hold is from the future": Damage(
        ("UPDATE holds SET assignment_epoch = 99 WHERE hold_id = '{hold}'",),
        {"epochs_in_order": 1, "ledger_matches_state": 1},
        {"booking_id": "waiting", "hold_id": "hold"},
    ),
    **OF_TOLD,
}
