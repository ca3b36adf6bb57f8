"""The client for asyncio."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from functools import partial
from types import TracebackType
from typing import Self, TypeVar
from uuid import UUID

import grpc
import grpc.aio

from maitred.v1 import (
    assignment_pb2,
    assignment_service_pb2,
    assignment_service_pb2_grpc,
    booking_pb2,
    booking_service_pb2,
    booking_service_pb2_grpc,
    inventory_pb2,
    inventory_service_pb2,
    inventory_service_pb2_grpc,
    ops_service_pb2_grpc,
    planner_service_pb2,
    planner_service_pb2_grpc,
)
from maitred_client.async_ops import AsyncOpsCalls
from maitred_client.batches import batch_async
from maitred_client.calls import Request, call_settings, with_request_id
from maitred_client.channel import DEFAULT_RETRY, RetryPolicy, channel_options
from maitred_client.paging import pages_async
from maitred_client.watching import watch_async

Response = TypeVar("Response")


class AsyncMaitredClient(AsyncOpsCalls):
    """Calls a maitred server from asyncio. May be shared between the tasks of one event loop.

    It is made inside the running event loop and belongs to it: RuntimeError without one, and in every other, such
    as that of a second `asyncio.run`. Calls after `close` raise RuntimeError, too.

    `address` is host:port, or begins with a scheme that gRPC looks up, such as `dns:` or `unix:`.
    `tenant_id` and `actor` say who calls, `scopes` what the caller may do. `timeout_s` is for one call and
    all its repeats; every method takes its own instead. Without `credentials` nothing is encrypted. `options`
    are gRPC channel arguments that win over the client's own.

    A mutating request with an empty request_id gets a fresh one, on a copy; repeats of the call carry the
    same one (`auto_assign` leaves it to the server). Failed calls raise a class of MaitredError. Wrong
    arguments raise ValueError.

    >>> async def names() -> list[str]:
    ...     async with AsyncMaitredClient(address, tenant_id=tenant_id) as client:
    ...         request = inventory_service_pb2.ListRestaurantsRequest()
    ...         return [restaurant.name async for restaurant in client.iterate_restaurants(request)]
    >>> isinstance(asyncio.run(names()), list)
    True
    """

    def __init__(
        self,
        address: str,
        *,
        tenant_id: UUID | str,
        actor: str = "",
        scopes: Iterable[str] | None = None,
        timeout_s: float = 10.0,
        credentials: grpc.ChannelCredentials | None = None,
        retry: RetryPolicy = DEFAULT_RETRY,
        options: Sequence[tuple[str, int | str]] = (),
    ) -> None:
        loop = asyncio.get_running_loop()
        self._settings = call_settings(address, tenant_id, actor, scopes, timeout_s)
        self._settings.loop = loop
        arguments = channel_options(retry, options)
        if credentials is None:
            self._channel = grpc.aio.insecure_channel(address, arguments)
        else:
            self._channel = grpc.aio.secure_channel(address, credentials, arguments)
        self._planner = planner_service_pb2_grpc.PlannerServiceStub(self._channel)
        self._assignment = assignment_service_pb2_grpc.AssignmentServiceStub(self._channel)
        self._inventory = inventory_service_pb2_grpc.InventoryServiceStub(self._channel)
        self._booking = booking_service_pb2_grpc.BookingServiceStub(self._channel)
        self._ops = ops_service_pb2_grpc.OpsServiceStub(self._channel)

    async def plan_tables(
        self, request: planner_service_pb2.PlanTablesRequest, *, timeout_s: float | None = None
    ) -> planner_service_pb2.PlanTablesResponse:
        """The best table sets for a stored or a hypothetical booking, best first. Nothing is kept."""
        return await self._call(self._planner.PlanTables, request, timeout_s)

    async def explain_table(
        self, request: planner_service_pb2.ExplainTableRequest, *, timeout_s: float | None = None
    ) -> planner_service_pb2.ExplainTableResponse:
        """Why one table set is, or is not, possible: every rule, and every claim in the way. Nothing is kept."""
        return await self._call(self._planner.ExplainTable, request, timeout_s)

    async def search_availability(
        self, request: planner_service_pb2.SearchAvailabilityRequest, *, timeout_s: float | None = None
    ) -> planner_service_pb2.SearchAvailabilityResponse:
        """Whether parties would get tables: many sizes and starts, one answer each. Nothing is kept."""
        return await self._call(self._planner.SearchAvailability, request, timeout_s)

    async def validate_selection(
        self, request: assignment_service_pb2.ValidateSelectionRequest, *, timeout_s: float | None = None
    ) -> assignment_service_pb2.ValidateSelectionResponse:
        """Every rule applied to one table set for a booking. Nothing is kept."""
        return await self._call(self._assignment.ValidateSelection, request, timeout_s)

    async def hold_tables(
        self, request: assignment_service_pb2.HoldTablesRequest, *, timeout_s: float | None = None
    ) -> assignment_service_pb2.HoldTablesResponse:
        """Keeps a table set for a booking for a short time: all tables or none."""
        return await self._call(self._assignment.HoldTables, request, timeout_s)

    async def extend_hold(
        self, request: assignment_service_pb2.ExtendHoldRequest, *, timeout_s: float | None = None
    ) -> assignment_service_pb2.ExtendHoldResponse:
        """Gives a live hold more time, counted from now. Never shortens."""
        return await self._call(self._assignment.ExtendHold, request, timeout_s)

    async def replace_hold(
        self, request: assignment_service_pb2.ReplaceHoldRequest, *, timeout_s: float | None = None
    ) -> assignment_service_pb2.ReplaceHoldResponse:
        """Holds another table set for the same booking and lets the hold go: both or neither."""
        return await self._call(self._assignment.ReplaceHold, request, timeout_s)

    async def release_hold(
        self, request: assignment_service_pb2.ReleaseHoldRequest, *, timeout_s: float | None = None
    ) -> assignment_service_pb2.ReleaseHoldResponse:
        """Gives a hold back. Doing it again changes nothing."""
        return await self._call(self._assignment.ReleaseHold, request, timeout_s)

    async def get_hold(
        self, request: assignment_service_pb2.GetHoldRequest, *, timeout_s: float | None = None
    ) -> assignment_service_pb2.GetHoldResponse:
        """One hold."""
        return await self._call(self._assignment.GetHold, request, timeout_s)

    async def list_holds(
        self, request: assignment_service_pb2.ListHoldsRequest, *, timeout_s: float | None = None
    ) -> assignment_service_pb2.ListHoldsResponse:
        """One page of holds, newest last."""
        return await self._call(self._assignment.ListHolds, request, timeout_s)

    async def iterate_holds(
        self, request: assignment_service_pb2.ListHoldsRequest, *, timeout_s: float | None = None
    ) -> AsyncIterator[assignment_pb2.Hold]:
        """All holds from the request's page on, fetched page by page; the timeout is for each page."""
        async for page in pages_async(partial(self.list_holds, timeout_s=timeout_s), request):
            for item in page.holds:
                yield item

    async def confirm_hold(
        self, request: assignment_service_pb2.ConfirmHoldRequest, *, timeout_s: float | None = None
    ) -> assignment_service_pb2.ConfirmHoldResponse:
        """Turns a hold into an assignment and confirms its booking."""
        return await self._call(self._assignment.ConfirmHold, request, timeout_s)

    async def assign_tables(
        self, request: assignment_service_pb2.AssignTablesRequest, *, timeout_s: float | None = None
    ) -> assignment_service_pb2.AssignTablesResponse:
        """Gives a booking tables without a hold."""
        return await self._call(self._assignment.AssignTables, request, timeout_s)

    async def auto_assign(
        self, request: assignment_service_pb2.AutoAssignRequest, *, timeout_s: float | None = None
    ) -> assignment_service_pb2.AutoAssignResponse:
        """Finds the best tables for a booking and assigns them. The timeout is what the server plans with.

        An empty request_id stays empty: the server derives it from the booking.
        """
        return await self._call(self._assignment.AutoAssign, request, timeout_s)

    async def dispatch_auto_assign(
        self,
        request: assignment_service_pb2.DispatchAutoAssignRequest,
        *,
        timeout_s: float | None = None,
    ) -> assignment_service_pb2.DispatchAutoAssignResponse:
        """Has the worker find tables for a booking, and doesn't wait for it."""
        return await self._call(self._assignment.DispatchAutoAssign, request, timeout_s)

    def auto_assign_batch(
        self, request: assignment_service_pb2.AutoAssignBatchRequest, *, timeout_s: float | None = None
    ) -> AsyncGenerator[assignment_service_pb2.AutoAssignBatchResponse, None]:
        """Assigns every booking of a service date that waits for tables, and tells each decision as it is made.

        The last response has the summary. Closing it (`aclose`) ends the batch; it may last for `timeout_s`, or as long
        as it takes. When it breaks off, another call goes on with what still waits.
        """
        return batch_async(self._assignment.AutoAssignBatch, request, timeout_s, self._settings)

    async def reassign_tables(
        self, request: assignment_service_pb2.ReassignTablesRequest, *, timeout_s: float | None = None
    ) -> assignment_service_pb2.ReassignTablesResponse:
        """Moves a confirmed or seated booking to other tables."""
        return await self._call(self._assignment.ReassignTables, request, timeout_s)

    async def unassign_tables(
        self, request: assignment_service_pb2.UnassignTablesRequest, *, timeout_s: float | None = None
    ) -> assignment_service_pb2.UnassignTablesResponse:
        """Takes tables away from a booking; none named means all."""
        return await self._call(self._assignment.UnassignTables, request, timeout_s)

    async def get_assignment(
        self, request: assignment_service_pb2.GetAssignmentRequest, *, timeout_s: float | None = None
    ) -> assignment_service_pb2.GetAssignmentResponse:
        """The tables a booking has now."""
        return await self._call(self._assignment.GetAssignment, request, timeout_s)

    async def list_assignments(
        self, request: assignment_service_pb2.ListAssignmentsRequest, *, timeout_s: float | None = None
    ) -> assignment_service_pb2.ListAssignmentsResponse:
        """One page of assignments whose window overlaps a time range, by start."""
        return await self._call(self._assignment.ListAssignments, request, timeout_s)

    async def iterate_assignments(
        self, request: assignment_service_pb2.ListAssignmentsRequest, *, timeout_s: float | None = None
    ) -> AsyncIterator[assignment_pb2.Assignment]:
        """All assignments from the request's page on, fetched page by page; the timeout is for each page."""
        async for page in pages_async(partial(self.list_assignments, timeout_s=timeout_s), request):
            for item in page.assignments:
                yield item

    async def get_operation(
        self, request: assignment_service_pb2.GetOperationRequest, *, timeout_s: float | None = None
    ) -> assignment_service_pb2.GetOperationResponse:
        """What became of a mutating call whose answer was lost; its request_id is on the exception that said so."""
        return await self._call(self._assignment.GetOperation, request, timeout_s)

    def watch_floor(
        self, request: assignment_service_pb2.WatchFloorRequest, *, timeout_s: float | None = None
    ) -> AsyncGenerator[assignment_service_pb2.WatchFloorResponse, None]:
        """A restaurant's floor: a snapshot, then every change, exactly once and in order; `FloorState` applies them.

        Goes on by itself, wherever another server answers, when its stream ends or falls silent; when what it missed is
        not to be had any more, another snapshot comes. It lasts until it is closed (`aclose`), or until `timeout_s`
        ends it with DEADLINE_EXCEEDED.
        """
        return watch_async(self._assignment.WatchFloor, request, timeout_s, self._settings)

    async def put_restaurant(
        self, request: inventory_service_pb2.PutRestaurantRequest, *, timeout_s: float | None = None
    ) -> inventory_service_pb2.PutRestaurantResponse:
        """Creates a restaurant or changes its name and time zone."""
        return await self._call(self._inventory.PutRestaurant, request, timeout_s)

    async def get_restaurant(
        self, request: inventory_service_pb2.GetRestaurantRequest, *, timeout_s: float | None = None
    ) -> inventory_service_pb2.GetRestaurantResponse:
        """One restaurant."""
        return await self._call(self._inventory.GetRestaurant, request, timeout_s)

    async def list_restaurants(
        self, request: inventory_service_pb2.ListRestaurantsRequest, *, timeout_s: float | None = None
    ) -> inventory_service_pb2.ListRestaurantsResponse:
        """One page of the tenant's restaurants, by name."""
        return await self._call(self._inventory.ListRestaurants, request, timeout_s)

    async def iterate_restaurants(
        self, request: inventory_service_pb2.ListRestaurantsRequest, *, timeout_s: float | None = None
    ) -> AsyncIterator[inventory_pb2.Restaurant]:
        """All restaurants from the request's page on, fetched page by page; the timeout is for each page."""
        async for page in pages_async(partial(self.list_restaurants, timeout_s=timeout_s), request):
            for item in page.restaurants:
                yield item

    async def put_service_policy(
        self, request: inventory_service_pb2.PutServicePolicyRequest, *, timeout_s: float | None = None
    ) -> inventory_service_pb2.PutServicePolicyResponse:
        """Replaces the service policy as a whole."""
        return await self._call(self._inventory.PutServicePolicy, request, timeout_s)

    async def get_service_policy(
        self, request: inventory_service_pb2.GetServicePolicyRequest, *, timeout_s: float | None = None
    ) -> inventory_service_pb2.GetServicePolicyResponse:
        """The service policy, defaults filled in."""
        return await self._call(self._inventory.GetServicePolicy, request, timeout_s)

    async def put_floor(
        self, request: inventory_service_pb2.PutFloorRequest, *, timeout_s: float | None = None
    ) -> inventory_service_pb2.PutFloorResponse:
        """Replaces zones, tables and adjacency as a whole."""
        return await self._call(self._inventory.PutFloor, request, timeout_s)

    async def get_floor(
        self, request: inventory_service_pb2.GetFloorRequest, *, timeout_s: float | None = None
    ) -> inventory_service_pb2.GetFloorResponse:
        """Zones, tables and adjacency."""
        return await self._call(self._inventory.GetFloor, request, timeout_s)

    async def update_table(
        self, request: inventory_service_pb2.UpdateTableRequest, *, timeout_s: float | None = None
    ) -> inventory_service_pb2.UpdateTableResponse:
        """Changes the fields of one table that the update mask names."""
        return await self._call(self._inventory.UpdateTable, request, timeout_s)

    async def block_tables(
        self, request: inventory_service_pb2.BlockTablesRequest, *, timeout_s: float | None = None
    ) -> inventory_service_pb2.BlockTablesResponse:
        """Takes tables for nobody, for example for maintenance."""
        return await self._call(self._inventory.BlockTables, request, timeout_s)

    async def unblock_tables(
        self, request: inventory_service_pb2.UnblockTablesRequest, *, timeout_s: float | None = None
    ) -> inventory_service_pb2.UnblockTablesResponse:
        """Gives blocked tables back. Doing it again changes nothing."""
        return await self._call(self._inventory.UnblockTables, request, timeout_s)

    async def list_blocks(
        self, request: inventory_service_pb2.ListBlocksRequest, *, timeout_s: float | None = None
    ) -> inventory_service_pb2.ListBlocksResponse:
        """One page of blocks that overlap a time range, by start."""
        return await self._call(self._inventory.ListBlocks, request, timeout_s)

    async def iterate_blocks(
        self, request: inventory_service_pb2.ListBlocksRequest, *, timeout_s: float | None = None
    ) -> AsyncIterator[inventory_pb2.Block]:
        """All blocks from the request's page on, fetched page by page; the timeout is for each page."""
        async for page in pages_async(partial(self.list_blocks, timeout_s=timeout_s), request):
            for item in page.blocks:
                yield item

    async def put_booking(
        self, request: booking_service_pb2.PutBookingRequest, *, timeout_s: float | None = None
    ) -> booking_service_pb2.PutBookingResponse:
        """Creates a booking or changes what it wants."""
        return await self._call(self._booking.PutBooking, request, timeout_s)

    async def get_booking(
        self, request: booking_service_pb2.GetBookingRequest, *, timeout_s: float | None = None
    ) -> booking_service_pb2.GetBookingResponse:
        """One booking with its history."""
        return await self._call(self._booking.GetBooking, request, timeout_s)

    async def list_bookings(
        self, request: booking_service_pb2.ListBookingsRequest, *, timeout_s: float | None = None
    ) -> booking_service_pb2.ListBookingsResponse:
        """One page of bookings whose window overlaps a time range, by start."""
        return await self._call(self._booking.ListBookings, request, timeout_s)

    async def iterate_bookings(
        self, request: booking_service_pb2.ListBookingsRequest, *, timeout_s: float | None = None
    ) -> AsyncIterator[booking_pb2.Booking]:
        """All bookings from the request's page on, fetched page by page; the timeout is for each page."""
        async for page in pages_async(partial(self.list_bookings, timeout_s=timeout_s), request):
            for item in page.bookings:
                yield item

    async def transition_booking(
        self, request: booking_service_pb2.TransitionBookingRequest, *, timeout_s: float | None = None
    ) -> booking_service_pb2.TransitionBookingResponse:
        """Takes one step in a booking's life."""
        return await self._call(self._booking.TransitionBooking, request, timeout_s)

    async def close(self) -> None:
        """Closes the channel; calls under way end with a TransportError. Closing twice is harmless."""
        self._settings.closed = True
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _call(
        self,
        rpc: "grpc.aio.UnaryUnaryMultiCallable[Request, Response]",
        request: Request,
        timeout_s: float | None,
    ) -> Response:
        settings, request = self._settings, with_request_id(request)
        settings.require_usable()
        with settings.failures_of(request):
            return await rpc(request, timeout=settings.deadline_s(timeout_s), metadata=settings.metadata)
