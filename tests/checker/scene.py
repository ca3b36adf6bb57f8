"""An evening that is about to be changed as a bug would have changed it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from loadgen.checking.against_database import State
from loadgen.checking.history import Recorded
from tests.checker.evening import MS


class NoOccasionError(Exception):
    """Nothing happened on that evening to which the bug could have happened."""


@dataclass
class Scene:
    """An evening that is changed."""

    calls: list[Recorded]
    state: State
    random: Random

    def pick(self, wanted: Callable[[Recorded], bool]) -> int:
        """The place of a call like that."""
        places = [place for place, call in enumerate(self.calls) if wanted(call)]
        if not places:
            raise NoOccasionError
        return self.random.choice(places)

    def row(self, rows: str, wanted: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
        """A row like that, taken out of the state."""
        found = [row for row in getattr(self.state, rows) if wanted(row)]
        if not found:
            raise NoOccasionError
        row = self.random.choice(found)
        self._set(rows, [each for each in getattr(self.state, rows) if each is not row])
        return dict(row)

    def put(self, rows: str, *added: Mapping[str, Any]) -> None:
        self._set(rows, [*getattr(self.state, rows), *added])

    def _set(self, rows: str, values: list[Any]) -> None:
        changed: dict[str, Any] = {rows: values}
        self.state = replace(self.state, **changed)

    def change(self, place: int, member: str, **values: Any) -> None:
        """Changes what a call was told about a hold or an assignment."""
        call = self.calls[place]
        part = {**call.answer[member], **values}
        self.calls[place] = replace(call, answer={**call.answer, member: part}, answer_digest="another")

    def add(self, like: Recorded, **values: Any) -> None:
        """One more call, of a client of its own."""
        fresh = {
            "client": 99,
            "call": len(self.calls),
            "request_id": f"extra-{len(self.calls)}",
            "attempt": 1,
        }
        self.calls.append(replace(like, **{**fresh, **values}))

    def is_alone(self, call: Recorded) -> bool:
        """Whether the request was sent once only."""
        return sum(each.request_id == call.request_id for each in self.calls) == 1

    def is_quiet(self, held: Recorded, for_ms: int) -> bool:
        """Whether nobody can have ended the hold for so long: nothing unanswered, and nothing asked meanwhile."""
        until_ns = (held.returned_ns or 0) + for_ms * MS
        parts = (call.answer.get("hold", {}) for call in self.calls)
        hold_ids = {part["hold_id"] for part in parts if part.get("booking_id") == held.booking_id}
        return not any(
            (other.returned_ns is None or other.returned_ns >= held.invoked_ns or other.outcome == "unknown")
            and other.invoked_ns < until_ns
            for other in self.calls
            if other is not held and (other.booking_id == held.booking_id or other.hold_id in hold_ids)
        ) and not any(
            other.reason == "DEADLINE_EXCEEDED" and other.booking_id == held.booking_id
            for other in self.calls
        )


def ok(*methods: str) -> Callable[[Recorded], bool]:
    return lambda call: call.outcome == "ok" and call.method in methods


def after(call: Recorded, by_ms: int = 1) -> dict[str, int]:
    """Asked and told right after a call."""
    assert call.returned_ns is not None
    return {"invoked_ns": call.returned_ns + by_ms * MS, "returned_ns": call.returned_ns + (by_ms + 5) * MS}


def step(action: str) -> Callable[[Recorded], bool]:
    return lambda call: call.outcome == "ok" and call.action == action


def changed(scene: Scene, booking_id: str) -> bool:
    puts = [call for call in scene.calls if call.method == "PutBooking" and call.booking_id == booking_id]
    return any(put.outcome != "ok" or put.answer["booking"]["revision"] != 1 for put in puts)
