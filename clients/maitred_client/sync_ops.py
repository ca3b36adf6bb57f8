"""The calls of OpsService; a part of the synchronous client."""

from collections.abc import Iterator
from functools import partial
from typing import TypeVar

import grpc

from maitred.v1 import ops_service_pb2, ops_service_pb2_grpc
from maitred_client.calls import Request
from maitred_client.paging import pages

Response = TypeVar("Response")


class OpsCalls:
    """For those who run the service. A caller needs the scope `ops`."""

    _ops: ops_service_pb2_grpc.OpsServiceStub

    def _call(
        self,
        rpc: "grpc.UnaryUnaryMultiCallable[Request, Response]",
        request: Request,
        timeout_s: float | None,
    ) -> Response:
        raise NotImplementedError

    def check_invariants(
        self, request: ops_service_pb2.CheckInvariantsRequest, *, timeout_s: float | None = None
    ) -> ops_service_pb2.CheckInvariantsResponse:
        """What contradicts itself in the stored data. Nothing is repaired."""
        return self._call(self._ops.CheckInvariants, request, timeout_s)

    def list_audit_entries(
        self, request: ops_service_pb2.ListAuditEntriesRequest, *, timeout_s: float | None = None
    ) -> ops_service_pb2.ListAuditEntriesResponse:
        """One page of what was done in a restaurant, newest first."""
        return self._call(self._ops.ListAuditEntries, request, timeout_s)

    def iterate_audit_entries(
        self, request: ops_service_pb2.ListAuditEntriesRequest, *, timeout_s: float | None = None
    ) -> Iterator[ops_service_pb2.AuditEntry]:
        """All entries from the request's page on, fetched page by page; the timeout is for each page."""
        for page in pages(partial(self.list_audit_entries, timeout_s=timeout_s), request):
            yield from page.entries

    def get_outbox_stats(
        self, request: ops_service_pb2.GetOutboxStatsRequest, *, timeout_s: float | None = None
    ) -> ops_service_pb2.GetOutboxStatsResponse:
        """How far events have got on their way out."""
        return self._call(self._ops.GetOutboxStats, request, timeout_s)

    def list_outbox_events(
        self, request: ops_service_pb2.ListOutboxEventsRequest, *, timeout_s: float | None = None
    ) -> ops_service_pb2.ListOutboxEventsResponse:
        """One page of events and what became of them, oldest first."""
        return self._call(self._ops.ListOutboxEvents, request, timeout_s)

    def iterate_outbox_events(
        self, request: ops_service_pb2.ListOutboxEventsRequest, *, timeout_s: float | None = None
    ) -> Iterator[ops_service_pb2.OutboxEvent]:
        """All events from the request's page on, fetched page by page; the timeout is for each page."""
        for page in pages(partial(self.list_outbox_events, timeout_s=timeout_s), request):
            yield from page.events

    def redrive_outbox_events(
        self, request: ops_service_pb2.RedriveOutboxEventsRequest, *, timeout_s: float | None = None
    ) -> ops_service_pb2.RedriveOutboxEventsResponse:
        """Gives dead events of a restaurant another life."""
        return self._call(self._ops.RedriveOutboxEvents, request, timeout_s)
