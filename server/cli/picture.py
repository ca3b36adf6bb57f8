"""The floor over one service day as a drawing without ink: rows, bars, a time axis. Renderers add the ink."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

from server.cli.wording import counted

HOUR = timedelta(hours=1)
# How far claims can stretch the picture beyond the opening hours.
REACH = 6 * HOUR


class BarKind(StrEnum):
    """What a bar stands for."""

    ASSIGNMENT = "assignment"
    COMPLETED = "completed"
    HOLD = "hold"
    BLOCK = "block"


KIND_WORDS = {
    BarKind.ASSIGNMENT: "assigned",
    BarKind.COMPLETED: "has left",
    BarKind.HOLD: "held",
    BarKind.BLOCK: "blocked",
}


@dataclass(frozen=True, slots=True)
class TableSpec:
    """One table as the picture shows it."""

    table_id: str
    name: str
    zone: str
    capacity: int
    movable: bool = True
    in_service: bool = True


@dataclass(frozen=True, slots=True)
class Claim:
    """Tables taken for one window, by a hold, an assignment or a block.

    Instants are aware. `seated_from` and `seated_until` bound the stay itself, without buffers; without them
    the whole window counts as stay. `party_size` is 0 for blocks.
    """

    kind: BarKind
    table_ids: tuple[str, ...]
    window_start: datetime
    window_end: datetime
    label: str = ""
    party_size: int = 0
    seated_from: datetime | None = None
    seated_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """One claim on one row. `merge` numbers the claims of several tables from 0; None for a single table."""

    kind: BarKind
    start: datetime
    end: datetime
    seated_from: datetime
    seated_until: datetime
    label: str
    party_size: int
    merge: int | None


@dataclass(frozen=True, slots=True)
class Row:
    """One table and its bars by start."""

    table: TableSpec
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class ZoneRows:
    """The rows of one zone, in the order in which they are drawn."""

    name: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class FloorPicture:
    """A service day, ready to be drawn. `start`, `end` and `ticks` are whole hours of local time."""

    title: str
    subtitle: str
    zones: tuple[ZoneRows, ...]
    start: datetime
    end: datetime
    ticks: tuple[datetime, ...]
    now: datetime | None
    merges: int

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows from top to bottom."""
        return tuple(row for zone in self.zones for row in zone.rows)

    def fraction(self, instant: datetime) -> float:
        """Where an instant lies between the left edge (0) and the right edge (1), clipped to the picture."""
        start = self.start.astimezone(UTC)
        passed = (instant.astimezone(UTC) - start) / (self.end.astimezone(UTC) - start)
        return min(1.0, max(0.0, passed))


def draw(
    title: str,
    tables: Sequence[TableSpec],
    claims: Iterable[Claim],
    *,
    opens: datetime,
    closes: datetime,
    now: datetime | None = None,
) -> FloorPicture:
    """Lays a day out. `opens` and `closes` are aware and in the restaurant's zone; claims may reach past them.

    Tables keep their order; zones come in the order of their first table. Claims on unknown tables are left
    out.
    """
    zone = opens.tzinfo
    known = {table.table_id for table in tables}
    shown = sorted(
        (claim for claim in claims if known & set(claim.table_ids) and claim.window_end > opens),
        key=lambda claim: (claim.window_start, claim.label, claim.table_ids),
    )
    # In UTC, because arithmetic within one zone counts what clocks show, not what passes.
    first, last = opens.astimezone(UTC), closes.astimezone(UTC)
    start = min([first, *(max(claim.window_start, first - REACH) for claim in shown)])
    end = max([last, *(min(claim.window_end, last + REACH) for claim in shown)])
    ticks = _ticks(start, end, zone)
    bars, merges = _bars(shown, known)
    zones = tuple(
        ZoneRows(
            name, tuple(Row(table, bars.get(table.table_id, ())) for table in tables if table.zone == name)
        )
        for name in dict.fromkeys(table.zone for table in tables)
    )
    visible = now.astimezone(zone) if now is not None and ticks[0] <= now < ticks[-1] else None
    return FloorPicture(
        title, _subtitle(shown, len(tables)), zones, ticks[0], ticks[-1], ticks, visible, merges
    )


def _bars(claims: Sequence[Claim], known: set[str]) -> tuple[dict[str, tuple[Bar, ...]], int]:
    rows: dict[str, tuple[Bar, ...]] = {}
    merges = 0
    for claim in claims:
        bar = _bar(claim)
        if len(claim.table_ids) > 1 and claim.kind is not BarKind.BLOCK:
            bar = replace(bar, merge=merges)
            merges += 1
        for table_id in known.intersection(claim.table_ids):
            rows[table_id] = (*rows.get(table_id, ()), bar)
    return rows, merges


def _bar(claim: Claim) -> Bar:
    seated_from = claim.seated_from or claim.window_start
    seated_until = min(claim.seated_until or claim.window_end, claim.window_end)
    return Bar(
        claim.kind,
        claim.window_start,
        claim.window_end,
        seated_from,
        max(seated_from, seated_until),
        claim.label,
        claim.party_size,
        None,
    )


def _subtitle(claims: Sequence[Claim], tables: int) -> str:
    seated = [claim for claim in claims if claim.kind in (BarKind.ASSIGNMENT, BarKind.COMPLETED)]
    parts = [
        counted(tables, "table"),
        f"{counted(len(seated), 'booking')} with {counted(sum(claim.party_size for claim in seated), 'guest')}",
    ]
    for kind, word in ((BarKind.HOLD, "hold"), (BarKind.BLOCK, "block")):
        if number := sum(claim.kind is kind for claim in claims):
            parts.append(counted(number, word))
    return " · ".join(parts)


def _ticks(start: datetime, end: datetime, zone: tzinfo | None) -> tuple[datetime, ...]:
    """Whole local hours from the last one at or before the start to the first one at or after the end."""
    local = start.astimezone(zone)
    past = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    ticks = [start.astimezone(UTC) - past]
    while ticks[-1] < end:
        ticks.append(ticks[-1] + HOUR)
    return tuple(tick.astimezone(zone) for tick in ticks)
