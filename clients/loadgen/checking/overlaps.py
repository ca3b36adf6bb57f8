"""No table for two parties at once, and no party at two places.

Of two tenures of one table whose windows overlap, one has to end before the other begins. Tenure A can have come
first only if A can have ended before B must have begun: `A.end.earliest < B.begin.latest`. If neither can have come
first, the table was given twice, whatever happened at which moment: the check raises no false alarm. A tenure that
another one took over without a gap, because a hold was confirmed or replaced, counts as one stretch with it.

Any two stretches are judged exactly. What it takes three to see, a circle of orders that are possible in pairs, is
left to the order of commits, which the events of the database tell.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from loadgen.checking.history import Recorded
from loadgen.checking.occupancy import Occupancy
from loadgen.checking.operations import NEVER_NS, Operation
from loadgen.checking.report import Violation
from loadgen.checking.tenure import Tenure, Window

HOUR_NS: Final = 3_600_000_000_000


@dataclass(frozen=True, slots=True)
class Stretch:
    """A table is taken from `begun_ns` at the latest until `over_ns` at the earliest. `over_ns` may come first: then
    it is taken at some moment between the two at least.
    """

    first: Tenure
    last: Tenure
    window: Window
    begun_ns: int
    over_ns: int

    @property
    def starts_ns(self) -> int:
        return min(self.begun_ns, self.over_ns)

    def excludes(self, other: "Stretch") -> bool:
        """Whether neither can have come before the other."""
        return self.over_ns > other.begun_ns and other.over_ns > self.begun_ns

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What began it, and what ended it at last, if anything."""
        return (self.first.taken, self.last.ended) if self.last.ended else (self.first.taken,)


def double_bookings(found: Occupancy) -> Iterator[Violation]:
    """Every pair of parties that had one table for overlapping windows."""
    told: set[tuple[str, int, int]] = set()
    for (_, table_id, _), stretches in _by_table_and_hour(found.tenures).items():
        for one, other in _excluding(stretches):
            pair = (table_id, id(one.first), id(other.first))
            if one.first.party != other.first.party and one.first.overlaps(other.window) and pair not in told:
                told.add(pair)
                yield _given_twice(table_id, one, other)


def double_seatings(found: Occupancy) -> Iterator[Violation]:
    """Every pair of assignments that one booking had at the same time."""
    for tenures in found.tenures_of.values():
        seated = [tenure for tenure in tenures if tenure.kind == "assignment" and tenure.is_definite]
        if len(seated) < 2:
            continue
        for one, other in _excluding([_alone(tenure) for tenure in seated]):
            yield Violation(
                "booking_seated_twice",
                f"Booking {one.first.booking_id} got tables while it had tables already, for the same time and party.",
                _calls(one, other),
            )


def _by_table_and_hour(tenures: Iterable[Tenure]) -> dict[tuple[str, str, int], list[Stretch]]:
    """Windows that overlap share an hour, and few others do: so a busy table does not make the check slow."""
    stretches: dict[tuple[str, str, int], list[Stretch]] = defaultdict(list)
    definite = [tenure for tenure in tenures if tenure.is_definite and tenure.table_ids and tenure.window]
    followed = {(id(tenure.next), table) for tenure in definite for table in _handed_on(tenure)}
    for tenure in definite:
        for table_id in tenure.table_ids or ():
            if (id(tenure), table_id) in followed:
                continue
            stretch = _stretch(tenure, table_id)
            for hour in hours_of(stretch.window):
                stretches[tenure.restaurant_id, table_id, hour].append(stretch)
    return stretches


def hours_of(window: Window) -> range:
    """The hours since 1970 that a window has a part of."""
    return range(window[0] // HOUR_NS, -(-window[1] // HOUR_NS))


def _handed_on(tenure: Tenure) -> frozenset[str]:
    """The tables that the next tenure takes over for the same window."""
    after = tenure.next
    if after is None or not after.is_definite or after.window != tenure.window:
        return frozenset()
    return (tenure.table_ids or frozenset()) & (after.table_ids or frozenset())


def _stretch(first: Tenure, table_id: str) -> Stretch:
    last, seen = first, {id(first)}
    while last.next is not None and table_id in _handed_on(last) and id(last.next) not in seen:
        last = last.next
        seen.add(id(last))
    assert first.window is not None, "only what has a window is laid on a table"
    return Stretch(first, last, first.window, first.begin.latest_ns, last.end.earliest_ns)


def _alone(tenure: Tenure) -> Stretch:
    return Stretch(tenure, tenure, tenure.window or (0, 0), tenure.begin.latest_ns, tenure.end.earliest_ns)


def _excluding(stretches: Sequence[Stretch]) -> Iterator[tuple[Stretch, Stretch]]:
    """All pairs that exclude each other, whatever their windows: a sweep over time, with what has not ended yet."""
    going: list[Stretch] = []
    for stretch in sorted(stretches, key=lambda each: each.starts_ns):
        going = [each for each in going if max(each.begun_ns, each.over_ns) > stretch.starts_ns]
        for each in going:
            if each.excludes(stretch):
                yield each, stretch
        going.append(stretch)


def _given_twice(table_id: str, one: Stretch, other: Stretch) -> Violation:
    kept = (
        "it was never given back"
        if one.over_ns >= NEVER_NS
        else "it cannot have been given back before the other one had it"
    )
    return Violation(
        "table_given_twice",
        f"Table {table_id} was given to {other.first.party} although {one.first.party} had it for an overlapping "
        f"window: {kept}.",
        _calls(one, other),
    )


def _calls(*stretches: Stretch) -> tuple[Recorded, ...]:
    shown = [call for stretch in stretches for operation in stretch.operations for call in operation.shown]
    return tuple({call.name: call for call in shown}.values())
