"""What a use case finds when it opens a restaurant: the reads that several of them share."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from server.domain.booking import Booking, Party
from server.domain.claims import Claim
from server.domain.hours import local_time, stay_for
from server.domain.overrides import require_permission
from server.domain.policy import ServicePolicy
from server.domain.restaurant import Caller, Restaurant
from server.domain.rules import Selection, select
from server.domain.window import Stay, Window
from server.errors import ClaimKind, Reason, ServiceError, bad_field, refuse
from server.orchestrator.ports import InventorySource, PreparedInventory, Reader, Standing, Unit
from server.planner.catalog import TableSets


@dataclass(frozen=True, slots=True)
class Situation:
    """A restaurant with its inventory at one moment of the database's clock."""

    restaurant: Restaurant
    now: datetime
    prepared: PreparedInventory

    @property
    def time_zone(self) -> str:
        return self.restaurant.time_zone

    @property
    def policy(self) -> ServicePolicy:
        """The service policy; a restaurant without one has no service hours at all."""
        policy = self.prepared.inventory.policy
        if policy is None:
            raise refuse(
                Reason.OUTSIDE_SERVICE_HOURS,
                "The restaurant has no service policy yet, so no time is within service hours.",
                start="",
                time_zone=self.time_zone,
                next_opening="",
            )
        return policy

    @property
    def sets(self) -> TableSets:
        return self.prepared.sets

    def stay_of(self, party: Party) -> Stay:
        """The stay of a party under the present policy, over or not; refused outside service hours."""
        return stay_for(self.policy, self.time_zone, party.party_size, party.start, party.duration)

    def select(
        self,
        party: Party,
        window: Window,
        table_ids: Iterable[UUID],
        overrides: tuple[Reason, ...] = (),
    ) -> Selection:
        return select(
            self.prepared.inventory.floor,
            self.policy,
            party,
            window,
            table_ids,
            self.restaurant.restaurant_id,
            overrides,
        )

    def require_zones(self, party: Party, stored: Party | None = None) -> None:
        """INVALID_ARGUMENT_FIELD when the party asks for a zone, or prefers one, that the restaurant does not have.

        Where a zone is gone, what is `stored` may be sent again: preferences, which only rank, and the zone with the
        same need.
        """
        zones = {zone.zone_id for zone in self.prepared.inventory.floor.zones}
        same_need = stored is not None and stored.needs_same_tables_as(party)
        if party.zone_id is not None and party.zone_id not in zones and not same_need:
            raise bad_field("party.zone_id", f"{party.zone_id} is not a zone of this restaurant")
        known = stored.preferred_zone_ids if stored else ()
        for zone_id in party.preferred_zone_ids:
            if zone_id not in zones and zone_id not in known:
                raise bad_field("party.preferred_zone_ids", f"{zone_id} is not a zone of this restaurant")

    def require_permission(self, caller: Caller, overrides: tuple[Reason, ...]) -> None:
        """OVERRIDE_NOT_PERMITTED unless the policy or the caller's scopes cover every override."""
        if overrides:
            require_permission(caller, self.policy, overrides)

    def require_future(self, window: Window) -> None:
        """WINDOW_IN_PAST when the window has ended by the database's clock."""
        if window.end <= self.now:
            ended, now = local_time(window.end, self.time_zone), local_time(self.now, self.time_zone)
            raise refuse(
                Reason.WINDOW_IN_PAST,
                f"The window ended at {ended}; it is {now} now.",
                window_end=window.end.isoformat(),
                now=self.now.isoformat(),
            )


async def look(
    reader: Reader, inventories: InventorySource, caller: Caller, restaurant_id: UUID
) -> Situation:
    """The situation as a snapshot, without locking anything."""
    standing = await known_restaurant(reader, caller, restaurant_id)
    prepared = await inventories.prepared(standing.restaurant, reader)
    return Situation(standing.restaurant, standing.now, prepared)


async def lock(unit: Unit, inventories: InventorySource, caller: Caller, restaurant_id: UUID) -> Situation:
    """The situation with the restaurant locked against other writers."""
    standing = await lock_restaurant(unit, caller, restaurant_id)
    prepared = await inventories.prepared(standing.restaurant, unit)
    return Situation(standing.restaurant, standing.now, prepared)


async def lock_restaurant(unit: Unit, caller: Caller, restaurant_id: UUID) -> Standing:
    """The tenant's restaurant, locked, for changes that don't need its floor."""
    standing = await unit.lock_restaurant(caller.tenant_id, restaurant_id)
    if standing is None:
        raise restaurant_not_found(restaurant_id)
    return standing


async def known_restaurant(reader: Reader, caller: Caller, restaurant_id: UUID) -> Standing:
    """The tenant's restaurant, for questions that don't need its floor."""
    standing = await reader.standing(caller.tenant_id, restaurant_id)
    if standing is None:
        raise restaurant_not_found(restaurant_id)
    return standing


async def known_booking(reader: Reader, restaurant_id: UUID, booking_id: UUID) -> Booking:
    booking = await reader.booking(restaurant_id, booking_id)
    if booking is None:
        raise refuse(
            Reason.BOOKING_NOT_FOUND,
            f"No booking {booking_id} in this restaurant.",
            restaurant_id=restaurant_id,
            booking_id=booking_id,
        )
    return booking


def foreign(claims: Iterable[Claim], now: datetime, booking_id: UUID | None) -> tuple[Claim, ...]:
    """The claims that keep this booking out: live ones of anybody else."""
    return tuple(claim for claim in claims if claim.live_at(now) and not owned(claim, booking_id))


def owned(claim: Claim, booking_id: UUID | None) -> bool:
    return booking_id is not None and claim.booking_id == booking_id


def expired_holds(claims: Iterable[Claim], now: datetime) -> tuple[UUID, ...]:
    """Holds in the way whose time is over: whoever meets them removes them."""
    return tuple(sorted({claim.owner_id for claim in claims if not claim.live_at(now)}))


def own_holds(claims: Iterable[Claim], now: datetime, booking_id: UUID) -> tuple[UUID, ...]:
    """The booking's own live holds among the claims."""
    return tuple(
        sorted(
            {
                claim.owner_id
                for claim in claims
                if claim.kind is ClaimKind.HOLD and claim.live_at(now) and owned(claim, booking_id)
            }
        )
    )


def require_etag(resource: str, expected: str, current: str) -> None:
    """VERSION_MISMATCH unless the caller sent no etag or the current one, which is empty for what is not there."""
    if expected and expected != current:
        changed = f"The {resource} has changed since etag {expected!r} was read; it is {current!r} now."
        absent = (
            f"There is no {resource} by this id, so etag {expected!r} is of none; to make it, send no etag."
        )
        raise refuse(
            Reason.VERSION_MISMATCH,
            changed if current else absent,
            resource=resource,
            expected_etag=expected,
            current_etag=current,
        )


def restaurant_not_found(restaurant_id: UUID) -> ServiceError:
    return refuse(
        Reason.RESTAURANT_NOT_FOUND,
        f"No restaurant {restaurant_id} for this tenant.",
        restaurant_id=restaurant_id,
    )
