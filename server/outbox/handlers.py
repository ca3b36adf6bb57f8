"""Who gets an event: the handler of its type, and behind it every sink."""

import asyncio
from collections.abc import Mapping, Sequence

from server.outbox.events import OutboxEvent
from server.outbox.ports import Handler, RetryLater, Undeliverable
from server.outbox.sinks.ports import Sink


class ByType:
    """Hands an event to the handler of its type. An event of a type that has none is dead, never done."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = dict(handlers)

    async def __call__(self, event: OutboxEvent) -> None:
        handler = self._handlers.get(event.event_type)
        if handler is None:
            raise Undeliverable(
                f"no handler for events of type {event.event_type}; does a newer worker have one?"
            )
        await handler(event)


class EverySink:
    """Gives an event to all sinks at once, and is done when each of them has it.

    When one fails, the event is repeated to all of them: who has got it already recognises the event id. It is dead at
    once only when every failure is one that no repeat would cure.
    """

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = tuple(sinks)

    async def __call__(self, event: OutboxEvent) -> None:
        ends = await asyncio.gather(*(sink.deliver(event) for sink in self._sinks), return_exceptions=True)
        problems = {
            sink.name: end
            for sink, end in zip(self._sinks, ends, strict=True)
            if isinstance(end, BaseException)
        }
        if not problems:
            return
        told = "; ".join(f"{name}: {_text(problem)}" for name, problem in problems.items())
        if all(isinstance(problem, Undeliverable) for problem in problems.values()):
            raise Undeliverable(told)
        waits = [problem.after_s for problem in problems.values() if isinstance(problem, RetryLater)]
        raise RetryLater(told, max(waits, default=0.0))


def _text(problem: BaseException) -> str:
    if isinstance(problem, Undeliverable | RetryLater):
        return str(problem)
    return f"{type(problem).__name__}: {problem}".removesuffix(": ")
