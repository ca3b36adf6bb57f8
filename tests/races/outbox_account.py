"""Compares what receivers got with what was committed."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from standardwebhooks.webhooks import Webhook

from server.outbox.encoding import cloud_event
from server.outbox.events import OutboxEvent
from server.persistence.inspection import database_invariants
from tests.conformance.receivers import SECRET
from tests.races.outbox_world import OutboxWorld
from tests.support.committed_events import committed_events
from tests.support.database import rows
from tests.support.webhook_receiver import Posted


@dataclass(frozen=True, slots=True)
class Account:
    """`wrong` has a sentence for everything that must not be; the rest says how much there was."""

    changes: int
    events: int
    posted: int
    streamed: int
    wrong: tuple[str, ...]


async def account(world: OutboxWorld) -> Account:
    """After everything was delivered."""
    committed = await committed_events(world.url)
    posted = list(world.webhooks.posted)
    streamed = [(each.event_id, each.content.encode()) for each in await world.stream.received()]
    wrong = [
        *wrong_at("webhook", [(each.headers["webhook-id"], each.body) for each in posted], committed),
        *wrong_at("stream", streamed, committed),
        *unsigned(posted),
    ]
    if len(streamed) != len(committed):
        wrong.append(f"stream: {len(streamed)} messages for {len(committed)} events")
    wrong += await unsettled(world.url)
    report = await database_invariants(world.url)
    wrong += [
        f"invariant {check.check_id}: {check.violations}" for check in report.checks if check.violations
    ]
    (total,) = await rows(world.url, "SELECT sum(floor_version)::bigint AS changes FROM restaurants")
    return Account(total["changes"], len(committed), len(posted), len(streamed), tuple(wrong))


async def unsettled(url: str) -> list[str]:
    """Every event that is not done, though everything was to be delivered."""
    found = await rows(
        url,
        "SELECT id, status, last_error FROM capacity_outbox WHERE status <> 'done'"
        " ORDER BY restaurant_id, floor_version, position",
    )
    return [f"{row['id']} is {row['status']}: {row['last_error']}" for row in found]


def wrong_at(
    name: str, received: Sequence[tuple[str, bytes]], committed: Sequence[OutboxEvent]
) -> Iterable[str]:
    """Missing, invented, changed, out of order. The contents are compared with what the events say now."""
    known: Mapping[str, OutboxEvent] = {str(event.event_id): event for event in committed}
    contents = {event_id: _content(cloud_event(event)) for event_id, event in known.items()}
    first: dict[UUID, list[str]] = defaultdict(list)
    seen: set[str] = set()
    for event_id, content in received:
        if event_id not in known:
            yield f"{name}: {event_id} was invented"
        elif _content(content) != contents[event_id]:
            yield f"{name}: {event_id} says something else than was committed"
        elif event_id not in seen:
            seen.add(event_id)
            first[known[event_id].restaurant_id].append(event_id)
    order: dict[UUID, list[str]] = defaultdict(list)
    for event in committed:
        order[event.restaurant_id].append(str(event.event_id))
    for restaurant_id, ids in order.items():
        if missing := set(ids) - seen:
            yield f"{name}: {len(missing)} events of {restaurant_id} are missing"
        elif first[restaurant_id] != ids:
            yield f"{name}: the events of {restaurant_id} came in another order"


def _content(body: bytes) -> object:
    return json.loads(body)


def unsigned(posted: Iterable[Posted]) -> Iterable[str]:
    return (f"webhook: {each.headers['webhook-id']} is not signed" for each in posted if not _is_signed(each))


def _is_signed(posted: Posted) -> bool:
    """By the library that receivers use; when it was sent plays no part, the run may have taken long."""
    headers = posted.headers
    sent_at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    signature = Webhook(SECRET).sign(headers["webhook-id"], sent_at, posted.body.decode())
    return signature in headers["webhook-signature"].split()
