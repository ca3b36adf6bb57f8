"""Every reason that a rule gives names its cures, and each cure makes the reason disappear."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from server.domain.booking import Party
from server.domain.cures import CURES, Cure
from server.domain.floor import Floor, Table
from server.domain.policy import AdjacencyMode, Combinations, ServicePolicy
from server.domain.rules import CONFLICT_REASON, Selection, check_selection, failed
from server.domain.window import Window
from server.errors import ClaimKind, Reason
from tests.builders.floors import floor, table, table_id, zone_id
from tests.builders.questions import at, claim, evening_policy

NINETEEN = Window(at(19), at(20, 30))
KIND_OF_CURE = {
    Cure.BLOCK_RELEASED: ClaimKind.BLOCK,
    Cure.ASSIGNMENT_RELEASED: ClaimKind.ASSIGNMENT,
    Cure.HOLD_ENDS: ClaimKind.HOLD,
}


def selection(
    tables: list[Table],
    edges: list[tuple[int, int]] | None = None,
    *,
    party: Party | None = None,
    policy: ServicePolicy | None = None,
) -> Selection:
    place = floor(tables, edges or [])
    wanted = party or Party(4, at(19))
    return Selection(place, policy or evening_policy(), wanted, NINETEEN, place.tables)


def reasons(chosen: Selection) -> set[Reason]:
    return {check.reason for check in failed(check_selection(chosen, (), "UTC"))}


FOURS = [table(1, 4), table(2, 4)]
SEVEN = Party(7, at(19))
BROKEN: Mapping[Reason, Selection] = {
    Reason.TABLE_OUT_OF_SERVICE: selection([table(1, 4, in_service=False)]),
    Reason.ZONE_NOT_REQUESTED: selection([table(1, 4)], party=Party(4, at(19), zone_id=zone_id(2))),
    Reason.REQUIRED_ATTRIBUTE_UNMET: selection(
        [table(1, 4)], party=Party(4, at(19), required_attributes=("booth",))
    ),
    Reason.COMBINATION_DISABLED: selection(
        FOURS, [(1, 2)], party=SEVEN, policy=evening_policy(combinations=Combinations(enabled=False))
    ),
    Reason.COMBINATION_TOO_LARGE: selection(
        [*FOURS, table(3, 4)],
        [(1, 2), (2, 3)],
        party=Party(12, at(19)),
        policy=evening_policy(combinations=Combinations(tables_max=2)),
    ),
    Reason.COMBINATION_CROSSES_ZONES: selection([table(1, 4), table(2, 4, zone=2)], [(1, 2)], party=SEVEN),
    Reason.COMBINATION_TABLE_NOT_MOVABLE: selection(
        [table(1, 4), table(2, 4, movable=False)], [(1, 2)], party=SEVEN
    ),
    Reason.COMBINATION_NOT_ADJACENT: selection(
        [*FOURS, table(3, 4)],
        [(1, 2), (2, 3)],
        party=Party(12, at(19)),
        policy=evening_policy(combinations=Combinations(adjacency_mode=AdjacencyMode.PAIRWISE)),
    ),
    Reason.CAPACITY_INSUFFICIENT: selection([table(1, 4)], party=Party(5, at(19))),
    Reason.CAPACITY_BELOW_MIN_PARTY: selection([table(1, 6, min_party=5)]),
    Reason.SLACK_BUDGET_EXCEEDED: selection([table(1, 9)]),
}


def floor_changed(chosen: Selection) -> Selection:
    """The tables as they would have to be: together, movable, with the right seats and attributes, all touching."""
    party, count = chosen.party, len(chosen.tables)
    size = -(-party.party_size // count)
    tables = [
        replace(
            each,
            capacity=size,
            min_party=1,
            max_party=size,
            movable=True,
            zone_id=party.zone_id or chosen.tables[0].zone_id,
            attributes=party.required_attributes,
        )
        for each in chosen.tables
    ]
    ids = [each.table_id for each in tables]
    place = Floor.of((), tables, [(a, b) for a in ids for b in ids if a < b])
    return replace(chosen, floor=place, tables=place.tables)


def policy_changed(chosen: Selection) -> Selection:
    combinations = Combinations(tables_max=5, adjacency_mode=AdjacencyMode.CONNECTED)
    return replace(chosen, policy=replace(chosen.policy, slack_max=100, combinations=combinations))


def booking_changed(chosen: Selection) -> Selection:
    return replace(chosen, party=Party(chosen.capacity, at(19)))


def back_in_service(chosen: Selection) -> Selection:
    return replace(chosen, tables=tuple(replace(each, in_service=True) for each in chosen.tables))


CHANGES: Mapping[Cure, Callable[[Selection], Selection]] = {
    Cure.FLOOR_CHANGED: floor_changed,
    Cure.POLICY_CHANGED: policy_changed,
    Cure.BOOKING_CHANGED: booking_changed,
    Cure.TABLE_BACK_IN_SERVICE: back_in_service,
}


@pytest.mark.parametrize("reason", BROKEN)
def test_a_change_to_rules_floor_or_booking_cures_exactly_the_reasons_that_name_it(reason: Reason) -> None:
    broken = BROKEN[reason]
    assert reason in reasons(broken)
    helps = {cure for cure, change in CHANGES.items() if reason not in reasons(change(broken))}
    assert helps == set(CURES[reason])


@pytest.mark.parametrize("kind", ClaimKind)
def test_what_is_in_the_way_is_cured_when_it_goes_and_by_nothing_else(kind: ClaimKind) -> None:
    chosen, taken = selection([table(1, 4)]), [claim(1, at(18), at(20), kind)]
    reason = CONFLICT_REASON[kind]
    assert [check.reason for check in failed(check_selection(chosen, taken, "UTC"))] == [reason]
    assert [KIND_OF_CURE[cure] for cure in CURES[reason]] == [kind]
    assert table_id(1) == taken[0].table_id


def test_every_reason_that_can_stand_against_a_set_is_covered() -> None:
    told = {check.reason for check in check_selection(BROKEN[Reason.CAPACITY_INSUFFICIENT], (), "UTC")}
    assert told == set(CURES)
    assert set(CURES) == set(BROKEN) | set(CONFLICT_REASON.values())
