"""Rooms for simulated evenings. A seed makes the same room again."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from uuid import UUID

from server.domain.floor import Edge, Floor, Table, Zone


@dataclass(frozen=True, slots=True)
class RoomMix:
    """What rooms are made of.

    Shares are relative weights by seats of a table. Zones have `zone_tables` tables, from least to most, in rows of
    `row_tables`; neighbours in a row touch, and `fixed_share` of the tables cannot be moved.
    """

    seats: tuple[tuple[int, float], ...] = ((2, 45), (4, 38), (6, 12), (8, 5))
    zone_tables: tuple[int, int] = (8, 20)
    row_tables: tuple[int, int] = (3, 7)
    fixed_share: float = 0.15


def make_room(mix: RoomMix, tables: int, rng: Random) -> Floor:
    """A floor of so many tables, with ids in the order of its zones and rows."""
    zones = list(_zone_sizes(mix, tables, rng))
    made: list[Table] = []
    edges: list[Edge] = []
    for number, size in enumerate(zones, start=1):
        row_left = 0
        for _ in range(size):
            table = _table(mix, len(made) + 1, number, rng)
            if row_left:
                edges.append((made[-1].table_id, table.table_id))
            else:
                row_left = rng.randint(*mix.row_tables)
            row_left -= 1
            made.append(table)
    return Floor.of((Zone(_zone_id(n), f"Zone {n}") for n in range(1, len(zones) + 1)), made, edges)


def _zone_sizes(mix: RoomMix, tables: int, rng: Random) -> Iterator[int]:
    while tables:
        size = min(tables, rng.randint(*mix.zone_tables))
        yield size
        tables -= size


def _table(mix: RoomMix, number: int, zone: int, rng: Random) -> Table:
    (seats,) = rng.choices([seats for seats, _ in mix.seats], [share for _, share in mix.seats])
    return Table(
        table_id=UUID(int=number),
        zone_id=_zone_id(zone),
        name=f"T{number}",
        capacity=seats,
        min_party=1,
        max_party=seats,
        movable=rng.random() >= mix.fixed_share,
    )


def _zone_id(number: int) -> UUID:
    return UUID(int=number << 64)
