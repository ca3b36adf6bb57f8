"""An evening of clients who share bookings and tables, lose answers, repeat and give up, and its whole history."""

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any

from loadgen.checking.against_database import State
from loadgen.checking.history import Clock, History, Recorded, digest_of
from tests.checker.service import RESTAURANT, STEPS, Answer, Service, Window, iso

MS = 1_000_000
START_NS = 5_000_000 * MS
WALL_NS = 1_795_000_000_000 * MS
# By how much the service's clock differs from the clients'; the checker is told to allow more.
SKEW_MS = 20
# Half hours: windows that follow one another share an hour.
HOURS = tuple(f"2026-11-27T{hour:02d}:30:00+00:00" for hour in range(17, 23))

GOING = ("confirmed", "checked_in", "no_show")
OFTEN = {"check_in": 4, "complete": 6, "cancel": 1, "no_show": 2, "undo_no_show": 4}

Told = tuple[str, str, Answer]
Client = Generator[Recorded, Told | None, None]


@dataclass
class Evening:
    """From a seed; time is virtual."""

    seed: int
    calls_max: int = 120
    clients: int = 6
    tables: int = 5
    records: list[Recorded] = field(default_factory=list)
    service: Service = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.service = Service(self.random)
        self._skew_ns = self.random.randint(-SKEW_MS, SKEW_MS) * MS
        self._numbers = count(1)
        self._due: list[tuple[int, int, Any]] = []
        self._bookings: dict[str, Window] = {}
        self._names: list[str] = []
        # How many of the newest bookings and holds are acted on.
        self._recent = max(8, self.clients)
        self._holds: list[tuple[str, str, tuple[str, ...]]] = []
        self._blocks = ["block-unknown"]
        self._stood: dict[str, str] = {}
        self._now_ns = START_NS

    def lived(self) -> tuple[History, State]:
        """The history of the evening, and the rows it left."""
        for number in range(self.clients):
            client = self._client()
            self._at(
                self.random.randint(0, 5 * MS),
                lambda client=client, number=number: self._go_on(client, number, None),
            )
        while self._due:
            self._now_ns, _, work = heappop(self._due)
            work()
        clocks = (Clock(START_NS, START_NS + WALL_NS), Clock(self._now_ns, self._now_ns + WALL_NS))
        calls = sorted(self.records, key=lambda call: call.invoked_ns)
        return History(tuple(calls), clocks, str(self.seed)), self._state()

    def _at(self, in_ns: int, work: Any) -> None:
        heappush(self._due, (self._now_ns + in_ns, next(self._numbers), work))

    def _go_on(self, client: Client, number: int, told: Told | None) -> None:
        if len(self.records) >= self.calls_max:
            return
        try:
            asked = client.send(told)
        except StopIteration:
            return
        self._send(client, replace(asked, client=number, request_id=f"r{next(self._numbers)}"), 1)

    def _send(self, client: Client, asked: Recorded, attempt: int) -> None:
        """One attempt: the request may get lost, its answer too, and the effect may come after the client gave up."""
        chance = self.random
        payload = _payload(asked)
        call = replace(
            asked,
            call=len(self.records) + 1,
            attempt=attempt,
            invoked_ns=self._now_ns,
            request_digest=digest_of(repr(payload).encode()),
            restaurant_id=RESTAURANT,
        )
        place = len(self.records)
        self.records.append(call)
        patience_ns = chance.randint(30, 60) * MS
        lost = chance.random()
        takes_ns = chance.randint(1, 12) * MS if chance.random() < 0.9 else chance.randint(20, 120) * MS
        back_ns = chance.randint(1, 8) * MS

        def work() -> None:
            self.service.now_us = (self._now_ns + WALL_NS + self._skew_ns) // 1_000
            told = self.service.answer(asked.method, asked.request_id, payload)
            if takes_ns + back_ns < patience_ns and lost >= 0.12:
                self._at(back_ns, lambda: self._answered(client, place, told))

        if lost >= 0.04:
            self._at(takes_ns, work)
        if lost < 0.12 or takes_ns + back_ns >= patience_ns:
            self._at(patience_ns, lambda: self._given_up(client, place, asked, attempt))

    def _answered(self, client: Client, place: int, told: Told) -> None:
        outcome, reason, answer = told
        call = self.records[place]
        self.records[place] = replace(
            call,
            returned_ns=self._now_ns,
            outcome=outcome,  # type: ignore[arg-type]
            reason=reason,
            answer=answer,
            answer_digest=digest_of(repr(told).encode()),
        )
        self._at(self.random.randint(0, 15 * MS), lambda: self._go_on(client, call.client, told))

    def _given_up(self, client: Client, place: int, asked: Recorded, attempt: int) -> None:
        """Some write down that their time was over, some die; most repeat the identical call."""
        call, chance = self.records[place], self.random
        if chance.random() < 0.5:
            told = replace(call, returned_ns=self._now_ns, outcome="refused", reason="DEADLINE_EXCEEDED")
            self.records[place] = told
        if attempt < 4 and chance.random() < 0.8:
            self._send(client, asked, attempt + 1)
        else:
            self._at(self.random.randint(0, 15 * MS), lambda: self._go_on(client, asked.client, None))

    def _client(self) -> Client:
        while True:
            told = yield self._wish()
            if told is not None and told[0] == "ok" and "hold" in told[2]:
                hold = told[2]["hold"]
                self._holds.append((hold["hold_id"], hold["booking_id"], tuple(hold["table_ids"])))
            if told is not None and told[0] == "ok" and "block" in told[2]:
                self._blocks.append(told[2]["block"]["block_id"])
            if told is not None and told[0] == "ok" and "booking" in told[2]:
                booking = told[2]["booking"]
                self._stood[booking["booking_id"]] = booking["status"]

    def _wish(self) -> Recorded:
        """What somebody does next: mostly to a hold that somebody knows of, or for a booking that there is."""
        chance = self.random
        if len(self._bookings) < 4 or chance.random() < 0.08:
            return self._put(f"booking-{len(self._bookings)}")
        booking_id = chance.choice(self._names[-self._recent :])
        window = self._bookings[booking_id]
        tables = tuple(
            f"t{n}" for n in sorted(chance.sample(range(self.tables), chance.choice((1, 1, 2, 3))))
        )
        ttl_s = chance.choice((0.15, 0.3, 0.6))
        asked = Recorded("", booking_id=booking_id, window=window, table_ids=tables, ttl_s=ttl_s)
        draw = chance.random()
        if self._holds and draw < 0.5:
            return self._about_a_hold(replace(asked, booking_id=""))
        if draw < 0.74:
            return replace(asked, method="HoldTables")
        if draw < 0.87:
            method = chance.choice(("AssignTables", "UnassignTables", "UnassignTables", "ReassignTables"))
            whole = method == "UnassignTables" and chance.random() < 0.6
            return replace(asked, method=method, ttl_s=None, table_ids=() if whole else tables)
        if draw < 0.88:
            return self._put(booking_id)
        if draw < 0.97:
            return self._step(booking_id)
        if draw < 0.985:
            return Recorded("BlockTables", table_ids=tables, window=window)
        return Recorded("UnblockTables", hold_id=chance.choice(self._blocks[-3:]))

    def _step(self, booking_id: str) -> Recorded:
        """Mostly one that can be taken as far as somebody knows."""
        chance, actions = self.random, list(STEPS)
        going = [name for name, status in self._stood.items() if status in GOING]
        if going and chance.random() < 0.8:
            booking_id = chance.choice(going[-4:])
            actions = [action for action, (before, _) in STEPS.items() if self._stood[booking_id] in before]
        window = self._bookings[booking_id]
        (action,) = chance.choices(actions, [OFTEN[action] for action in actions])
        return Recorded("TransitionBooking", booking_id=booking_id, window=window, action=action)

    def _about_a_hold(self, asked: Recorded) -> Recorded:
        chance = self.random
        hold_id, booking_id, held = chance.choice(self._holds[-self._recent :])
        method = chance.choice(("ConfirmHold", "ConfirmHold", "ReleaseHold", "ExtendHold", "ReplaceHold"))
        about = replace(asked, method=method, hold_id=hold_id, window=None)
        match method:
            case "ConfirmHold":
                return replace(about, booking_id=booking_id, table_ids=chance.choice(((), held)), ttl_s=None)
            case "ReleaseHold":
                return replace(about, table_ids=(), ttl_s=None)
            case "ExtendHold":
                return replace(about, table_ids=())
            case _:
                return about

    def _put(self, booking_id: str) -> Recorded:
        start = self.random.randrange(len(HOURS) - 2)
        window = (HOURS[start], HOURS[start + self.random.choice((1, 2))])
        if booking_id not in self._bookings:
            self._names.append(booking_id)
        self._bookings[booking_id] = window
        return Recorded("PutBooking", booking_id=booking_id, window=window)

    def _state(self) -> State:
        """The rows; claims of holds that are over may be swept or not."""
        service = self.service
        now_us = (self._now_ns + 300 * MS + WALL_NS + self._skew_ns) // 1_000
        claims = [
            {
                "restaurant_id": RESTAURANT,
                "table_id": table_id,
                "window_start": owner.window[0],
                "window_end": owner.window[1],
                "kind": owner.kind,
                "owner_id": owner.owner_id,
                "booking_id": owner.booking_id,
                "expires_at": None if owner.expires_us is None else iso(owner.expires_us),
            }
            for owner in service.owners.values()
            if owner.state == "active" and (owner.live_at(now_us) or self.random.random() < 0.5)
            for table_id in owner.table_ids
        ]
        ledger = [
            {
                "method": method,
                "request_id": request_id,
                "refused": outcome == "refused",
                "reason": reason,
                "subject_id": _subject(answer),
            }
            for (method, request_id), (_, outcome, reason, answer) in service.ledger.items()
        ]
        return State(
            iso(now_us),
            claims,
            [owner.row() for owner in service.owners.values() if owner.kind == "hold"],
            [owner.row() for owner in service.owners.values() if owner.kind == "assignment"],
            [
                {
                    "restaurant_id": RESTAURANT,
                    "booking_id": each.booking_id,
                    "status": each.status,
                    "assignment_id": each.assignment_id,
                }
                for each in service.bookings.values()
            ],
            ledger,
            list(service.events),
        )


def _payload(asked: Recorded) -> dict[str, Any]:
    """The arguments of the service's method."""
    wanted: dict[str, tuple[str, ...]] = {
        "PutBooking": ("booking_id", "window"),
        "HoldTables": ("booking_id", "table_ids", "ttl_s"),
        "ExtendHold": ("hold_id", "ttl_s"),
        "ReplaceHold": ("hold_id", "table_ids", "ttl_s"),
        "ReleaseHold": ("hold_id",),
        "ConfirmHold": ("hold_id", "booking_id", "table_ids"),
        "AssignTables": ("booking_id", "table_ids"),
        "ReassignTables": ("booking_id", "table_ids"),
        "UnassignTables": ("booking_id", "table_ids"),
        "TransitionBooking": ("booking_id", "action"),
        "BlockTables": ("table_ids", "window"),
        "UnblockTables": ("hold_id",),
    }
    return {name: getattr(asked, name) for name in wanted[asked.method]}


def _subject(answer: Answer) -> str:
    if "hold" in answer:
        return str(answer["hold"]["hold_id"])
    return str(answer["assignment"]["assignment_id"]) if "assignment" in answer else ""
