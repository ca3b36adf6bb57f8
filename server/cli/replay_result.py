"""What a replay found out, as figures."""

import datetime as dt
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from server.cli.instants import long_date
from server.cli.output import facts, grid


@dataclass(frozen=True, slots=True)
class BookingResult:
    """One request: either tables, stay and latency, or the reason why it was refused."""

    n: int
    party: int
    tables: tuple[str, ...] = ()
    stay_minutes: float = 0.0
    latency_ms: float = 0.0
    refused: str = ""


@dataclass(frozen=True, slots=True)
class DayResult:
    """One replayed day."""

    day: str
    restaurant: str
    restaurant_id: str
    recorded_date: dt.date
    date: dt.date
    tables: int
    seats: int
    service_minutes: int
    bookings: tuple[BookingResult, ...]

    @property
    def seated(self) -> tuple[BookingResult, ...]:
        """The requests that got tables."""
        return tuple(booking for booking in self.bookings if booking.tables)

    @property
    def refused(self) -> dict[str, int]:
        """Reason → count, the most frequent first, equal ones by name."""
        counts = Counter(booking.refused for booking in self.bookings if booking.refused)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    @property
    def covers(self) -> int:
        """Guests who got a seat."""
        return sum(booking.party for booking in self.seated)

    @property
    def seat_use(self) -> float:
        """Guest-minutes seated per seat-minute of service. Stays that overrun a service count in full."""
        offered = self.seats * self.service_minutes
        return (
            sum(booking.party * booking.stay_minutes for booking in self.seated) / offered if offered else 0.0
        )

    def latency_ms(self, quantile: float) -> float:
        """Nearest-rank quantile of plan → hold → confirm over the seated requests; 0 when there are none."""
        return quantile_of([booking.latency_ms for booking in self.seated], quantile)

    def to_json(self) -> dict[str, Any]:
        """The figures under stable names, for programs."""
        return {
            "day": self.day,
            "restaurant": self.restaurant,
            "restaurant_id": self.restaurant_id,
            "recorded_date": self.recorded_date.isoformat(),
            "replayed_date": self.date.isoformat(),
            "tables": self.tables,
            "seats": self.seats,
            "requested": len(self.bookings),
            "seated": len(self.seated),
            "covers_requested": sum(booking.party for booking in self.bookings),
            "covers": self.covers,
            "refused": self.refused,
            "merges": sum(len(booking.tables) > 1 for booking in self.seated),
            "seat_use": round(self.seat_use, 4),
            "p50_ms": round(self.latency_ms(0.5), 3),
            "p95_ms": round(self.latency_ms(0.95), 3),
            "max_ms": round(self.latency_ms(1.0), 3),
        }


def quantile_of(values: Sequence[float], quantile: float) -> float:
    """The smallest value that at least this share of the values does not exceed; 0 without values."""
    if not values:
        return 0.0
    return sorted(values)[max(0, math.ceil(quantile * len(values)) - 1)]


def result_table(results: Sequence[DayResult]) -> Table:
    """One line per day; latencies in milliseconds."""
    return grid(
        ("Day", "Asked>", "Seated>", "Guests>", "Merged>", "Use>", "p50>", "p95>", "max ms>"),
        (
            (
                result.day,
                len(result.bookings),
                f"{len(result.seated)} ({_share(len(result.seated), len(result.bookings))})",
                f"{result.covers} of {sum(booking.party for booking in result.bookings)}",
                sum(len(booking.tables) > 1 for booking in result.seated),
                f"{result.seat_use:.0%}",
                f"{result.latency_ms(0.5):.1f}",
                f"{result.latency_ms(0.95):.1f}",
                f"{result.latency_ms(1.0):.1f}",
            )
            for result in results
        ),
        kept=9,
    )


def refusals(result: DayResult) -> RenderableType:
    """Why requests of one day were refused, and on which date it was replayed."""
    count = len(result.bookings) - len(result.seated)
    lines: list[tuple[str, object]] = [
        ("replayed as", f"{long_date(result.date)} (recorded: {long_date(result.recorded_date)})"),
        ("restaurant", f"{result.restaurant} ({result.restaurant_id})"),
        ("refused", f"{count} of {len(result.bookings)}"),
    ]
    lines += [("", f"{number:4d}  {reason}") for reason, number in result.refused.items()]
    return facts(lines)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "–"
