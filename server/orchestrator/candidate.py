"""A booking and a table set it might get, with the claims that decide it. Hold, confirm and assign share it."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from server.domain.booking import Booking
from server.domain.claims import Claim
from server.domain.context import context_version
from server.domain.rules import Selection, failed, in_the_way, occupancy_checks, require
from server.domain.window import Window
from server.errors import Check, CheckStatus, ClaimKind, Reason, Refusal, ServiceError
from server.orchestrator.ports import Reader
from server.orchestrator.situation import Situation, expired_holds, foreign, own_holds


@dataclass(frozen=True, slots=True)
class Candidate:
    """`claims` are all claims on the chosen tables in the window, the booking's own and expired holds included."""

    situation: Situation
    booking: Booking
    selection: Selection
    claims: tuple[Claim, ...]

    @property
    def foreign(self) -> tuple[Claim, ...]:
        return foreign(self.claims, self.situation.now, self.booking.booking_id)

    @property
    def expired(self) -> tuple[UUID, ...]:
        return expired_holds(self.claims, self.situation.now)

    @property
    def own_holds(self) -> tuple[UUID, ...]:
        return own_holds(self.claims, self.situation.now, self.booking.booking_id)

    @property
    def overridden(self) -> tuple[Reason, ...]:
        """The rules that the set breaks and that are set aside for it."""
        return tuple(check.reason for check in self._set_checks if check.status is CheckStatus.WARNING)

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every rule, in order of precedence."""
        return self._set_checks + occupancy_checks(
            self.selection.tables, self.selection.window, self.foreign, self.situation.time_zone
        )

    @property
    def broken_but_for_occupancy(self) -> tuple[Check, ...]:
        """What fails of the rules that don't depend on who has which table."""
        return failed(self._set_checks)

    @property
    def _set_checks(self) -> tuple[Check, ...]:
        return self.situation.prepared.checks.of(self.selection)

    @property
    def context_version(self) -> str:
        return context_version(self.selection, self.situation.restaurant.policy_version, self.foreign)

    def require_context(self, expected: str) -> None:
        """STALE_CONTEXT, with whatever fails now as details, unless the caller sent no context or the present one."""
        if not expected or expected == self.context_version:
            return
        raise ServiceError(
            Refusal(
                Reason.STALE_CONTEXT,
                "Something these tables depend on has changed since the context_version was made.",
                {"expected_context_version": expected, "current_context_version": self.context_version},
                conflicts=in_the_way(self.foreign),
                checks=failed(self.checks),
            )
        )

    def require_fit(self) -> None:
        """Raises the first rule that the set breaks now."""
        require(self.checks, self.foreign)

    def require_no_drift(self, hold_id: UUID) -> None:
        """POLICY_DRIFT when a held set no longer passes the rules that don't depend on occupancy."""
        broken = self.broken_but_for_occupancy
        if not broken:
            return
        restaurant = self.situation.restaurant
        raise ServiceError(
            Refusal(
                Reason.POLICY_DRIFT,
                f"The policy or the floor changed after the hold was made: {broken[0].message}",
                {
                    "hold_id": str(hold_id),
                    "policy_version": str(restaurant.policy_version),
                    "inventory_version": str(restaurant.inventory_version),
                    "reasons": ",".join(check.reason for check in broken),
                },
                checks=broken,
            )
        )


async def candidate(
    reader: Reader,
    situation: Situation,
    booking: Booking,
    table_ids: tuple[UUID, ...],
    overrides: tuple[Reason, ...],
    window: Window | None = None,
) -> Candidate:
    """Reads what decides whether `booking` can have these tables for its window, or for the one given."""
    selection = situation.select(booking.party, window or booking.window, table_ids, overrides)
    restaurant_id = situation.restaurant.restaurant_id
    claims = await reader.claims(restaurant_id, selection.window, selection.table_ids)
    return Candidate(situation, booking, selection, claims)


async def from_now_on(reader: Reader, wanted: Candidate) -> Candidate:
    """The set for what is left of the booking's window.

    Whoever has left one of the tables since the window began is not in the way of a party that comes to it now.
    """
    booking, now, chosen = wanted.booking, wanted.situation.now, wanted.selection
    if now <= booking.window.start:
        return wanted
    rest = Window(now, booking.window.end)
    return await candidate(reader, wanted.situation, booking, chosen.table_ids, chosen.overrides, rest)


def overrides_noted(wanted: Candidate) -> dict[str, list[str]]:
    """For the audit log: which rules were set aside, and which of them the set really breaks. Nothing without any."""
    if not wanted.selection.overrides:
        return {}
    return {"overrides": list(wanted.selection.overrides), "overridden": list(wanted.overridden)}


def uncovered(
    table_id: UUID, window: Window, claims: tuple[Claim, ...], assignment_id: UUID | None
) -> Iterator[Window]:
    """The parts of the window that the booking's own assignment does not already claim on this table.

    One instant of one table is claimed once, so a hold for a changed booking claims only what its old tables don't
    cover yet.
    """
    start = window.start
    own = [
        claim.window
        for claim in claims
        if claim.kind is ClaimKind.ASSIGNMENT
        and claim.owner_id == assignment_id
        and claim.table_id == table_id
        and claim.window.overlaps(window)
    ]
    for covered in sorted(own):
        if start < covered.start:
            yield Window(start, covered.start)
        start = max(start, covered.end)
    if start < window.end:
        yield Window(start, window.end)
