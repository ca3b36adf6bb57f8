"""Delivering one run of events, and deciding what became of each."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum

import structlog

from server.outbox.backoff import Backoff
from server.outbox.events import Answer, OutboxEvent, Outcome, Run, Settlement
from server.outbox.outage import Outage
from server.outbox.ports import Handler, RetryLater, Undeliverable

log = structlog.get_logger(__name__)

ERROR_LENGTH_MAX = 500


class DeadPolicy(StrEnum):
    """What happens to a restaurant's later events when one is dead: they go on, or they wait until it is dealt with."""

    CONTINUE = "continue"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    """`attempts_max` counts the first attempt, and those that ended with the worker that made them.

    An attempt after which the receiver said when to come back is not counted, nor is one that failed in an outage.
    """

    attempts_max: int
    handler_timeout_s: float
    dead_policy: DeadPolicy
    backoff: Backoff


class Delivery:
    """Hands the events of a run to the handler, one after the other."""

    def __init__(self, handler: Handler, rules: DeliveryRules, outage: Outage) -> None:
        self._handler = handler
        self._rules = rules
        self._outage = outage

    async def __call__(self, run: Run) -> Settlement:
        """Never raises: what goes wrong is part of the answer. A cancelled run answers for what was delivered."""
        answers: list[Answer] = []
        settled = run.settled
        for event in run.events:
            try:
                answer = await self._attempt(event, run.orphanings if not answers else 0)
            except asyncio.CancelledError:
                return Settlement(run, settled, tuple(answers))
            answers.append(answer)
            if answer.outcome is Outcome.PENDING:
                return Settlement(run, settled, tuple(answers), delay_s=answer.delay_s)
            if answer.outcome is Outcome.DEAD and self._rules.dead_policy is DeadPolicy.BLOCK:
                return Settlement(run, settled, tuple(answers), blocked_by=event.event_id)
            settled = max(settled, event.place)
        return Settlement(run, run.end, tuple(answers))

    async def _attempt(self, event: OutboxEvent, orphanings: int) -> Answer:
        rules = self._rules
        attempts = event.attempt_count + orphanings + 1
        if orphanings and attempts > rules.attempts_max:
            return self._dead(
                event, orphanings, f"{orphanings} workers in a row ended while they delivered it"
            )
        try:
            async with asyncio.timeout(rules.handler_timeout_s):
                await self._handler(event)
        except Undeliverable as problem:
            return self._dead(event, orphanings + 1, str(problem))
        except RetryLater as wish:
            if wish.after_s > 0:
                return self._wait(event, attempts, orphanings, wish)
            return self._again(event, attempts, orphanings, str(wish))
        except TimeoutError:
            return self._again(event, attempts, orphanings, f"no answer within {rules.handler_timeout_s:g} s")
        except Exception as problem:  # noqa: BLE001 - whatever a handler raises, the event is tried again
            return self._again(event, attempts, orphanings, f"{type(problem).__name__}: {problem}")
        self._outage.delivered()
        return Answer(event.event_id, Outcome.DONE, orphanings + 1)

    def _wait(self, event: OutboxEvent, attempts: int, orphanings: int, wish: RetryLater) -> Answer:
        """The receiver said when to come back: that says nothing against the event, so it isn't counted."""
        delay_s = max(wish.after_s, self._rules.backoff.after(attempts))
        return self._uncounted("receiver_busy", event, orphanings, str(wish), delay_s)

    def _uncounted(self, why: str, event: OutboxEvent, orphanings: int, error: str, delay_s: float) -> Answer:
        log.warning(why, **_named(event), delay_s=delay_s, error=error)
        return Answer(event.event_id, Outcome.PENDING, orphanings, _kept(error), delay_s)

    def _again(self, event: OutboxEvent, attempts: int, orphanings: int, error: str) -> Answer:
        away_s = self._outage.failed(event.restaurant_id)
        if away_s is not None:
            delay_s = self._rules.backoff.while_away(away_s)
            return self._uncounted("receiver_away", event, orphanings, error, delay_s)
        if attempts >= self._rules.attempts_max:
            return self._dead(event, orphanings + 1, error)
        delay_s = self._rules.backoff.after(attempts)
        log.warning("event_not_delivered", **_named(event), attempts=attempts, delay_s=delay_s, error=error)
        return Answer(event.event_id, Outcome.PENDING, orphanings + 1, _kept(error), delay_s)

    def _dead(self, event: OutboxEvent, attempts: int, error: str) -> Answer:
        log.error("event_dead", **_named(event), error=error, dead_policy=self._rules.dead_policy.value)
        return Answer(event.event_id, Outcome.DEAD, attempts, _kept(error))


def _kept(error: str) -> str:
    """What is stored of an error. Whatever a receiver has put into it, the database takes it: neither NUL nor half of a
    surrogate pair.
    """
    return error.encode(errors="replace").decode().replace("\0", "?")[:ERROR_LENGTH_MAX]


def _named(event: OutboxEvent) -> dict[str, str]:
    return {
        "event_id": str(event.event_id),
        "event_type": event.event_type,
        "restaurant_id": str(event.restaurant_id),
    }
