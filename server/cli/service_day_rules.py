"""What must hold between the values of a service day, beyond the form of each."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from server.cli.json_positions import JsonPath
from server.cli.service_day import MINUTES_PER_DAY, DayTable, Service, ServiceDay, minutes_of
from server.domain import limits

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Complaint:
    """A problem with the value at a path, and what to write instead."""

    path: JsonPath
    problem: str
    remedy: str


def complaints(day: ServiceDay) -> Iterator[Complaint]:
    """Everything about a well-formed day that does not fit together."""
    yield from _tables(day)
    yield from _edges(day)
    yield from _policy(day)
    yield from _bookings(day)


def _tables(day: ServiceDay) -> Iterator[Complaint]:
    numbers = ((index, table.number.casefold()) for index, table in enumerate(day.tables))
    for index, first in _repeats(numbers):
        yield Complaint(
            ("tables", index, "number"),
            f"{day.tables[index].number!r} is already the number of tables[{first}]",
            "Give every table its own number; upper and lower case count as the same.",
        )
    for index, table in enumerate(day.tables):
        yield from _sizes(index, table)
    if len({table.zone.casefold() for table in day.tables}) > limits.ZONES_MAX:
        yield Complaint(("tables",), "there are too many zones", f"Use at most {limits.ZONES_MAX} zones.")


def _sizes(index: int, table: DayTable) -> Iterator[Complaint]:
    if table.min_party > table.capacity:
        yield Complaint(
            ("tables", index, "min_party"),
            f"{table.min_party} is above the table's capacity of {table.capacity}",
            f"Write a party size from 1 to {table.capacity}.",
        )
    if table.max_party is not None and table.max_party < table.min_party:
        yield Complaint(
            ("tables", index, "max_party"),
            f"{table.max_party} is below min_party {table.min_party}",
            f"Write {table.min_party} or more, or leave it out.",
        )


def _edges(day: ServiceDay) -> Iterator[Complaint]:
    by_number = {table.number: table for table in day.tables}
    pairs = ((index, tuple(sorted(edge))) for index, edge in enumerate(day.edges))
    for index, first in _repeats(pairs):
        yield Complaint(
            ("edges", index), f"the pair is already edges[{first}]", "Name each pair once, in either order."
        )
    for index, (a, b) in enumerate(day.edges):
        unknown = [(end, number) for end, number in enumerate((a, b)) if number not in by_number]
        for end, number in unknown:
            yield Complaint(
                ("edges", index, end), f"{number!r} is not the number of a table", "Use a number from tables."
            )
        if unknown:
            continue
        if a == b:
            yield Complaint(("edges", index), f"{a!r} cannot touch itself", "Name two different tables.")
        elif by_number[a].zone != by_number[b].zone:
            yield Complaint(
                ("edges", index),
                f"{a!r} stands in {by_number[a].zone!r} but {b!r} in {by_number[b].zone!r}",
                "Leave the pair out: tables of different zones are never pushed together.",
            )


def _policy(day: ServiceDay) -> Iterator[Complaint]:
    if day.policy.timezone not in (None, day.timezone):
        yield Complaint(
            ("policy", "timezone"),
            f"{day.policy.timezone!r} differs from the day's timezone {day.timezone!r}",
            "Write the same zone in both places, or leave it out here.",
        )
    for index, service in enumerate(day.policy.services):
        yield from _service(("policy", "services", index), service)
    yield from _overlaps(day.policy.services)


def _service(path: JsonPath, service: Service) -> Iterator[Complaint]:
    start, end = minutes_of(service.start), minutes_of(service.end)
    if start >= MINUTES_PER_DAY:
        yield Complaint((*path, "start"), f"{service.start} is on the next day", 'Start before "24:00".')
    if end <= start:
        after_midnight = f"{int(service.end[:2]) + 24}{service.end[2:]}"
        yield Complaint(
            (*path, "end"),
            f"{service.end} is not after the start {service.start}",
            f'Write a later end; "{after_midnight}" means {service.end} on the next day.',
        )
    elif end - start > MINUTES_PER_DAY:
        yield Complaint((*path, "end"), "the service is longer than 24 hours", "Write an earlier end.")
    sizes = [party for party, _ in service.turn_minutes]
    for index, (size, later) in enumerate(pairwise(sizes)):
        if later <= size:
            yield Complaint(
                (*path, "turn_minutes", index + 1),
                f"party size {later} does not rise above {size}",
                "Order the pairs by party size, each size once.",
            )


def _overlaps(services: Iterable[Service]) -> Iterator[Complaint]:
    week = 7 * MINUTES_PER_DAY
    stretches: list[tuple[int, int, int, str]] = []
    for index, service in enumerate(services):
        for day in service.days or WEEKDAYS:
            midnight = WEEKDAYS.index(day) * MINUTES_PER_DAY
            start, end = midnight + minutes_of(service.start), midnight + minutes_of(service.end)
            stretches.append((start, end, index, service.name))
    stretches.sort()
    again = [(start + week, end + week, index, name) for start, end, index, name in stretches[:1]]
    told: set[int] = set()
    for (_, end, index, name), (start, _, other, _) in zip(stretches, stretches[1:] + again, strict=False):
        if start < end and other not in told and (other != index or len(stretches) > 1):
            told.add(other)
            yield Complaint(
                ("policy", "services", other, "start"),
                f"the service overlaps {name!r}",
                "Let one service end before the next starts; may_overrun lets stays go on.",
            )


def _bookings(day: ServiceDay) -> Iterator[Complaint]:
    for index, first in _repeats((index, booking.n) for index, booking in enumerate(day.bookings)):
        yield Complaint(
            ("bookings", index, "n"),
            f"{day.bookings[index].n} is already the number of bookings[{first}]",
            "Give every booking its own number.",
        )
    zones = {table.zone for table in day.tables}
    for index, booking in enumerate(day.bookings):
        if booking.zone is not None and booking.zone not in zones:
            yield Complaint(
                ("bookings", index, "zone"),
                f"no table stands in {booking.zone!r}",
                f"Use one of: {', '.join(sorted(zones))}.",
            )
    if day.booking_count not in (None, len(day.bookings)):
        yield Complaint(
            ("booking_count",),
            f"{day.booking_count} is not the number of bookings, {len(day.bookings)}",
            "Correct it or leave it out.",
        )


def _repeats(keyed: Iterable[tuple[int, object]]) -> Iterator[tuple[int, int]]:
    """(index, index of the first) for every entry whose key came before."""
    seen: dict[object, int] = {}
    for index, key in keyed:
        if key in seen:
            yield index, seen[key]
        else:
            seen[key] = index
