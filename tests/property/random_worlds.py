"""Random small restaurants, each made from a seed alone."""

from dataclasses import fields, replace
from datetime import timedelta
from itertools import combinations as subsets
from random import Random
from uuid import UUID

from server.domain.booking import Party
from server.domain.claims import Claim
from server.domain.floor import Floor
from server.domain.policy import AdjacencyMode, Combinations, ExpectedParties, ServicePolicy, Weights
from server.domain.window import Window
from server.errors import ClaimKind
from server.planner.lookahead import Waiting
from server.planner.plan import Question
from tests.builders.floors import floor, table, zone_id
from tests.builders.questions import EVENING, claim, evening_policy, question

ATTRIBUTES = ("booth", "quiet", "window")
EVERY_PLAN = 100_000
TABLES_MAX = 8


def random_question(seed: str, mode: AdjacencyMode) -> Question:
    """A question about a random floor under the given adjacency mode. The seed is all that it depends on."""
    rng = Random(f"{mode}/{seed}")
    policy = _policy(rng, mode)
    place = _floor(rng, rng.choice((1, 2, TABLES_MAX - 1, *range(3, TABLES_MAX + 1))))
    start = EVENING + timedelta(minutes=rng.randint(0, 300), seconds=rng.choice((0, 0, 0, 1, 59)))
    window = Window(start, start + timedelta(minutes=rng.choice((15, 60, 65, 90, 93, 120))))
    numbers = range(1, len(place.tables) + 1)
    avoided = [number for number in numbers if rng.random() < 0.15] if rng.random() < 0.4 else []
    horizon = Window(EVENING, EVENING + timedelta(hours=rng.choice((3, 6, 8))))
    return question(
        place,
        _party(rng, window),
        window,
        policy=policy,
        claims=_claims(rng, place, window),
        avoid=avoided,
        plans_max=EVERY_PLAN,
        horizon=horizon,
    )


def random_waiting(seed: str, question: Question, count: int) -> tuple[Waiting, ...]:
    """So many bookings that wait for tables around the question's window."""
    rng = Random(f"waiting/{seed}")
    around = question.stay.window
    waiting = []
    for number in range(1, count + 1):
        start = around.start + timedelta(minutes=rng.choice((-90, -45, 0, 0, 15, 30, 60, 90, 130)))
        window = Window(start, start + timedelta(minutes=rng.choice((60, 65, 90, 120))))
        waiting.append(Waiting(UUID(int=number), _party(rng, window), window))
    return tuple(waiting)


def _policy(rng: Random, mode: AdjacencyMode) -> ServicePolicy:
    weights = Weights()
    if rng.random() < 0.3:
        weights = Weights(*(rng.choice((0, 0.25, 1, 3.7, 40)) for _ in fields(Weights)))
    policy = evening_policy(
        turn_min=sorted(rng.sample((45, 60, 75, 85, 90, 118), rng.randint(1, 3))),
        buffer_after_min=rng.choice((0, 5, 7)),
        slack_max=rng.choice((0, 1, 4, 4, 4, 100)),
        combinations=Combinations(
            rng.random() < 0.95,
            rng.choice((2, 3, 3, 4, 4, 5)),
            mode,
            rng.choice((None, None, None, 1, 3, 6, 9)),
        ),
        weights=weights,
    )
    if rng.random() < 0.8:
        return policy
    sizes = sorted(rng.sample(range(1, 10), rng.randint(1, 4)))
    return replace(
        policy, forecast=tuple(ExpectedParties(size, rng.choice((0.0, 0.5, 3.0, 20.0))) for size in sizes)
    )


def _floor(rng: Random, count: int) -> Floor:
    zones = rng.choice((1, 1, 2, 3)) if count > 3 else 1
    min_party_max = rng.choice((1, 1, 3))
    sizes = rng.choice(((2, 2, 4), (1, 2, 2, 2, 4, 4, 4, 6, 8), (2, 2, 3)))
    tables = []
    for number in range(1, count + 1):
        capacity = rng.choice(sizes)
        tables.append(
            table(
                number,
                capacity,
                zone=rng.randint(1, zones),
                min_party=rng.randint(1, min(min_party_max, capacity)),
                max_party=rng.choice((capacity, capacity, max(1, capacity - 1), capacity + 2)),
                movable=rng.random() < 0.92,
                attributes=tuple(name for name in ATTRIBUTES if rng.random() < 0.6),
                in_service=rng.random() < 0.95,
            )
        )
    density = rng.choice((0.15, 0.4, 0.7, 1.0))
    pairs = subsets(range(1, count + 1), 2)
    same_zone = ((a, b) for a, b in pairs if tables[a - 1].zone_id == tables[b - 1].zone_id)
    return floor(tables, [edge for edge in same_zone if rng.random() < density])


def _party(rng: Random, window: Window) -> Party:
    return Party(
        rng.choice((1, 2, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 11, 12)),
        window.start,
        zone_id=zone_id(1) if rng.random() < 0.1 else None,
        required_attributes=tuple(sorted(rng.sample(ATTRIBUTES, 1))) if rng.random() < 0.15 else (),
        preferred_attributes=tuple(sorted(rng.sample(ATTRIBUTES, rng.choice((0, 0, 0, 1, 2))))),
        preferred_zone_ids=tuple(
            zone_id(n) for n in sorted(rng.sample((1, 2, 3), rng.choice((0, 0, 0, 1, 2))))
        ),
    )


def _claims(rng: Random, place: Floor, window: Window) -> list[Claim]:
    """Claims anywhere around the window, many of which touch it to the second."""
    load = rng.choice((0, 0.1, 0.2, 0.5))
    claims = []
    for number in range(1, len(place.tables) + 1):
        for _ in range(3):
            if rng.random() >= load:
                continue
            length = timedelta(minutes=rng.choice((30, 60, 65, 93)))
            start = rng.choice(
                (
                    window.end,
                    window.end - timedelta(seconds=1),
                    window.start - length,
                    window.start - length + timedelta(seconds=1),
                    EVENING + timedelta(minutes=rng.randint(-60, 420)),
                )
            )
            claims.append(
                claim(number, start, start + length, rng.choice(tuple(ClaimKind)), rng.randint(1, 99))
            )
    rng.shuffle(claims)
    return claims
