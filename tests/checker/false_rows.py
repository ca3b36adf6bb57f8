"""What a broken service would have left behind: clean evenings whose rows are changed as one bug would change them."""

from dataclasses import replace
from typing import Any

from tests.checker.scene import NoOccasionError, Scene, changed, ok


def confirm_lost(scene: Scene) -> None:
    """The answer came before the commit, and the commit never came."""
    owner = _standing(scene)["assignment_id"]
    claims = [claim for claim in scene.state.claims if claim["owner_id"] != owner]
    scene.state = replace(scene.state, claims=claims)


def called_released(scene: Scene) -> None:
    """The row of an assignment that stands says that it was given up."""
    scene.put("assignments", {**_standing(scene), "state": "released"})


def given_for_another_time(scene: Scene) -> None:
    """The row of an assignment has another window than its claims."""
    row = _standing(scene)
    scene.put("assignments", {**row, "window_end": row["window_start"]})


def given_other_tables(scene: Scene) -> None:
    """The row of an assignment has other tables than its claims."""
    scene.put("assignments", {**_standing(scene), "table_ids": ["t9"]})


def claimed_for_another_time(scene: Scene) -> None:
    """A claim of an assignment that stands lasts for an instant."""
    given = _standing(scene)
    scene.put("assignments", given)
    row = scene.row("claims", lambda row: row["owner_id"] == given["assignment_id"])
    scene.put("claims", {**row, "window_end": row["window_start"]})


def booking_left_out(scene: Scene) -> None:
    """An assignment was made, and its booking knows nothing of it."""
    given = _standing(scene)
    scene.put("assignments", given)
    row = scene.row("bookings", lambda row: row["assignment_id"] == given["assignment_id"])
    scene.put("bookings", {**row, "assignment_id": None})


def _standing(scene: Scene) -> dict[str, Any]:
    """The row of an assignment, taken out, that a client was told of and nobody can have ended."""
    return scene.row(
        "assignments", lambda row: row["state"] == "active" and told(scene, row["assignment_id"])
    )


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
