"""What a receiver of events looks like from inside."""

from typing import Protocol

from server.outbox.events import OutboxEvent


class Sink(Protocol):
    """One receiver of events."""

    @property
    def name(self) -> str:
        """The word by which it is configured."""
        ...

    async def open(self) -> None:
        """Gets ready. The receiver need not be there yet."""
        ...

    async def close(self) -> None:
        """Lets go of everything. Twice is harmless, and so is closing what was never opened."""
        ...

    async def deliver(self, event: OutboxEvent) -> None:
        """Returns when the receiver has the event for good; a repeat carries the same event id and the same content.

        Raises `Undeliverable`, `RetryLater`, or anything else to be tried again. Ends within its own time limit, by
        `TimeoutError` if need be, and finds a receiver that was away by itself once it is back.
        """
        ...
