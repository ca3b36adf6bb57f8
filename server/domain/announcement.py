"""What processes tell each other about committed changes."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Announcement:
    """The versions of a restaurant right after a change was committed."""

    restaurant_id: UUID
    floor_version: int
    inventory_version: int
    policy_version: int


class ChangeHearer(Protocol):
    """Wants to know of changes, whichever process made them. Called from the event loop; must not raise or block.

    Announcements make things quick and are never what correctness rests on: they come late, more than once, out of
    order, or not at all.
    """

    def on_change(self, announcement: Announcement) -> None:
        """A restaurant has these versions, or newer ones."""
        ...

    def on_gap(self) -> None:
        """Announcements may have been missed: anything may have changed."""
        ...

    def on_channel(self, database: str | None) -> None:
        """The channel is open, to the database of this identity; or it is down.

        The identity changes when another history of the data begins: after a restore, or a failover to another server.
        A gap is told right after the channel has opened.
        """
        ...
