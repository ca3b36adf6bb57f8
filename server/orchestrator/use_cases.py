"""All use cases by the name of their RPC."""

from dataclasses import dataclass

from server.orchestrator.assign_tables import AssignTables
from server.orchestrator.auto_assign import AutoAssign
from server.orchestrator.auto_assign_batch import AutoAssignBatch
from server.orchestrator.block_tables import BlockTables
from server.orchestrator.check_invariants import CheckInvariants
from server.orchestrator.confirm_hold import ConfirmHold
from server.orchestrator.diary import DiarySource
from server.orchestrator.dispatch_auto_assign import DispatchAutoAssign
from server.orchestrator.explain_table import ExplainTable
from server.orchestrator.extend_hold import ExtendHold
from server.orchestrator.get_operation import GetOperation
from server.orchestrator.hold_tables import HoldLimits, HoldTables
from server.orchestrator.idempotency import Once
from server.orchestrator.identity import NewId
from server.orchestrator.kept_decisions import KeptDecisions
from server.orchestrator.outbox_operations import GetOutboxStats, ListOutboxEvents, RedriveOutboxEvents
from server.orchestrator.plan_tables import PlanTables
from server.orchestrator.ports import InventorySource, Store
from server.orchestrator.put_booking import PutBooking
from server.orchestrator.put_floor import PutFloor
from server.orchestrator.put_restaurant import PutRestaurant
from server.orchestrator.put_service_policy import PutServicePolicy
from server.orchestrator.read_assignments import GetAssignment, ListAssignments
from server.orchestrator.read_audit import ListAuditEntries
from server.orchestrator.read_bookings import GetBooking, ListBookings
from server.orchestrator.read_holds import GetHold, ListHolds
from server.orchestrator.read_inventory import (
    GetFloor,
    GetRestaurant,
    GetServicePolicy,
    ListBlocks,
    ListRestaurants,
)
from server.orchestrator.reassign_tables import ReassignTables
from server.orchestrator.release_hold import ReleaseHold
from server.orchestrator.replace_hold import ReplaceHold
from server.orchestrator.search_availability import SearchAvailability
from server.orchestrator.transition_booking import TransitionBooking
from server.orchestrator.unassign_tables import UnassignTables
from server.orchestrator.unblock_tables import UnblockTables
from server.orchestrator.update_table import UpdateTable
from server.orchestrator.validate_selection import ValidateSelection
from server.orchestrator.watch_floor import WatchFloor
from server.telemetry.metrics import AutoAssignMetrics


@dataclass(frozen=True, slots=True)
class UseCases:
    """What the edge can ask for."""

    plan_tables: PlanTables
    explain_table: ExplainTable
    search_availability: SearchAvailability
    validate_selection: ValidateSelection
    hold_tables: HoldTables
    extend_hold: ExtendHold
    replace_hold: ReplaceHold
    release_hold: ReleaseHold
    get_hold: GetHold
    list_holds: ListHolds
    confirm_hold: ConfirmHold
    assign_tables: AssignTables
    auto_assign: AutoAssign
    auto_assign_batch: AutoAssignBatch
    dispatch_auto_assign: DispatchAutoAssign
    reassign_tables: ReassignTables
    unassign_tables: UnassignTables
    get_assignment: GetAssignment
    list_assignments: ListAssignments
    get_operation: GetOperation
    put_restaurant: PutRestaurant
    get_restaurant: GetRestaurant
    list_restaurants: ListRestaurants
    put_service_policy: PutServicePolicy
    get_service_policy: GetServicePolicy
    put_floor: PutFloor
    get_floor: GetFloor
    update_table: UpdateTable
    block_tables: BlockTables
    unblock_tables: UnblockTables
    list_blocks: ListBlocks
    put_booking: PutBooking
    get_booking: GetBooking
    list_bookings: ListBookings
    transition_booking: TransitionBooking
    check_invariants: CheckInvariants
    list_audit_entries: ListAuditEntries
    watch_floor: WatchFloor
    get_outbox_stats: GetOutboxStats
    list_outbox_events: ListOutboxEvents
    redrive_outbox_events: RedriveOutboxEvents

    @classmethod
    def on(
        cls,
        store: Store,
        inventories: InventorySource,
        diaries: DiarySource,
        new_id: NewId,
        limits: HoldLimits,
        answer_margin_s: float,
        watch_floor: WatchFloor,
    ) -> "UseCases":
        """Every use case on one store."""
        once, catalogue = Once(store), store.catalogue
        auto_assign = AutoAssign(once, catalogue, inventories, new_id, answer_margin_s, AutoAssignMetrics())
        return cls(
            plan_tables=PlanTables(catalogue, inventories, diaries),
            explain_table=ExplainTable(catalogue, inventories),
            search_availability=SearchAvailability(catalogue, inventories, diaries),
            validate_selection=ValidateSelection(catalogue, inventories),
            hold_tables=HoldTables(once, inventories, new_id, limits),
            extend_hold=ExtendHold(once, limits),
            replace_hold=ReplaceHold(once, inventories, new_id, limits),
            release_hold=ReleaseHold(once),
            get_hold=GetHold(catalogue),
            list_holds=ListHolds(catalogue),
            confirm_hold=ConfirmHold(once, inventories, new_id),
            assign_tables=AssignTables(once, inventories, new_id),
            auto_assign=auto_assign,
            auto_assign_batch=AutoAssignBatch(
                catalogue, inventories, auto_assign, KeptDecisions(store), answer_margin_s
            ),
            dispatch_auto_assign=DispatchAutoAssign(once, inventories),
            reassign_tables=ReassignTables(once, inventories, new_id),
            unassign_tables=UnassignTables(once, inventories, new_id),
            get_assignment=GetAssignment(catalogue),
            list_assignments=ListAssignments(catalogue),
            get_operation=GetOperation(catalogue),
            put_restaurant=PutRestaurant(once),
            get_restaurant=GetRestaurant(catalogue),
            list_restaurants=ListRestaurants(catalogue),
            put_service_policy=PutServicePolicy(once, inventories),
            get_service_policy=GetServicePolicy(catalogue, inventories),
            put_floor=PutFloor(once, inventories),
            get_floor=GetFloor(catalogue, inventories),
            update_table=UpdateTable(once, inventories),
            block_tables=BlockTables(once, inventories, new_id),
            unblock_tables=UnblockTables(once),
            list_blocks=ListBlocks(catalogue),
            put_booking=PutBooking(once, inventories),
            get_booking=GetBooking(catalogue),
            list_bookings=ListBookings(catalogue),
            transition_booking=TransitionBooking(once, inventories, new_id),
            check_invariants=CheckInvariants(store),
            list_audit_entries=ListAuditEntries(catalogue),
            watch_floor=watch_floor,
            get_outbox_stats=GetOutboxStats(catalogue),
            list_outbox_events=ListOutboxEvents(catalogue),
            redrive_outbox_events=RedriveOutboxEvents(once),
        )
