"""The digest of what a plan was made from: it moves with all that matters to the plan and with nothing else."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from uuid import UUID

import pytest

from server.domain.booking import Party
from server.domain.claims import Claim
from server.domain.context import context_version
from server.domain.floor import Floor, Table
from server.domain.rules import Selection
from server.domain.window import Window
from server.errors import ClaimKind
from tests.builders.floors import floor, table, table_id, zone_id
from tests.builders.questions import at, claim, evening_policy

TABLES = [table(1, 4), table(2, 4), table(3, 4), table(4, 2, zone=2)]
EDGES = [(1, 2), (2, 3)]
PARTY = Party(7, at(19), duration_s=5400, required_attributes=())
IN_THE_WAY = claim(1, at(20), at(21), ClaimKind.HOLD)


def selection(place: Floor | None = None, party: Party = PARTY, window: Window | None = None) -> Selection:
    place = place or floor(TABLES, EDGES)
    chosen = tuple(place.by_id[table_id(number)] for number in (1, 2))
    return Selection(place, evening_policy(), party, window or Window(at(19), at(20, 30)), chosen)


def version(
    chosen: Selection | None = None, policy_version: int = 1, claims: Sequence[Claim] = (IN_THE_WAY,)
) -> str:
    return context_version(chosen or selection(), policy_version, claims)


def with_first_table(changed: Table) -> Selection:
    return selection(floor([changed, *TABLES[1:]], EDGES))


CHANGES = {
    "policy version": version(policy_version=2),
    "party size": version(selection(party=replace(PARTY, party_size=8))),
    "start": version(selection(party=replace(PARTY, start=at(19, 5)))),
    "duration": version(selection(party=replace(PARTY, duration_s=None))),
    "zone asked for": version(selection(party=replace(PARTY, zone_id=zone_id(1)))),
    "required attributes": version(selection(party=replace(PARTY, required_attributes=("quiet",)))),
    "window start": version(selection(window=Window(at(18, 59), at(20, 30)))),
    "window end": version(selection(window=Window(at(19), at(20, 31)))),
    "capacity": version(with_first_table(replace(TABLES[0], capacity=5))),
    "min party": version(with_first_table(replace(TABLES[0], min_party=2))),
    "max party": version(with_first_table(replace(TABLES[0], max_party=5))),
    "movable": version(with_first_table(replace(TABLES[0], movable=False))),
    "attributes": version(with_first_table(replace(TABLES[0], attributes=("quiet",)))),
    "out of service": version(with_first_table(replace(TABLES[0], in_service=False))),
    "zone of a table": version(with_first_table(replace(TABLES[0], zone_id=zone_id(2)))),
    "adjacency within": version(selection(floor(TABLES, [(2, 3)]))),
    "no claim": version(claims=()),
    "another claim": version(claims=(IN_THE_WAY, claim(2, at(18), at(20)))),
    "kind of claim": version(claims=(replace(IN_THE_WAY, kind=ClaimKind.ASSIGNMENT),)),
    "owner of claim": version(claims=(replace(IN_THE_WAY, owner_id=UUID(int=9)),)),
    "window of claim": version(claims=(replace(IN_THE_WAY, window=Window(at(20), at(22))),)),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_that_matters_alters_it(what: str) -> None:
    assert CHANGES[what] != version()


def test_no_two_changes_are_mistaken_for_each_other() -> None:
    assert len({version(), *CHANGES.values()}) == len(CHANGES) + 1


def test_other_tables_than_the_chosen_ones_do_not_matter() -> None:
    elsewhere = [*TABLES[:2], replace(TABLES[2], capacity=9, in_service=False), table(9, 2)]
    assert version(selection(floor(elsewhere, [*EDGES, (3, 9)]))) == version()


def test_adjacency_to_tables_outside_the_set_does_not_matter() -> None:
    assert version(selection(floor(TABLES, [(1, 2), (1, 3)]))) == version()


def test_what_a_table_is_called_does_not_matter() -> None:
    assert version(with_first_table(replace(TABLES[0], name="Window seat"))) == version()


def test_wishes_do_not_matter() -> None:
    assert version(selection(party=replace(PARTY, preferred_attributes=("quiet",)))) == version()


def test_claims_that_only_touch_the_window_do_not_matter() -> None:
    touching = claim(1, at(18), at(19)), claim(2, at(20, 30), at(22), ClaimKind.BLOCK)
    assert version(claims=(IN_THE_WAY, *touching)) == version()


def test_when_a_hold_expires_does_not_matter_while_it_lives() -> None:
    assert version(claims=(replace(IN_THE_WAY, expires_at=at(19, 30)),)) == version()


def test_order_and_time_zone_do_not_matter() -> None:
    other = claim(2, at(18), at(20))
    assert version(claims=(other, IN_THE_WAY)) == version(claims=(IN_THE_WAY, other))
    paris = timezone(timedelta(hours=2))
    moved = Window(at(19).astimezone(paris), at(20, 30).astimezone(paris))
    party = replace(PARTY, start=at(19).astimezone(paris))
    assert moved.start.tzinfo is not UTC
    assert version(selection(party=party, window=moved)) == version()
