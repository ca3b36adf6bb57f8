"""Holds, assignments and blocks: everything that claims tables, in the contract's form."""

from collections.abc import Iterable
from uuid import UUID

from maitred.v1 import assignment_pb2, inventory_pb2
from server.domain.claims import Assignment, AssignmentState, Block, BlockCause, Hold, HoldState
from server.rpc.messages.checks import reason_messages
from server.rpc.messages.enums import numbers, words_of
from server.rpc.messages.time import instant_message

HOLD_STATES = numbers(HoldState, assignment_pb2.HoldState)
HOLD_STATES_READ = words_of(HOLD_STATES)
ASSIGNMENT_STATES = numbers(AssignmentState, assignment_pb2.AssignmentState)
BLOCK_CAUSES = numbers(BlockCause, inventory_pb2.BlockCause)
BLOCK_CAUSES_READ = words_of(BLOCK_CAUSES)


def texts(ids: Iterable[UUID]) -> list[str]:
    return [str(each) for each in ids]


def hold_message(hold: Hold) -> assignment_pb2.Hold:
    return assignment_pb2.Hold(
        hold_id=str(hold.hold_id),
        restaurant_id=str(hold.restaurant_id),
        booking_id=str(hold.booking_id),
        table_ids=texts(hold.table_ids),
        window_start=instant_message(hold.window.start),
        window_end=instant_message(hold.window.end),
        state=HOLD_STATES[hold.state],
        expires_at=instant_message(hold.expires_at),
        created_at=instant_message(hold.created_at),
        actor=hold.actor,
        policy_version=hold.policy_version,
        inventory_version=hold.inventory_version,
        overrides=reason_messages(hold.overrides),
    )


def assignment_message(assignment: Assignment) -> assignment_pb2.Assignment:
    return assignment_pb2.Assignment(
        assignment_id=str(assignment.assignment_id),
        restaurant_id=str(assignment.restaurant_id),
        booking_id=str(assignment.booking_id),
        table_ids=texts(assignment.table_ids),
        window_start=instant_message(assignment.window.start),
        window_end=instant_message(assignment.window.end),
        state=ASSIGNMENT_STATES[assignment.state],
        merge_group_id=str(assignment.merge_group_id) if assignment.merge_group_id else "",
        hold_id=str(assignment.hold_id) if assignment.hold_id else "",
        assignment_epoch=assignment.assignment_epoch,
        actor=assignment.actor,
        created_at=instant_message(assignment.created_at),
        party_size=assignment.party_size,
        overrides=reason_messages(assignment.overrides),
    )


def block_message(block: Block) -> inventory_pb2.Block:
    return inventory_pb2.Block(
        block_id=str(block.block_id),
        table_ids=texts(block.table_ids),
        window_start=instant_message(block.window.start),
        window_end=instant_message(block.window.end),
        cause=BLOCK_CAUSES[block.cause],
        note=block.note,
        released=block.released,
        actor=block.actor,
        created_at=instant_message(block.created_at),
    )
