"""Which tables may be pushed together, and how many such sets a floor has."""

from itertools import combinations as subsets
from math import comb

import pytest

from server.domain.booking import Party
from server.domain.floor import Floor
from server.domain.limits import COMBINATIONS_MAX
from server.domain.policy import AdjacencyMode, Combinations
from server.errors import ServiceError
from server.orchestrator import inventory_limits
from server.orchestrator.inventory_limits import require_enumerable
from server.planner import catalog
from server.planner.catalog import TableSets, count_combinations
from tests.builders.floors import floor, row, table, table_id
from tests.builders.questions import at


def sets_of(
    place: Floor, mode: AdjacencyMode = AdjacencyMode.CONNECTED, tables_max: int = 3
) -> set[tuple[int, ...]]:
    merges = TableSets.of(place, Combinations(True, tables_max, mode)).merges
    return {tuple(place.tables[index].table_id.int & 0xFFFF for index in merge.members) for merge in merges}


def complete(count: int) -> Floor:
    """Tables of one zone that all touch each other."""
    return floor((table(n, 2) for n in range(1, count + 1)), subsets(range(1, count + 1), 2))


def test_a_row_has_its_neighbours_and_its_stretches_of_three() -> None:
    assert sets_of(row(4, 4, 4, 4)) == {(1, 2), (2, 3), (3, 4), (1, 2, 3), (2, 3, 4)}


def test_a_row_is_one_merge_when_connected_and_with_a_hub_but_not_pairwise() -> None:
    assert (1, 2, 3) in sets_of(row(4, 4, 4), AdjacencyMode.CONNECTED)
    assert (1, 2, 3) in sets_of(row(4, 4, 4), AdjacencyMode.HUB)
    assert (1, 2, 3) not in sets_of(row(4, 4, 4), AdjacencyMode.PAIRWISE)


def test_a_row_of_four_has_no_hub() -> None:
    assert (1, 2, 3, 4) in sets_of(row(2, 2, 2, 2), AdjacencyMode.CONNECTED, 4)
    assert (1, 2, 3, 4) not in sets_of(row(2, 2, 2, 2), AdjacencyMode.HUB, 4)


def test_a_star_passes_with_its_hub_and_a_ring_of_five_does_not() -> None:
    tables = [table(n, 2) for n in range(1, 6)]
    star = floor(tables, [(1, n) for n in range(2, 6)])
    ring = floor(tables, [(1, 2), (2, 3), (3, 4), (4, 5), (5, 1)])
    assert (1, 2, 3, 4, 5) in sets_of(star, AdjacencyMode.HUB, 5)
    assert (1, 2, 3, 4, 5) not in sets_of(ring, AdjacencyMode.HUB, 5)


@pytest.mark.parametrize("mode", AdjacencyMode)
def test_where_every_table_touches_every_other_each_subset_is_met_once(mode: AdjacencyMode) -> None:
    expected = sum(comb(9, size) for size in range(2, 6))
    assert count_combinations(complete(9), Combinations(True, 5, mode), 10**6) == expected
    assert len(sets_of(complete(9), mode, 5)) == expected


def test_two_disjoint_pairs_are_no_merge_of_four() -> None:
    place = floor((table(n, 4) for n in range(1, 5)), [(1, 2), (3, 4)])
    assert sets_of(place, tables_max=4) == {(1, 2), (3, 4)}


def test_fixed_tables_and_tables_of_other_zones_are_never_merged() -> None:
    place = floor(
        [table(1, 4), table(2, 4, movable=False), table(3, 4, zone=2), table(4, 4)],
        [(1, 2), (1, 3), (1, 4), (2, 4)],
    )
    assert sets_of(place) == {(1, 4)}


def test_there_are_no_merges_when_combinations_are_off() -> None:
    assert TableSets.of(row(4, 4), Combinations(enabled=False)).merges == ()
    assert count_combinations(row(4, 4), Combinations(enabled=False), 10) == 0


def test_a_pair_that_stands_alone_is_found() -> None:
    place = floor((table(n, 4) for n in range(1, 5)), [(3, 4)])
    assert sets_of(place) == {(3, 4)}


def test_counting_stops_where_it_is_told() -> None:
    assert (
        count_combinations(complete(400), Combinations(True, 5), COMBINATIONS_MAX + 1) == COMBINATIONS_MAX + 1
    )


def test_a_floor_with_too_many_combinations_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "COMBINATIONS_MAX", 36)
    assert len(TableSets.of(complete(9), Combinations(True, 2)).merges) == 36
    with pytest.raises(ValueError, match="more than 36 combinations"):
        TableSets.of(complete(10), Combinations(True, 2))


def test_a_floor_that_is_put_may_have_exactly_as_many_combinations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_limits, "COMBINATIONS_MAX", 36)
    require_enumerable(complete(9), Combinations(True, 2), "floor")
    with pytest.raises(ServiceError, match="more than 36 possible merges"):
        require_enumerable(row(*[2] * 38), Combinations(True, 2), "floor")


def test_a_shortlist_is_made_once_and_shared() -> None:
    sets = TableSets.of(row(4, 4, 4), Combinations())
    first = sets.shortlist(Party(6, at(18)), 4)
    assert sets.shortlist(Party(6, at(20), preferred_attributes=("quiet",)), 4) is first
    assert sets.shortlist(Party(6, at(18)), 1) is not first


def test_tables_that_the_floor_does_not_have_are_no_part_of_a_mask() -> None:
    sets = TableSets.of(row(4, 4, 4), Combinations())
    assert sets.mask_of([table_id(3), table_id(99)]) == 0b100
