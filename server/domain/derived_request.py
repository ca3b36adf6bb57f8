"""The request_id under which a booking is assigned automatically when nobody chose one."""

from uuid import UUID, uuid5

# uuid5(NAMESPACE_URL, "maitred/auto-assign"); part of the contract, as is the form of the name.
AUTO_ASSIGN_NAMESPACE = UUID("a65e93e2-3872-5c91-95df-1d3997928c8c")


def auto_assign_request_id(
    tenant_id: UUID, restaurant_id: UUID, booking_id: UUID, assignment_epoch: int
) -> UUID:
    """The same for everybody who wants tables for this booking's present need, and another for its next need.

    >>> auto_assign_request_id(UUID(int=1), UUID(int=2), UUID(int=3), 1)
    UUID('019cb2cf-f0e3-5634-8ed4-8139edff2391')
    """
    return uuid5(AUTO_ASSIGN_NAMESPACE, f"{tenant_id}/{restaurant_id}/{booking_id}/{assignment_epoch}")
