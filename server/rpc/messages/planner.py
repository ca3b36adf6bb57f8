"""Requests and responses of the planner service."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import cache, lru_cache
from itertools import chain
from struct import Struct

from maitred.v1 import planner_service_pb2 as pb
from server.domain.booking import Party
from server.domain.cures import MOVABLE
from server.domain.floor import Floor
from server.domain.limits import (
    ALTERNATIVES_MAX,
    AVAILABILITY_DAYS_MAX,
    AVAILABILITY_QUESTIONS_MAX,
    AVOID_TABLES_MAX,
    PLANS_DEFAULT,
    PLANS_MAX,
    SELECTION_TABLES_MAX,
    STAY_MAX_S,
    STAY_MIN_S,
)
from server.errors import Reason
from server.orchestrator.explain_table import Explained, ExplainTableQuestion
from server.orchestrator.plan_tables import Planned, PlanTablesQuestion
from server.orchestrator.search_availability import Availability, AvailabilityQuestion
from server.orchestrator.subject import Subject
from server.planner.alternatives import Alternative, AlternativeKind
from server.planner.merges import chosen
from server.planner.plan import Plan, PlanOutcome
from server.planner.rejections import Rejection
from server.planner.table_set import TableSet
from server.rpc.fields import Fields, reading
from server.rpc.messages.assignment import selection_summary
from server.rpc.messages.booking import party_message, read_party
from server.rpc.messages.checks import (
    REASONS,
    conflict_message,
    cures_of,
    put_check,
    read_overrides,
    reason_messages,
)
from server.rpc.messages.claims import texts
from server.rpc.messages.enums import numbers
from server.rpc.messages.policy import ENGINES
from server.rpc.messages.time import instant_message, set_instant

OUTCOMES = numbers(PlanOutcome, pb.PlanOutcome)

ALTERNATIVE_KINDS = numbers(AlternativeKind, pb.AlternativeKind)
# What an alternative may ask the booking to want differently.
CHANGEABLE = ("start", "zone_id")


def read_plan_tables(request: pb.PlanTablesRequest) -> PlanTablesQuestion:
    with reading(request) as fields:
        return PlanTablesQuestion(
            restaurant_id=fields.uuid("restaurant_id"),
            subject=_read_subject(fields),
            plans_max=fields.integer("plans_max", 1, PLANS_MAX, zero_means=PLANS_DEFAULT),
            avoid=fields.uuids("avoid_table_ids", AVOID_TABLES_MAX),
            overflow=fields.boolean("overflow"),
            alternatives_max=fields.integer("alternatives_max", 1, ALTERNATIVES_MAX, zero_means=0),
        )


def read_explain_table(request: pb.ExplainTableRequest) -> ExplainTableQuestion:
    with reading(request) as fields:
        return ExplainTableQuestion(
            fields.uuid("restaurant_id"),
            _read_subject(fields),
            fields.uuids("table_ids", SELECTION_TABLES_MAX, 1),
            read_overrides(fields),
        )


def read_search_availability(request: pb.SearchAvailabilityRequest) -> AvailabilityQuestion:
    with reading(request) as fields:
        restaurant_id = fields.uuid("restaurant_id")
        before = fields.violations.count
        parties = tuple(map(_read_question, fields.items("questions", AVAILABILITY_QUESTIONS_MAX, 1)))
        if fields.violations.count == before:
            _require_near(fields, parties)
        return AvailabilityQuestion(restaurant_id, parties)


def _read_subject(fields: Fields) -> Subject:
    stored, hypothetical = fields.is_set("booking_id"), fields.is_set("party")
    if not stored and not hypothetical:
        fields.bad("booking_id", "or party is required: for whom to plan")
    return Subject(
        fields.uuid("booking_id") if stored else None,
        read_party(fields.message("party")) if hypothetical else None,
    )


def _read_question(fields: Fields) -> Party:
    return Party(
        party_size=fields.party_size("party_size"),
        start=fields.whole_second("start"),
        duration_s=fields.optional_seconds("duration", STAY_MIN_S, STAY_MAX_S),
        zone_id=fields.optional_uuid("zone_id"),
        required_attributes=fields.attributes("required_attributes"),
    )


def _require_near(fields: Fields, parties: tuple[Party, ...]) -> None:
    """Bounds what has to be read: the claims of all days from the first start to the last."""
    starts = [party.start for party in parties]
    if max(starts) - min(starts) > timedelta(days=AVAILABILITY_DAYS_MAX):
        fields.bad(
            "questions",
            f"start more than {AVAILABILITY_DAYS_MAX} days apart",
            f"{AVAILABILITY_DAYS_MAX * 86_400} s",
            Reason.INVALID_WINDOW,
        )


def plan_tables_response(planned: Planned) -> pb.PlanTablesResponse:
    result, stay, instead = planned.result, planned.stay, planned.help
    response = pb.PlanTablesResponse(
        outcome=OUTCOMES[result.outcome],
        plans_found=result.plans_found,
        tables_considered=result.tables_considered,
        combinations_considered=result.combinations_considered,
        period=stay.period,
        inventory_version=planned.restaurant.inventory_version,
        policy_version=planned.restaurant.policy_version,
        engine=ENGINES[planned.policy.engine],
        waiting_considered=planned.waiting_considered,
        waiting_found=planned.waiting_found,
        relaxations_skipped=reason_messages(result.relaxations_skipped),
        alternatives=[_alternative_message(each, planned) for each in instead.alternatives],
        largest_capacity=result.largest,
        moving_one_booking_would_help=instead.moving_one_booking,
    )
    set_instant(response.window_start, stay.window.start)
    set_instant(response.window_end, stay.window.end)
    for plan in result.plans:
        _put_plan(response.plans.add(), plan, planned)
    for rejection in result.rejections:
        _put_rejection(response.rejections.add(), rejection, planned.floor)
    return response


def _alternative_message(alternative: Alternative, planned: Planned) -> pb.Alternative:
    party, plan, window = alternative.party, alternative.plan, alternative.stay.window
    message = pb.Alternative(
        kind=ALTERNATIVE_KINDS[alternative.kind],
        party=party_message(party),
        changes=[name for name in CHANGEABLE if getattr(party, name) != getattr(planned.asked, name)],
        window_start=instant_message(window.start),
        window_end=instant_message(window.end),
        period=alternative.stay.period,
    )
    _put_plan(message.plan, plan, planned)
    return message


def _put_plan(message: pb.Plan, plan: Plan, planned: Planned) -> None:
    message.MergeFromString(_spelled(plan.set) + _terms(plan.terms.names)(*plan.terms.costs))
    message.slack = plan.slack
    message.cost = plan.cost
    message.score = plan.score
    message.context_version = plan.context_version
    if plan.unmet_preferred_attributes:
        message.unmet_preferred_attributes.extend(plan.unmet_preferred_attributes)
    message.zone_preference_unmet = plan.zone_preference_unmet
    if plan.relaxed:
        message.relaxed.extend(reason_messages(plan.relaxed))
        message.needs_permission = bool(planned.beyond_policy(plan))


def _spelled(found: TableSet) -> bytes:
    """What every plan with these tables says, as it is sent: messages that are put one behind the other are one."""
    known: bytes | None = found.kept.get(pb.Plan)
    if known is None:
        known = found.kept[pb.Plan] = pb.Plan(
            table_ids=texts(found.table_ids),
            table_names=[table.name for table in found.tables],
            zone_id=str(found.zone_id),
            capacity=found.capacity,
            merged=found.merged,
            adjacency=[pb.TablePair(table_a=str(a), table_b=str(b)) for a, b in found.adjacency],
        ).SerializeToString()
    return known


@lru_cache
def _terms(names: tuple[str, ...]) -> Callable[..., bytes]:
    """Writes the terms with their costs, as they are sent in a plan: each ends with the eight bytes of its cost."""
    terms = [
        pb.Plan(breakdown=[pb.ScoreTerm(name=name, cost=1.0)]).SerializeToString()[:-8] for name in names
    ]
    form = Struct("<" + "".join(f"{len(term)}sd" for term in terms))
    return lambda *costs: form.pack(*chain.from_iterable(zip(terms, costs, strict=True)))


def _put_rejection(message: pb.Rejection, rejection: Rejection, floor: Floor) -> None:
    ids, names = floor.spelled
    message.MergeFromString(_of_reason(rejection.reason) + b"".join(map(_example, rejection.sets)))
    message.tables = rejection.tables
    message.combinations = rejection.combinations
    message.table_ids.extend(chosen(ids, rejection.listed))
    message.table_names.extend(chosen(names, rejection.listed))
    if rejection.free_from is not None:
        set_instant(message.free_from, rejection.free_from)


@cache
def _of_reason(reason: Reason) -> bytes:
    """What every rejection for the reason says, as it is sent."""
    return pb.Rejection(
        reason=REASONS[reason], moving_may_help=reason in MOVABLE, cures=cures_of(reason)
    ).SerializeToString()


def _example(found: TableSet) -> bytes:
    """The set as one of a rejection's examples, as it is sent."""
    known: bytes | None = found.kept.get(pb.Rejection)
    if known is None:
        names = [table.name for table in found.tables]
        example = pb.TableSet(table_ids=texts(found.table_ids), table_names=names)
        known = pb.Rejection(example_combinations=[example]).SerializeToString()
        found.kept[pb.Rejection] = known
    return known


def explain_table_response(explained: Explained) -> pb.ExplainTableResponse:
    response = pb.ExplainTableResponse(
        possible=explained.possible,
        conflicts=map(conflict_message, explained.conflicts),
        conflicts_found=explained.conflicts_found,
        summary=selection_summary(explained.selection),
        period=explained.period,
        context_version=explained.context_version,
    )
    for check in explained.checks:
        put_check(response.checks.add(), check)
    return response


def search_availability_response(answers: Iterable[Availability]) -> pb.SearchAvailabilityResponse:
    return pb.SearchAvailabilityResponse(answers=map(_availability_message, answers))


def _availability_message(answer: Availability) -> pb.Availability:
    tables, stay = answer.vacancy.tables, answer.stay
    message = pb.Availability(
        available=bool(tables),
        reasons=reason_messages(answer.vacancy.reasons),
        table_ids=[str(table.table_id) for table in tables],
        table_names=[table.name for table in tables],
        zone_id=str(tables[0].zone_id) if tables else "",
        capacity=sum(table.capacity for table in tables),
    )
    if stay is not None:
        set_instant(message.window_start, stay.window.start)
        set_instant(message.window_end, stay.window.end)
        message.period = stay.period
    return message
