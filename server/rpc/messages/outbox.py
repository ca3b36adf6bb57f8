"""Events on their way out, in the contract's form."""

from collections.abc import Mapping
from uuid import UUID

from maitred.v1 import ops_service_pb2 as pb
from server.domain.limits import EVENT_TYPE_LENGTH_MAX, REDRIVEN_EVENTS_MAX, TEXT_LENGTH_MAX
from server.orchestrator.outbox_operations import OutboxQuestion, Redriven, RedriveOutboxEventsCommand
from server.orchestrator.paging import Listed
from server.orchestrator.ports import OutboxRecord, OutboxStats, OutboxStatus, WantedEvents
from server.rpc.fields import reading
from server.rpc.messages.claims import texts
from server.rpc.messages.enums import numbers
from server.rpc.messages.time import instant_message
from server.rpc.page_token import ListKey, page_token

STATUSES = numbers(OutboxStatus, pb.OutboxStatus)
# The zero value asks for any.
WANTED: Mapping[int, OutboxStatus | None] = {
    pb.OUTBOX_STATUS_UNSPECIFIED: None,
    **{int(number): status for status, number in STATUSES.items()},
}


def read_get_outbox_stats(request: pb.GetOutboxStatsRequest) -> UUID | None:
    with reading(request) as fields:
        return fields.optional_uuid("restaurant_id")


def read_list_outbox_events(request: pb.ListOutboxEventsRequest) -> OutboxQuestion:
    with reading(request) as fields:
        return OutboxQuestion(
            page=fields.page(ListKey.OUTBOX),
            wanted=WantedEvents(
                restaurant_id=fields.optional_uuid("restaurant_id"),
                status=fields.choice("status", WANTED),
                event_type=fields.text("event_type", EVENT_TYPE_LENGTH_MAX),
                event_id=fields.optional_uuid("event_id"),
            ),
        )


def read_redrive_outbox_events(request: pb.RedriveOutboxEventsRequest) -> RedriveOutboxEventsCommand:
    with reading(request) as fields:
        return RedriveOutboxEventsCommand(
            request_id=fields.request_id(),
            actor=fields.actor(),
            restaurant_id=fields.uuid("restaurant_id"),
            event_ids=fields.uuids("event_ids", REDRIVEN_EVENTS_MAX),
            event_type=fields.text("event_type", EVENT_TYPE_LENGTH_MAX),
            reason=fields.text("reason", TEXT_LENGTH_MAX),
        )


def outbox_stats_response(stats: OutboxStats) -> pb.GetOutboxStatsResponse:
    return pb.GetOutboxStatsResponse(
        pending=stats.pending,
        dead=stats.dead,
        restaurants_in_work=stats.restaurants_in_work,
        restaurants_blocked=stats.restaurants_blocked,
        oldest_pending_at=instant_message(stats.oldest_pending_at) if stats.oldest_pending_at else None,
        checked_at=instant_message(stats.checked_at),
    )


def list_outbox_events_response(listed: Listed[OutboxRecord]) -> pb.ListOutboxEventsResponse:
    return pb.ListOutboxEventsResponse(
        events=[_event_message(event) for event in listed.rows],
        next_page_token=page_token(ListKey.OUTBOX, listed.next_after),
    )


def redrive_outbox_events_response(redriven: Redriven) -> pb.RedriveOutboxEventsResponse:
    return pb.RedriveOutboxEventsResponse(event_ids=texts(redriven.event_ids))


def _event_message(event: OutboxRecord) -> pb.OutboxEvent:
    message = pb.OutboxEvent(
        event_id=str(event.event_id),
        restaurant_id=str(event.restaurant_id),
        event_type=event.event_type,
        status=STATUSES[event.status],
        floor_version=event.floor_version,
        position=event.position,
        attempt_count=event.attempt_count,
        last_error=event.last_error,
        created_at=instant_message(event.created_at),
        updated_at=instant_message(event.updated_at),
        booking_id=str(event.booking_id or ""),
        idempotency_key=event.idempotency_key,
        redriven_at=instant_message(event.redriven_at) if event.redriven_at else None,
    )
    message.payload.update(event.payload)
    return message
