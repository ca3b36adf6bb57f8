"""Every limit of the service in one place. Lengths of time carry their unit in the name."""

from datetime import UTC, datetime

# Instants are accepted from the first on, and before the second.
INSTANT_MIN = datetime(1970, 1, 1, tzinfo=UTC)
INSTANT_MAX = datetime(2200, 1, 1, tzinfo=UTC)

PARTY_SIZE_MAX = 500
CAPACITY_MAX = 100
ZONES_MAX = 100
TABLES_MAX = 1_000
ADJACENCY_MAX = 20_000
SELECTION_TABLES_MAX = 10
BLOCK_TABLES_MAX = 100
AVOID_TABLES_MAX = 100
PLANS_MAX = 50
PLANS_DEFAULT = 5
ALTERNATIVES_MAX = 20
ALTERNATIVES_DEFAULT = 6
# The starts that alternatives are looked for at: every quarter of an hour, on the quarters of the clock.
ALTERNATIVE_STEP_S = 15 * 60
# How many bookings are looked at to say whether moving one of them would help.
MOVABLE_BOOKINGS_MAX = 500
# More waiting bookings than this overlap a window only in very large rooms; those that start nearest compete most.
WAITING_BOOKINGS_MAX = 50
AVAILABILITY_QUESTIONS_MAX = 500
AVAILABILITY_DAYS_MAX = 62
MERGE_TABLES_MIN = 2
MERGE_TABLES_MAX = 5
# More merges than this would make planning slow and memory large; a floor or policy that asks for them is refused
# when it is put, so that planning itself is always complete.
COMBINATIONS_MAX = 25_000

NAME_LENGTH_MAX = 200
ZONE_NAME_LENGTH_MAX = 100
TABLE_NAME_LENGTH_MAX = 50
PERIOD_NAME_LENGTH_MAX = 50
REFERENCE_LENGTH_MAX = 100
ACTOR_LENGTH_MAX = 200
TEXT_LENGTH_MAX = 500
TOKEN_LENGTH_MAX = 500
ATTRIBUTES_MAX = 16
PREFERRED_ZONES_MAX = 8
ATTRIBUTE_LENGTH_MAX = 32

PERIODS_MAX = 50
TURN_TIMES_MAX = 20
# The longest life that a server can be set to give a hold.
HOLD_LIFE_S_MAX = 86_400
STAY_MIN_S = 5 * 60
STAY_MAX_S = 12 * 3600
BUFFER_MAX_S = 2 * 3600
WINDOW_MAX_S = STAY_MAX_S + 2 * BUFFER_MAX_S
CHECK_IN_LEAD_MAX_S = 24 * 3600
SLACK_LIMIT_MAX = 100
WEIGHT_MAX = 1_000.0
FORECAST_SIZES_MAX = 100
FORECAST_PARTIES_MAX = 100_000.0
BLOCK_WINDOW_MAX_S = 366 * 86_400
LIST_WINDOW_MAX_S = 366 * 86_400
CUTOFF_MAX_S = 31 * 86_400
BATCH_BOOKINGS_MAX = 1_000
# What one booking of a batch may take, whatever time the whole batch has.
BATCH_STEP_S = 10.0

# Of each kind: holds, assignments and blocks.
SNAPSHOT_ROWS_MAX = 20_000
# The longest of them, with the largest floor, in one message: less than the 4 MiB that clients of gRPC accept.
SNAPSHOT_PART_ROWS = 150
HEARTBEAT_S_MIN = 1
HEARTBEAT_S_MAX = 60
HEARTBEAT_S_DEFAULT = 15

PAGE_SIZE_DEFAULT = 100
PAGE_SIZE_MAX = 500
HISTORY_MAX = 100
CONFLICTS_LISTED_MAX = 32
CONFLICTS_EXPLAINED_MAX = 100
CHECKS_LISTED_MAX = 32
VIOLATIONS_LISTED_MAX = 32
REJECTED_TABLES_LISTED_MAX = 100
REDRIVEN_EVENTS_MAX = 500
EVENT_TYPE_LENGTH_MAX = 100
REJECTED_COMBINATIONS_LISTED_MAX = 10
REJECTED_TABLES_REFUSED_MAX = 10
# Of refused holds for the same tables a process tells the world of one in so many seconds.
REFUSAL_TOLD_EVERY_S = 1.0

assert PLANS_DEFAULT <= PLANS_MAX
assert ALTERNATIVES_DEFAULT <= ALTERNATIVES_MAX
assert PAGE_SIZE_DEFAULT <= PAGE_SIZE_MAX
assert MERGE_TABLES_MIN <= MERGE_TABLES_MAX <= SELECTION_TABLES_MAX
assert STAY_MIN_S < STAY_MAX_S
