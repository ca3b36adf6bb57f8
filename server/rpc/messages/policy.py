"""The service policy."""

from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import fields as attributes_of

from maitred.v1 import inventory_pb2 as pb
from maitred.v1 import inventory_service_pb2
from server.domain.limits import (
    BUFFER_MAX_S,
    CHECK_IN_LEAD_MAX_S,
    CUTOFF_MAX_S,
    FORECAST_PARTIES_MAX,
    FORECAST_SIZES_MAX,
    MERGE_TABLES_MAX,
    MERGE_TABLES_MIN,
    PARTY_SIZE_MAX,
    PERIOD_NAME_LENGTH_MAX,
    PERIODS_MAX,
    SLACK_LIMIT_MAX,
    STAY_MAX_S,
    STAY_MIN_S,
    TURN_TIMES_MAX,
    WEIGHT_MAX,
)
from server.domain.policy import (
    MINUTES_PER_DAY,
    RELAXABLE,
    WEEK,
    AdjacencyMode,
    Combinations,
    ExpectedParties,
    PlanEngine,
    ServicePeriod,
    ServicePolicy,
    TurnTime,
    Weights,
)
from server.domain.restaurant import policy_etag
from server.errors import Reason
from server.orchestrator.put_service_policy import PolicyPut, PutServicePolicyCommand
from server.rpc.fields import Fields, reading
from server.rpc.messages.checks import REASONS, reason_messages
from server.rpc.messages.enums import numbers, words_of
from server.rpc.messages.time import duration_message

DEFAULTS = ServicePolicy(())

# The contract numbers the days as ISO does, from Monday as 1.
DAYS_READ: Mapping[int, int] = {day: day for day in range(1, WEEK + 1)}
MODES = numbers(AdjacencyMode, pb.AdjacencyMode)
MODES_READ: Mapping[int, AdjacencyMode] = {
    pb.ADJACENCY_MODE_UNSPECIFIED: DEFAULTS.combinations.adjacency_mode,
    **words_of(MODES),
}
ENGINES = numbers(PlanEngine, pb.PlanEngine)
ENGINES_READ: Mapping[int, PlanEngine] = {
    pb.PLAN_ENGINE_UNSPECIFIED: DEFAULTS.engine,
    **words_of(ENGINES),
}
RELAXATIONS_READ: Mapping[int, Reason] = {REASONS[reason]: reason for reason in RELAXABLE}


def read_put_service_policy(
    request: inventory_service_pb2.PutServicePolicyRequest,
) -> PutServicePolicyCommand:
    with reading(request) as fields:
        policy = fields.message("policy")
        return PutServicePolicyCommand(
            request_id=fields.request_id(),
            actor=fields.actor(),
            restaurant_id=fields.uuid("restaurant_id"),
            policy=_read_policy(policy),
            etag=policy.token("etag"),
        )


def _read_policy(fields: Fields) -> ServicePolicy:
    cutoff_s = fields.optional_seconds("auto_assign_cutoff", 0, CUTOFF_MAX_S)
    return ServicePolicy(
        periods=tuple(_read_period(period) for period in fields.items("periods", PERIODS_MAX, 1)),
        buffer_before_s=fields.optional_seconds("buffer_before", 0, BUFFER_MAX_S) or DEFAULTS.buffer_before_s,
        buffer_after_s=fields.optional_seconds("buffer_after", 0, BUFFER_MAX_S) or DEFAULTS.buffer_after_s,
        slack_max=fields.optional_integer("slack_max", 0, SLACK_LIMIT_MAX, DEFAULTS.slack_max),
        combinations=_read_combinations(fields.part("combinations")),
        weights=_read_weights(fields.part("weights")),
        forecast=_read_forecast(fields),
        engine=fields.choice("engine", ENGINES_READ),
        relaxations=_read_relaxations(fields),
        check_in_lead_s=fields.optional_seconds("check_in_lead", 0, CHECK_IN_LEAD_MAX_S),
        auto_assign_bookings=fields.boolean("auto_assign_bookings"),
        auto_assign_cutoff_s=DEFAULTS.auto_assign_cutoff_s if cutoff_s is None else cutoff_s,
    )


def _read_relaxations(fields: Fields) -> tuple[Reason, ...]:
    if not fields.is_set("relaxations"):
        return DEFAULTS.relaxations
    return fields.part("relaxations").choices("reasons", RELAXATIONS_READ)


def _read_period(fields: Fields) -> ServicePeriod:
    return ServicePeriod(
        name=fields.text("name", PERIOD_NAME_LENGTH_MAX, 1),
        opens_min=fields.local_time("opens", MINUTES_PER_DAY - 1),
        closes_min=fields.local_time("closes", MINUTES_PER_DAY),
        turn_times=tuple(_read_turn_time(turn) for turn in fields.items("turn_times", TURN_TIMES_MAX, 1)),
        days=tuple(sorted(fields.choices("days", DAYS_READ))),
        may_overrun=fields.boolean("may_overrun"),
        shortest_stay_s=fields.optional_seconds("shortest_stay", STAY_MIN_S, STAY_MAX_S),
    )


def _read_turn_time(fields: Fields) -> TurnTime:
    return TurnTime(
        party_size_max=fields.integer("party_size_max", 1, PARTY_SIZE_MAX),
        duration_s=fields.seconds("duration", STAY_MIN_S, STAY_MAX_S),
    )


def _read_combinations(fields: Fields) -> Combinations:
    default = DEFAULTS.combinations
    return Combinations(
        enabled=fields.optional_boolean("enabled", default.enabled),
        tables_max=fields.optional_integer(
            "tables_max", MERGE_TABLES_MIN, MERGE_TABLES_MAX, default.tables_max
        ),
        adjacency_mode=fields.choice("adjacency_mode", MODES_READ),
        adjacency_party_size_min=fields.integer("adjacency_party_size_min", 1, PARTY_SIZE_MAX)
        if fields.is_set("adjacency_party_size_min")
        else None,
    )


def _read_weights(fields: Fields) -> Weights:
    default = DEFAULTS.weights
    return Weights(
        *(
            fields.optional_number(attribute.name, WEIGHT_MAX, getattr(default, attribute.name))
            for attribute in attributes_of(Weights)
        )
    )


def _read_forecast(fields: Fields) -> tuple[ExpectedParties, ...]:
    expected = (
        ExpectedParties(
            each.party_size("party_size"), each.optional_number("parties", FORECAST_PARTIES_MAX, 0.0)
        )
        for each in fields.items("forecast", FORECAST_SIZES_MAX)
    )
    return tuple(sorted(expected, key=lambda each: each.party_size))


def policy_message(put: PolicyPut) -> pb.ServicePolicy:
    """As stored, defaults filled in."""
    policy = put.policy
    message = pb.ServicePolicy(
        policy_version=put.policy_version,
        etag=policy_etag(put.policy_version),
        periods=map(_period_message, policy.periods),
        buffer_before=duration_message(policy.buffer_before_s),
        buffer_after=duration_message(policy.buffer_after_s),
        slack_max=policy.slack_max,
        combinations=pb.CombinationPolicy(
            enabled=policy.combinations.enabled,
            tables_max=policy.combinations.tables_max,
            adjacency_mode=MODES[policy.combinations.adjacency_mode],
            adjacency_party_size_min=policy.combinations.adjacency_party_size_min,
        ),
        weights=pb.PlanWeights(**asdict(policy.weights)),
        forecast=[
            pb.ExpectedParties(party_size=each.party_size, parties=each.parties) for each in policy.forecast
        ],
        engine=ENGINES[policy.engine],
        relaxations=pb.RelaxationPolicy(reasons=reason_messages(policy.relaxations)),
        auto_assign_bookings=policy.auto_assign_bookings,
        auto_assign_cutoff=duration_message(policy.auto_assign_cutoff_s),
    )
    if policy.check_in_lead_s is not None:
        message.check_in_lead.CopyFrom(duration_message(policy.check_in_lead_s))
    return message


def _period_message(period: ServicePeriod) -> pb.ServicePeriod:
    message = pb.ServicePeriod(
        name=period.name,
        days=[pb.DayOfWeek.ValueType(day) for day in period.days],
        opens=_local_time(period.opens_min),
        closes=_local_time(period.closes_min),
        may_overrun=period.may_overrun,
        turn_times=[
            pb.TurnTime(party_size_max=turn.party_size_max, duration=duration_message(turn.duration_s))
            for turn in period.turn_times
        ],
    )
    if period.shortest_stay_s is not None:
        message.shortest_stay.CopyFrom(duration_message(period.shortest_stay_s))
    return message


def _local_time(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
