"""The rules of a table set, one by one and together."""

from dataclasses import replace

import pytest

from server.domain.booking import Party
from server.domain.floor import Floor
from server.domain.policy import AdjacencyMode, Combinations, ServicePolicy
from server.domain.rules import (
    Selection,
    check_selection,
    check_set,
    failed,
    forms_merge,
    in_the_way,
    occupancy_checks,
    require,
    select,
)
from server.domain.window import Window
from server.errors import PRECEDENCE, CheckStatus, ClaimKind, Reason, ServiceError
from tests.builders.bookings import RESTAURANT
from tests.builders.floors import floor, row, table, table_id, zone_id
from tests.builders.questions import at, claim, evening_policy

WINDOW = Window(at(19), at(20, 30))


def choose(place: Floor, party: Party | int, *numbers: int, policy: ServicePolicy | None = None) -> Selection:
    if isinstance(party, int):
        party = Party(party, at(19))
    ids = [table_id(number) for number in numbers]
    return select(place, policy or evening_policy(), party, WINDOW, ids, RESTAURANT)


def broken(selection: Selection) -> list[Reason]:
    return [check.reason for check in failed(check_set(selection))]


def rule(**changes: object) -> ServicePolicy:
    return evening_policy(combinations=replace(Combinations(), **changes))  # type: ignore[arg-type]


def test_a_set_that_fits_breaks_nothing_and_lists_every_rule_once() -> None:
    checks = check_selection(choose(row(4, 4), 7, 1, 2), [], "UTC")
    assert {check.status for check in checks} == {CheckStatus.OK}
    reasons = [check.reason for check in checks]
    assert len(set(reasons)) == len(reasons)
    assert sorted(reasons, key=lambda reason: PRECEDENCE[reason])[:-3] == reasons[:-3]


def test_the_same_table_named_twice_is_one() -> None:
    assert choose(row(4, 4), 4, 1, 1).table_ids == (table_id(1),)


def test_a_table_that_the_floor_does_not_have_is_named() -> None:
    with pytest.raises(ServiceError) as caught:
        choose(row(4), 4, 1, 7)
    assert caught.value.reason is Reason.TABLE_NOT_FOUND
    assert caught.value.refusal.metadata["table_ids"] == str(table_id(7))


@pytest.mark.parametrize(
    ("capacity", "max_party", "party", "reasons"),
    [
        (4, 4, 4, []),
        (4, 4, 5, [Reason.CAPACITY_INSUFFICIENT]),
        (4, 3, 4, [Reason.CAPACITY_INSUFFICIENT]),
        (4, 6, 5, [Reason.CAPACITY_INSUFFICIENT]),
        (8, 8, 4, []),
        (9, 9, 4, [Reason.SLACK_BUDGET_EXCEEDED]),
    ],
)
def test_seats_of_a_table_alone(capacity: int, max_party: int, party: int, reasons: list[Reason]) -> None:
    assert broken(choose(floor([table(1, capacity, max_party=max_party)]), party, 1)) == reasons


def test_a_merge_counts_seats_and_not_the_largest_party_of_each_table() -> None:
    place = floor([table(1, 4, max_party=2), table(2, 4, max_party=2)], [(1, 2)])
    assert broken(choose(place, 8, 1, 2)) == []


def test_a_party_must_be_large_enough_for_each_table() -> None:
    place = floor([table(1, 4, min_party=3), table(2, 2)], [(1, 2)])
    assert broken(choose(place, 2, 1)) == [Reason.CAPACITY_BELOW_MIN_PARTY]
    assert broken(choose(place, 3, 1, 2)) == []


def test_a_party_is_told_the_size_from_which_it_could_have_all_the_tables() -> None:
    place = floor([table(1, 4, min_party=5), table(2, 4, min_party=6)], [(1, 2)])
    (check,) = failed(check_set(choose(place, 4, 1, 2)))
    assert (check.metadata["min_party"], check.table_ids) == ("6", (table_id(1), table_id(2)))


def test_zone_and_attributes_must_be_met_by_every_table() -> None:
    place = floor([table(1, 2, attributes=("quiet",)), table(2, 2)], [(1, 2)])
    asked = Party(4, at(19), zone_id=zone_id(1), required_attributes=("quiet",))
    checks = failed(check_set(choose(place, asked, 1, 2)))
    assert [(c.reason, c.table_ids) for c in checks] == [(Reason.REQUIRED_ATTRIBUTE_UNMET, (table_id(2),))]
    elsewhere = replace(asked, zone_id=zone_id(2), required_attributes=())
    assert broken(choose(place, elsewhere, 1, 2)) == [Reason.ZONE_NOT_REQUESTED]


def test_every_broken_rule_is_reported_in_order_of_precedence() -> None:
    place = floor([table(1, 4, in_service=False, movable=False), table(2, 4, zone=2)])
    selection = choose(place, 1, 1, 2, policy=rule(enabled=False))
    assert broken(selection) == [
        Reason.TABLE_OUT_OF_SERVICE,
        Reason.COMBINATION_DISABLED,
        Reason.COMBINATION_CROSSES_ZONES,
        Reason.COMBINATION_TABLE_NOT_MOVABLE,
        Reason.COMBINATION_NOT_ADJACENT,
        Reason.SLACK_BUDGET_EXCEEDED,
    ]
    with pytest.raises(ServiceError) as caught:
        require(check_set(selection))
    assert caught.value.reason is Reason.TABLE_OUT_OF_SERVICE
    assert [check.reason for check in caught.value.refusal.checks] == broken(selection)


def test_more_tables_than_the_policy_allows_are_refused() -> None:
    assert broken(choose(row(2, 2, 2), 6, 1, 2, 3, policy=rule(tables_max=2))) == [
        Reason.COMBINATION_TOO_LARGE
    ]


def test_a_fixed_table_alone_is_no_merge() -> None:
    fixed = floor([table(1, 4, movable=False)])
    assert broken(choose(fixed, 4, 1, policy=rule(enabled=False))) == []


CHAIN = [(1, 2), (2, 3)]
TRIANGLE = [(1, 2), (2, 3), (1, 3)]


@pytest.mark.parametrize(
    ("edges", "numbers", "modes"),
    [
        ([], (1, 2), set()),
        (CHAIN, (1, 2, 3), {AdjacencyMode.CONNECTED, AdjacencyMode.HUB}),
        (TRIANGLE, (1, 2, 3), set(AdjacencyMode)),
        ([*CHAIN, (3, 4)], (1, 2, 3, 4), {AdjacencyMode.CONNECTED}),
        ([(1, 2), (3, 4)], (1, 2, 3, 4), set()),
        (CHAIN, (1, 3), set()),
        ([], (1,), set(AdjacencyMode)),
    ],
)
def test_what_is_one_merge(
    edges: list[tuple[int, int]], numbers: tuple[int, ...], modes: set[AdjacencyMode]
) -> None:
    place = floor((table(n, 2) for n in range(1, 5)), edges)
    ids = [table_id(number) for number in numbers]
    assert {mode for mode in AdjacencyMode if forms_merge(mode, place, ids)} == modes


def test_claims_in_the_way_are_told_apart_by_their_kind_and_say_until_when() -> None:
    selection = choose(row(4, 4), 8, 1, 2)
    claims = [
        claim(1, at(18), at(20), ClaimKind.ASSIGNMENT),
        replace(claim(2, at(20), at(22), ClaimKind.HOLD), expires_at=at(18, 30)),
        claim(2, at(17), at(19), ClaimKind.BLOCK),
    ]
    checks = failed(occupancy_checks(selection.tables, selection.window, claims, "America/New_York"))
    assert [(c.reason, c.table_ids) for c in checks] == [
        (Reason.TABLE_CONFLICT_ASSIGNED, (table_id(1),)),
        (Reason.TABLE_CONFLICT_HELD, (table_id(2),)),
    ]
    assert checks[0].message == (
        "T1 is assigned to another booking between Fri 2026-05-15 14:00 EDT and Fri 2026-05-15 16:00 EDT; "
        "free from Fri 2026-05-15 16:00 EDT."
    )
    # A hold keeps others out until it expires, if that is before its window ends.
    assert checks[1].metadata["free_from"] == at(18, 30).isoformat()
    assert checks[0].metadata["free_from"] == at(20).isoformat()


def test_what_is_taken_is_named_as_staff_know_it_and_many_tables_are_counted() -> None:
    def sentence(place: Floor, *numbers: int) -> str:
        blocks = [claim(number, at(19), at(20), ClaimKind.BLOCK) for number in numbers]
        (check,) = failed(occupancy_checks(place.tables, WINDOW, blocks, "UTC"))
        return check.message.split(" between ")[0]

    assert sentence(row(4, 4), 2) == f"{table(2, 4).name} is blocked"
    assert sentence(row(4, 4), 1, 2) == f"{table(1, 4).name}, {table(2, 4).name} are blocked"
    assert sentence(row(*[4] * 13), *range(1, 14)).endswith(" and 3 more are blocked")


def test_several_claims_of_a_kind_are_told_from_the_first_start_to_the_last_end() -> None:
    blocks = [claim(2, at(18), at(20), ClaimKind.BLOCK), claim(1, at(19), at(22), ClaimKind.BLOCK)]
    for claims in (blocks, blocks[::-1]):
        (check,) = failed(occupancy_checks(row(4, 4).tables, WINDOW, claims, "UTC"))
        told = {name: check.metadata[name] for name in ("window_start", "window_end", "free_from")}
        assert check.table_ids == (table_id(1), table_id(2))
        assert told == {
            "window_start": at(18).isoformat(),
            "window_end": at(22).isoformat(),
            "free_from": at(22).isoformat(),
        }


def test_what_is_in_the_way_is_listed_by_table_and_then_by_time_as_far_as_asked() -> None:
    claims = [claim(2, at(18), at(20)), claim(1, at(20), at(21)), claim(1, at(18), at(20))]
    listed = in_the_way(claims, 2)
    assert [(conflict.table_id, conflict.window_start) for conflict in listed] == [
        (table_id(1), at(18)),
        (table_id(1), at(20)),
    ]


def test_who_sits_there_is_not_told_while_something_else_keeps_the_tables_from_the_party() -> None:
    selection, blocker = choose(row(4), 5, 1), claim(1, at(18), at(20))
    with pytest.raises(ServiceError) as caught:
        require(check_selection(selection, [blocker], "UTC"), [blocker])
    refusal = caught.value.refusal
    assert (refusal.reason, refusal.conflicts) == (Reason.CAPACITY_INSUFFICIENT, ())
    assert [check.reason for check in refusal.checks] == [
        Reason.CAPACITY_INSUFFICIENT,
        Reason.TABLE_CONFLICT_ASSIGNED,
    ]


def test_a_conflict_is_refused_with_what_is_in_the_way() -> None:
    selection, blocker = choose(row(4), 4, 1), claim(1, at(18), at(20))
    with pytest.raises(ServiceError) as caught:
        require(check_selection(selection, [blocker], "UTC"), [blocker])
    refusal = caught.value.refusal
    assert refusal.reason is Reason.TABLE_CONFLICT_ASSIGNED
    assert refusal.conflicts == (blocker.as_conflict(),)


def test_nothing_is_raised_when_nothing_is_broken() -> None:
    require(check_selection(choose(row(4), 4, 1), [], "UTC"))
