"""The floor: zones, tables and which tables may be pushed together."""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, TypeAlias
from uuid import UUID

from server.errors import FieldViolation


@dataclass(frozen=True, slots=True)
class Zone:
    zone_id: UUID
    name: str
    sort_order: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """One physical table. `max_party` bounds the party when the table is used alone; merges count seats."""

    table_id: UUID
    zone_id: UUID
    name: str
    capacity: int
    min_party: int
    max_party: int
    movable: bool
    attributes: tuple[str, ...] = ()
    in_service: bool = True

    @property
    def seats_alone(self) -> int:
        """The largest party the table takes when it is used alone."""
        return min(self.capacity, self.max_party)


Edge: TypeAlias = tuple[UUID, UUID]


@dataclass(frozen=True, repr=False)
class Floor:
    """Zones, tables and undirected adjacency, in canonical order: by id, every edge once with the smaller id first.

    Build it with `Floor.of`, which brings any input into that order.
    """

    zones: tuple[Zone, ...] = ()
    tables: tuple[Table, ...] = ()
    adjacency: tuple[Edge, ...] = ()

    @classmethod
    def of(cls, zones: Iterable[Zone], tables: Iterable[Table], adjacency: Iterable[Edge]) -> "Floor":
        # In the order of the ids, by the numbers inside them: these are compared and hashed much faster.
        edges = ((a, b) if a.int <= b.int else (b, a) for a, b in adjacency)
        ordered = {(a.int, b.int): (a, b) for a, b in edges}
        return cls(
            tuple(sorted(zones, key=lambda zone: zone.zone_id)),
            tuple(sorted(tables, key=lambda table: table.table_id.int)),
            tuple([ordered[key] for key in sorted(ordered)]),
        )

    def __repr__(self) -> str:
        """That of a dataclass, much faster where there are thousands of adjacencies: requests are known by it."""
        written = cache(repr)
        edges = [f"({written(a)}, {written(b)})" for a, b in self.adjacency]
        adjacency = f"({edges[0]},)" if len(edges) == 1 else f"({', '.join(edges)})"
        return f"Floor(zones={self.zones!r}, tables={self.tables!r}, adjacency={adjacency})"

    @cached_property
    def kept(self) -> dict[Hashable, Any]:
        """For whoever works something out from nothing but this floor, under a key of its own."""
        return {}

    @cached_property
    def by_id(self) -> Mapping[UUID, Table]:
        return {table.table_id: table for table in self.tables}

    @cached_property
    def spelled(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The ids of all tables and their names, as answers write them."""
        ids = tuple(str(table.table_id) for table in self.tables)
        return ids, tuple(table.name for table in self.tables)

    @cached_property
    def neighbours(self) -> Mapping[UUID, frozenset[UUID]]:
        """For each table those that it touches."""
        touching: dict[UUID, set[UUID]] = {table.table_id: set() for table in self.tables}
        for a, b in self.adjacency:
            touching.setdefault(a, set()).add(b)
            touching.setdefault(b, set()).add(a)
        return {table_id: frozenset(others) for table_id, others in touching.items()}

    def edges_within(self, table_ids: Iterable[UUID]) -> tuple[Edge, ...]:
        """The adjacencies whose two tables both belong to the set, in canonical order."""
        chosen = sorted(set(table_ids))
        return tuple(
            (a, b) for i, a in enumerate(chosen) for b in chosen[i + 1 :] if b in self.neighbours.get(a, ())
        )


def floor_problems(floor: Floor) -> Iterator[FieldViolation]:
    """What makes a floor unusable as a whole: references into nowhere and names used twice.

    Shapes and ranges of single fields are checked where the request is read.
    """
    yield from _repeated("zones", "zone_id", (str(zone.zone_id) for zone in floor.zones))
    yield from _repeated("zones", "name", (zone.name.casefold() for zone in floor.zones))
    yield from _repeated("tables", "table_id", (str(table.table_id) for table in floor.tables))
    yield from _repeated("tables", "name", (table.name.casefold() for table in floor.tables))
    zone_ids = {zone.zone_id for zone in floor.zones}
    for table in floor.tables:
        if table.zone_id not in zone_ids:
            yield FieldViolation(
                "floor.tables.zone_id", f"table {table.name!r} names a zone that is not in zones"
            )
    for a, b in floor.adjacency:
        yield from _edge_problems(floor, a, b)


def _edge_problems(floor: Floor, a: UUID, b: UUID) -> Iterator[FieldViolation]:
    first, second = floor.by_id.get(a), floor.by_id.get(b)
    if first is None or second is None:
        missing = a if first is None else b
        yield FieldViolation("floor.adjacency", f"{missing} is not a table of this floor")
    elif a == b:
        yield FieldViolation("floor.adjacency", f"table {first.name!r} cannot touch itself")
    elif first.zone_id != second.zone_id:
        yield FieldViolation(
            "floor.adjacency", f"{first.name!r} and {second.name!r} stand in different zones"
        )


def _repeated(collection: str, attribute: str, values: Iterable[str]) -> Iterator[FieldViolation]:
    for value, times in Counter(values).items():
        if times > 1:
            yield FieldViolation(f"floor.{collection}.{attribute}", f"{value!r} is used {times} times")
