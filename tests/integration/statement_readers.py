"""Who reads the rows of which statement, and which columns it reads."""

from collections.abc import Callable, Mapping

from server.orchestrator.ports import OutboxStats
from server.persistence import rows
from server.persistence.invariants import GLANCED, INVARIANTS

# By the file and the name of the statement.
READERS: Mapping[tuple[str, str], Callable[[rows.Row], object]] = {
    ("restaurants", "restaurants_page"): rows.restaurant,
    ("inventory", "inventory"): rows.inventory,
    ("bookings", "booking"): rows.booking,
    ("bookings", "bookings_page"): rows.booking,
    ("bookings", "history"): rows.booking_change,
    ("holds", "hold"): rows.hold,
    ("holds", "open_holds_of"): rows.hold,
    ("holds", "holds_page"): rows.hold,
    ("holds", "holds_of_page"): rows.hold,
    ("holds", "live_holds_page"): rows.hold,
    ("holds", "expired_holds"): rows.hold,
    ("outbox", "events_page"): rows.outbox_record,
    ("outbox", "undelivered_events_page"): rows.outbox_record,
    ("outbox", "event_by_id"): rows.outbox_record,
    ("assignments", "assignment"): rows.assignment,
    ("assignments", "last_assignment_of"): rows.assignment,
    ("assignments", "assignments_page"): rows.assignment,
    ("blocks", "block"): rows.block,
    ("blocks", "blocks_page"): rows.block,
    ("claims", "claims"): rows.claim,
    ("claims", "diary"): lambda row: (rows.claim(row), rows.waiting(row), row["floor_version"]),
    ("groups", "open_members"): lambda row: (
        *(row[name] for name in ("position", "claimed", "seen_version", "request_hash", "field_digests")),
        *(row[name] for name in ("refused", "answer")),
        rows.standing(rows.Prefixed(row, "restaurant_")),
        rows.booking(row),
        rows.hold(rows.Prefixed(row, "hold_")),
        row["open_holds"],
        rows.claim(rows.Prefixed(row, "claim_")),
    ),
    ("journal", "audit_page"): rows.audit_record,
    ("invariants", "glance"): lambda row: (rows.invariant_counts(row), *(row[name] for name in GLANCED)),
}
# Every check answers with the same columns, and with the number of all its rows beside them.
CHECKS = {(check.file, check.name) for check in INVARIANTS}
# The same, with the database's clock beside the restaurant.
STANDINGS = {("restaurants", "standings"), ("restaurants", "lock_restaurant")}
EVIDENCE = {
    "taken_at": "taken_at",
    "claims": "restaurant_id table_id window_start window_end kind owner_id booking_id expires_at",
    "holds": "restaurant_id hold_id booking_id table_ids window_start window_end state expires_at created_at",
    "assignments": "restaurant_id assignment_id booking_id table_ids window_start window_end state created_at",
    "bookings": "restaurant_id booking_id status assignment_id",
    "ledger": "method request_id refused reason subject_id",
    "events": "restaurant_id floor_version event_type request_id subject_id",
}
# Read on the spot, where the statement is run: one value, or a handful under their names.
READ_ON_THE_SPOT: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("announcements", "notify"): ("synchronous_commit", "pg_notify"),
    ("changes", "write_changes"): ("restaurant_id", "floor_version", "direct_telemetry"),
    ("groups", "lock_free"): ("restaurant_id",),
    ("groups", "restaurants_there"): ("tenant_id", "restaurant_id"),
    ("bench", "events_left"): ("events_left",),
    ("bench", "take_rows"): ("restaurant_id", "id", "attempt_count", "payload"),
    ("bench", "take_snapshot"): ("tenants",),
    ("bench_raw", "raise_floor_version"): ("floor_version",),
    ("bench_stock", "add_seats"): ("restaurant_id", "table_id", "booking_id", "window_start"),
    ("bench_stock", "claims_live"): ("claims",),
    ("announcements", "database_identity"): ("identity",),
    ("torture", "lock_restaurants"): ("restaurant_id",),
    ("torture", "waiting_events"): ("waiting",),
    ("torture", "repeated_effects"): ("request_id",),
    ("torture", "made_ids"): ("id",),
    ("torture", "committed_events"): ("id", "restaurant_id", "floor_version", "position"),
    ("watching", "begin_viewing"): ("statement_timeout",),
    ("watching", "floor_versions"): ("restaurant_id", "floor_version"),
    ("watching", "changes"): (
        *("newest_version", "newest_event", "compacted_version", "event_before"),
        *("id", "tenant_id", "restaurant_id", "floor_version"),
        *("position", "created_at", "event_type", "booking_id", "idempotency_key", "payload"),
    ),
    ("auto_assign", "job_run"): ("run_number",),
    ("auto_assign", "claim_jobs"): (
        *("tenant_id", "restaurant_id", "booking_id", "run_number", "dining_start", "job"),
    ),
    ("auto_assign", "put_job_back"): ("run_number",),
    ("auto_assign", "give_jobs_back"): ("run_number",),
    ("auto_assign", "wake_jobs"): ("woken", "looked"),
    ("auto_assign", "resume_jobs"): ("resumed",),
    ("restaurants", "add_restaurant"): ("restaurant_id",),
    ("switches", "switches"): ("name", "value", "actor", "reason", "changed_at"),
    ("restaurants", "ping"): ("takes_changes", "lacks_standby"),
    ("telemetry", "delete_older"): ("deleted",),
    ("invariants", "begin_looking"): (
        *("statement_timeout", "work_mem", "jit", "enable_mergejoin", "enable_nestloop"),
        *("parallel_tuple_cost", "timezone", "datestyle", "now"),
    ),
    ("invariants", "restaurants_of"): ("restaurant_id",),
    ("ledger", "open_request"): ("statement_timeout", "lock_timeout", "claimed"),
    ("transactions", "end_implicit"): ("nothing",),
    ("transactions", "own_disk"): ("temp_tablespaces",),
    ("transactions", "plan_for_lookups"): (
        *("plan_cache_mode", "enable_seqscan", "enable_hashjoin", "enable_mergejoin"),
    ),
    ("ledger", "recall"): ("request_hash", "field_digests", "refused", "answer", "created_at"),
    ("ledger", "in_progress"): ("in_progress",),
    ("leases", "settle_streams"): ("restaurant_id", "lease_number"),
    ("leases", "extend_leases"): ("restaurant_id", "lease_number"),
    ("leases", "give_leases_back"): ("restaurant_id", "lease_number"),
    ("leases", "free_orphans"): ("restaurant_id",),
    ("leases", "resume_streams"): ("resumed",),
    ("outbox", "lag"): ("lag_s",),
    ("outbox", "count_dead"): ("dead",),
    ("leases", "lead"): ("leads",),
    ("leases", "take_worker_id"): ("worker_id", "locked", "synchronous_commit"),
    ("outbox", "delete_delivered"): ("deleted",),
    ("outbox", "redrive_events"): ("id",),
    ("outbox", "outbox_stats"): tuple(OutboxStats.__dataclass_fields__),
    ("leases", "claim_streams"): (
        *("restaurant_id", "lease_number", "settled_version", "settled_position", "orphanings", "events_max"),
        *("seen_version", "id", "tenant_id", "floor_version", "position", "created_at", "event_type"),
        *("attempt_count", "booking_id", "idempotency_key", "payload"),
    ),
    **{("evidence", name): tuple(columns.split()) for name, columns in EVIDENCE.items()},
    ("upkeep", "clock"): ("now",),
    ("upkeep", "restaurants_with_expired_holds"): ("tenant_id", "restaurant_id"),
    ("upkeep", "forget_answers"): ("forgotten",),
    ("upkeep", "clear_past_claims"): ("restaurants",),
    ("history", "plan_in_order"): ("enable_sort", "enable_bitmapscan", "work_mem"),
    ("history", "clear_ended_holds"): ("looked",),
    ("history", "clear_past_bookings"): ("bookings",),
    ("history", "clear_past_blocks"): ("blocks",),
    ("history", "clear_past_entries"): ("entries",),
}
