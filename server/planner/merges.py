"""Every set of tables that may be pushed together, each exactly once.

Tables are bit positions in the floor's order, a set is an int with one bit per table. What counts as one
merge is `domain.rules.forms_merge`; the searches here produce exactly the sets that it accepts, or for parties who need
no adjacency every set of one zone.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from typing import TypeVar
from uuid import UUID

from server.domain.floor import Floor
from server.domain.policy import AdjacencyMode, Combinations

ItemT = TypeVar("ItemT")

_DIGITS = bytes.maketrans(b"01", b"\x00\x01")


def movable_neighbours(floor: Floor) -> list[int]:
    """For each table the movable tables of its zone that it touches; nothing for a fixed table."""
    tables = floor.tables
    # Keyed by the number inside the id: hashing a UUID object costs several times as much.
    position = {table.table_id.int: index for index, table in enumerate(tables) if table.movable}
    masks = [0] * len(tables)
    for first, second in floor.adjacency:
        a, b = position.get(first.int), position.get(second.int)
        if a is not None and b is not None and a != b and tables[a].zone_id == tables[b].zone_id:
            masks[a] |= 1 << b
            masks[b] |= 1 << a
    return masks


def movable_neighbourhoods(floor: Floor) -> list[int]:
    """For each table the other movable tables of its zone, adjacent or not; nothing for a fixed table."""
    zones: dict[UUID, int] = {}
    for index, table in enumerate(floor.tables):
        if table.movable:
            zones[table.zone_id] = zones.get(table.zone_id, 0) | 1 << index
    return [
        zones[table.zone_id] & ~(1 << index) if table.movable else 0
        for index, table in enumerate(floor.tables)
    ]


def adjacent_merges(touching: list[int], combinations: Combinations) -> Iterator[int]:
    """All sets of 2 to `tables_max` tables that are one merge under the adjacency mode; `touching` as of
    `movable_neighbours`.
    """
    if not combinations.enabled:
        return iter(())
    search = {
        AdjacencyMode.CONNECTED: _connected,
        AdjacencyMode.PAIRWISE: _cliques,
        AdjacencyMode.HUB: _stars,
    }[combinations.adjacency_mode]
    return search(touching, combinations.tables_max)


def free_merges(floor: Floor, combinations: Combinations) -> Iterator[int]:
    """All sets of 2 to `tables_max` movable tables of one zone: what parties have who need no adjacency."""
    if not combinations.enabled:
        return iter(())
    return _cliques(movable_neighbourhoods(floor), combinations.tables_max)


def positions(mask: int) -> tuple[int, ...]:
    """The tables of a set, in order."""
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return tuple(found)


def chosen(items: Sequence[ItemT], mask: int) -> Iterator[ItemT]:
    """Those of the items, one for each table of a floor, whose tables are in the set: quicker than by positions when
    these are many.
    """
    return compress(items, bin(mask)[:1:-1].encode().translate(_DIGITS))


def as_mask(members: Iterable[int]) -> int:
    """The set of these positions."""
    mask = 0
    for position in members:
        mask |= 1 << position
    return mask


def _connected(touching: list[int], size_max: int) -> Iterator[int]:
    """Grows each set from its first table by a frontier.

    A table enters the frontier when it touches the table added last and none before it, and leaves it once it
    has been tried, so no set is met twice.
    """
    for root, near in enumerate(touching):
        later = -1 << (root + 1)
        stack = [(1 << root, near & later, near | 1 << root, 1)]
        while stack:
            chosen, frontier, seen, size = stack.pop()
            while frontier:
                low = frontier & -frontier
                frontier ^= low
                yield chosen | low
                if size + 1 < size_max:
                    near_low = touching[low.bit_length() - 1]
                    grown = frontier | (near_low & ~seen & later)
                    if grown:
                        stack.append((chosen | low, grown, seen | near_low, size + 1))


def _cliques(touching: list[int], size_max: int) -> Iterator[int]:
    """Grows each set in rising order by tables that touch all of it."""
    for root, near in enumerate(touching):
        stack = [(1 << root, near & (-1 << (root + 1)), 1)]
        while stack:
            chosen, frontier, size = stack.pop()
            while frontier:
                low = frontier & -frontier
                frontier ^= low
                yield chosen | low
                common = frontier & touching[low.bit_length() - 1]
                if common and size + 1 < size_max:
                    stack.append((chosen | low, common, size + 1))


def _stars(touching: list[int], size_max: int) -> Iterator[int]:
    """Any of a centre's neighbours around it. A set with several possible centres is met at the first of
    them.
    """
    for centre, near in enumerate(touching):
        stack = [(1 << centre, near, 1)]
        while stack:
            chosen, frontier, size = stack.pop()
            while frontier:
                low = frontier & -frontier
                frontier ^= low
                star = chosen | low
                if not _has_centre(star & ((1 << centre) - 1), star, touching):
                    yield star
                if frontier and size + 1 < size_max:
                    stack.append((star, frontier, size + 1))


def _has_centre(among: int, star: int, touching: list[int]) -> bool:
    return any(star & ~touching[index] == 1 << index for index in positions(among))
