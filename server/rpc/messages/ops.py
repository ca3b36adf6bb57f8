"""Invariants and the audit log, in the contract's form."""

from dataclasses import asdict

from maitred.v1 import ops_service_pb2 as pb
from server.domain.invariants import InvariantCheck, InvariantReport, InvariantViolation
from server.orchestrator.check_invariants import InvariantsQuestion
from server.orchestrator.paging import Listed
from server.orchestrator.ports import AuditRecord
from server.orchestrator.read_audit import AuditQuestion
from server.rpc.fields import reading
from server.rpc.messages.claims import texts
from server.rpc.messages.time import instant_message
from server.rpc.page_token import ListKey, page_token


def read_check_invariants(request: pb.CheckInvariantsRequest) -> InvariantsQuestion:
    with reading(request) as fields:
        return InvariantsQuestion(fields.optional_uuid("restaurant_id"))


def read_list_audit_entries(request: pb.ListAuditEntriesRequest) -> AuditQuestion:
    with reading(request) as fields:
        return AuditQuestion(
            restaurant_id=fields.uuid("restaurant_id"),
            page=fields.page(ListKey.AUDIT),
            resource_id=fields.optional_uuid("resource_id"),
            window=fields.optional_window("window_start", "window_end"),
        )


def check_invariants_response(report: InvariantReport) -> pb.CheckInvariantsResponse:
    return pb.CheckInvariantsResponse(
        violations=report.violations,
        checks=[_check_message(check) for check in report.checks],
        checked_at=instant_message(report.checked_at),
        counts=pb.InvariantCounts(**asdict(report.counts)),
    )


def list_audit_entries_response(listed: Listed[AuditRecord]) -> pb.ListAuditEntriesResponse:
    return pb.ListAuditEntriesResponse(
        entries=[_audit_message(entry) for entry in listed.rows],
        next_page_token=page_token(ListKey.AUDIT, listed.next_after),
    )


def _check_message(check: InvariantCheck) -> pb.InvariantCheck:
    return pb.InvariantCheck(
        check_id=check.check_id,
        description=check.description,
        violations=check.violations,
        examples=[_violation_message(violation) for violation in check.examples],
    )


def _violation_message(violation: InvariantViolation) -> pb.InvariantViolation:
    return pb.InvariantViolation(
        restaurant_id=str(violation.restaurant_id or ""),
        booking_id=str(violation.booking_id or ""),
        hold_id=str(violation.hold_id or ""),
        assignment_id=str(violation.assignment_id or ""),
        block_id=str(violation.block_id or ""),
        table_ids=texts(violation.table_ids),
        message=violation.message,
    )


def _audit_message(entry: AuditRecord) -> pb.AuditEntry:
    message = pb.AuditEntry(
        audit_id=entry.audit_id,
        occurred_at=instant_message(entry.occurred_at),
        actor=entry.actor,
        action=entry.action,
        resource=entry.resource,
        resource_id=str(entry.resource_id),
        reason=entry.reason,
        floor_version=entry.floor_version,
    )
    message.details.update(entry.details)
    return message
