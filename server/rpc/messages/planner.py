"""Requests and responses of the planner service."""

from collections.abc import Mapping

from maitred.v1 import planner_service_pb2 as pb
from server.domain.limits import AVOID_TABLES_MAX, PLANS_DEFAULT, PLANS_MAX
from server.orchestrator.plan_tables import Planned, PlanTablesQuestion
from server.planner.plan import Plan, PlanOutcome, Rejection
from server.rpc.fields import reading
from server.rpc.messages.booking import read_party
from server.rpc.messages.checks import REASONS
from server.rpc.messages.claims import texts
from server.rpc.messages.time import instant_message

OUTCOMES: Mapping[PlanOutcome, "pb.PlanOutcome.ValueType"] = {
    outcome: pb.PlanOutcome.Value(f"PLAN_OUTCOME_{outcome.name}") for outcome in PlanOutcome
}


def read_plan_tables(request: pb.PlanTablesRequest) -> PlanTablesQuestion:
    with reading(request) as fields:
        stored, hypothetical = fields.is_set("booking_id"), fields.is_set("party")
        if not stored and not hypothetical:
            fields.bad("booking_id", "or party is required: for whom to plan")
        return PlanTablesQuestion(
            restaurant_id=fields.uuid("restaurant_id"),
            plans_max=fields.integer("plans_max", 1, PLANS_MAX, zero_means=PLANS_DEFAULT),
            booking_id=fields.uuid("booking_id") if stored else None,
            party=read_party(fields.message("party")) if hypothetical else None,
            avoid=fields.uuids("avoid_table_ids", AVOID_TABLES_MAX),
        )


def plan_tables_response(planned: Planned) -> pb.PlanTablesResponse:
    result, stay = planned.result, planned.stay
    return pb.PlanTablesResponse(
        outcome=OUTCOMES[result.outcome],
        plans=map(_plan_message, result.plans),
        plans_found=result.plans_found,
        rejections=map(_rejection_message, result.rejections),
        tables_considered=result.tables_considered,
        combinations_considered=result.combinations_considered,
        window_start=instant_message(stay.window.start),
        window_end=instant_message(stay.window.end),
        period=stay.period,
        inventory_version=planned.restaurant.inventory_version,
        policy_version=planned.restaurant.policy_version,
    )


def _plan_message(plan: Plan) -> pb.Plan:
    return pb.Plan(
        table_ids=[str(table.table_id) for table in plan.tables],
        table_names=[table.name for table in plan.tables],
        zone_id=str(plan.zone_id),
        capacity=plan.capacity,
        slack=plan.slack,
        merged=plan.merged,
        adjacency=[pb.TablePair(table_a=str(a), table_b=str(b)) for a, b in plan.adjacency],
        cost=plan.cost,
        score=plan.score,
        breakdown=[pb.ScoreTerm(name=term.name, cost=term.cost) for term in plan.breakdown],
        unmet_preferred_attributes=plan.unmet_preferred_attributes,
        context_version=plan.context_version,
    )


def _rejection_message(rejection: Rejection) -> pb.Rejection:
    return pb.Rejection(
        reason=REASONS[rejection.reason],
        tables=rejection.tables,
        combinations=rejection.combinations,
        table_ids=texts(rejection.table_ids),
    )
