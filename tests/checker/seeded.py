"""Bugs that are sown into the real server, one at a time, and a load that gives each of them its chance.

The server runs in this process, so that a bug is a function put in the place of another one for as long as it is
wanted; the product knows no switch for any of this.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, cast
from unittest.mock import patch
from uuid import UUID, uuid4

from loadgen.checking.against_database import State
from loadgen.checking.check import check_history
from loadgen.checking.report import Report
from server.bootstrap import serving
from server.config import load_settings
from server.domain.booking import TRANSITIONS, BookingAction, BookingStatus
from server.domain.claims import Claim
from server.errors import ClaimKind, Reason, ServiceError, refuse
from server.orchestrator import (
    assigning,
    candidate,
    confirm_hold,
    hold_tables,
    idempotency,
    put_booking,
    release_hold,
    situation,
    transition_booking,
    unassign_tables,
    unblock_tables,
)
from server.orchestrator.candidate import Candidate
from server.orchestrator.changes import Changes
from server.orchestrator.hold_tables import Held, HoldLimits
from server.orchestrator.idempotency import Once, method_of
from server.persistence.evidence import database_evidence
from server.persistence.group_member import Member
from server.persistence.unit import SqlUnit
from tests.builders.world import small_world
from tests.checker.day import lived
from tests.conftest import Served
from tests.support.database import connected

SECOND: Final = timedelta(seconds=1)
CALLS: Final = 150
# A transaction of one's own, and a place in one that is shared.
UNITS: Final = (SqlUnit, Member)


@dataclass(frozen=True, slots=True)
class Sown:
    """A bug: what it puts in whose place, and the words by one of which the checker has to call it.

    `unprotected` takes the database's own constraint away as well. For `contest_s` at most somebody wants what another
    one holds for `ttl_s`.
    """

    sow: Callable[[ExitStack], None]
    rules: frozenset[str]
    contest_s: float = 0.0
    ttl_s: float = 2.0
    unprotected: bool = False

    @contextmanager
    def growing(self) -> Iterator[None]:
        with ExitStack() as stack:
            self.sow(stack)
            yield


async def checked(
    url: str, folder: Path, seed: int, sown: "Sown | None" = None, calls_max: int = CALLS
) -> Report:
    """One load on a fresh database, with the bug or without any, and what the checker says of it."""
    with ExitStack() as stack:
        if sown is not None:
            stack.enter_context(sown.growing())
        return await _checked(url, folder, seed, sown or Sown(lambda _: None, frozenset()), calls_max)


async def _checked(url: str, folder: Path, seed: int, sown: Sown, calls_max: int) -> Report:
    if sown.unprotected:
        async with connected(url) as connection:
            await connection.execute("ALTER TABLE table_claims DROP CONSTRAINT table_claims_no_overlap")
    settings = load_settings(
        port=0, log_level="error", pool_size_min=1, hold_ttl_s_min=1.0, hold_ttl_s_default=2.0
    )
    async with serving(settings, url) as running:
        served = Served(running.address, url, uuid4())
        async with served.client() as client:
            world = await small_world(client)
            await lived(
                served, world, folder, seed, calls_max=calls_max, contest_s=sown.contest_s, ttl_s=sown.ttl_s
            )
        rows = await database_evidence(url, [UUID(world.restaurant_id)])
    return check_history(folder, State(**rows))


def _constraint_dropped(stack: ExitStack) -> None:
    """Neither the service nor the database minds who else has a table."""
    stack.enter_context(patch.object(candidate, "foreign", lambda *_: ()))


def _own_hold_in_the_way(stack: ExitStack) -> None:
    stack.enter_context(patch.object(situation, "owned", lambda *_: False))


def _ledger_skipped(stack: ExitStack) -> None:
    """Every call is taken for a new one."""
    known = idempotency.recorded_request

    def fresh(caller: Any, command: Any) -> Any:
        return replace(known(caller, command), request_id=uuid4())

    stack.enter_context(patch.object(idempotency, "recorded_request", fresh))


def _member_forgotten(stack: ExitStack) -> None:
    """Only the first table of a merge is claimed by a hold."""
    claims = hold_tables.hold_claims
    stack.enter_context(
        patch.object(hold_tables, "hold_claims", lambda hold, *more: iter([next(claims(hold, *more))]))
    )


def _expiry_early(stack: ExitStack) -> None:
    """Long before its time others may take what is held: long enough to be seen on a busy machine."""
    stack.enter_context(
        patch.object(
            Claim,
            "live_at",
            lambda claim, now: claim.expires_at is None or claim.expires_at - 10 * SECOND > now,
        )
    )


def _expiry_late(stack: ExitStack) -> None:
    """For a second after its time a hold still keeps others out."""
    stack.enter_context(
        patch.object(
            Claim, "live_at", lambda claim, now: claim.expires_at is None or claim.expires_at + SECOND > now
        )
    )


def _release_keeps_claims(stack: ExitStack) -> None:
    stack.enter_context(patch.object(release_hold, "Changes", _without_drops))


def _unassign_keeps_claims(stack: ExitStack) -> None:
    stack.enter_context(patch.object(unassign_tables, "Changes", _without_drops))


def _unblock_keeps_claims(stack: ExitStack) -> None:
    stack.enter_context(patch.object(unblock_tables, "Changes", _without_drops))


def _no_show_keeps_claims(stack: ExitStack) -> None:
    _keeping(stack, "_released")


def _leaving_keeps_claims(stack: ExitStack) -> None:
    _keeping(stack, "_completed")


def _keeping(stack: ExitStack, name: str) -> None:
    ending = getattr(transition_booking, name)
    stack.enter_context(
        patch.object(
            transition_booking,
            name,
            lambda *about: replace(ending(*about), claims_dropped_of=(), claims_cut=()),
        )
    )


def _cancelled_twice(stack: ExitStack) -> None:
    again = {BookingStatus.CANCELLED: {BookingAction.CANCEL: BookingStatus.CANCELLED}}
    stack.enter_context(patch.dict(cast("dict[Any, Any]", TRANSITIONS), again))


def _nobody_comes_after_all(stack: ExitStack) -> None:
    stack.enter_context(patch.dict(cast("dict[Any, Any]", TRANSITIONS), {BookingStatus.NO_SHOW: {}}))


def _blocks_ignored(stack: ExitStack) -> None:
    """Neither the service nor the database minds a block."""
    foreign = situation.foreign
    stack.enter_context(
        patch.object(
            candidate,
            "foreign",
            lambda *about: tuple(claim for claim in foreign(*about) if claim.kind is not ClaimKind.BLOCK),
        )
    )


def _without_drops(**changes: Any) -> Changes:
    return Changes(**{**changes, "claims_dropped_of": ()})


class _NotCommitted(Exception):
    """Carries an answer out of a transaction that is rolled back."""

    def __init__(self, answer: object) -> None:
        self.answer = answer


def _confirm_lost(stack: ExitStack) -> None:
    """The answer is given, and what it says is rolled back."""
    together = Once.run_together

    async def answered(once: Once, caller: Any, command: Any, kind: Any, body: Any, *more: Any) -> Any:
        async def undone(unit: Any) -> Any:
            raise _NotCommitted(await body(unit))

        if method_of(command) != "ConfirmHold":
            return await together(once, caller, command, kind, body, *more)
        try:
            # In a transaction of its own, so that nothing else is rolled back with it.
            return await once.run(caller, command, kind, undone, more[0])
        except _NotCommitted as lost:
            return lost.answer

    stack.enter_context(patch.object(Once, "run_together", answered))


def _confirm_tells_other_tables(stack: ExitStack) -> None:
    together = Once.run_together

    async def answered(once: Once, caller: Any, command: Any, *more: Any) -> Any:
        answer = await together(once, caller, command, *more)
        if method_of(command) != "ConfirmHold":
            return answer
        return replace(answer, assignment=replace(answer.assignment, table_ids=(uuid4(),)))

    stack.enter_context(patch.object(Once, "run_together", answered))


def _fresh_id_for_a_repeat(stack: ExitStack) -> None:
    def forgetful(recall: Callable[..., Any]) -> Callable[..., Any]:
        async def recalled(unit: Any, *request: Any) -> Any:
            known = await recall(unit, *request)
            return (
                replace(known, hold=replace(known.hold, hold_id=uuid4()))
                if isinstance(known, Held)
                else known
            )

        return recalled

    for unit in UNITS:
        stack.enter_context(patch.object(unit, "recall", forgetful(unit.recall)))


def _refusals_forgotten(stack: ExitStack) -> None:
    async def forgotten(*about: Any) -> Any:
        return next(each.refusal for each in about if isinstance(each, ServiceError))

    for recording in ("_record_refusal", "_record_among_others"):
        stack.enter_context(patch.object(Once, recording, forgotten))


def _events_lost(stack: ExitStack) -> None:
    def silent(write: Callable[..., Any]) -> Callable[..., Any]:
        async def written(unit: Any, restaurant_id: UUID, changes: Changes) -> Any:
            return await write(unit, restaurant_id, replace(changes, events=()))

        return written

    for unit in UNITS:
        stack.enter_context(patch.object(unit, "write", silent(unit.write)))


def _refusal_invented(stack: ExitStack) -> None:
    """Every third time, somebody is said to hold the table."""
    fit, turns = Candidate.require_fit, iter(range(10_000))

    def require_fit(wanted: Candidate) -> None:
        fit(wanted)
        if next(turns) % 3 == 0:
            raise refuse(Reason.TABLE_CONFLICT_HELD, "It is not free.", table_ids="")

    stack.enter_context(patch.object(Candidate, "require_fit", require_fit))


def _epoch_ignored(stack: ExitStack) -> None:
    """Holds outlive a change of their booking, and are confirmed for the time it had."""

    async def no_ends(*_: object) -> tuple[dict[UUID, Any], tuple[Any, ...]]:
        return {}, ()

    stack.enter_context(patch.object(put_booking, "end_holds", no_ends))
    stack.enter_context(patch.object(confirm_hold, "_require_same_need", lambda *_: None))


def _confirmed_can_be_released(stack: ExitStack) -> None:
    stack.enter_context(patch.object(release_hold, "require_active", lambda *_: None))


def _life_cut_short(stack: ExitStack) -> None:
    ttl = HoldLimits.ttl
    stack.enter_context(
        patch.object(HoldLimits, "ttl", lambda limits, wanted: ttl(limits, wanted) - SECOND / 2)
    )


def _other_holds_survive(stack: ExitStack) -> None:
    """A booking that gets tables keeps what it held beside them."""

    async def none(*_: object) -> dict[UUID, Any]:
        return {}

    stack.enter_context(patch.object(assigning, "_ended_holds", none))


_TWICE: Final = frozenset({"table_given_twice"})
_DISHONEST: Final = frozenset({"refused_without_cause"})

SEEDED: Final[Mapping[str, Sown]] = {
    "constraint dropped": Sown(_constraint_dropped, _TWICE, ttl_s=30.0, unprotected=True),
    "own hold in the way": Sown(_own_hold_in_the_way, _DISHONEST, ttl_s=30.0),
    "ledger skipped": Sown(_ledger_skipped, frozenset({"one_request_two_answers"})),
    "member of a merge forgotten": Sown(_member_forgotten, _TWICE | {"lost"}, ttl_s=30.0),
    "expiry early by ten seconds": Sown(_expiry_early, _TWICE, contest_s=8.0, ttl_s=10.3),
    "expiry late by a second": Sown(_expiry_late, _DISHONEST, contest_s=1.6, ttl_s=1.0),
    "release keeps the claims": Sown(_release_keeps_claims, _DISHONEST | {"not_given_back"}),
    "unassign keeps the claims": Sown(_unassign_keeps_claims, _DISHONEST | {"not_given_back"}),
    "confirm answered and rolled back": Sown(_confirm_lost, frozenset({"lost", "ledger_differs"})),
    "confirm tells of other tables": Sown(_confirm_tells_other_tables, frozenset({"wrong_tables"})),
    "fresh id for a repeat": Sown(_fresh_id_for_a_repeat, frozenset({"one_request_two_answers"})),
    "refusals forgotten": Sown(_refusals_forgotten, frozenset({"ledger_differs"})),
    "events lost": Sown(_events_lost, frozenset({"event_missing"})),
    "refusal invented": Sown(_refusal_invented, _DISHONEST),
    "epoch ignored": Sown(_epoch_ignored, frozenset({"old_need"})),
    "confirmed holds can be released": Sown(_confirmed_can_be_released, frozenset({"hold_used_twice"})),
    "life cut short": Sown(_life_cut_short, frozenset({"wrong_expiry"})),
    "unblock keeps the claims": Sown(_unblock_keeps_claims, _DISHONEST | {"not_given_back"}),
    "no-show keeps the claims": Sown(_no_show_keeps_claims, _DISHONEST | {"not_given_back"}),
    "leaving keeps the claims": Sown(_leaving_keeps_claims, _DISHONEST | {"not_given_back"}),
    "cancelled twice": Sown(_cancelled_twice, frozenset({"wrong_status"})),
    "nobody comes after all": Sown(_nobody_comes_after_all, _DISHONEST),
    "blocks ignored": Sown(_blocks_ignored, _TWICE, unprotected=True),
    "other holds survive": Sown(_other_holds_survive, _DISHONEST | {"not_given_back", "hold_was_over"}),
}
