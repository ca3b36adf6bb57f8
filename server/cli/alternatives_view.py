"""What a party could have instead, and what would help, in people's words."""

from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo
from itertools import chain

from rich.console import RenderableType
from rich.text import Text

from maitred_client import instant
from maitred_client.messages import (
    Alternative,
    AlternativeKind,
    Floor,
    PlanOutcome,
    PlanTablesResponse,
    Rejection,
    RejectionCure,
)
from server.cli.instants import clock_of, told_near
from server.cli.output import grid
from server.cli.overriding import reason_names

KINDS = {
    AlternativeKind.ALTERNATIVE_KIND_EARLIER: "come earlier",
    AlternativeKind.ALTERNATIVE_KIND_LATER: "come later",
    AlternativeKind.ALTERNATIVE_KIND_OTHER_ZONE: "sit in another zone",
    AlternativeKind.ALTERNATIVE_KIND_LARGER_COMBINATION: "merge more tables",
    AlternativeKind.ALTERNATIVE_KIND_RELAXED: "relax the rules",
}
CURES = {
    RejectionCure.REJECTION_CURE_HOLD_ENDS: "the hold ends",
    RejectionCure.REJECTION_CURE_ASSIGNMENT_RELEASED: "the party leaves",
    RejectionCure.REJECTION_CURE_BLOCK_RELEASED: "the block is released",
    RejectionCure.REJECTION_CURE_TABLE_BACK_IN_SERVICE: "the table is back in service",
    RejectionCure.REJECTION_CURE_FLOOR_CHANGED: "another floor",
    RejectionCure.REJECTION_CURE_POLICY_CHANGED: "another policy",
    RejectionCure.REJECTION_CURE_BOOKING_CHANGED: "another wish",
}


def hints(response: PlanTablesResponse) -> Iterator[tuple[str, RenderableType]]:
    """What staff should know when nothing fits."""
    if response.outcome == PlanOutcome.PLAN_OUTCOME_NEEDS_STAFF:
        yield "largest set", f"seats {response.largest_capacity}"
    if response.moving_one_booking_would_help:
        yield "would help", Text("moving one other booking makes room", style="bold")


def what_would_help(rejection: Rejection, start: datetime) -> str:
    """`start` is that of the window, in the restaurant's zone."""
    words = [CURES.get(cure, "something else") for cure in rejection.cures]
    if rejection.moving_may_help:
        words.append("they move")
    if rejection.HasField("free_from"):
        words.append(f"first free {told_near(instant(rejection.free_from), start)}")
    return ", ".join(words)


def alternatives_view(alternatives: Sequence[Alternative], floor: Floor, zone: tzinfo) -> RenderableType:
    """One line for each: what it takes and what there is then."""
    zones = {each.zone_id: each.name for each in floor.zones}
    times = [
        [instant(at).astimezone(zone) for at in (each.party.start, each.window_end)] for each in alternatives
    ]
    clock = clock_of(chain.from_iterable(times))
    return grid(
        ("Instead", "Start", "Until", "Tables", "Zone", "Seats>", "Score>", "Has to be overridden"),
        (
            (
                KINDS.get(each.kind, "something else"),
                f"{start:%a {clock}}",
                f"{end:{clock}}",
                Text(" + ".join(each.plan.table_names), style="bold"),
                zones.get(each.plan.zone_id, ""),
                each.plan.capacity,
                f"{each.plan.score:.1f}",
                reason_names(each.plan.relaxed),
            )
            for each, (start, end) in zip(alternatives, times, strict=True)
        ),
        kept=0,
    )
