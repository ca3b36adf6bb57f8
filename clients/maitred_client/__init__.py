"""The client of maitred: an async and a sync class with one typed method for every call of the contract.

From an empty floor to a table that nobody else can get. `address` is where a server listens, `tenant_id`
whose restaurants these are:

>>> from datetime import UTC, datetime, timedelta
>>> from uuid import uuid4
>>> from maitred.v1 import assignment_service_pb2 as assignment, booking_service_pb2 as bookings
>>> from maitred.v1 import inventory_service_pb2 as inventory, planner_service_pb2 as planner
>>> from maitred.v1.booking_pb2 import PartyRequest
>>> from maitred.v1.inventory_pb2 import Floor, Restaurant, Table, Zone
>>> from maitred.v1.inventory_pb2 import ServicePeriod, ServicePolicy, TurnTime
>>> from maitred_client import MaitredClient, TableConflictHeldError, duration, timestamp

>>> where = {"restaurant_id": str(uuid4())}
>>> client = MaitredClient(address, tenant_id=tenant_id, actor="host-stand")
>>> restaurant = Restaurant(name="Chez Nous", time_zone="Europe/London", **where)
>>> client.put_restaurant(inventory.PutRestaurantRequest(restaurant=restaurant)).restaurant.name
'Chez Nous'
>>> turn = TurnTime(party_size_max=4, duration=duration(timedelta(minutes=90)))
>>> dinner = ServicePeriod(name="dinner", opens="12:00", closes="24:00", turn_times=[turn])
>>> policy = ServicePolicy(periods=[dinner])
>>> policy = client.put_service_policy(inventory.PutServicePolicyRequest(policy=policy, **where)).policy
>>> zone = Zone(zone_id=str(uuid4()), name="Window")
>>> table = Table(table_id=str(uuid4()), zone_id=zone.zone_id, name="T1", capacity=4)
>>> floor = Floor(zones=[zone], tables=[table])
>>> floor = client.put_floor(inventory.PutFloorRequest(floor=floor, **where)).floor

Two bookings want the only table at seven tomorrow:

>>> seven = (datetime.now(UTC) + timedelta(days=1)).replace(hour=19, minute=0, second=0, microsecond=0)
>>> party = PartyRequest(party_size=4, start=timestamp(seven))
>>> first, second = str(uuid4()), str(uuid4())
>>> for booking_id in first, second:
...     request = bookings.PutBookingRequest(booking_id=booking_id, party=party, **where)
...     booking = client.put_booking(request).booking

>>> plan = client.plan_tables(planner.PlanTablesRequest(booking_id=first, **where)).plans[0]
>>> list(plan.table_names), plan.capacity, plan.slack
(['T1'], 4, 0)
>>> request = assignment.HoldTablesRequest(booking_id=first, table_ids=plan.table_ids, **where)
>>> hold = client.hold_tables(request).hold

The other one is refused, with the reason as an exception and the details decoded:

>>> request = assignment.HoldTablesRequest(booking_id=second, table_ids=plan.table_ids, **where)
>>> try:
...     client.hold_tables(request)
... except TableConflictHeldError as error:
...     print(error.reason, error.code.name, error.retry, error.conflicts[0].blocker_kind)
TABLE_CONFLICT_HELD ABORTED REPLAN HOLD

>>> request = assignment.ConfirmHoldRequest(hold_id=hold.hold_id, booking_id=first, **where)
>>> list(client.confirm_hold(request).assignment.table_ids) == [table.table_id]
True
>>> client.close()

`AsyncMaitredClient` has the same methods, to be awaited.
"""

from maitred_client.async_client import (
    AsyncMaitredClient,
)
from maitred_client.channel import (
    RetryPolicy,
)
from maitred_client.details import (
    Conflict,
    ErrorDetails,
    FailedCheck,
    FieldViolation,
    QuotaViolation,
)
from maitred_client.errors import (
    GarbledError,
    MaitredError,
    RetryClass,
    TransportError,
    UnknownReasonError,
)
from maitred_client.floor_state import (
    FloorClaim,
    FloorGapError,
    FloorState,
)
from maitred_client.reasons import (
    ERRORS,
    AssignmentNotFoundError,
    BlockNotFoundError,
    BookingAlreadyAssignedError,
    BookingNotFoundError,
    CapacityBelowMinPartyError,
    CapacityInsufficientError,
    CombinationCrossesZonesError,
    CombinationDisabledError,
    CombinationNotAdjacentError,
    CombinationRedundantError,
    CombinationTableNotMovableError,
    CombinationTooLargeError,
    CutoffPassedError,
    DeadlineExceededError,
    DrainingError,
    HoldAlreadyConfirmedError,
    HoldAlreadyReleasedError,
    HoldExpiredError,
    HoldExtensionLimitError,
    HoldMismatchError,
    HoldNotFoundError,
    HoldTtlOutOfRangeError,
    InvalidArgumentFieldError,
    InvalidPartySizeError,
    InvalidStateTransitionError,
    InvalidWindowError,
    InvariantBrokenError,
    NoFeasiblePlanError,
    OutsideServiceHoursError,
    OverrideNotPermittedError,
    PermissionMissingError,
    PolicyDriftError,
    RequestIdMissingError,
    RequestIdReusedError,
    RequestInProgressError,
    RequiredAttributeUnmetError,
    RestaurantNotFoundError,
    ServerOverloadedError,
    ServiceOverrunError,
    SlackBudgetExceededError,
    StaleContextError,
    StoreContentionError,
    StoreUnavailableError,
    TableAvoidedError,
    TableBlockedError,
    TableConflictAssignedError,
    TableConflictHeldError,
    TableNotFoundError,
    TableOutOfServiceError,
    UnauthenticatedError,
    VersionMismatchError,
    WatchTokenCompactedError,
    WatchTokenInvalidError,
    WindowInPastError,
    ZoneNotRequestedError,
)
from maitred_client.sync_client import (
    MaitredClient,
)
from maitred_client.values import (
    duration,
    instant,
    new_request_id,
    timestamp,
    to_dict,
)

__all__ = [
    "ERRORS",
    "AssignmentNotFoundError",
    "AsyncMaitredClient",
    "BlockNotFoundError",
    "BookingAlreadyAssignedError",
    "BookingNotFoundError",
    "CapacityBelowMinPartyError",
    "CapacityInsufficientError",
    "CombinationCrossesZonesError",
    "CombinationDisabledError",
    "CombinationNotAdjacentError",
    "CombinationRedundantError",
    "CombinationTableNotMovableError",
    "CombinationTooLargeError",
    "Conflict",
    "CutoffPassedError",
    "DeadlineExceededError",
    "DrainingError",
    "ErrorDetails",
    "FailedCheck",
    "FieldViolation",
    "FloorClaim",
    "FloorGapError",
    "FloorState",
    "GarbledError",
    "HoldAlreadyConfirmedError",
    "HoldAlreadyReleasedError",
    "HoldExpiredError",
    "HoldExtensionLimitError",
    "HoldMismatchError",
    "HoldNotFoundError",
    "HoldTtlOutOfRangeError",
    "InvalidArgumentFieldError",
    "InvalidPartySizeError",
    "InvalidStateTransitionError",
    "InvalidWindowError",
    "InvariantBrokenError",
    "MaitredClient",
    "MaitredError",
    "NoFeasiblePlanError",
    "OutsideServiceHoursError",
    "OverrideNotPermittedError",
    "PermissionMissingError",
    "PolicyDriftError",
    "QuotaViolation",
    "RequestIdMissingError",
    "RequestIdReusedError",
    "RequestInProgressError",
    "RequiredAttributeUnmetError",
    "RestaurantNotFoundError",
    "RetryClass",
    "RetryPolicy",
    "ServerOverloadedError",
    "ServiceOverrunError",
    "SlackBudgetExceededError",
    "StaleContextError",
    "StoreContentionError",
    "StoreUnavailableError",
    "TableAvoidedError",
    "TableBlockedError",
    "TableConflictAssignedError",
    "TableConflictHeldError",
    "TableNotFoundError",
    "TableOutOfServiceError",
    "TransportError",
    "UnauthenticatedError",
    "UnknownReasonError",
    "VersionMismatchError",
    "WatchTokenCompactedError",
    "WatchTokenInvalidError",
    "WindowInPastError",
    "ZoneNotRequestedError",
    "duration",
    "instant",
    "new_request_id",
    "timestamp",
    "to_dict",
]
