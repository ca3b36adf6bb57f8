"""What a broken service would have told: clean evenings, each changed as one bug would change it."""

from dataclasses import replace

from loadgen.checking.clock import wall_ns
from tests.checker.evening import MS
from tests.checker.scene import NoOccasionError, Scene, after, changed, ok
from tests.checker.service import iso


def table_given_twice(scene: Scene) -> None:
    """The constraint is gone: another booking gets a held table at once."""
    held = scene.calls[scene.pick(lambda call: ok("HoldTables")(call) and scene.is_quiet(call, 10))]
    hold = {**held.answer["hold"], "hold_id": "hold-x", "booking_id": "booking-x"}
    like = {"booking_id": "booking-x", "window": held.window, "answer": {"hold": hold}}
    scene.add(held, **after(held), **like)


def confirmed_table_given(scene: Scene) -> None:
    """Another booking gets tables that somebody's hold has become."""
    call = scene.calls[scene.pick(lambda call: ok("ConfirmHold")(call) and scene.is_quiet(call, 10))]
    part = {**call.answer["assignment"], "assignment_id": "assignment-x", "booking_id": "booking-x"}
    like = {"method": "AssignTables", "booking_id": "booking-x", "hold_id": ""}
    scene.add(call, **after(call), **like, table_ids=tuple(part["table_ids"]), answer={"assignment": part})


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


def called_expired_when_it_is_given_back(scene: Scene) -> None:
    """A live hold is said to have expired before it was released."""
    held = scene.calls[scene.pick(lambda call: ok("HoldTables")(call) and call.ttl_s == 0.6)]
    hold = {**held.answer["hold"], "state": "expired"}
    scene.add(held, **after(held), method="ReleaseHold", hold_id=hold["hold_id"], answer={"hold": hold})


def confirm_refused_in_vain(scene: Scene) -> None:
    """Somebody else is said to have what is held, and nobody ever asked for it. The call names the hold alone."""
    held = scene.calls[scene.pick(ok("HoldTables"))]
    part = {**held.answer["hold"], "hold_id": "hold-x", "table_ids": ["t9"], "booking_id": "booking-x"}
    alone = replace(held, table_ids=("t9",), booking_id="booking-x")
    scene.add(alone, answer={"hold": part, "superseded_hold_ids": []})
    told = {"outcome": "refused", "reason": "TABLE_CONFLICT_ASSIGNED", "answer": {}}
    scene.add(alone, **after(held), **told, method="ConfirmHold", hold_id="hold-x", table_ids=(), ttl_s=None)


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
