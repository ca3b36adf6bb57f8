"""What else a party could have: other times of the service date, other zones, sets that break a soft rule."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice, zip_longest

from server.domain.booking import Party
from server.domain.hours import planning_horizon, service_date, starts_on, stay_for
from server.domain.limits import ALTERNATIVE_STEP_S, INSTANT_MAX
from server.domain.policy import RELAXABLE, ServicePolicy
from server.domain.window import Stay, Window
from server.errors import Reason, ServiceError
from server.planner.plan import Plan, Question, plan_tables
from server.planner.relax import relaxation_steps, relaxed_question
from server.planner.vacancies import Slot, vacant_slots


class AlternativeKind(StrEnum):
    """In what an alternative differs from what was asked for."""

    EARLIER = "earlier"
    LATER = "later"
    OTHER_ZONE = "other_zone"
    LARGER_COMBINATION = "larger_combination"
    RELAXED = "relaxed"


@dataclass(frozen=True, slots=True)
class Alternative:
    """A plan that can be held once the booking wants `party`, whose stay is `stay` then.

    What the plan relaxes has to be overridden.
    """

    kind: AlternativeKind
    party: Party
    stay: Stay
    plan: Plan


@dataclass(frozen=True, slots=True)
class Offer:
    """An alternative in the making: its question has a plan."""

    kind: AlternativeKind
    question: Question


def other_starts(
    policy: ServicePolicy, time_zone: str, party: Party, start: datetime, now: datetime
) -> tuple[Slot, ...]:
    """The party at every other start of the service date of `start` that it could still book, in rising order."""
    day = service_date(policy, time_zone, start)
    starts = starts_on(policy, time_zone, day, timedelta(seconds=ALTERNATIVE_STEP_S))
    wishes = (
        replace(party, start=other) for other in starts if now <= other < INSTANT_MAX and other != start
    )
    return tuple(slot for wish in wishes if (slot := _slot(policy, time_zone, wish)))


def booked_anew(policy: ServicePolicy, time_zone: str, party: Party, now: datetime) -> Slot | None:
    """The party at its own start under the present policy; None when no booking could be made for that any more."""
    slot = _slot(policy, time_zone, party)
    return slot if slot and slot.stay.window.end > now else None


def span_of(slots: Iterable[Slot], policy: ServicePolicy, time_zone: str, first: Window) -> Window:
    """From when to when claims matter to `find_alternatives`; `first` is the horizon of its question."""
    return Window.covering([first, *(planning_horizon(policy, time_zone, slot.stay) for slot in slots)])


def find_alternatives(
    question: Question, slots: Sequence[Slot], anew: Slot | None, time_zone: str, limit: int, *, fits: bool
) -> tuple[Alternative, ...]:
    """The first `limit` alternatives to what was asked, in rounds.

    `fits` says that there are plans for the question already, by all rules or with those relaxed that the policy
    relaxes; only without any are further rules relaxed here.

    `slots` are the other starts and `anew` is the party's own start `booked_anew`; none of the question's claims that
    touches `span_of` them is missing. In each round stands the next of every kind: the nearest start before and after
    the one asked for, the best set in the zone whose best set costs least, the best set that breaks the next rules.
    Within a round the ones nearest in time come first, then those of the kind that is named first.
    """
    asked = question.stay.dining.start
    relaxed = [] if fits else _relaxed(question)
    vacant = vacant_slots(question.sets, question.policy.slack_max, slots, question.claims, question.avoid)
    earlier = [slot for slot in reversed(vacant) if slot.party.start < asked]
    later = [slot for slot in vacant if slot.party.start > asked]
    offers = _in_rounds(
        asked,
        [_moved(AlternativeKind.EARLIER, question, slot, time_zone) for slot in earlier[:limit]],
        [_moved(AlternativeKind.LATER, question, slot, time_zone) for slot in later[:limit]],
        _other_zones(question, anew, time_zone),
        [offer for offer in relaxed if offer.kind is AlternativeKind.LARGER_COMBINATION],
        [offer for offer in relaxed if offer.kind is AlternativeKind.RELAXED],
    )
    return tuple(map(_alternative, islice(offers, limit)))


def _in_rounds(asked: datetime, *kinds: Sequence[Offer]) -> Iterator[Offer]:
    for together in zip_longest(*kinds):
        offers = [offer for offer in together if offer is not None]
        yield from sorted(offers, key=lambda offer: abs(offer.question.stay.dining.start - asked))


def _alternative(offer: Offer) -> Alternative:
    question = offer.question
    (plan,) = plan_tables(question).plans
    return Alternative(offer.kind, question.party, question.stay, plan)


def _slot(policy: ServicePolicy, time_zone: str, party: Party) -> Slot | None:
    """None when no booking could be made for that start."""
    try:
        return Slot(party, stay_for(policy, time_zone, party.party_size, party.start, party.duration))
    except ServiceError:
        return None


def _moved(kind: AlternativeKind, question: Question, slot: Slot, time_zone: str) -> Offer:
    horizon = planning_horizon(question.policy, time_zone, slot.stay)
    asked = replace(question, party=slot.party, stay=slot.stay, horizon=horizon, plans_max=1)
    return Offer(kind, asked)


def _other_zones(question: Question, anew: Slot | None, time_zone: str) -> list[Offer]:
    """The other zones that have a set for the party at the same time, the one with the cheapest set first.

    A stored booking stays as long as the present policy says once it wants another zone.
    """
    asked_for = question.party.zone_id
    if asked_for is None or anew is None:
        return []
    found = []
    for zone in question.floor.zones:
        if zone.zone_id != asked_for:
            slot = replace(anew, party=replace(anew.party, zone_id=zone.zone_id))
            offer = _moved(AlternativeKind.OTHER_ZONE, question, slot, time_zone)
            found += [(plan.cost, zone.zone_id, offer) for plan in plan_tables(offer.question).plans]
    return [offer for _, _, offer in sorted(found, key=lambda each: each[:2])]


def _relaxed(question: Question) -> list[Offer]:
    """One offer for each choice of soft rules that makes room when they are relaxed, and none fewer of them do.

    The policy does not list all of them, or there would be a plan: staff may override more than it grants to
    everybody. Since nothing fits by fewer rules, every plan breaks exactly those of its choice.
    """
    offers: list[Offer] = []
    for step in relaxation_steps(replace(question.policy, relaxations=RELAXABLE)):
        asked = relaxed_question(replace(question, plans_max=1), step)
        enough = any(set(offer.question.relaxed) <= set(step) for offer in offers)
        if asked is not None and not enough and plan_tables(asked).plans_found:
            larger = Reason.COMBINATION_TOO_LARGE in step
            kind = AlternativeKind.LARGER_COMBINATION if larger else AlternativeKind.RELAXED
            offers.append(Offer(kind, asked))
    return offers
