"""Options that say for whom a question is asked: a stored booking, or a party that has not booked."""

import datetime as dt
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import typer

from maitred_client import duration, timestamp
from maitred_client.messages import Floor, PartyRequest, Restaurant
from server.cli.looking_up import start_in, words, zone_id_by_name
from server.cli.options import option
from server.domain.limits import PARTY_SIZE_MAX, STAY_MAX_S, STAY_MIN_S

Booking = Annotated[UUID | None, option("--booking", None, "Id of a stored booking.")]
PartySize = Annotated[
    int | None, option("--party", None, "Ask for so many people instead.", 1, PARTY_SIZE_MAX)
]
Start = Annotated[str, option("--start", None, "When the party sits down: 19:30, or ISO 8601. Local time.")]
StayMinutes = Annotated[
    int | None,
    option("--stay", None, "Minutes, instead of the policy's.", STAY_MIN_S // 60, STAY_MAX_S // 60),
]
Zone = Annotated[str, option("--zone", None, "Only this zone.")]
Required = Annotated[str, option("--require", None, "Attributes every table must have: a,b.")]

Preferred = Annotated[str, option("--prefer", None, "Attributes that rank higher: a,b.")]
PreferredZones = Annotated[str, option("--prefer-zone", None, "Zones that rank higher: a,b.")]


@dataclass(frozen=True, slots=True)
class Wanted:
    """For whom, in the words of the command line: a booking, or a party with a start."""

    booking: UUID | None
    party: int | None
    start: str
    stay: int | None
    zone: str
    require: str
    prefer: str = ""
    prefer_zone: str = ""

    def __post_init__(self) -> None:
        if (self.booking is None) == (self.party is None):
            raise typer.BadParameter("give either --booking, or --party with --start")
        if self.party is not None and not self.start:
            raise typer.BadParameter("--party needs --start", param_hint="--start")
        if self.booking is not None:
            self._require_no_wishes()

    def _require_no_wishes(self) -> None:
        """A stored booking has its own start and wishes: those of the command line would be ignored."""
        wishes = {
            "--start": self.start,
            "--stay": self.stay,
            "--zone": self.zone,
            "--require": self.require,
            "--prefer": self.prefer,
            "--prefer-zone": self.prefer_zone,
        }
        if given := [option for option, value in wishes.items() if value]:
            raise typer.BadParameter(
                "goes with --party; a stored booking has its own", param_hint=", ".join(given)
            )

    def party_request(self, restaurant: Restaurant, floor: Floor) -> PartyRequest:
        """The party, when no booking is asked about."""
        party = PartyRequest(
            party_size=self.party or 0,
            start=timestamp(start_in(restaurant, self.start)),
            zone_id=zone_id_by_name(floor, self.zone),
            required_attributes=words(self.require, "--require"),
            preferred_attributes=words(self.prefer, "--prefer"),
            preferred_zone_ids=[
                zone_id_by_name(floor, name, "--prefer-zone")
                for name in words(self.prefer_zone, "--prefer-zone")
            ],
        )
        if self.stay is not None:
            party.duration.CopyFrom(duration(dt.timedelta(minutes=self.stay)))
        return party
