"""A planner's answer as tables for people."""

from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo

from rich.console import RenderableType
from rich.text import Text

from maitred_client import instant
from maitred_client.messages import (
    ErrorReason,
    Floor,
    Plan,
    PlanEngine,
    PlanOutcome,
    PlanTablesResponse,
    Rejection,
)
from server.cli.alternatives_view import alternatives_view, hints, what_would_help
from server.cli.instants import told_window
from server.cli.output import facts, grid
from server.cli.overriding import reason_names
from server.cli.plan_choice import reason_word
from server.cli.wording import counted, told

OUTCOMES = {
    PlanOutcome.PLAN_OUTCOME_FEASIBLE: Text("something fits", style="bold green"),
    PlanOutcome.PLAN_OUTCOME_RELAXED: Text("something fits when rules are relaxed", style="bold yellow"),
    PlanOutcome.PLAN_OUTCOME_FULLY_TAKEN: Text("everything that fits is taken", style="bold yellow"),
    PlanOutcome.PLAN_OUTCOME_NEEDS_STAFF: Text("nothing here seats this party", style="bold red"),
}
WITHOUT_THOSE_TO_AVOID = {
    PlanOutcome.PLAN_OUTCOME_FULLY_TAKEN: "everything that fits without the tables to avoid is taken",
    PlanOutcome.PLAN_OUTCOME_NEEDS_STAFF: "nothing here seats this party without the tables to avoid",
}
NAMES_LISTED_MAX = 8
MERGES_LISTED_MAX = 3
SHOWN_MIN = 0.005


def plan_view(response: PlanTablesResponse, floor: Floor, zone: tzinfo) -> Iterator[RenderableType]:
    """Outcome, ranked plans with the terms of their cost, what was left out and why, and what else there is."""
    start, end = (instant(each).astimezone(zone) for each in (response.window_start, response.window_end))
    yield facts(
        (
            ("outcome", _outcome(response)),
            ("window", f"{told_window(start, end)}, {response.period}"),
            ("looked at", _looked_at(response)),
            ("ranked by", _ranked_by(response)),
            *_relaxed(response),
            *hints(response),
        )
    )
    if response.plans:
        yield ""
        yield _plans(response, floor)
        if more := response.plans_found - len(response.plans):
            yield Text(f"{counted(more, 'more plan')}: --limit", style="dim")
    if response.rejections:
        yield ""
        yield _rejections(response, floor, start)
    if response.alternatives:
        yield ""
        yield alternatives_view(response.alternatives, floor, zone)


def _outcome(response: PlanTablesResponse) -> Text:
    words = OUTCOMES.get(response.outcome, Text("unknown"))
    avoided = any(each.reason == ErrorReason.ERROR_REASON_TABLE_AVOIDED for each in response.rejections)
    if avoided and response.outcome in WITHOUT_THOSE_TO_AVOID:
        return Text(WITHOUT_THOSE_TO_AVOID[response.outcome], style=words.style)
    return words


def _looked_at(response: PlanTablesResponse) -> str:
    tables, merges = response.tables_considered, response.combinations_considered
    return f"{counted(tables, 'table')}, {counted(merges, 'merge')}"


def _ranked_by(response: PlanTablesResponse) -> str:
    engine = told(PlanEngine, response.engine)
    considered, found = response.waiting_considered, response.waiting_found
    waiting = counted(found, "waiting booking")
    return f"{engine}, with {f'{considered} of ' if considered < found else ''}{waiting} in mind"


def _relaxed(response: PlanTablesResponse) -> Iterator[tuple[str, str]]:
    """What all plans of one answer relax alike, and what could not be tried."""
    for plan in response.plans[:1]:
        if plan.relaxed:
            scope = " (takes the scope override)" if plan.needs_permission else ""
            yield "relaxed", reason_names(plan.relaxed) + scope
    if response.relaxations_skipped:
        yield "not tried", f"{reason_names(response.relaxations_skipped)}: too many merges on this floor"


def _plans(response: PlanTablesResponse, floor: Floor) -> RenderableType:
    zones = {zone.zone_id: zone.name for zone in floor.zones}
    return grid(
        ("#>", "Tables", "Zone", "Seats>", "Empty>", "Score>", "Cost>", "Cost is made of"),
        (
            (
                rank,
                Text(" + ".join(plan.table_names), style="bold"),
                zones.get(plan.zone_id, ""),
                plan.capacity,
                plan.slack,
                f"{plan.score:.1f}",
                f"{plan.cost:.2f}",
                _terms(plan),
            )
            for rank, plan in enumerate(response.plans, 1)
        ),
        kept=7,
    )


def _terms(plan: Plan) -> str:
    """The terms that are not zero, the largest first, and which preferences are not met."""
    terms = sorted(plan.breakdown, key=lambda term: -abs(term.cost))
    words = [
        f"{term.name.replace('_', ' ')} {term.cost:.2f}" for term in terms if abs(term.cost) >= SHOWN_MIN
    ]
    unmet = [f"no {name}" for name in plan.unmet_preferred_attributes]
    if plan.zone_preference_unmet:
        unmet.append("other zone")
    return ", ".join(words) + (f" ({', '.join(unmet)})" if unmet else "")


def _rejections(response: PlanTablesResponse, floor: Floor, start: datetime) -> RenderableType:
    names = {table.table_id: table.name for table in floor.tables}
    return grid(
        ("Left out because", "Tables>", "Merges>", "Which tables", "What would help"),
        (
            (
                reason_word(rejection),
                rejection.tables or "·",
                rejection.combinations or "·",
                _which(rejection, names),
                what_would_help(rejection, start),
            )
            for rejection in response.rejections
        ),
    )


def _which(rejection: Rejection, names: Mapping[str, str]) -> str:
    """The single tables, or when there are none the first merges."""
    if rejection.table_ids:
        return _listed([names.get(table_id, table_id) for table_id in rejection.table_ids])
    merges = ["+".join(each.table_names) for each in rejection.example_combinations]
    return _listed(merges[:MERGES_LISTED_MAX]) + (" …" if rejection.combinations > MERGES_LISTED_MAX else "")


def _listed(names: list[str]) -> str:
    more = f" … {len(names) - NAMES_LISTED_MAX} more" if len(names) > NAMES_LISTED_MAX else ""
    return " ".join(names[:NAMES_LISTED_MAX]) + more
