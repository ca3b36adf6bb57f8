"""Which scope each method of the contract asks for."""

from collections.abc import Iterator, Mapping

from google.protobuf.descriptor import ServiceDescriptor

from maitred.v1 import (
    assignment_service_pb2,
    booking_service_pb2,
    inventory_service_pb2,
    ops_service_pb2,
    planner_service_pb2,
)
from server.domain.overrides import OVERRIDE_SCOPE

READ, WRITE, INVENTORY, OPS = "read", "write", "inventory", "ops"
# No method asks for the scope to override rules: it adds to what a call may ask for. Use cases decide by the policy.
ALL_SCOPES = frozenset({READ, WRITE, INVENTORY, OPS, OVERRIDE_SCOPE})

SERVICES: tuple[ServiceDescriptor, ...] = (
    planner_service_pb2.DESCRIPTOR.services_by_name["PlannerService"],
    assignment_service_pb2.DESCRIPTOR.services_by_name["AssignmentService"],
    inventory_service_pb2.DESCRIPTOR.services_by_name["InventoryService"],
    booking_service_pb2.DESCRIPTOR.services_by_name["BookingService"],
    ops_service_pb2.DESCRIPTOR.services_by_name["OpsService"],
)

_METHODS_BY_SCOPE = {
    READ: {
        "PlannerService": "PlanTables ExplainTable SearchAvailability",
        "AssignmentService": (
            "ValidateSelection GetHold ListHolds GetAssignment ListAssignments GetOperation WatchFloor"
        ),
        "InventoryService": "GetRestaurant ListRestaurants GetServicePolicy GetFloor ListBlocks",
        "BookingService": "GetBooking ListBookings",
    },
    WRITE: {
        "AssignmentService": (
            "HoldTables ExtendHold ReplaceHold ReleaseHold ConfirmHold AssignTables AutoAssign "
            "AutoAssignBatch DispatchAutoAssign ReassignTables UnassignTables"
        ),
        "BookingService": "PutBooking TransitionBooking",
    },
    INVENTORY: {
        "InventoryService": "PutRestaurant PutServicePolicy PutFloor UpdateTable BlockTables UnblockTables",
    },
    OPS: {
        "OpsService": (
            "CheckInvariants ListAuditEntries GetOutboxStats ListOutboxEvents RedriveOutboxEvents"
        ),
    },
}


def _scopes() -> Iterator[tuple[str, str]]:
    for scope, services in _METHODS_BY_SCOPE.items():
        for service, methods in services.items():
            for method in methods.split():
                yield f"/maitred.v1.{service}/{method}", scope


SCOPES: Mapping[str, str] = dict(_scopes())
"""Scope by method, as the path names it: /package.Service/Method."""


STREAMS = frozenset(
    f"/{service.full_name}/{method.name}"
    for service in SERVICES
    for method in service.methods
    if method.server_streaming
)
"""Methods that answer with a stream. It lasts as long as both sides want, so no deadline is chosen for the caller."""


def is_house_call(path: str) -> bool:
    """Whether a path is a method of the contract. Health, reflection and channelz are not: they ask for no identity
    and are never refused for load."""
    return path in SCOPES
