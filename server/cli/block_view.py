"""Blocks as people read them on a terminal."""

import datetime as dt
from collections.abc import Sequence

from maitred_client import instant
from maitred_client.messages import Block, BlockCause, Floor, Restaurant
from server.cli.booking_view import named
from server.cli.instants import zone_shown
from server.cli.output import facts, grid, show
from server.cli.wording import told

MINUTE = "%a %Y-%m-%d %H:%M %Z"


def show_block(block: Block, floor: Floor, restaurant: Restaurant) -> None:
    which = f"{block.block_id} is lifted" if block.released else block.block_id
    start, end = _span(block, zone_shown(restaurant))
    seen = [
        ("block", which),
        ("tables", named(block, floor)),
        ("from", start),
        ("to", end),
    ]
    show(facts((*seen, ("cause", told(BlockCause, block.cause)), *_written(block), ("by", block.actor))))


def show_blocks(listed: Sequence[Block], floor: Floor, restaurant: Restaurant) -> None:
    zone = zone_shown(restaurant)
    rows = (
        (*_span(each, zone), each.block_id, named(each, floor), told(BlockCause, each.cause), each.note)
        for each in listed
    )
    show(grid(("from", "to", "block", "tables", "cause", "note"), rows, kept=3))


def _span(block: Block, zone: dt.tzinfo) -> tuple[str, str]:
    """Both with date and zone: many a block lasts for weeks."""
    start, end = (
        f"{instant(each).astimezone(zone):{MINUTE}}" for each in (block.window_start, block.window_end)
    )
    return start, end


def _written(block: Block) -> list[tuple[str, str]]:
    return [("note", block.note)] if block.note else []
