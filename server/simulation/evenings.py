"""Evenings on which more or fewer parties ask than the room can take. A seed makes the same evening again."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from server.domain.booking import Party
from server.domain.floor import Floor
from server.domain.hours import stay_for
from server.domain.policy import ServicePeriod, ServicePolicy, TurnTime
from server.domain.window import Stay, Window
from server.simulation.rooms import RoomMix, make_room

# Rises when the same seed would make another room or evening than before.
VERSION = 1
OPENS = datetime(2026, 5, 15, 17, tzinfo=UTC)
SERVICE = timedelta(hours=6, minutes=30)
GRID = timedelta(minutes=15)
TIME_ZONE = "UTC"
USUAL_ROOM = RoomMix()


@dataclass(frozen=True, slots=True)
class Peak:
    """Starts cluster around `after_min` minutes from opening with a standard deviation of `spread_min`."""

    share: float
    after_min: float
    spread_min: float


@dataclass(frozen=True, slots=True)
class EveningMix:
    """What evenings are made of; every share is a relative weight.

    `parties` are shares by party size, `turn_min` stays in minutes up to a party size, `lead_days` the mean time
    that a party asks ahead. `seat_use` is the share of its seats times its hours that a room can take in: parties are
    smaller than their tables, and come when they like.
    """

    room: RoomMix = USUAL_ROOM
    parties: tuple[tuple[int, float], ...] = (
        (1, 4), (2, 43), (3, 12), (4, 23), (5, 6), (6, 6), (7, 2), (8, 2.2), (9, 0.6), (10, 0.7), (11, 0.2), (12, 0.3),
    )  # fmt: skip
    peaks: tuple[Peak, ...] = (Peak(0.45, 90, 50), Peak(0.45, 210, 50), Peak(0.1, 150, 120))
    turn_min: tuple[tuple[int, int], ...] = ((2, 75), (4, 90), (6, 105), (12, 120))
    buffer_after_min: int = 15
    slack_max: int = 4
    lead_days: float = 7.0
    seat_use: float = 0.6

    def policy(self) -> ServicePolicy:
        """The restaurant's rules on such evenings, with default weights."""
        closes = OPENS + SERVICE
        turns = tuple(TurnTime(size, minutes * 60) for size, minutes in self.turn_min)
        period = ServicePeriod("dinner", OPENS.hour * 60, closes.hour * 60 + closes.minute, turns)
        return ServicePolicy((period,), buffer_after_s=self.buffer_after_min * 60, slack_max=self.slack_max)


@dataclass(frozen=True, slots=True)
class Request:
    """One party that asks, `lead` ahead of its start."""

    party: Party
    stay: Stay
    lead: timedelta


@dataclass(frozen=True, slots=True)
class Evening:
    """A room, its rules, and who asks for a table, in the order of asking."""

    floor: Floor
    policy: ServicePolicy
    requests: tuple[Request, ...]

    @property
    def horizon(self) -> Window:
        return Window(OPENS, OPENS + SERVICE)


def make_evening(mix: EveningMix, tables: int, load: float, seed: int) -> Evening:
    """The evening of a seed.

    `load` is the covers asked for as a share of what the room can take: its seats times the turns of a mean guest
    in the service, times `seat_use`.
    """
    rng = Random(f"{VERSION}/{tables}/{seed}")
    floor = make_room(mix.room, tables, rng)
    policy = mix.policy()
    wanted = load * mix.seat_use * sum(table.capacity for table in floor.tables) * _turns(mix)
    requests: list[Request] = []
    covers = 0
    while covers < wanted:
        request = _request(mix, policy, rng)
        covers += request.party.party_size
        requests.append(request)
    return Evening(floor, policy, tuple(sorted(requests, key=lambda request: -request.lead)))


def _turns(mix: EveningMix) -> float:
    """How often a seat can be used in an evening, by the mean length of the windows weighted by guests."""
    guests = sum(size * share for size, share in mix.parties)
    minutes = sum(size * share * _window_min(mix, size) for size, share in mix.parties) / guests
    return SERVICE / timedelta(minutes=minutes)


def _window_min(mix: EveningMix, size: int) -> int:
    return mix.buffer_after_min + next(minutes for up_to, minutes in mix.turn_min if size <= up_to)


def _request(mix: EveningMix, policy: ServicePolicy, rng: Random) -> Request:
    (size,) = rng.choices([size for size, _ in mix.parties], [share for _, share in mix.parties])
    latest = SERVICE - timedelta(minutes=_window_min(mix, size))
    start = OPENS + _start(mix, latest, rng)
    lead = timedelta(seconds=round(rng.expovariate(1 / mix.lead_days) * 86_400))
    return Request(Party(size, start), stay_for(policy, TIME_ZONE, size, start), lead)


def _start(mix: EveningMix, latest: timedelta, rng: Random) -> timedelta:
    """From opening, on the grid and no later than `latest`."""
    while True:
        (peak,) = rng.choices(mix.peaks, [peak.share for peak in mix.peaks])
        after = round(timedelta(minutes=rng.gauss(peak.after_min, peak.spread_min)) / GRID) * GRID
        if timedelta() <= after <= latest:
            return after
