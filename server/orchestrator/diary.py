"""What is known of a restaurant's tables over some days, and of the bookings that wait for some."""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from server.domain.claims import Claim
from server.domain.restaurant import Restaurant
from server.domain.window import Window
from server.planner.catalog import TableSets
from server.planner.lookahead import Waiting
from server.planner.timeline import Timeline, keep

DAY = timedelta(days=1)


class Diary:
    """Everything that touches `span` at one version of the floor, read in one statement.

    `claims` are complete for `span` and for the windows of those who wait, holds included whose time is over; `waiting`
    are all bookings that wait for tables in windows that overlap it. It never changes. What was worked out from it is
    kept with it.
    """

    def __init__(
        self, floor_version: int, span: Window, claims: tuple[Claim, ...], waiting: tuple[Waiting, ...]
    ) -> None:
        self.floor_version = floor_version
        self.span = span
        self.claims = claims
        self.waiting = waiting
        self._ends = sorted(claim.expires_at for claim in claims if claim.expires_at is not None)
        self._timeline: tuple[int, Timeline] | None = None
        self._near: dict[Window, list[Waiting]] = {}

    @property
    def size(self) -> int:
        """How many claims and bookings it holds."""
        return len(self.claims) + len(self.waiting)

    def covers(self, span: Window) -> bool:
        return self.span.start <= span.start and span.end <= self.span.end

    def live(self, sets: TableSets, now: datetime) -> Timeline:
        """The claims that keep others out at this moment. The same moment by moment, until the next hold expires."""
        expired, known = bisect_right(self._ends, now), self._timeline
        if known is None or known[0] != expired or known[1].sets is not sets:
            known = expired, Timeline(sets, (claim for claim in self.claims if claim.live_at(now)))
            self._timeline = known
        return known[1]

    def waiting_for(
        self, stay: Window, now: datetime, booking_id: UUID | None, limit: int
    ) -> tuple[tuple[Waiting, ...], int]:
        """Bookings but one that wait for tables in windows that overlap the stay's and are not over; and how many.

        Those that start nearest to the stay come first, at most `limit`; equally near ones by start, then by id.
        """
        found = self._by_distance(stay)
        if now > stay.start:
            found = [each for each in found if each.window.end > now]
        if booking_id is not None:
            found = [each for each in found if each.booking_id != booking_id]
        return tuple(found[:limit]), len(found)

    def _by_distance(self, stay: Window) -> list[Waiting]:
        found = self._near.get(stay)
        if found is None:
            found = sorted(
                (each for each in self.waiting if each.window.overlaps(stay)),
                key=lambda each: (
                    abs(each.window.start - stay.start),
                    each.window.start,
                    each.booking_id,
                ),
            )
            keep(self._near, stay, found)
        return found


class DiarySource(Protocol):
    """Diaries by version of the floor, from a cache where possible."""

    async def covering(self, restaurant: Restaurant, span: Window) -> Diary:
        """A diary that covers the span, of the restaurant's floor version or newer."""
        ...


def whole_days(span: Window) -> Window:
    """The days, by UTC, that the span touches: questions about one day share what is read for the first."""
    start = span.start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    end = span.end.astimezone(UTC)
    last = end.replace(hour=0, minute=0, second=0, microsecond=0)
    return Window(start, last if last == end and last > start else last + DAY)
