"""Which handler gets an event, and what comes of it when some sinks fail."""

import asyncio
from dataclasses import asdict
from typing import Any, cast

import pytest

from server.config import load_settings
from server.outbox.backoff import Backoff
from server.outbox.delivery import DeadPolicy, Delivery, DeliveryRules
from server.outbox.events import LAST_POSITION, OutboxEvent, Outcome, Place, Run
from server.outbox.handlers import ByType, EverySink
from server.outbox.outage import Outage
from server.outbox.ports import Handler, RetryLater, Undeliverable
from server.outbox.sinks import nats, webhook
from server.receivers import build_sinks, event_handler
from tests.builders.events import every_event, on_its_way


def test_each_sink_gets_the_settings_that_are_named_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "WebhookSink", lambda settings: settings)
    monkeypatch.setattr(nats, "NatsSink", lambda settings: settings)
    sent: dict[str, dict[str, Any]] = {
        "webhook": {"timeout_s": 4.0, "connect_timeout_s": 3.0, "connections_max": 5},
        "nats": {"stream": "EVENTS", "replicas": 2, "max_age_s": 700.0, "timeout_s": 6.0},
    }
    settings = load_settings(
        sinks="nats,webhook",
        webhook_url="http://127.0.0.1:1/events",
        # Two while the old one is being replaced.
        webhook_secret="whsec_dGhpcyBpcyBhIHNlY3JldCBmb3IgdGVzdHM=,whsec_dGhpcyBpcyBhbm90aGVyIHNlY3JldCBvZiB0aGVpcnM=",
        nats_url="nats://127.0.0.1:2,nats://127.0.0.1:3",
        **{f"{sink}_{name}": value for sink, values in sent.items() for name, value in values.items()},
    )
    broker, hook = map(cast("Any", asdict), build_sinks(settings, cast("Any", None)))
    assert broker == {"servers": ("nats://127.0.0.1:2", "nats://127.0.0.1:3"), **sent["nats"]}
    keys = (b"this is a secret for tests", b"this is another secret of theirs")
    assert hook == {"url": "http://127.0.0.1:1/events", "keys": keys, **sent["webhook"]}


class Scripted:
    """A sink that meets each event with the next of its answers, and takes it when there is none left."""

    def __init__(self, name: str, *answers: BaseException) -> None:
        self.name = name
        self.taken: list[OutboxEvent] = []
        self._answers = list(answers)

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def deliver(self, event: OutboxEvent) -> None:
        if self._answers:
            raise self._answers.pop(0)
        self.taken.append(event)


async def outcome(handler: Handler, *events: OutboxEvent) -> list[Outcome]:
    """What a worker makes of events that it delivers in one run."""
    rules = DeliveryRules(10, 5.0, DeadPolicy.CONTINUE, Backoff(0.25, 30.0, lambda: 0.0))
    start = Place(0, LAST_POSITION)
    run = Run(events[0].restaurant_id, 1, start, events[-1].place, 0, events)
    return [
        answer.outcome for answer in (await Delivery(handler, rules, Outage(0.0, lambda: 0.0))(run)).answers
    ]


async def test_an_event_of_every_type_of_the_contract_goes_to_every_sink() -> None:
    sinks = Scripted("one"), Scripted("two")
    events = [on_its_way(event, floor_version=n) for n, event in enumerate(every_event(), 1)]
    assert set(await outcome(event_handler(sinks), *events)) == {Outcome.DONE}
    assert [sink.taken for sink in sinks] == [events, events]


async def test_an_event_of_an_unknown_type_is_dead_and_reaches_no_sink() -> None:
    sink = Scripted("one")
    unknown = on_its_way(event_type="capacity.hold.imagined")
    assert await outcome(event_handler([sink]), unknown) == [Outcome.DEAD]
    assert sink.taken == []
    with pytest.raises(Undeliverable, match=r"no handler for events of type capacity\.hold\.imagined"):
        await ByType({})(unknown)


async def test_an_event_that_one_sink_refused_is_repeated_to_all() -> None:
    shaky, steady = Scripted("shaky", OSError("away")), Scripted("steady")
    handler, event = EverySink([shaky, steady]), on_its_way()
    assert await outcome(handler, event) == [Outcome.PENDING]
    assert await outcome(handler, event) == [Outcome.DONE]
    assert (shaky.taken, steady.taken) == ([event], [event, event])


async def test_the_reason_names_each_sink_that_failed_and_the_wait_is_the_longest_asked_for() -> None:
    handler = EverySink(
        [
            Scripted("a", RetryLater("busy", 7.0)),
            Scripted("b", RetryLater("very busy", 9.0)),
            Scripted("c", TimeoutError()),
            Scripted("d"),
        ]
    )
    with pytest.raises(RetryLater, match=r"^a: busy; b: very busy; c: TimeoutError$") as wish:
        await handler(on_its_way())
    assert wish.value.after_s == 9.0


async def test_an_event_is_dead_at_once_only_when_no_repeat_would_cure_any_failure() -> None:
    final = Undeliverable("the receiver answered 400")
    with pytest.raises(Undeliverable, match=r"^a: the receiver answered 400$"):
        await EverySink([Scripted("a", final), Scripted("b")])(on_its_way())
    with pytest.raises(RetryLater, match=r"^a: the receiver answered 400; b: OSError: away$") as wish:
        await EverySink([Scripted("a", final), Scripted("b", OSError("away"))])(on_its_way())
    assert wish.value.after_s == 0.0, "nobody asked for time"


async def test_a_delivery_that_is_cut_short_is_cut_short_in_every_sink() -> None:
    cut: list[str] = []
    begun = asyncio.Event()

    class Endless(Scripted):
        async def deliver(self, event: OutboxEvent) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                cut.append(self.name)

    delivering = asyncio.create_task(EverySink([Endless("a"), Endless("b")])(on_its_way()))
    await begun.wait()
    delivering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await delivering
    assert sorted(cut) == ["a", "b"]
