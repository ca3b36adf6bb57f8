"""Floors whose ids can be read: table 3 has the id ...0003."""

from collections.abc import Iterable
from uuid import UUID

from server.domain.floor import Floor, Table, Zone


def table_id(number: int) -> UUID:
    return UUID(int=0x7AB1E << 108 | number)


def zone_id(number: int = 1) -> UUID:
    return UUID(int=0x204E << 112 | number)


def table(
    number: int,
    capacity: int,
    *,
    zone: int = 1,
    min_party: int = 1,
    max_party: int | None = None,
    movable: bool = True,
    attributes: tuple[str, ...] = (),
    in_service: bool = True,
    name: str | None = None,
) -> Table:
    return Table(
        table_id(number),
        zone_id(zone),
        name or f"T{number}",
        capacity,
        min_party,
        capacity if max_party is None else max_party,
        movable,
        attributes,
        in_service,
    )


def floor(tables: Iterable[Table], edges: Iterable[tuple[int, int]] = ()) -> Floor:
    """A floor of these tables; edges are given by table numbers."""
    tables = list(tables)
    zones = {item.zone_id for item in tables}
    return Floor.of(
        (Zone(zone, f"Zone {zone.int & 0xFFFF}") for zone in zones),
        tables,
        ((table_id(a), table_id(b)) for a, b in edges),
    )


def row(*capacities: int) -> Floor:
    """Tables 1, 2, 3 … in a row, each touching the next."""
    numbers = range(1, len(capacities) + 1)
    return floor(
        (table(number, capacity) for number, capacity in zip(numbers, capacities, strict=True)),
        ((number, number + 1) for number in numbers if number < len(capacities)),
    )
