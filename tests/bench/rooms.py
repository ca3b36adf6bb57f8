"""Rooms of any size with an evening's bookings in them, for measurements. A seed makes the same room again."""

from dataclasses import replace
from datetime import timedelta
from random import Random

from server.domain.claims import Claim
from server.domain.floor import Floor
from server.domain.policy import Combinations, ServicePolicy
from server.domain.window import Stay, Window
from server.planner.plan import Question
from tests.builders.floors import floor, table
from tests.builders.questions import CLOSE, EVENING, claim, evening_policy, question

PARTY_SIZES = (2, 2, 2, 2, 2, 3, 4, 4, 4, 5, 6, 7, 8, 10)
CAPACITIES = (2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 8)
QUARTER = timedelta(minutes=15)


def room(tables: int, seed: int = 1) -> Floor:
    """Zones of 8 to 20 tables that stand in a grid and touch their neighbours in it, or in a single row."""
    rng = Random(seed)
    placed, edges = [], []
    first, zone = 1, 1
    while first <= tables:
        size = min(rng.randint(8, 20), tables - first + 1)
        columns = rng.choice((4, 4, 5, size))
        for offset in range(size):
            number = first + offset
            placed.append(table(number, rng.choice(CAPACITIES), zone=zone, movable=rng.random() < 0.95))
            if offset % columns:
                edges.append((number - 1, number))
            if offset >= columns:
                edges.append((number - columns, number))
        first, zone = first + size, zone + 1
    return floor(placed, edges)


def bench_policy(tables_max: int = 3) -> ServicePolicy:
    return evening_policy(
        turn_min=(60, 75, 85, 90), buffer_after_min=5, combinations=Combinations(tables_max=tables_max)
    )


def booked(place: Floor, load: float, seed: int = 2) -> list[Claim]:
    """Claims that keep each table busy for about `load` of the evening."""
    rng = Random(seed)
    claims: list[Claim] = []
    for index in range(len(place.tables)):
        start = EVENING + rng.randint(0, 6) * QUARTER
        while start < CLOSE:
            length = timedelta(minutes=rng.choice((65, 80, 90, 95)))
            if rng.random() < load:
                claims.append(claim(index + 1, start, start + length, owner=len(claims) + 1))
            start += length + rng.randint(0, 2) * QUARTER
    rng.shuffle(claims)
    return claims


def questions(
    place: Floor, load: float, count: int = 50, tables_max: int = 3, seed: int = 3
) -> list[Question]:
    """Parties of the usual sizes at any quarter of the evening, all about the same room, policy and bookings."""
    rng = Random(seed)
    policy, claims = bench_policy(tables_max), booked(place, load)
    first = question(place, 2, policy=policy, claims=claims, plans_max=5)
    asked = []
    for _ in range(count):
        start = EVENING + rng.randint(0, 16) * QUARTER
        window = Window(start, start + timedelta(minutes=rng.choice((65, 80, 90, 95))))
        asked.append(rephrased(first, rng.choice(PARTY_SIZES), window))
    return asked


def rephrased(asked: Question, party_size: int, window: Window) -> Question:
    """The same question about another party and window."""
    return replace(
        asked,
        party=replace(asked.party, party_size=party_size, start=window.start),
        stay=Stay(window, window, "dinner"),
    )
