"""What a consumer of maitred's events needs, whichever way they come: recognise repeats, keep order, notice gaps.

Keeps, as an example of something worth keeping, which tables each booking has. Standard library only.
"""

import json
import sqlite3
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS seen (event_id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS restaurants (restaurant_id TEXT PRIMARY KEY, sequence TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS bookings (
    booking_id TEXT PRIMARY KEY, table_ids TEXT NOT NULL, sequence TEXT NOT NULL
);
"""


class Inbox:
    """Takes CloudEvents, and has taken each of them at most once, whatever happens in between."""

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file)
        self._database.executescript(SCHEMA)

    def take(self, event: dict[str, Any]) -> str:
        """What the event turned out to be: `repeat`, `late`, `gap` or `next`.

        Recognising the event and acting on it are one transaction: a crash leaves both or neither, and the repeat that
        follows finds out which. A gap is an event before which something is missing: read the restaurant's present
        state, for this is what the missing event would have told.
        """
        with self._database:
            new = self._database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (event["id"],)).rowcount
            if not new:
                return "repeat"
            place = self._place(event)
            if event["type"].startswith("capacity.assignment."):
                self._keep_tables(event)
            return place

    def tables(self) -> dict[str, list[str]]:
        """The tables of each booking that has any."""
        found = self._database.execute("SELECT booking_id, table_ids FROM bookings")
        return {booking_id: tables for booking_id, text in found if (tables := json.loads(text))}

    def _place(self, event: dict[str, Any]) -> str:
        """Where the event stands among those of its restaurant. Sequences compare as text."""
        restaurant_id, sequence = event["restaurantid"], event["sequence"]
        row = self._database.execute(
            "SELECT sequence FROM restaurants WHERE restaurant_id = ?", (restaurant_id,)
        ).fetchone()
        last = row[0] if row else "0.0"
        if row and sequence < last:
            return "late"
        self._database.execute("INSERT OR REPLACE INTO restaurants VALUES (?, ?)", (restaurant_id, sequence))
        return "gap" if version(sequence) > version(last) + 1 else "next"

    def _keep_tables(self, event: dict[str, Any]) -> None:
        """The latest event about a booking says what it has; a late one changes nothing."""
        data = event["data"]
        tables = data["tableIds"] if event["type"] == "capacity.assignment.sync" else []
        self._database.execute(
            "INSERT INTO bookings VALUES (?, ?, ?) ON CONFLICT (booking_id) DO UPDATE"
            " SET table_ids = excluded.table_ids, sequence = excluded.sequence"
            " WHERE excluded.sequence > bookings.sequence",
            (data["bookingId"], json.dumps(tables), event["sequence"]),
        )


def version(sequence: str) -> int:
    """The floor version in a sequence. Every version from 1 on is one change, so none is left out."""
    return int(sequence.partition(".")[0])
