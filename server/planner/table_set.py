"""A table or a merge by itself, with what follows for it from the floor alone."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

from server.domain.context import written_tables
from server.domain.floor import Edge, Floor, Table


@dataclass(frozen=True)
class TableSet:
    """One table or several of one zone, in the order of their ids. Made once per set, and shared by all who use it."""

    table_ids: tuple[UUID, ...]
    tables: tuple[Table, ...] = field(repr=False, compare=False)
    _floor: Floor = field(repr=False, compare=False)
    # For whoever works something out from nothing but this, under a key of its own.
    kept: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, floor: Floor, members: tuple[int, ...]) -> "TableSet":
        """The tables at these positions of the floor."""
        tables = tuple(floor.tables[at] for at in members)
        return cls(tuple(table.table_id for table in tables), tables, floor)

    @cached_property
    def capacity(self) -> int:
        return sum(table.capacity for table in self.tables)

    @cached_property
    def adjacency(self) -> tuple[Edge, ...]:
        return self._floor.edges_within(self.table_ids)

    @cached_property
    def written(self) -> str:
        """What its context versions read of it."""
        return written_tables(self._floor, self.tables)

    @property
    def zone_id(self) -> UUID:
        return self.tables[0].zone_id

    @property
    def merged(self) -> bool:
        return len(self.tables) > 1
