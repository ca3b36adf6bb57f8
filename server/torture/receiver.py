"""Receives what workers deliver, and compares it with what was committed."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from server.persistence.torture import Place

SHOWN_MAX = 5


@dataclass(slots=True)
class Receiver:
    """Takes every event and answers 204. `repeats` had come before; order is that in which they come first."""

    repeats: int = 0
    first: dict[str, list[str]] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    @property
    def received(self) -> int:
        return len(self._seen)

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        event = json.loads(await request.read())
        self.take(event["id"], event["restaurantid"])
        return web.Response(status=204)

    def take(self, event_id: str, restaurant_id: str) -> None:
        if event_id in self._seen:
            self.repeats += 1
        else:
            self._seen.add(event_id)
            self.first.setdefault(restaurant_id, []).append(event_id)

    def wrong(self, committed: Mapping[str, Place]) -> Iterator[str]:
        """A sentence for what is missing, was invented, or came out of order; places are those of the database."""
        yield from _listed("were committed and never came", committed.keys() - self._seen)
        yield from _listed("came and were never committed", self._seen - committed.keys())
        for restaurant_id, came in self.first.items():
            places = [committed[event_id] for event_id in came if event_id in committed]
            if places != sorted(places):
                yield f"the events of restaurant {restaurant_id} came out of order"


def _listed(what: str, events: set[str]) -> Iterator[str]:
    if events:
        yield f"{len(events)} events {what}: {', '.join(sorted(events)[:SHOWN_MAX])}"
