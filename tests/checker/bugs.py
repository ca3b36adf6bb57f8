"""What a broken service would have told or left behind: clean evenings, each changed as one bug would change it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from loadgen.checking.against_database import State
from loadgen.checking.clock import wall_ns
from loadgen.checking.history import History, Recorded
from tests.checker.evening import MS
from tests.checker.service import iso


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
        hold_id, until_ns = held.answer["hold"]["hold_id"], (held.returned_ns or 0) + for_ms * MS
        return not any(
            (other.returned_ns is None or other.returned_ns >= held.invoked_ns or other.outcome == "unknown")
            and other.invoked_ns < until_ns
            for other in self.calls
            if other is not held and (other.booking_id == held.booking_id or other.hold_id == hold_id)
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


def table_given_twice(scene: Scene) -> None:
    """The constraint is gone: another booking gets a held table at once."""
    held = scene.calls[scene.pick(lambda call: ok("HoldTables")(call) and scene.is_quiet(call, 10))]
    hold = {**held.answer["hold"], "hold_id": "hold-x", "booking_id": "booking-x"}
    like = {"booking_id": "booking-x", "window": held.window, "answer": {"hold": hold}}
    scene.add(held, **after(held), **like)


def hold_lost_a_second_early(scene: Scene) -> None:
    """Somebody else got the table although the hold had a while to live, and nobody had asked for its end."""
    held = scene.calls[
        scene.pick(lambda call: ok("HoldTables")(call) and call.ttl_s == 0.6 and scene.is_quiet(call, 320))
    ]
    hold = {**held.answer["hold"], "hold_id": "hold-x", "booking_id": "booking-x"}
    scene.add(held, **after(held, 300), booking_id="booking-x", answer={"hold": hold}, ttl_s=None)


def own_hold_in_the_way(scene: Scene) -> None:
    """A booking is refused because of its own hold, on tables that nobody else ever wanted."""
    held = scene.calls[scene.pick(ok("HoldTables"))]
    alone = replace(held, table_ids=("t9",), booking_id="booking-x")
    hold = {**held.answer["hold"], "hold_id": "hold-x", "table_ids": ["t9"], "booking_id": "booking-x"}
    scene.add(alone, answer={"hold": hold, "superseded_hold_ids": []})
    told = {"outcome": "refused", "reason": "TABLE_CONFLICT_HELD", "answer": {}}
    scene.add(alone, **after(held), **told)


def refusal_invented(scene: Scene) -> None:
    """A free table is refused."""
    call = scene.calls[scene.pick(ok("HoldTables", "AssignTables"))]
    told = {"outcome": "refused", "reason": "TABLE_CONFLICT_ASSIGNED", "answer": {}, "table_ids": ("t9",)}
    scene.add(call, **told)


def blocked_after_release(scene: Scene) -> None:
    """A refusal names an assignment where at that time there can only have been a hold."""
    first = min(
        (call for call in scene.calls if ok("ConfirmHold", "AssignTables")(call)),
        key=lambda call: call.invoked_ns,
    )
    early = [
        call for call in scene.calls if call.returned_ns is not None and call.returned_ns < first.invoked_ns
    ]
    held = [call for call in early if call.method == "HoldTables" and call.outcome == "ok"]
    unsure = [
        call
        for call in scene.calls
        if call.method in SEATING and call.outcome != "ok" and call.invoked_ns < first.invoked_ns
    ]
    if not held or unsure:
        raise NoOccasionError
    told = {
        "outcome": "refused",
        "reason": "TABLE_CONFLICT_ASSIGNED",
        "answer": {},
        "booking_id": "booking-x",
    }
    scene.add(held[0], **told)


SEATING = ("ConfirmHold", "AssignTables", "ReassignTables")


def repeat_answered_afresh(scene: Scene) -> None:
    """The ledger is skipped: a repeat gets another hold."""
    held = scene.calls[scene.pick(ok("HoldTables"))]
    hold = {**held.answer["hold"], "hold_id": "hold-x"}
    again = {"request_id": held.request_id, "attempt": 2, "answer_digest": "other"}
    scene.add(held, **after(held), **again, answer={"hold": hold, "superseded_hold_ids": []})


def repeat_not_byte_equal(scene: Scene) -> None:
    """The same answer in other bytes."""
    call = scene.calls[scene.pick(lambda call: call.outcome == "ok")]
    scene.add(call, **after(call), request_id=call.request_id, attempt=2, answer_digest="other")


def refusal_forgotten(scene: Scene) -> None:
    """A recorded refusal is decided again, and well this time."""
    call = scene.calls[
        scene.pick(lambda call: call.outcome == "refused" and call.reason.startswith("TABLE_CONFLICT"))
    ]
    part = {"hold_id": "hold-x", "booking_id": call.booking_id, "table_ids": list(call.table_ids)}
    hold = {
        **part,
        "window_start": HOUR[0],
        "window_end": HOUR[1],
        "expires_at": iso(call.invoked_ns // 1_000),
    }
    told = {"outcome": "ok", "reason": "", "answer": {"hold": hold}, "answer_digest": "other", "ttl_s": None}
    scene.add(call, **after(call), request_id=call.request_id, attempt=2, **told)


HOUR = ("2027-01-01T00:00:00+00:00", "2027-01-01T01:00:00+00:00")


def other_payload_answered(scene: Scene) -> None:
    """A request_id comes again with another payload, and gets the first one's answer."""
    call = scene.calls[scene.pick(ok("HoldTables"))]
    scene.add(call, **after(call), request_id=call.request_id, request_digest="other", table_ids=("t8",))


def reuse_invented(scene: Scene) -> None:
    """A first call is refused as a reuse."""
    call = scene.calls[scene.pick(ok("HoldTables"))]
    scene.add(call, outcome="refused", reason="REQUEST_ID_REUSED", answer={})


def other_tables_than_asked(scene: Scene) -> None:
    """A member of a merge is missing in the answer."""
    place = scene.pick(lambda call: ok("HoldTables", "AssignTables")(call) and len(call.table_ids) > 1)
    member = "hold" if "hold" in scene.calls[place].answer else "assignment"
    scene.change(place, member, table_ids=list(scene.calls[place].table_ids)[1:])


def other_tables_than_held(scene: Scene) -> None:
    """Confirm gives another table than the hold has."""
    scene.change(scene.pick(ok("ConfirmHold")), "assignment", table_ids=["t7"])


def confirmed_after_expiry(scene: Scene) -> None:
    """A hold is confirmed long after its time."""
    extended = {call.hold_id for call in scene.calls if call.method == "ExtendHold"}
    place = scene.pick(
        lambda call: ok("ConfirmHold")(call) and scene.is_alone(call) and call.hold_id not in extended
    )
    late = 3_000 * MS
    call = scene.calls[place]
    assert call.returned_ns is not None
    scene.calls[place] = replace(call, invoked_ns=call.invoked_ns + late, returned_ns=call.returned_ns + late)


def expired_too_early(scene: Scene) -> None:
    """A live hold is called expired."""
    held = scene.calls[scene.pick(lambda call: ok("HoldTables")(call) and call.ttl_s == 0.6)]
    told = {"outcome": "refused", "reason": "HOLD_EXPIRED", "answer": {}, "method": "ExtendHold"}
    scene.add(held, **after(held), **told, hold_id=held.answer["hold"]["hold_id"])


def shorter_life(scene: Scene) -> None:
    """A hold gets half a second less than was asked for."""
    place = scene.pick(lambda call: ok("HoldTables")(call) and scene.is_alone(call))
    expires_at = scene.calls[place].answer["hold"]["expires_at"]
    scene.change(place, "hold", expires_at=iso(wall_ns(expires_at) // 1_000 - 500_000))


def confirmed_twice(scene: Scene) -> None:
    """Two requests confirm one hold."""
    call = scene.calls[scene.pick(ok("ConfirmHold"))]
    twin = {**call.answer["assignment"], "assignment_id": "assignment-x"}
    scene.add(call, **after(call), answer={**call.answer, "assignment": twin})


def released_and_confirmed(scene: Scene) -> None:
    """A hold that was confirmed is released, too."""
    call = scene.calls[scene.pick(ok("ConfirmHold"))]
    hold = {"hold_id": call.hold_id, "state": "released"}
    scene.add(call, method="ReleaseHold", answer={"hold": hold})


def hold_forgotten(scene: Scene) -> None:
    """A hold that was just made is not found."""
    held = scene.calls[scene.pick(ok("HoldTables"))]
    told = {"outcome": "refused", "reason": "HOLD_NOT_FOUND", "answer": {}, "method": "ExtendHold"}
    scene.add(held, **after(held), **told, hold_id=held.answer["hold"]["hold_id"])


def seated_twice(scene: Scene) -> None:
    """A booking that has tables gets other ones."""
    place = scene.pick(
        lambda call: (
            ok("AssignTables")(call)
            and not any(
                other.booking_id == call.booking_id
                and other.method in ("UnassignTables", "ReassignTables", "TransitionBooking")
                for other in scene.calls
            )
            and not changed(scene, call.booking_id)
        )
    )
    call = scene.calls[place]
    twin = {**call.answer["assignment"], "assignment_id": "assignment-x", "table_ids": ["t6"]}
    scene.add(call, **after(call), table_ids=("t6",), answer={"assignment": twin})


def changed(scene: Scene, booking_id: str) -> bool:
    puts = [call for call in scene.calls if call.method == "PutBooking" and call.booking_id == booking_id]
    return any(put.outcome != "ok" or put.answer["booking"]["revision"] != 1 for put in puts)


def confirm_lost(scene: Scene) -> None:
    """The answer came before the commit, and the commit never came."""
    row = scene.row("assignments", lambda row: row["state"] == "active" and told(scene, row["assignment_id"]))
    owner = row["assignment_id"]
    claims = [claim for claim in scene.state.claims if claim["owner_id"] != owner]
    scene.state = replace(scene.state, claims=claims)


def told(scene: Scene, assignment_id: str) -> bool:
    """Whether a client knows of the assignment, and nobody can have ended it unnoticed."""
    for call in scene.calls:
        if call.answer.get("assignment", {}).get("assignment_id") == assignment_id:
            ending = ("UnassignTables", "ReassignTables", "TransitionBooking")
            booking_id = call.answer["assignment"]["booking_id"]
            return not changed(scene, booking_id) and not any(
                other.method in ending and other.booking_id == booking_id and other.outcome != "ok"
                for other in scene.calls
            )
    return False


def member_forgotten(scene: Scene) -> None:
    """One table of a merge is not claimed."""
    merges = {
        row["assignment_id"]
        for row in scene.state.assignments
        if len(row["table_ids"]) > 1 and told(scene, row["assignment_id"])
    }
    scene.row("claims", lambda row: row["owner_id"] in merges)


def release_without_effect(scene: Scene) -> None:
    """A released hold keeps its claims."""
    released = scene.calls[
        scene.pick(lambda call: ok("ReleaseHold")(call) and call.answer["hold"]["state"] == "released")
    ]
    hold = released.answer["hold"]
    claim = {
        "restaurant_id": hold["restaurant_id"],
        "table_id": hold["table_ids"][0],
        "window_start": hold["window_start"],
        "window_end": hold["window_end"],
        "kind": "hold",
        "owner_id": hold["hold_id"],
        "booking_id": hold["booking_id"],
        "expires_at": "2027-01-01T00:00:00+00:00",
    }
    scene.put("claims", claim)


def claims_overlap(scene: Scene) -> None:
    """The database has one table twice."""
    row = next((row for row in scene.state.claims if row["kind"] == "assignment"), None)
    if row is None:
        raise NoOccasionError
    scene.put("claims", {**row, "owner_id": "assignment-x", "booking_id": "booking-x"})


def hold_from_nowhere(scene: Scene) -> None:
    """A repeat had a second effect that nobody was told of."""
    call = scene.calls[scene.pick(ok("HoldTables"))]
    row = next(row for row in scene.state.holds if row["hold_id"] == call.answer["hold"]["hold_id"])
    twins = [{**row, "hold_id": f"hold-x{number}"} for number in range(12)]
    scene.put("holds", *twins)


def ledger_row_missing(scene: Scene) -> None:
    """An answer is not recorded."""
    call = scene.calls[scene.pick(lambda call: call.outcome == "ok")]
    scene.row("ledger", lambda row: (row["method"], row["request_id"]) == (call.method, call.request_id))


def event_missing(scene: Scene) -> None:
    """A change is not told to the world."""
    call = scene.calls[scene.pick(ok("HoldTables"))]
    hold_id = call.answer["hold"]["hold_id"]
    scene.row(
        "events", lambda row: (row["event_type"], row["subject_id"]) == ("capacity.hold.created", hold_id)
    )


def commits_out_of_order(scene: Scene) -> None:
    """A change that was answered early is numbered last."""
    first = min(
        (call for call in scene.calls if ok("PutBooking")(call)), key=lambda call: call.returned_ns or 0
    )
    row = scene.row("events", lambda row: row["request_id"] == first.request_id)
    scene.put("events", {**row, "floor_version": 100_000})


def old_need_confirmed(scene: Scene) -> None:
    """A hold is confirmed although its booking has another window since."""
    held = scene.calls[scene.pick(ok("HoldTables"))]
    hold = {**held.answer["hold"], "hold_id": "hold-x", "booking_id": "booking-x"}
    window = {"window_start": HOUR[0], "window_end": HOUR[1]}
    scene.add(held, booking_id="booking-x", table_ids=("t8",), answer={"hold": {**hold, "table_ids": ["t8"]}})
    put = {"booking": {"booking_id": "booking-x", "revision": 2, "status": "pending", **window}}
    scene.add(
        held, **after(held), method="PutBooking", booking_id="booking-x", window=HOUR, answer=put, ttl_s=None
    )
    part = {**hold, "assignment_id": "assignment-x", "table_ids": ["t8"]}
    scene.add(
        held,
        **after(held, 20),
        method="ConfirmHold",
        hold_id="hold-x",
        booking_id="booking-x",
        table_ids=(),
        ttl_s=None,
        answer={"assignment": part},
    )


# Each bug with the word that the checker has for it.
BUGS: Mapping[Callable[[Scene], None], str] = {
    table_given_twice: "table_given_twice",
    hold_lost_a_second_early: "table_given_twice",
    own_hold_in_the_way: "refused_without_cause",
    refusal_invented: "refused_without_cause",
    blocked_after_release: "refused_without_cause",
    repeat_answered_afresh: "one_request_two_answers",
    repeat_not_byte_equal: "one_request_two_answers",
    refusal_forgotten: "one_request_two_answers",
    other_payload_answered: "request_id_reused",
    reuse_invented: "request_id_reused",
    other_tables_than_asked: "wrong_tables",
    other_tables_than_held: "wrong_tables",
    confirmed_after_expiry: "hold_was_over",
    expired_too_early: "refused_without_cause",
    shorter_life: "wrong_expiry",
    confirmed_twice: "hold_used_twice",
    released_and_confirmed: "hold_used_twice",
    hold_forgotten: "refused_without_cause",
    seated_twice: "booking_seated_twice",
    confirm_lost: "lost",
    member_forgotten: "lost",
    release_without_effect: "not_given_back",
    claims_overlap: "claims_overlap",
    hold_from_nowhere: "from_nowhere",
    ledger_row_missing: "ledger_differs",
    event_missing: "event_missing",
    commits_out_of_order: "order_of_commits",
    old_need_confirmed: "old_need",
}


def with_bug(
    bug: Callable[[Scene], None], history: History, state: State, seed: int
) -> tuple[History, State]:
    """The evening as the bug would have left it. Raises NoOccasionError."""
    scene = Scene(list(history.calls), state, Random(seed))
    try:
        bug(scene)
    except (ValueError, StopIteration) as nothing:
        raise NoOccasionError from nothing
    return replace(history, calls=tuple(sorted(scene.calls, key=lambda call: call.invoked_ns))), scene.state
