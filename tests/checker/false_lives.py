"""What a broken service would have made of bookings' lives and of blocks: clean evenings, each changed as one bug would
change them.
"""

from dataclasses import replace
from typing import Any

from loadgen.checking.history import Recorded
from loadgen.checking.operations import is_definite
from tests.checker.evening import MS
from tests.checker.scene import NoOccasionError, Scene, after, ok, step

REFUSED = {"outcome": "refused", "answer": {}}


def seated_after_the_end(scene: Scene) -> None:
    """A cancelled booking gets tables."""
    cancelled = scene.calls[scene.pick(step("cancel"))]
    part = {"assignment_id": "assignment-x", "booking_id": cancelled.booking_id, "table_ids": ["t8"]}
    window = {name: cancelled.answer["booking"][name] for name in ("window_start", "window_end")}
    assigned = {"assignment": {**part, **window}}
    like = {"method": "AssignTables", "action": "", "table_ids": ("t8",), "answer": assigned}
    scene.add(cancelled, **after(cancelled), **like)


def step_out_of_turn(scene: Scene) -> None:
    """A party leaves that had left before."""
    left = scene.calls[scene.pick(step("complete"))]
    scene.add(left, **after(left))


def step_that_leads_elsewhere(scene: Scene) -> None:
    """Who is said not to have come is cancelled."""
    scene.change(scene.pick(step("no_show")), "booking", status="cancelled")


def step_refused_in_vain(scene: Scene) -> None:
    """A party that sits cannot leave."""
    came = scene.calls[scene.pick(lambda call: step("check_in")(call) and alone(scene, call))]
    scene.add(came, **after(came), **REFUSED, action="complete", reason="INVALID_STATE_TRANSITION")


def return_refused_in_vain(scene: Scene) -> None:
    """A party that came after all is told that somebody has its tables, and nobody else ever asked for them."""
    seated = scene.calls[scene.pick(ok("AssignTables"))]
    mine = replace(seated, booking_id="booking-x", table_ids=("t9",))
    part = {**seated.answer["assignment"], "booking_id": "booking-x", "table_ids": ["t9"]}
    scene.add(mine, answer={"assignment": {**part, "assignment_id": "assignment-x"}})
    step_of = {"method": "TransitionBooking", "table_ids": ()}
    away = {"booking": {"booking_id": "booking-x", "status": "no_show"}}
    scene.add(mine, **after(seated), **step_of, action="no_show", answer=away)
    told = {**REFUSED, "reason": "TABLE_CONFLICT_ASSIGNED"}
    scene.add(mine, **after(seated, 10), **step_of, action="undo_no_show", **told)


def alone(scene: Scene, call: Recorded) -> bool:
    """Whether nothing else that was asked for the booking can have been done since this was sent."""
    told = {
        other.request_id: other for other in reversed(scene.calls) if other.returned_ns and is_definite(other)
    }
    until_ns = (call.returned_ns or 0) + 20 * MS
    return call.attempt == 1 and not any(
        other.request_id != call.request_id
        and other.booking_id == call.booking_id
        and other.method != "HoldTables"
        and other.invoked_ns < until_ns
        and (other.request_id not in told or (told[other.request_id].returned_ns or 0) >= call.invoked_ns)
        for other in scene.calls
    )


def table_of_a_party_that_came_given(scene: Scene) -> None:
    """Another booking gets the tables that a no-show, who came after all, has again."""
    place = scene.pick(lambda call: step("undo_no_show")(call) and alone(scene, call))
    came = scene.calls[place]
    seated = [
        call
        for call in scene.calls
        if call.method in ("ConfirmHold", "AssignTables", "ReassignTables", "UnassignTables")
        and call.booking_id == came.booking_id
        and "assignment" in call.answer
    ]
    tables = {tuple(call.answer["assignment"]["table_ids"]) for call in seated}
    if len(tables) != 1:
        raise NoOccasionError
    part = {**seated[0].answer["assignment"], "assignment_id": "assignment-x", "booking_id": "booking-x"}
    like = {"method": "AssignTables", "booking_id": "booking-x", "action": "", "table_ids": tables.pop()}
    scene.add(came, **after(came), **like, answer={"assignment": part})


def no_show_kept_its_tables(scene: Scene) -> None:
    """The tables of a party that did not come are still kept for it."""
    _kept(scene, "no_show")


def party_that_left_kept_its_tables(scene: Scene) -> None:
    """A party leaves before its window begins, and its tables are kept until the end."""
    _kept(scene, "complete")


def _kept(scene: Scene, action: str) -> None:
    ended = scene.calls[scene.pick(lambda call: step(action)(call) and alone(scene, call))]
    given = [
        call.answer["assignment"]
        for call in scene.calls
        if call.booking_id == ended.booking_id
        and "assignment" in call.answer
        and (call.returned_ns or 0) < ended.invoked_ns
    ]
    if not given:
        raise NoOccasionError
    scene.put("claims", _claim(given[-1], "assignment"))


def step_lost(scene: Scene) -> None:
    """A step was answered, and rolled back."""
    called_off = {call.booking_id for call in scene.calls if step("cancel")(call)}
    row = scene.row("bookings", lambda row: row["booking_id"] in called_off)
    scene.put("bookings", {**row, "status": "pending"})


def step_not_told(scene: Scene) -> None:
    """A step has no event."""
    taken = scene.calls[scene.pick(lambda call: call.outcome == "ok" and bool(call.action))]
    scene.row(
        "events",
        lambda row: (
            (row["event_type"], row["request_id"]) == ("capacity.booking.transitioned", taken.request_id)
        ),
    )


def blocked_table_given(scene: Scene) -> None:
    """Somebody gets a table that is blocked."""
    blocked = scene.calls[scene.pick(lambda call: ok("BlockTables")(call) and _stays(scene, call))]
    block = blocked.answer["block"]
    part = {
        **{name: block[name] for name in ("table_ids", "window_start", "window_end")},
        "assignment_id": "assignment-x",
        "booking_id": "booking-x",
    }
    like = {"method": "AssignTables", "booking_id": "booking-x", "answer": {"assignment": part}}
    scene.add(blocked, **after(blocked), **like)


def _stays(scene: Scene, blocked: Recorded) -> bool:
    block_id = blocked.answer["block"]["block_id"]
    return not any(call.hold_id == block_id for call in scene.calls)


def block_invented(scene: Scene) -> None:
    """A table that nobody blocked is said to be."""
    call = scene.calls[scene.pick(ok("HoldTables", "AssignTables"))]
    scene.add(call, **REFUSED, reason="TABLE_BLOCKED", table_ids=("t9",))


def block_forgotten(scene: Scene) -> None:
    """A block that was just made is not found."""
    blocked = scene.calls[scene.pick(ok("BlockTables"))]
    told = {**REFUSED, "reason": "BLOCK_NOT_FOUND", "method": "UnblockTables"}
    scene.add(blocked, **after(blocked), **told, hold_id=blocked.answer["block"]["block_id"])


def other_tables_blocked(scene: Scene) -> None:
    """A block is of another table than was asked for."""
    scene.change(scene.pick(ok("BlockTables")), "block", table_ids=["t7"])


def unblocked_and_kept(scene: Scene) -> None:
    """A block was lifted, and still claims."""
    lifted = scene.calls[scene.pick(ok("UnblockTables"))]
    made = [call for call in scene.calls if ok("BlockTables")(call)]
    if not any(call.answer["block"]["block_id"] == lifted.hold_id for call in made):
        raise NoOccasionError
    scene.put("claims", _claim(lifted.answer["block"], "block"))


def block_lost(scene: Scene) -> None:
    """A block was answered, and keeps nobody away."""
    blocked = scene.calls[scene.pick(lambda call: ok("BlockTables")(call) and _stays(scene, call))]
    block_id = blocked.answer["block"]["block_id"]
    claims = [claim for claim in scene.state.claims if claim["owner_id"] != block_id]
    scene.state = replace(scene.state, claims=claims)


def _claim(row: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        "restaurant_id": row["restaurant_id"],
        "table_id": row["table_ids"][0],
        "window_start": row["window_start"],
        "window_end": row["window_end"],
        "kind": kind,
        "owner_id": row[f"{kind}_id"],
        "booking_id": row["booking_id"],
        "expires_at": None,
    }
