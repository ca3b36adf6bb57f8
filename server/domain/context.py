"""What a plan was made from, as a short text that can be compared later."""

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b

from server.domain.claims import Claim
from server.domain.floor import Table
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
    party = selection.party
    facts = (
        policy_version,
        (
            party.party_size,
            party.start.timestamp(),
            party.duration_s,
            party.zone_id,
            party.required_attributes,
        ),
        _instants(selection.window),
        tuple(map(_nameless, selection.tables)),
        selection.floor.edges_within(selection.table_ids),
        claims,
    )
    return blake2b(repr(facts).encode(), digest_size=DIGEST_BYTES).hexdigest()


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
