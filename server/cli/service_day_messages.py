"""A service day in the words of the contract.

Ids of tables, zones and bookings are made from the day's id, so that replaying a day anywhere asks the same questions.
"""

import datetime as dt
from uuid import NAMESPACE_URL, UUID, uuid5
from zoneinfo import ZoneInfo

from maitred_client import duration, timestamp
from maitred_client.messages import (
    Adjacency,
    CombinationPolicy,
    DayOfWeek,
    Duration,
    Floor,
    PartyRequest,
    PutBookingRequest,
    PutFloorRequest,
    PutRestaurantRequest,
    PutServicePolicyRequest,
    RelaxationPolicy,
    Restaurant,
    ServicePeriod,
    ServicePolicy,
    Table,
    TableState,
    TurnTime,
    Zone,
)
from server.cli.service_day import MINUTES_PER_DAY, DayBooking, DayTable, Service, ServiceDay, minutes_of
from server.domain.limits import MERGE_TABLES_MIN

_DAYS = {
    "mon": DayOfWeek.DAY_OF_WEEK_MONDAY,
    "tue": DayOfWeek.DAY_OF_WEEK_TUESDAY,
    "wed": DayOfWeek.DAY_OF_WEEK_WEDNESDAY,
    "thu": DayOfWeek.DAY_OF_WEEK_THURSDAY,
    "fri": DayOfWeek.DAY_OF_WEEK_FRIDAY,
    "sat": DayOfWeek.DAY_OF_WEEK_SATURDAY,
    "sun": DayOfWeek.DAY_OF_WEEK_SUNDAY,
}


def stable_id(day: ServiceDay, kind: str, name: object) -> str:
    """The id of something in a day: the same whenever and wherever the day is read."""
    return str(uuid5(NAMESPACE_URL, f"maitred:{day.id}:{kind}:{name}"))


def ordered_id(day: ServiceDay, kind: str, position: int) -> str:
    """As `stable_id`, but in the order of the positions, 0 to 2³²−1, because the planner breaks ties by id.

    So equally good tables are given in the order in which the restaurant lists them.
    """
    family = UUID(stable_id(day, kind, "")).int
    return str(UUID(int=family >> 32 << 32 | position))


def restaurant_request(day: ServiceDay, restaurant_id: str) -> PutRestaurantRequest:
    """Puts the day's restaurant under an id."""
    return PutRestaurantRequest(
        restaurant=Restaurant(restaurant_id=restaurant_id, name=day.restaurant, time_zone=day.timezone)
    )


def policy_request(day: ServiceDay, restaurant_id: str) -> PutServicePolicyRequest:
    """Puts the day's policy."""
    policy = day.policy
    merging = policy.max_tables >= MERGE_TABLES_MIN
    return PutServicePolicyRequest(
        restaurant_id=restaurant_id,
        policy=ServicePolicy(
            periods=[_period(service, policy.shortest_stay_minutes) for service in policy.services],
            buffer_before=_minutes(policy.buffer_minutes.before),
            buffer_after=_minutes(policy.buffer_minutes.after),
            slack_max=policy.max_slack,
            combinations=CombinationPolicy(
                enabled=merging, tables_max=policy.max_tables if merging else MERGE_TABLES_MIN
            ),
            # A recorded day is replayed by its own rules, so that figures of different days compare.
            relaxations=RelaxationPolicy(),
        ),
    )


def floor_request(day: ServiceDay, restaurant_id: str) -> PutFloorRequest:
    """Puts the day's floor."""
    zones = _zone_ids(day)
    tables = {table.number: ordered_id(day, "table", n) for n, table in enumerate(day.tables)}
    return PutFloorRequest(
        restaurant_id=restaurant_id,
        floor=Floor(
            zones=[
                Zone(zone_id=zone_id, name=name, sort_order=order)
                for order, (name, zone_id) in enumerate(zones.items())
            ],
            tables=[_table(table, tables[table.number], zones[table.zone]) for table in day.tables],
            adjacency=[Adjacency(table_a=tables[a], table_b=tables[b]) for a, b in day.edges],
        ),
    )


def booking_request(
    day: ServiceDay, booking: DayBooking, restaurant_id: str, date: dt.date
) -> PutBookingRequest:
    """Puts one request of the day, as if it were for another date."""
    party = PartyRequest(
        party_size=booking.party,
        start=timestamp(start_of(day, booking, date)),
        zone_id=_zone_ids(day)[booking.zone] if booking.zone is not None else "",
        required_attributes=booking.required_attributes,
        preferred_attributes=booking.preferred_attributes,
    )
    if booking.duration_minutes is not None:
        party.duration.CopyFrom(_minutes(booking.duration_minutes))
    return PutBookingRequest(
        restaurant_id=restaurant_id,
        booking_id=stable_id(day, "booking", booking.n),
        party=party,
        reference=str(booking.n),
    )


def start_of(day: ServiceDay, booking: DayBooking, date: dt.date) -> dt.datetime:
    """When a request's party sits down on a date, in the restaurant's zone."""
    days, minutes = divmod(minutes_of(booking.time), MINUTES_PER_DAY)
    clock = dt.time(minutes // 60, minutes % 60)
    return dt.datetime.combine(date + dt.timedelta(days=days), clock, ZoneInfo(day.timezone))


def service_minutes(day: ServiceDay, date: dt.date) -> int:
    """How long the day's services are open on a date, in minutes."""
    weekday = tuple(_DAYS)[date.weekday()]
    return sum(
        minutes_of(service.end) - minutes_of(service.start)
        for service in day.policy.services
        if not service.days or weekday in service.days
    )


def _period(service: Service, shortest_stay_minutes: int) -> ServicePeriod:
    end = minutes_of(service.end)
    closes = end if end <= MINUTES_PER_DAY else end - MINUTES_PER_DAY
    period = ServicePeriod(
        name=service.name,
        days=[_DAYS[day] for day in service.days],
        opens=service.start,
        closes=f"{closes // 60:02}:{closes % 60:02}",
        may_overrun=service.may_overrun,
        turn_times=[
            TurnTime(party_size_max=size, duration=_minutes(minutes))
            for size, minutes in service.turn_minutes
        ],
    )
    if not service.may_overrun:
        period.shortest_stay.CopyFrom(_minutes(shortest_stay_minutes))
    return period


def _zone_ids(day: ServiceDay) -> dict[str, str]:
    names = dict.fromkeys(table.zone for table in day.tables)
    return {name: ordered_id(day, "zone", position) for position, name in enumerate(names)}


def _table(table: DayTable, table_id: str, zone_id: str) -> Table:
    return Table(
        table_id=table_id,
        zone_id=zone_id,
        name=table.number,
        capacity=table.capacity,
        min_party=table.min_party,
        max_party=table.max_party or 0,
        movable=table.mobility == "movable",
        attributes=table.attributes,
        state=TableState.TABLE_STATE_IN_SERVICE,
    )


def _minutes(minutes: int) -> Duration:
    return duration(dt.timedelta(minutes=minutes))
