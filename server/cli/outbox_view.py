"""Events on their way out, as people read them."""

import datetime as dt
import json
from collections.abc import Iterable

from rich.text import Text

from maitred_client import instant, to_dict
from maitred_client.messages import GetOutboxStatsResponse, OutboxEvent, OutboxStatus
from server.cli.output import facts, grid, show
from server.cli.wording import told

STYLES = {"pending": "yellow", "done": "green", "dead": "bold red"}


def show_stats(stats: GetOutboxStatsResponse) -> None:
    """Counts, and since when the oldest event waits."""
    waiting = "nothing waits"
    if stats.HasField("oldest_pending_at"):
        waited = instant(stats.checked_at) - instant(stats.oldest_pending_at)
        waiting = f"{_time(instant(stats.oldest_pending_at))}, for {waited.total_seconds():.1f} s"
    show(
        facts(
            (
                ("pending", stats.pending),
                ("oldest pending", waiting),
                ("dead", _marked(stats.dead)),
                ("restaurants in work", stats.restaurants_in_work),
                ("restaurants blocked", _marked(stats.restaurants_blocked)),
                ("as of", _time(instant(stats.checked_at))),
            )
        )
    )


def show_events(events: Iterable[OutboxEvent], *, of_several: bool) -> None:
    """A line each, with the restaurant where it may be any. The last error may be wrapped, the ids never are."""
    rows = (
        (
            event.event_id,
            _status(event),
            event.event_type,
            *((event.restaurant_id,) if of_several else ()),
            f"{event.floor_version}.{event.position}",
            event.attempt_count,
            _time(instant(event.created_at)),
            event.last_error,
        )
        for event in events
    )
    restaurant = ("Restaurant",) if of_several else ()
    columns = ("Event", "Status", "Type", *restaurant, "Place>", "Attempts>", "Committed", "Last error")
    show(grid(columns, rows, kept=len(columns) - 1))


def show_event(event: OutboxEvent) -> None:
    """All of one event."""
    redriven = _time(instant(event.redriven_at)) if event.HasField("redriven_at") else "never"
    show(
        facts(
            (
                ("event", event.event_id),
                ("restaurant", event.restaurant_id),
                ("type", event.event_type),
                ("status", _status(event)),
                ("last error", event.last_error or "none"),
                ("attempts", event.attempt_count),
                ("floor version, position", f"{event.floor_version}, {event.position}"),
                ("committed", _time(instant(event.created_at))),
                ("last change", _time(instant(event.updated_at))),
                ("redriven", redriven),
                ("booking", event.booking_id or "none"),
                ("request", event.idempotency_key or "none"),
                ("payload", json.dumps(to_dict(event)["payload"], indent=2, ensure_ascii=False)),
            )
        )
    )


def _status(event: OutboxEvent) -> Text:
    word = told(OutboxStatus, event.status)
    return Text(word, style=STYLES.get(word, ""))


def _marked(count: int) -> Text:
    return Text(str(count), style="bold red" if count else "")


def _time(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
