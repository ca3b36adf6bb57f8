"""What a plan was made from, as a short text that can be compared later."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b

from server.domain.booking import Party
from server.domain.claims import Claim
from server.domain.floor import Floor, Table
from server.domain.rules import Selection
from server.domain.window import Window

DIGEST_BYTES = 16
TABLES_KEPT_MAX = 16_384


def context_version(selection: Selection, policy_version: int, foreign: Iterable[Claim]) -> str:
    """A digest of everything that a selection depends on and of nothing else.

    That is the policy's version, what the party needs and its window, the chosen tables whatever they are called,
    the adjacency among them, and the live claims of others on them that overlap the window. Preferences of the party
    only rank and are left out. Changes elsewhere on the floor leave it as it is.
    """
    claims = sorted(
        (str(claim.table_id), *_instants(claim.window), claim.kind.value, str(claim.owner_id))
        for claim in foreign
        if claim.window.overlaps(selection.window)
    )
    wish = written_wish(selection.party, selection.window, policy_version)
    return version_of(wish, written_tables(selection.floor, selection.tables), claims)


def written_wish(party: Party, window: Window, policy_version: int) -> str:
    """What a context version reads of a party, its window and the policy."""
    facts = (
        policy_version,
        (
            party.party_size,
            party.start.timestamp(),
            party.duration_s,
            party.zone_id,
            party.required_attributes,
        ),
        _instants(window),
    )
    return ", ".join(map(repr, facts))


def written_tables(floor: Floor, tables: Sequence[Table]) -> str:
    """What a context version reads of the tables, in the order of their ids, and of the floor."""
    ids = (table.table_id for table in tables)
    return f"{tuple(map(_nameless, tables))!r}, {floor.edges_within(ids)!r}"


def version_of(wish: str, tables: str, claims: Sequence[object] = ()) -> str:
    """The context version of what was written, and of these claims in the way."""
    return blake2b(f"({wish}, {tables}, {list(claims)!r})".encode(), digest_size=DIGEST_BYTES).hexdigest()


class _Written(str):
    """Stands in a representation for what it is the representation of."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@lru_cache(maxsize=TABLES_KEPT_MAX)
def _nameless(table: Table) -> _Written:
    """A table whatever it is called."""
    return _Written(repr(replace(table, name="")))


def _instants(window: Window) -> tuple[float, float]:
    return window.start.timestamp(), window.end.timestamp()
