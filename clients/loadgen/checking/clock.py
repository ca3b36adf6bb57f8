"""The service's clock as seen by the clients' one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from loadgen.checking.history import Clock

# How far the service's clock may be from the clients' wall clock, when both run on one machine or are kept in step.
TOLERANCE_S: Final = 0.1
NS_PER_S: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class ServiceClock:
    """Turns an instant that the service named into the earliest and the latest monotonic instant it can have been.

    The wall clock may have been set or slewed during the run; all that it showed then counts as possible, and
    `tolerance_ns` on both sides.
    """

    offset_ns_min: int
    offset_ns_max: int
    tolerance_ns: int

    def earliest_ns(self, instant: str) -> int:
        return self.earliest_of(wall_ns(instant))

    def earliest_of(self, instant_ns: int) -> int:
        """The same for an instant in nanoseconds since 1970."""
        return instant_ns - self.offset_ns_max - self.tolerance_ns

    def latest_ns(self, instant: str) -> int:
        return wall_ns(instant) - self.offset_ns_min + self.tolerance_ns


def service_clock(clocks: Sequence[Clock], tolerance_s: float) -> ServiceClock:
    """Raises ValueError for a history that says nothing about the wall clock."""
    if not clocks:
        raise ValueError("the history has no clock lines")
    offsets = [clock.offset_ns for clock in clocks]
    return ServiceClock(min(offsets), max(offsets), int(tolerance_s * NS_PER_S))


def wall_ns(instant: str) -> int:
    """Nanoseconds since 1970 of an instant in ISO 8601, exact to the microsecond."""
    moment = datetime.fromisoformat(instant)
    return int(moment.replace(microsecond=0).timestamp()) * NS_PER_S + moment.microsecond * 1_000
