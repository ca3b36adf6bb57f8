"""The restaurant that `dev` brings, and what a reader could call it with."""

import datetime as dt
from dataclasses import dataclass
from uuid import uuid4
from zoneinfo import ZoneInfo

from rich.text import Text

from maitred_client import AsyncMaitredClient, timestamp
from maitred_client.messages import PartyRequest, PutBookingRequest
from server.cli.embedded_server import SAMPLE_FILE
from server.cli.instants import parse_start
from server.cli.options import SAMPLE_TENANT, Connection
from server.cli.output import typed
from server.cli.replay import load_restaurant
from server.cli.service_day import ServiceDay
from server.cli.service_day_file import read_service_days
from server.cli.service_day_messages import stable_id

TRY_PARTY = 4
TRY_START = "20:00"


@dataclass(frozen=True, slots=True)
class Sample:
    """The sample restaurant on a server, and a booking there that waits for tables at its next dinner."""

    restaurant_id: str
    booking_id: str
    dinner: dt.datetime


async def load_sample(client: AsyncMaitredClient) -> Sample:
    """Puts the sample restaurant and one more booking for its next dinner."""
    (day,) = read_service_days(SAMPLE_FILE)
    # A new booking at every start: the one of last time may have its tables by now.
    sample = Sample(stable_id(day, "restaurant", "dev"), str(uuid4()), _next_dinner(day))
    await load_restaurant(client, day, sample.restaurant_id)
    await client.put_booking(
        PutBookingRequest(
            restaurant_id=sample.restaurant_id,
            booking_id=sample.booking_id,
            party=PartyRequest(party_size=TRY_PARTY, start=timestamp(sample.dinner)),
            reference="try me",
        )
    )
    return sample


def calls_to_try(address: str, sample: Sample) -> tuple[Text, ...]:
    """Lines that a reader can copy into another terminal."""
    start = sample.dinner.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = (
        f'{{"restaurant_id":"{sample.restaurant_id}","party":{{"party_size":{TRY_PARTY},"start":"{start}"}}}}'
    )
    header = f"x-maitred-tenant: {SAMPLE_TENANT}"
    method = "maitred.v1.PlannerService/PlanTables"
    here = Connection(address)
    lines = (
        ("bold", "Three calls to try, in another terminal"),
        ("dim", "# plan with the command line"),
        ("", here.command(f"plan --party {TRY_PARTY} --start {TRY_START} --prefer window")),
        ("dim", "# the same with buf, which learns the contract from the server"),
        ("", f"{typed('buf')} curl --protocol grpc --http2-prior-knowledge -H '{header}' \\"),
        ("", f"  -d '{body}' \\"),
        ("", f"  http://{address}/{method}"),
        ("dim", "# the same with grpcurl"),
        ("", f"grpcurl -plaintext -H '{header}' \\"),
        ("", f"  -d '{body}' \\"),
        ("", f"  {address} {method}"),
        ("bold", "Then hold tables for a booking that waits for them"),
        ("", here.command(f"hold --best --booking {sample.booking_id}")),
    )
    return tuple(Text(text, style=style) for style, text in lines)


def _next_dinner(day: ServiceDay) -> dt.datetime:
    return parse_start(TRY_START, lambda: ZoneInfo(day.timezone), dt.datetime.now(dt.UTC))
