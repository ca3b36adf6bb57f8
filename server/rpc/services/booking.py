# ruff: noqa: N802  # the contract gives the methods their names
"""The booking service."""

from maitred.v1 import booking_service_pb2 as pb
from maitred.v1 import booking_service_pb2_grpc
from server.orchestrator.use_cases import UseCases
from server.rpc.call import current_call
from server.rpc.interceptors.unary import Context
from server.rpc.messages import booking


class BookingService(booking_service_pb2_grpc.BookingServiceServicer):
    def __init__(self, use_cases: UseCases) -> None:
        self._use = use_cases

    async def PutBooking(self, request: pb.PutBookingRequest, context: Context) -> pb.PutBookingResponse:
        call = current_call.get()
        answer = await self._use.put_booking(call.caller, booking.read_put_booking(request), call.deadline)
        return pb.PutBookingResponse(booking=booking.booking_message(answer))

    async def GetBooking(self, request: pb.GetBookingRequest, context: Context) -> pb.GetBookingResponse:
        call = current_call.get()
        answer = await self._use.get_booking(call.caller, booking.read_get_booking(request))
        return booking.get_booking_response(answer)

    async def ListBookings(
        self, request: pb.ListBookingsRequest, context: Context
    ) -> pb.ListBookingsResponse:
        call = current_call.get()
        answer = await self._use.list_bookings(call.caller, booking.read_list_bookings(request))
        return booking.list_bookings_response(answer)

    async def TransitionBooking(
        self, request: pb.TransitionBookingRequest, context: Context
    ) -> pb.TransitionBookingResponse:
        call = current_call.get()
        answer = await self._use.transition_booking(
            call.caller, booking.read_transition_booking(request), call.deadline
        )
        return pb.TransitionBookingResponse(booking=booking.booking_message(answer))
