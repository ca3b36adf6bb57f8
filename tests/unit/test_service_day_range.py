"""Where the bookings of a service date are looked for."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from server.domain.hours import service_date, service_day
from server.domain.policy import ServicePeriod, ServicePolicy, TurnTime

# Some change their clocks at midnight.
ZONES = ("UTC", "Europe/London", "Pacific/Auckland", "America/Havana", "Asia/Beirut", "America/New_York")
TURNS = (TurnTime(2, 90 * 60),)
hours = st.tuples(st.integers(0, 23), st.integers(1, 24))
periods = hours.map(lambda span: ServicePeriod("open", span[0] * 60, span[1] * 60, TURNS))


@given(
    st.lists(periods, max_size=2),
    st.sampled_from(ZONES),
    st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001
)
def test_the_range_of_a_service_date_has_every_start_of_it(
    opened: list[ServicePeriod], time_zone: str, start: datetime
) -> None:
    policy, instant = ServicePolicy(tuple(opened)), start.replace(tzinfo=UTC)
    span = service_day(policy, time_zone, service_date(policy, time_zone, instant))
    assert span.start <= instant < span.end
