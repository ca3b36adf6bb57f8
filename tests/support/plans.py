"""What PostgreSQL says of how it ran a statement."""

from collections.abc import Iterator, Mapping
from typing import Any


def rows_met(plan: Mapping[str, Any], table: str) -> Iterator[float]:
    """How many rows of the table a plan has looked at, each time that it did."""
    if plan.get("Relation Name") == table and plan["Node Type"] != "ModifyTable":
        passed_over = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
        looked_at = plan["Actual Rows"] + sum(plan.get(name, 0) for name in passed_over)
        yield looked_at * plan["Actual Loops"]
    for inner in plan.get("Plans", ()):
        yield from rows_met(inner, table)
